//! The spec, as a Rust type.

use super::{decode, shared::shared};
use crate::{
    error::Error,
    handler::{Call, FromCall, Scope},
};
use kube::core::object::HasSpec;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The object's spec, as it is now: for kinds with `#[derive(CustomResource)]`.
///
/// In a deletion, where the present spec can't be decoded, it is the spec that was handled last.
#[derive(Clone, Debug)]
pub struct Spec<T>(pub Arc<T>);

shared!(Spec<T>: T);

impl<S, T> FromCall<S> for Spec<T>
where
    S: Scope<Kind: HasSpec<Spec = T>>,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        decode::view::<Self, T>(call, || decode::spec(call)).map(Self)
    }
}
