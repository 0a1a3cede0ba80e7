//! The arguments that handlers take, each made from the call that it is part of.

mod attempt;
mod context;
mod decode;
mod diff;
mod name;
mod object;
mod old;
mod patch;
mod spec;
mod state;
#[cfg(test)]
mod tests;

pub use attempt::{Attempt, Started};
pub use diff::Diff;
pub use name::{Name, Namespace};
pub use object::Object;
pub use old::{Old, OldObject};
pub use patch::Patch;
pub use spec::Spec;
pub use state::State;
