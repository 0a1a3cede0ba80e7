//! The spec, as a Rust type.

use super::decode;
use crate::{
    error::Error,
    handler::{Call, FromCall, Scope},
};
use kube::core::object::HasSpec;
use serde::de::DeserializeOwned;
use std::{ops::Deref, sync::Arc};

/// The object's spec, as it is now: for kinds with `#[derive(CustomResource)]`.
///
/// In a deletion, where the present spec can't be decoded, it is the spec that was handled last.
#[derive(Clone, Debug)]
pub struct Spec<T>(pub Arc<T>);

impl<T> Deref for Spec<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Spec<T> {
    fn from(spec: T) -> Self {
        Self(Arc::new(spec))
    }
}

impl<S, T> FromCall<S> for Spec<T>
where
    S: Scope<Kind: HasSpec<Spec = T>>,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        decode::view::<Self, T>(call, || decode::spec(call)).map(Self)
    }
}
