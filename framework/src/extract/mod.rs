//! The arguments that handlers take, each made from the call that it is part of.

mod adoption;
mod attempt;
mod context;
mod decode;
mod diff;
mod events;
mod memo;
mod meta;
mod name;
mod object;
mod old;
mod param;
mod patch;
mod shared;
mod spec;
mod state;
#[cfg(test)]
mod tests;
mod value;

pub use adoption::Owns;
pub use attempt::{Attempt, Runtime, Started};
pub use diff::Diff;
pub use events::Events;
pub use memo::Memo;
pub use meta::{Annotations, Labels, Meta};
pub use name::{Name, Namespace, Uid};
pub use object::Object;
pub use old::{New, Old, OldObject};
pub use param::Param;
pub use patch::Patch;
pub use spec::Spec;
pub use state::State;
pub use value::{NewValue, ObjectStatus, OldValue, StatusValue};
