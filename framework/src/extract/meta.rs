//! The object's metadata: names, labels, annotations, and the whole of it.

use super::{object, shared};
use crate::{
    argument::{FromCall, Rejection},
    scope::{ObjectHandlerScope, ObjectScope},
};
use kube::core::ObjectMeta;
use serde_json::Value;
use std::{collections::BTreeMap, fmt, ops::Deref, sync::Arc};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident $text:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub String);

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl<S: ObjectScope> FromCall<S> for $name {
            fn from_call(call: &S::Call) -> Result<Self, Rejection> {
                Ok(S::object(call).body.$text().into())
            }
        }
    )*};
}

names! {
    /// The object's name.
    Name name

    /// The object's uid: another one is another object, whatever its name.
    Uid uid

    /// The resource version of the object as the handler sees it. A read that is not to be older than that may be answered
    /// from the API server's cache (`GetParams::at`).
    ResourceVersion version
}

/// The object's namespace; none if it is cluster-scoped. It derefs to a `str`, which is empty then.
///
/// ```
/// use k8s_openapi::api::core::v1::{ConfigMap, Secret};
/// use korf::{ObjectNamespace, Result};
/// use kube::{Api, Client};
///
/// #[korf::on_create(ConfigMap)]
/// async fn count(namespace: ObjectNamespace, client: Client) -> Result {
///     let secrets = Api::<Secret>::namespaced(client, &namespace).list(&Default::default()).await?;
///     tracing::info!("There are {} secrets in {namespace}.", secrets.items.len());
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectNamespace(pub Option<String>);

impl Deref for ObjectNamespace {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for ObjectNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl From<&str> for ObjectNamespace {
    fn from(namespace: &str) -> Self {
        Self(Some(namespace.into()))
    }
}

impl<S: ObjectScope> FromCall<S> for ObjectNamespace {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(Self(S::object(call).body.namespace().map(Into::into)))
    }
}

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

        impl<S: ObjectScope> FromCall<S> for $name {
            fn from_call(call: &S::Call) -> Result<Self, Rejection> {
                Ok(Self(texts(&S::object(call).body.value()["metadata"][$field])))
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

impl<S: ObjectScope> FromCall<S> for Meta {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let view = S::object(call);
        object::view::<Self, ObjectMeta>(view, || object::meta(view)).map(Self)
    }
}

/// The object's generation, for a status field such as `observedGeneration`.
///
/// It is none if the kind has no status subresource: a write of the status changes the generation then, so a status that
/// repeats it would never converge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(pub Option<i64>);

impl<S: ObjectHandlerScope> FromCall<S> for Generation {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let generation = S::object(call).body.value()["metadata"]["generation"].as_i64();
        Ok(Self(generation.filter(|_| S::object_call(call).has_status_subresource())))
    }
}
