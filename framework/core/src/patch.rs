//! Patch of a cycle: from the edits that handlers ask for, and the state that korf stores, to guarded requests.
//!
//! One cycle accumulates everything that it writes in [`Edits`]. They are drafted for one state of the object ([`Draft`]),
//! which gives at most two merge patches ([`Request`]).

mod draft;
mod edits;
mod request;
#[cfg(test)]
pub(crate) mod tests;

pub use draft::{Draft, Omit};
pub use edits::{Edit, Edits, Finalizer, Function};
pub use request::Request;
