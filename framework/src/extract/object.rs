//! The object, as a Rust type.

use super::{decode, shared::shared};
use crate::{
    error::Error,
    handler::{Call, FromCall, Scope},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The object, as it is now.
///
/// In a deletion, where its present state can't be decoded, it is the state that was handled last.
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
///
/// #[korf::on_create(ConfigMap)]
/// async fn count(map: korf::Object<ConfigMap>) -> korf::Result<serde_json::Value> {
///     Ok(map.data.as_ref().map_or(0, |data| data.len()).into())
/// }
///
/// # futures::executor::block_on(async {
/// // Handlers are plain functions, and a test calls them.
/// assert_eq!(count(ConfigMap::default().into()).await.unwrap(), 0);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Object<K>(pub Arc<K>);

shared!(Object<K>: K);

impl<S, K> FromCall<S> for Object<K>
where
    S: Scope<Kind = K>,
    K: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        decode::view::<Self, K>(call, || decode::object(call)).map(Self)
    }
}
