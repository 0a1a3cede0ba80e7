//! Handlers for operators of other names: which ones an operator has left out, and which ones it must not be given.

use super::StartError;
use crate::families::{Activity, Handler, SourceLocation};

/// A handler or an activity that is left out, because it is for an operator of another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its id.
    pub id: String,
    /// The name of that operator.
    pub operator: String,
    /// Its place in the source.
    pub location: SourceLocation,
}

impl LeftOut {
    /// A handler, if it is for an operator of another name than this one.
    pub fn handler(handler: &Handler, operator: &str) -> Option<Self> {
        Self::of(handler.id(), handler.operator.as_deref(), handler.location, operator)
    }

    /// An activity, if it is for an operator of another name than this one.
    pub fn activity(activity: &Activity, operator: &str) -> Option<Self> {
        Self::of(&activity.id, activity.operator.as_deref(), activity.location, operator)
    }

    fn of(id: &str, of: Option<&str>, location: SourceLocation, operator: &str) -> Option<Self> {
        let of = of.filter(|of| *of != operator)?;
        Some(Self { id: id.to_owned(), operator: of.to_owned(), location })
    }

    /// Its place in the order of the source.
    pub fn place(&self) -> (SourceLocation, &str) {
        (self.location, &self.id)
    }

    /// What is wrong where this operator was given it by hand.
    pub fn given_to(self, operator: &str) -> StartError {
        let Self { id, operator: other, location } = self;
        StartError::OtherOperator { handler: id, other, operator: operator.to_owned(), location }
    }
}
