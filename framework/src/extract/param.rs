//! What a handler was registered with.

use super::shared::shared;
use crate::{
    error::Error,
    handler::{Call, FromCall, Needs, Scope},
};
use std::{any::type_name, sync::Arc};

/// What the handler was registered with: one function can be several handlers.
///
/// An operator one of whose handlers asks for a parameter of another type than it was given doesn't start.
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use korf::{Param, Result};
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

impl<S: Scope, T: Send + Sync + 'static> FromCall<S> for Param<T> {
    fn from_call(call: &Call) -> Result<Self, Error> {
        let param = call.param.as_ref().and_then(|param| Arc::clone(&param.value).downcast().ok());
        let missing = || Error::permanent(format!("there is no `param` of type `{}`", type_name::<T>()));
        param.map(Self).ok_or_else(missing)
    }

    fn needs(needs: &mut Needs) {
        needs.param::<T>();
    }
}
