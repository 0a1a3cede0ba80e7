//! A handler with its types erased, and the call that it answers.

mod argument;
mod call;
mod subs;

pub use argument::{Creation, Deletion, FromCall, Needs, Scope, Update};
pub use call::{Additions, Call, EventType, Failure, Reply, States, TypeMap};
pub use subs::{SubCalls, SubHandler, Unfinished};

use crate::core::{
    filter::Filter,
    retry::Limits,
    task::{Task, Trigger},
};
use futures::future::BoxFuture;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::ApiResource;
use std::{any::Any, fmt, sync::Arc};

/// A kind of objects, as the API server knows it.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Its definition, where the Rust type can generate one.
    pub definition: Option<Definition>,
}

/// Generates the definition of a custom kind.
pub type Definition = fn() -> CustomResourceDefinition;

/// Where a handler stands in the source: file, line, column. Handlers run in this order.
pub type Site = (&'static str, u32, u32);

/// A value that a handler was registered with.
pub type Param = Arc<dyn Any + Send + Sync>;

/// Calls a handler, whatever its types.
pub type Invoke = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Failure>> + Send + Sync>;

/// A handler with its kind, reason and limits; its types are erased.
#[derive(Clone)]
pub struct Handler {
    /// Names the handler in logs and, kept on the objects, in progress records: another id is another handler.
    pub id: String,
    /// What it handles.
    pub kind: Kind,
    /// What calls it.
    pub trigger: Trigger,
    /// The objects and changes that it is for.
    pub filter: Filter,
    /// How long and how often it is tried.
    pub limits: Limits,
    /// The state that its arguments are made from.
    pub needs: Needs,
    /// Where it stands in the source.
    pub site: Site,
    /// What the handler takes as its parameter: one function may be registered several times.
    pub param: Option<Param>,
    pub(crate) invoke: Invoke,
}

impl Handler {
    /// The handler, as far as planning goes.
    pub(crate) fn task(&self) -> Task {
        Task {
            id: self.id.clone(),
            on: self.trigger,
            filter: self.filter.clone(),
            limits: self.limits.clone(),
        }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("id", &self.id)
            .field("kind", &self.kind.resource.kind)
            .field("trigger", &self.trigger)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
