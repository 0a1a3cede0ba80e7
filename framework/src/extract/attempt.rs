//! Attempts of a handler: their number, the start of the first one, the time since then.

use crate::{
    argument::{FromCall, Rejection},
    scope::Retried,
};
use jiff::Timestamp;
use std::time::Duration;

/// The number of attempts before this one: 0 in the first.
///
/// It is stored on the object, so that counting goes on after a restart of the operator. Those of a timer and of an
/// activity are counted in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(pub u32);

impl<S: Retried> FromCall<S> for Attempt {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(Self(S::attempt(call).number))
    }
}

/// The start of the first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Started(pub Timestamp);

impl<S: Retried> FromCall<S> for Started {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(Self(S::attempt(call).started))
    }
}

/// The time from the start of the first attempt to the start of this one: zero in the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elapsed(pub Duration);

impl<S: Retried> FromCall<S> for Elapsed {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let elapsed = S::context(call).now.duration_since(S::attempt(call).started);
        Ok(Self(Duration::try_from(elapsed).unwrap_or_default()))
    }
}
