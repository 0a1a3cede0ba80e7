//! What differs from the state that was handled last.

use super::shared::shared;
use crate::{
    core,
    error::Error,
    handler::{Call, Change, FromCall},
};
use std::sync::Arc;

/// What differs between the essence that was handled last and the present one.
///
/// In a creation it is one addition of the whole; in a deletion it is what changed and was never handled. Of a handler
/// that is for a field, it is what differs in that field, with paths that begin there. Where an object is so large that only
/// a digest of it was kept, it is one change of the whole, from null: see [`is_unknown`](crate::diff::Diff::is_unknown).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff(pub Arc<core::diff::Diff>);

shared!(Diff: core::diff::Diff);

impl<S: Change> FromCall<S> for Diff {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(call.diff.clone()))
    }
}
