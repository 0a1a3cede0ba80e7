//! Most tables missing: a database that may be another one, or one that is being restored; pure.

use super::{Difference, DriftHint, Plan, PlanError};

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
/// way of what restores them.
///
/// # Errors
///
/// [`PlanError::Drifted`].
pub fn hold(
    plan: Plan,
    difference: Difference,
    missing: Missing,
) -> Result<(Plan, Option<Difference>), PlanError> {
    match missing.are_too_many() {
        true => {
            let table = plan.table.place.qualified;
            Err(PlanError::Drifted { table, difference, hint: DriftHint::Most(missing) })
        }
        false => Ok((plan, Some(difference))),
    }
}
