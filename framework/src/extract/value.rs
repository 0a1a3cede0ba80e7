//! What was, what is and the status, as JSON.

use super::{decode, shared::shared};
use crate::{
    core::diff::resolve,
    error::Error,
    handler::{Call, Change, FromCall, Scope},
};
use kube::core::object::HasStatus;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

macro_rules! json {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name(pub Arc<Value>);

        shared!($name: Value);
    )*};
}

json! {
    /// The essence that was handled last, as JSON; of a handler that is for a field, that field of it. Null where there
    /// is none, as in creations.
    ///
    /// Of a Secret's data, it has digests.
    OldValue

    /// The object's essence, as JSON; of a handler that is for a field, that field of it. Null where there is none.
    ///
    /// The essence is what the user has written: the object without its status, its system metadata, and what operators
    /// keep on it. [`Body`](crate::Body) has everything. Of a Secret's data, it has digests.
    NewValue

    /// The object's status as JSON; null where it has none.
    StatusValue
}

impl<S: Change> FromCall<S> for OldValue {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(call.old.as_ref().map_or_else(Self::default, |old| Self(of_field(call, old))))
    }
}

impl<S: Change> FromCall<S> for NewValue {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(of_field(call, &call.new)))
    }
}

fn of_field(call: &Call, essence: &Arc<Value>) -> Arc<Value> {
    match &call.field {
        Some(field) => Arc::new(resolve(essence, field.keys()).clone()),
        None => Arc::clone(essence),
    }
}

impl<S: Scope> FromCall<S> for StatusValue {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(call.body.value()["status"].clone().into())
    }
}

/// The object's status in your own type, for kinds with `#[derive(CustomResource)]` and `status = "…"`; none where the
/// object has no status yet.
///
/// (A handler returns a new one by [`Status`](crate::Status).)
#[derive(Clone, Debug)]
pub struct ObjectStatus<T>(pub Arc<Option<T>>);

shared!(ObjectStatus<T>: Option<T>);

impl<S, T> FromCall<S> for ObjectStatus<T>
where
    S: Scope<Kind: HasStatus<Status = T>>,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        decode::view::<Self, Option<T>>(call, || decode::status(call)).map(Self)
    }
}
