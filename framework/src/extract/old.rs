//! What was handled last.

use super::decode;
use crate::{
    error::Error,
    handler::{Call, FromCall, Update},
};
use kube::core::object::HasSpec;
use serde::de::DeserializeOwned;
use std::{ops::Deref, sync::Arc};

/// The spec as it was handled last: in update handlers of kinds with `#[derive(CustomResource)]`.
#[derive(Clone, Debug)]
pub struct Old<T>(pub Arc<T>);

impl<T> Deref for Old<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Old<T> {
    fn from(spec: T) -> Self {
        Self(Arc::new(spec))
    }
}

impl<K, T> FromCall<Update<K>> for Old<T>
where
    K: HasSpec<Spec = T> + 'static,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        decode::view::<Self, T>(call, || decode::old_spec(call)).map(Self)
    }
}

/// The object as it was handled last: in update handlers of any kind, built-in ones included.
///
/// Its name, uid and other metadata are the present ones; labels and annotations are as they were; there is no status.
#[derive(Clone, Debug)]
pub struct OldObject<K>(pub Arc<K>);

impl<K> Deref for OldObject<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.0
    }
}

impl<K> From<K> for OldObject<K> {
    fn from(object: K) -> Self {
        Self(Arc::new(object))
    }
}

impl<K> FromCall<Update<K>> for OldObject<K>
where
    K: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        decode::view::<Self, K>(call, || decode::old_object(call)).map(Self)
    }
}
