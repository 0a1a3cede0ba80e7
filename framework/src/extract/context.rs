//! States and the parameter, and arguments of other modules' types.

use super::shared;
use crate::{
    argument::{FromCall, Rejection, Requirements},
    core::{Reason, body::Body},
    families::{EventCall, WatchEvent, WatchEventType},
    scope::{ChangeScope, HandlerScope, ObjectScope},
};
use kube::Client;
use std::{
    any::type_name,
    ops::{Deref, DerefMut},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

/// A value that the operator was given by `.state(…)`, or by a [start-up handler](macro@crate::on_startup): a connection pool, say.
/// Each call gets a clone.
///
/// There is one state of each type: wrap two pools of one type in types of your own. An operator with a handler that takes a
/// state which it wasn't given doesn't start; an `Option<State<_>>` is none instead.
#[derive(Clone, Copy, Debug)]
pub struct State<T>(pub T);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for State<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<S: HandlerScope, T: Clone + Send + Sync + 'static> FromCall<S> for State<T> {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let missing =
            || Rejection::object(format!("no `.state(…)` of type `{}` was given", type_name::<T>()));
        S::context(call).state().cloned().map(Self).ok_or_else(missing)
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.state::<T>();
    }
}

/// The value that the handler was registered with, so that one function can be several handlers.
///
/// An operator with a handler whose parameter has another type, or is missing, doesn't start.
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use korf::{Result, extract::Param};
///
/// #[korf::on_create(ConfigMap, id = "one", param = 1)]
/// #[korf::on_create(ConfigMap, id = "two", param = 2)]
/// async fn count(number: Param<i32>) -> Result {
///     tracing::info!("{}", *number);
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Param<T>(pub Arc<T>);

shared!(Param<T>: T);

impl<S: HandlerScope, T: Send + Sync + 'static> FromCall<S> for Param<T> {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let missing = || Rejection::object(format!("there is no `param` of type `{}`", type_name::<T>()));
        S::context(call).param().map(Self).ok_or_else(missing)
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.param::<T>();
    }
}

/// The reason for which the handler is called.
impl<S: ChangeScope> FromCall<S> for Reason {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(S::change(call).reason)
    }
}

/// The watch event.
impl<K: 'static> FromCall<WatchEvent<K>> for WatchEventType {
    fn from_call(call: &EventCall) -> Result<Self, Rejection> {
        Ok(call.event)
    }
}

/// The raw object, as the API server sent it.
impl<S: ObjectScope> FromCall<S> for Body {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(S::object(call).body.clone())
    }
}

/// The operator's own client.
impl<S: HandlerScope> FromCall<S> for Client {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(S::context(call).client.clone())
    }
}

/// Cancelled when the operator stops.
impl<S: HandlerScope> FromCall<S> for CancellationToken {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(S::context(call).stop.clone())
    }
}
