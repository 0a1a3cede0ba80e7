//! Decision: what is done about a difference that somebody has made, and what is told of it; pure.
//!
//! The spec was applied before, so its author isn't told that it can't be applied, but that the table has changed.

use super::{Compared, Difference, Forget, HELD, Missing, Plan, PlanError};
use crate::{
    catalog::Relation,
    outcome::Adoption,
    plan::{IndexConflict, error::RETRIED},
    spec::DriftPolicy,
};
use std::fmt;

/// What is done about a difference that somebody has made: the spec is as it was when it was applied last.
///
/// What loses nothing is planned under [`DriftPolicy::Repair`], and returned with what is told of it. The owner's line alone is the
/// operator's own, and no drift as long as it names the object. Whose a table is, and what may yet come, is told under both policies as it
/// is without drift.
///
/// # Errors
///
/// [`PlanError::Drifted`] in place of what tells the author of a spec that it can't be applied; otherwise what was planned.
pub fn decide(
    compared: Compared<'_>,
    planned: Result<Plan, PlanError>,
    policy: DriftPolicy,
) -> Result<(Plan, Option<Difference>), PlanError> {
    let Some(difference) = compared.difference(&planned) else { return Ok((planned?, None)) };
    let table = compared.wanted.place.qualified.clone();
    let drifted = |hint| PlanError::Drifted { table, difference: difference.clone(), hint };
    match planned {
        Err(PlanError::Incompatible { .. }) => Err(drifted(DriftHint::Lossy)),
        Err(PlanError::Renamed { wanted, pending, .. }) => {
            Err(drifted(DriftHint::Renamed { wanted, is_free: !pending.is_empty() }))
        }
        Err(PlanError::NotATable { .. }) => Err(drifted(DriftHint::Replaced)),
        // That ends by itself.
        Err(error @ PlanError::Index(IndexConflict::BeingBuilt { .. })) => Err(error),
        Err(PlanError::Index(_)) => Err(drifted(DriftHint::InTheWay)),
        Err(other) => Err(other),
        Ok(plan) => {
            if plan.adoption == Some(Adoption::ByPolicy) {
                return Ok((plan, None));
            }
            let is_ours = |relation: &Relation| relation.head.owner().is_some();
            if plan.changes.is_empty()
                && plan.steps.is_empty()
                && compared.found.here.as_ref().is_some_and(is_ours)
            {
                return Ok((plan, None));
            }
            match policy {
                DriftPolicy::Repair => Ok((plan, Some(difference))),
                DriftPolicy::Report => Err(drifted(DriftHint::Reported)),
            }
        }
    }
}

/// What has kept a difference from being put right, once that was begun; other errors aren't about the table's state.
pub fn obstructed(difference: &Difference, error: PlanError) -> PlanError {
    let (table, why, statements, hint) = match error {
        PlanError::Obstructed { table, obstacle, pending } => {
            (table, obstacle.to_string(), pending, DriftHint::Rows)
        }
        PlanError::TooSlow { table, seconds, pending } => {
            let why = format!(
                "to put that right took longer than {seconds} s, for which nobody could use the table"
            );
            (table, why, pending, DriftHint::Slow)
        }
        other => return other,
    };
    PlanError::Drifted { table, difference: Difference { statements, ..difference.and(why) }, hint }
}

/// What the server says to the statements that would have put a difference right.
pub fn rejected(difference: &Difference, table: &str, why: &str, hint: DriftHint) -> PlanError {
    let difference = difference.and(format!("it can't be put right ({why})"));
    PlanError::Drifted { table: table.to_owned(), difference, hint }
}

/// Why nothing is done about a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriftHint {
    /// It would lose something, or the server rejects it.
    Lossy,
    /// The object's table has another name.
    Renamed {
        /// The name that it should have.
        wanted: String,
        /// Whether nothing else has it.
        is_free: bool,
    },
    /// Something that is no table has its name.
    Replaced,
    /// Something else is in the place of an index.
    InTheWay,
    /// Rows are in the way.
    Rows,
    /// It takes long, and nobody can use the table meanwhile.
    Slow,
    /// The policy is to report it.
    Reported,
    /// Most tables of the database are missing, or were.
    Most(Missing, Box<Forget>),
}

impl DriftHint {
    /// Whether what is in the way may go without being seen by a look at the table: who leads the operator elsewhere, for one, changes
    /// none.
    pub fn is_tried_again(&self) -> bool {
        matches!(self, Self::InTheWay | Self::Rows | Self::Most(..))
    }
}

/// What to do.
impl fmt::Display for DriftHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lossy => f.write_str("Change it back, or the spec, or run the statements in status.pending"),
            Self::Renamed { wanted, is_free } => write!(
                f,
                "Make it {wanted} again, {}, or set tableName and schema to what it is now",
                if *is_free { "by the statements in status.pending" } else { "once nothing else has that name" }
            ),
            Self::Replaced => f.write_str(
                "Rename or drop that, and give the table its name back. If there is no such table any more, driftPolicy: Repair \
                 creates it, empty",
            ),
            Self::InTheWay => f.write_str("Change it back, or the spec. It is tried again within a minute"),
            Self::Rows => f.write_str(RETRIED),
            Self::Slow => f.write_str("Run the statements in status.pending at a time that suits"),
            Self::Reported => f.write_str(
                "Nothing is done, because driftPolicy is Report: change it back, or run the statements in status.pending, or set \
                 driftPolicy: Repair",
            ),
            Self::Most(Missing { missing, known }, forget) => write!(
                f,
                "{HELD} ({missing} of {known} are missing now), so nothing is made again, and empty: it may be another database than before, or a \
                 restore that isn't over. Lead the operator to the right one, or restore the tables; or, if this one is to be made again, \
                 forget it: {forget}"
            ),
        }
    }
}
