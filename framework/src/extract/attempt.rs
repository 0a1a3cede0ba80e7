//! How often, since when and for how long a handler has been tried.

use crate::{
    error::Error,
    handler::{Call, Change, FromCall},
};
use jiff::Timestamp;
use std::time::Duration;

/// The number of attempts before this one: 0 in the first.
///
/// It is kept on the object, so that it goes on after a restart of the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(pub u32);

impl<S: Change> FromCall<S> for Attempt {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(call.attempt))
    }
}

/// The start of the first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Started(pub Timestamp);

impl<S: Change> FromCall<S> for Started {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(call.started))
    }
}

/// The time from the start of the first attempt to the start of this one: zero in the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Runtime(pub Duration);

impl<S: Change> FromCall<S> for Runtime {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(Duration::try_from(call.now.duration_since(call.started)).unwrap_or_default()))
    }
}
