//! What the object is called.

use crate::{
    error::Error,
    handler::{Call, FromCall, Scope},
};
use std::{fmt, ops::Deref};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident $text:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

        impl<S: Scope> FromCall<S> for $name {
            fn from_call(call: &Call) -> Result<Self, Error> {
                Ok(call.body.$text().into())
            }
        }
    )*};
}

names! {
    /// The object's name.
    Name name

    /// The object's uid: another one is another object, whatever its name.
    Uid uid
}

/// The object's namespace; none if it is cluster-scoped. As a text, that is an empty one.
///
/// ```
/// use k8s_openapi::api::core::v1::{ConfigMap, Secret};
/// use korf::{Namespace, Result};
/// use kube::{Api, Client};
///
/// #[korf::on_create(ConfigMap)]
/// async fn count(namespace: Namespace, client: Client) -> Result {
///     let secrets = Api::<Secret>::namespaced(client, &namespace).list(&Default::default()).await?;
///     tracing::info!("There are {} secrets in {namespace}.", secrets.items.len());
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Namespace(pub Option<String>);

impl Deref for Namespace {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

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
