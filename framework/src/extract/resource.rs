//! The kind of the object, as the API server names it.

use crate::{
    argument::{FromCall, Rejection},
    scope::{HandlerScope, ObjectScope},
};
use kube::core::ApiResource;

/// Group, version, kind and plural of the object: a handler of [`AnyKind`](crate::AnyKind) doesn't know them otherwise.
impl<S: ObjectScope + HandlerScope> FromCall<S> for ApiResource {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(S::object(call).kind().resource.clone())
    }
}
