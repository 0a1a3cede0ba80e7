//! The object's metadata.

use super::{decode, shared::shared};
use crate::{
    error::Error,
    handler::{Call, FromCall, Scope},
};
use kube::core::ObjectMeta;
use serde_json::Value;
use std::{collections::BTreeMap, ops::Deref, sync::Arc};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident $field:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub BTreeMap<String, String>);

        impl Deref for $name {
            type Target = BTreeMap<String, String>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for $name {
            fn from(texts: [(K, V); N]) -> Self {
                Self(texts.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
            }
        }

        impl<S: Scope> FromCall<S> for $name {
            fn from_call(call: &Call) -> Result<Self, Error> {
                Ok(Self(texts(&call.body.value()["metadata"][$field])))
            }
        }
    )*};
}

texts! {
    /// The object's labels.
    Labels "labels"

    /// The object's annotations.
    Annotations "annotations"
}

fn texts(map: &Value) -> BTreeMap<String, String> {
    let texts = map.as_object().into_iter().flatten();
    texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The object's metadata, less `managedFields`.
#[derive(Clone, Debug, Default)]
pub struct Meta(pub Arc<ObjectMeta>);

shared!(Meta: ObjectMeta);

impl<S: Scope> FromCall<S> for Meta {
    fn from_call(call: &Call) -> Result<Self, Error> {
        decode::view::<Self, ObjectMeta>(call, || decode::meta(call)).map(Self)
    }
}
