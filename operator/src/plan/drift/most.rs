//! Most tables missing: a database that may be another one, or one that is being restored; pure.

use super::{Difference, DriftHint, Plan, PlanError};
use crate::{marker::Owner, plan::Claim};
use std::fmt;

/// The words by which a status tells that a table was held back.
pub const HELD: &str = "So were most of the operator's tables in this database";

/// What lets a table be made that the status says was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forget {
    namespace: String,
    name: String,
}

impl Forget {
    /// For an object.
    pub fn by(owner: &Owner) -> Self {
        Self { namespace: owner.namespace.clone(), name: owner.name.clone() }
    }
}

/// The command.
impl fmt::Display for Forget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kubectl patch databasetable {} -n {} --subresource=status --type=merge -p '{{\"status\": {{\"table\": null}}}}'",
            self.name, self.namespace
        )
    }
}

/// How many of the tables that the operator knows in a database are missing there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Those that are missing.
    pub missing: usize,
    /// All that were asked for.
    pub known: usize,
}

impl Missing {
    /// Whether it isn't the tables that somebody has dropped: one or two may be all that there are.
    fn are_too_many(self) -> bool {
        self.missing >= FEW && self.missing * 2 > self.known
    }
}

/// The fewest missing tables with which a database may be another one, or one that is being restored.
const FEW: usize = 3;

/// Holds back a table that would be made again, if it is missing with most others of its database: they would all be empty, and in the
/// way of what restores them. It stays so, however many are back by then, until it is back itself, or the object forgets it.
///
/// # Errors
///
/// [`PlanError::Drifted`].
pub fn hold(plan: &Plan, difference: Difference, missing: Missing, claim: &Claim) -> Result<(), PlanError> {
    if !claim.was_held && !missing.are_too_many() {
        return Ok(());
    }
    let (table, forget) = (plan.table.place.qualified.clone(), Forget::by(&claim.owner));
    Err(PlanError::Drifted { table, difference, hint: DriftHint::Most(missing, Box::new(forget)) })
}
