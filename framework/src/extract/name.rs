//! The object's name and namespace.

use crate::{
    error::Error,
    handler::{Call, FromCall, Scope},
};
use std::{fmt, ops::Deref};

/// The object's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(pub String);

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl<S: Scope> FromCall<S> for Name {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(call.body.name().into())
    }
}

/// The object's namespace; none if it is cluster-scoped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Namespace(pub Option<String>);

impl From<&str> for Namespace {
    fn from(namespace: &str) -> Self {
        Self(Some(namespace.into()))
    }
}

impl<S: Scope> FromCall<S> for Namespace {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(call.body.namespace().map(Into::into)))
    }
}
