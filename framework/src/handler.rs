//! A handler with its types erased, and the call that it answers.

mod argument;
mod call;
mod events;
mod scope;
mod subs;

pub(crate) use argument::Need;
pub use argument::{FromCall, Needs};
pub(crate) use call::Lost;
pub use call::{Additions, Call, EventType, Failure, Reply, States, TypeMap};
pub(crate) use events::{CAPACITY, WORD_LIMIT, cut};
pub use events::{Notice, Postbox, Severity};
pub use scope::{
    Change, Creation, Deletion, FieldChange, RawEvent, Resuming, Scope, Sub, Transition, Update,
};
pub use subs::{SubCalls, SubHandler, Unfinished};

use crate::core::{
    filter::Filter,
    retry::Limits,
    task::{Task, Trigger},
};
use futures::future::BoxFuture;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::ApiResource;
use std::{
    any::{Any, type_name},
    fmt,
    sync::Arc,
};

/// A kind of objects, as the API server knows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
#[derive(Clone)]
pub struct Parameter {
    /// The value.
    pub value: Arc<dyn Any + Send + Sync>,
    /// The name of its type, for people.
    pub name: &'static str,
}

impl Parameter {
    /// This value.
    pub fn new<T: Send + Sync + 'static>(value: T) -> Self {
        Self { value: Arc::new(value), name: type_name::<T>() }
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Parameter").field(&self.name).finish()
    }
}

/// What a handler's results are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Returns {
    /// Nothing.
    #[default]
    Nothing,
    /// A value for `status.<handler id>`.
    Value,
    /// A mapping to be merged into `status`.
    Status,
}

/// Calls a handler, whatever its types.
pub type Invoke = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Failure>> + Send + Sync>;

/// A handler with its kind, trigger, filter and limits; its types are erased.
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
    pub param: Option<Parameter>,
    /// What it returns.
    pub returns: Returns,
    /// Calls it.
    #[doc(hidden)]
    pub invoke: Invoke,
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
            .field("filter", &self.filter)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
