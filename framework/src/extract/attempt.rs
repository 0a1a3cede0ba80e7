//! How often, and since when, a handler has been tried.

use crate::{
    error::Error,
    handler::{Call, FromCall, Scope},
};
use jiff::Timestamp;

/// The number of attempts before this one: 0 in the first.
///
/// It is kept on the object, so that it goes on after a restart of the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(pub u32);

impl<S: Scope> FromCall<S> for Attempt {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(call.attempt))
    }
}

/// The start of the first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Started(pub Timestamp);

impl<S: Scope> FromCall<S> for Started {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(call.started))
    }
}
