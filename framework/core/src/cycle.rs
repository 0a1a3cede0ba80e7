//! Cycle: the handling of one change of one object.
//!
//! A turn reads the object ([`Reading`]) and [`plan()`]s the next step. If handlers are due, the plan is a [`Cycle`]:
//! the runtime calls them, and [`Cycle::settle`] turns their outcomes into one patch. The answer to that
//! patch is the next object to be read.

mod explain;
mod handling;
mod owed;
mod plan;
mod reading;
mod settle;
mod setup;
mod subs;
#[cfg(test)]
mod tests;

pub use explain::{Explanation, HandlerExplanation, Next, Standing, explain};
pub use handling::{Cycle, Ready, is_below};
pub use plan::{Idle, Plan, is_concerned, left_out, plan};
pub use reading::Reading;
pub use settle::{CycleState, HandlerOutcome, Settled, SubOutcome};
pub use setup::Setup;
pub use subs::{ParentState, SubState};
