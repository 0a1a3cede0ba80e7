//! Slowness: what has taken too long isn't tried again; pure.
//!
//! Nobody can use the table meanwhile. So it isn't for a start of the operator, or for a replica that takes over, to find out once more. The
//! status remembers the statements, and of which generation of the object they are.

use super::{Claim, Plan, PlanError};
use crate::{ddl, status, transaction::STATEMENT_LIMIT};

/// The error of a plan whose changes have taken too long.
pub fn too_slow(plan: &Plan) -> PlanError {
    let (table, seconds) = (plan.table.place.qualified.clone(), STATEMENT_LIMIT.as_secs());
    PlanError::TooSlow { table, seconds, pending: statements(plan) }
}

/// Lets a plan pass, unless its statements are those that have taken too long.
///
/// # Errors
///
/// [`PlanError::TooSlow`].
pub fn hold_back(plan: Plan, claim: &Claim) -> Result<Plan, PlanError> {
    let is_known = claim.too_slow.is_some() && claim.too_slow == status::pending(&statements(&plan));
    if is_known { Err(too_slow(&plan)) } else { Ok(plan) }
}

/// All but the comment.
fn statements(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().flat_map(|step| step.statements.iter().cloned());
    ddl::changes(plan).into_iter().chain(steps).collect()
}
