//! The object, its parts and its previous state: in Rust types, or as JSON.

mod decode;

pub(super) use decode::{meta, view};

use super::{
    fit::{IsKind, SpecIs, StatusIs},
    shared,
};
use crate::{
    argument::{FromCall, Rejection},
    core::diff::{Diff, resolve},
    families::{Change, ChangeCall, FieldChange, Update},
    reply::Status,
    scope::{ChangeScope, ObjectScope},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// The object in your own type.
///
/// In a deletion, a present state that can't be decoded is replaced by the one that was handled last.
///
/// The name is Kubernetes' word. `kube::core::Object` has it, too: that one is for kinds without a Rust type of their own, which
/// korf's handlers don't take, so no file needs both.
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
    S: ObjectScope<Kind: IsKind<K>>,
    K: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let object = S::object(call);
        view::<Self, K>(object, || decode::object(object)).map(Self)
    }
}

/// The object's spec in your own type, for kinds with `#[derive(CustomResource)]`.
///
/// In a deletion, a present spec that can't be decoded is replaced by the one that was handled last.
#[derive(Clone, Debug)]
pub struct Spec<T>(pub Arc<T>);

shared!(Spec<T>: T);

impl<S, T> FromCall<S> for Spec<T>
where
    S: ObjectScope<Kind: SpecIs<T>>,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let object = S::object(call);
        view::<Self, T>(object, || decode::spec(object)).map(Self)
    }
}

/// The spec as it was handled last; for `on_update` only, for kinds with `#[derive(CustomResource)]`.
///
/// It is rejected if it doesn't fit the type (because an older version of the operator has handled the object, say), and for
/// very large objects, of which only a digest is stored (see [`storage`](crate::storage)). The handler fails permanently then,
/// as by a [permanent](crate::Error::permanent) error, and the present state becomes what was handled last. A handler that
/// has to go on nevertheless takes an `Option<OldSpec<_>>`, or an [`OldValue`], which may be null.
#[derive(Clone, Debug)]
pub struct OldSpec<T>(pub Arc<T>);

shared!(OldSpec<T>: T);

impl<K, T> FromCall<Update<K>> for OldSpec<T>
where
    K: SpecIs<T> + 'static,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &ChangeCall) -> Result<Self, Rejection> {
        let (object, change) = (Update::<K>::object(call), &call.change);
        view::<Self, T>(object, || decode::old_spec(object, change)).map(Self)
    }
}

/// The handler's field as it was handled last, in your own type; for `on_field` only.
///
/// A field that may have been absent is an `Old<Option<u32>>`. If the field doesn't fit the type, the handler fails
/// permanently; an `Option<Old<_>>` is none then. [`OldValue`] is the same as JSON.
#[derive(Clone, Debug)]
pub struct Old<T>(pub Arc<T>);

shared!(Old<T>: T);

impl<K, T> FromCall<FieldChange<K>> for Old<T>
where
    K: 'static,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &ChangeCall) -> Result<Self, Rejection> {
        Ok(Self(Arc::new(decode::old_field(FieldChange::<K>::object(call), &call.change)?)))
    }
}

/// The handler's field as it is now, in your own type; for `on_field` only.
///
/// A field that may be absent is a `New<Option<u32>>`. [`NewValue`] is the same as JSON.
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
    fn from_call(call: &ChangeCall) -> Result<Self, Rejection> {
        Ok(Self(Arc::new(decode::new_field(FieldChange::<K>::object(call), &call.change)?)))
    }
}

/// The object as it was handled last; for `on_update` only, for any kind.
///
/// Its name, uid and other metadata are the present ones; labels and annotations are as they were; there is no status.
#[derive(Clone, Debug)]
pub struct OldObject<K>(pub Arc<K>);

shared!(OldObject<K>: K);

impl<U, K> FromCall<Update<U>> for OldObject<K>
where
    U: IsKind<K> + 'static,
    K: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &ChangeCall) -> Result<Self, Rejection> {
        let (object, change) = (Update::<U>::object(call), &call.change);
        view::<Self, K>(object, || decode::old_object(object, change)).map(Self)
    }
}

/// The object in a type that reads only what the handler needs: for kinds whose schema promises nothing, for example.
///
/// The type's `Deserialize` decides what fits; one that accepts everything is never rejected.
///
/// ```
/// use k8s_openapi::api::apps::v1::Deployment;
/// use korf::{Result, extract::ObjectAs};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Scaled {
///     spec: Replicas,
/// }
///
/// #[derive(Deserialize)]
/// struct Replicas {
///     replicas: u32,
/// }
///
/// #[korf::on_create(Deployment)]
/// async fn log_replicas(scaled: ObjectAs<Scaled>) -> Result {
///     tracing::info!("{} replicas", scaled.spec.replicas);
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ObjectAs<T>(pub Arc<T>);

shared!(ObjectAs<T>: T);

impl<S, T> FromCall<S> for ObjectAs<T>
where
    S: ObjectScope,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let object = S::object(call);
        view::<Self, T>(object, || decode::object(object)).map(Self)
    }
}

/// The object as it was handled last, in a type that reads only what the handler needs; for all change handlers.
///
/// It has no status. It is rejected where nothing has handled the object yet: see [`OldSpec`].
#[derive(Clone, Debug)]
pub struct OldObjectAs<T>(pub Arc<T>);

shared!(OldObjectAs<T>: T);

impl<S, T> FromCall<S> for OldObjectAs<T>
where
    S: ChangeScope,
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let (object, change) = (S::object(call), S::change(call));
        view::<Self, T>(object, || decode::old_object(object, change)).map(Self)
    }
}

/// The difference between the essence that was handled last and the present one.
///
/// In a creation it is one addition of the whole; in a deletion it is what changed and was never handled. For a handler
/// with a field, it is the difference in that field, with paths that begin there. For an object so large that only a digest
/// of it was stored, it is one change of the whole, from null: see [`Diff::is_unknown`].
impl<S: ChangeScope> FromCall<S> for Diff {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(S::change(call).diff.clone())
    }
}

macro_rules! json {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name(pub Arc<Value>);

        shared!($name: Value);
    )*};
}

json! {
    /// The essence that was handled last, as JSON; for a handler with a field, that field. Null if there is none, as in
    /// creations.
    ///
    /// A Secret's data is replaced by digests.
    OldValue

    /// The object's essence, as JSON; for a handler with a field, that field. Null if there is none.
    ///
    /// The essence is what the user has written: the object without its status, its system metadata, and what operators
    /// store on it. [`Body`](crate::extract::Body) has everything. A Secret's data is replaced by digests.
    NewValue

    /// The object's status as JSON; null if it has none.
    StatusValue
}

impl<S: ChangeScope> FromCall<S> for OldValue {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let change = S::change(call);
        Ok(change.old.as_ref().map_or_else(Self::default, |old| Self(of_field(change, old))))
    }
}

impl<S: ChangeScope> FromCall<S> for NewValue {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let change = S::change(call);
        Ok(Self(of_field(change, &change.new)))
    }
}

fn of_field(change: &Change, essence: &Arc<Value>) -> Arc<Value> {
    match &change.field {
        Some(field) => Arc::new(resolve(essence, field.keys()).clone()),
        None => Arc::clone(essence),
    }
}

impl<S: ObjectScope> FromCall<S> for StatusValue {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(S::object(call).body.value()["status"].clone().into())
    }
}

/// Rejected while the object has no status.
impl<S, T> FromCall<S> for Status<T>
where
    S: ObjectScope<Kind: StatusIs<T>>,
    T: DeserializeOwned,
{
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        decode::status(S::object(call)).map(Self)
    }
}
