//! What was handled last.

use super::{decode, shared::shared};
use crate::{
    error::Error,
    handler::{Call, FieldChange, FromCall, Update},
};
use kube::core::object::HasSpec;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What was handled last, in your own type.
///
/// In update handlers it is the spec, for kinds with `#[derive(CustomResource)]`. In handlers of a field, it is that
/// field: `Old<Option<u32>>` where the field may have been absent. [`OldValue`](crate::OldValue) is the same as JSON.
///
/// It can't be had where it doesn't fit the type (the object was handled by an older version of the operator, say), nor of
/// very large objects, of which only a digest is kept (see [`storage`](crate::storage)). Then the handler fails for good, as by
/// a [permanent](crate::Error::permanent) error, and what is there now is what was handled last for the next update. A
/// handler that has to go on nevertheless takes an [`OldValue`](crate::OldValue), which may be null.
#[derive(Clone, Debug)]
pub struct Old<T>(pub Arc<T>);

shared!(Old<T>: T);

impl<K, T> FromCall<Update<K>> for Old<T>
where
    K: HasSpec<Spec = T> + 'static,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        decode::view::<Self, T>(call, || decode::old_spec(call)).map(Self)
    }
}

/// The field as it was handled last.
impl<K, T> FromCall<FieldChange<K>> for Old<T>
where
    K: 'static,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(Arc::new(decode::old_field(call)?)))
    }
}

/// The field that the handler is for, as it is now, in your own type: in handlers of a field alone.
///
/// Where the field may be absent, it is `New<Option<u32>>`. [`NewValue`](crate::NewValue) is the same as JSON.
///
/// ```
/// use k8s_openapi::api::core::v1::Pod;
/// use korf::{New, Old, Result};
///
/// #[korf::on_field(Pod, field = "spec.activeDeadlineSeconds")]
/// async fn deadline(old: Old<Option<u32>>, new: New<Option<u32>>) -> Result {
///     tracing::info!("{:?} became {:?}", *old, *new);
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct New<T>(pub Arc<T>);

shared!(New<T>: T);

impl<K, T> FromCall<FieldChange<K>> for New<T>
where
    K: 'static,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(Arc::new(decode::new_field(call)?)))
    }
}

/// The object as it was handled last: in update handlers of any kind, built-in ones included.
///
/// Its name, uid and other metadata are the present ones; labels and annotations are as they were; there is no status.
#[derive(Clone, Debug)]
pub struct OldObject<K>(pub Arc<K>);

shared!(OldObject<K>: K);

impl<K> FromCall<Update<K>> for OldObject<K>
where
    K: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        decode::view::<Self, K>(call, || decode::old_object(call)).map(Self)
    }
}
