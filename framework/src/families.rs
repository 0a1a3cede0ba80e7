//! Families of handlers: one file for each, and what their handlers have in common.

mod activity;
mod any_kind;
mod change;
mod daemon;
mod event;
mod index;
mod related;
mod sub;
mod timer;

pub use activity::{
    Activity, ActivityAnswer, ActivityBuilder, ActivityCall, ActivityKind, ActivityReply, ActivityScope,
    Cleanup, IntoActivityReply, Login, Probe, Startup, on_cleanup, on_login, on_probe, on_startup,
};
pub use any_kind::{AnyKind, EventKind, KindSelection};
pub use change::{
    Change, ChangeCall, ChangeFn, ChangeHandler, Creation, Deletion, FieldChange, Resuming, Update,
    on_create, on_delete, on_field, on_resume, on_update,
};
pub use daemon::{Daemon, DaemonCall, DaemonHandler, daemon};
pub use event::{EventCall, EventHandler, WatchEvent, WatchEventType, on_event};
pub use index::{IndexCall, IndexHandler, Indexing, IntoPairs, Pairs, index};
pub use related::{IntoObjectRefs, Named, Related, RelatedCall, RelatedHandler, watches};
pub use sub::{Sub, SubCalls, SubHandler, SubHandlers};
pub use timer::{Timer, TimerCall, TimerHandler, timer};

use crate::{
    argument::{Rejection, Requirements},
    builder::KubeKind,
    core::{body::Body, filter::Filter, handler::OnChange},
    error::Error,
    reply::Reply,
};
use futures::future::BoxFuture;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    core::{ApiResource, ClusterResourceScope, NamespaceResourceScope},
    discovery::Scope,
};
use std::{
    any::{Any, TypeId, type_name},
    fmt,
    sync::Arc,
    time::Duration,
};

/// A kind of objects, as the API server knows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Kind {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Its definition, where the Rust type can generate one.
    pub definition: Option<Definition>,
    /// Whether its objects are in namespaces, where the Rust type tells.
    pub scope: Option<Scope>,
}

impl Kind {
    /// The kind of a Rust type, without a definition.
    pub(crate) fn of<K: KubeKind>() -> Self {
        Self { resource: ApiResource::erase::<K>(&()), definition: None, scope: scope_of::<K>() }
    }

    /// Whether it is this kind of objects, in any version.
    pub(crate) fn is_of(&self, resource: &ApiResource) -> bool {
        self.resource.group == resource.group && self.resource.plural == resource.plural
    }
}

/// Whether objects of a Rust type are in namespaces, where the type tells.
pub(crate) fn scope_of<K: KubeKind>() -> Option<Scope> {
    let scope = TypeId::of::<K::Scope>();
    if scope == TypeId::of::<NamespaceResourceScope>() {
        return Some(Scope::Namespaced);
    }
    (scope == TypeId::of::<ClusterResourceScope>()).then_some(Scope::Cluster)
}

/// Generates the definition of a custom kind.
pub type Definition = fn() -> CustomResourceDefinition;

/// A place in the source; it prints as `file:line`, which editors and terminals turn into a link. Handlers run in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceLocation {
    /// The file, as the compiler was given it.
    pub file: &'static str,
    /// The line, from 1 on.
    pub line: u32,
    /// The column, from 1 on.
    pub column: u32,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A value that a handler was registered with.
#[derive(Clone)]
pub struct Parameter {
    /// The value.
    pub value: Arc<dyn Any + Send + Sync>,
    /// The name of its type, for messages.
    pub name: &'static str,
}

impl Parameter {
    /// A parameter with this value.
    pub fn new<T: Send + Sync + 'static>(value: T) -> Self {
        Self { value: Arc::new(value), name: type_name::<T>() }
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Parameter").field(&self.name).finish()
    }
}

/// The future of one call of a handler.
pub type Answer = BoxFuture<'static, Result<Reply, Failure>>;

/// A handler's function, which takes its family's call.
pub type Invoke<Call> = Arc<dyn Fn(Call) -> Answer + Send + Sync>;

/// The reason why a call of a handler has no reply.
#[derive(Debug)]
pub enum Failure {
    /// An argument could not be made, and the function was not called.
    Rejected(Rejection),
    /// The function failed.
    Failed(Error),
    /// Sub-handlers are left to be retried, and the handler is called again for them.
    Children {
        /// The time to the first of them.
        after: Duration,
    },
}

/// A handler, whatever its family and its arguments.
#[derive(Clone)]
pub struct Handler {
    /// Its place in the source.
    pub location: SourceLocation,
    /// The states and parameters that its arguments are made from.
    pub requirements: Requirements,
    /// The kind of its objects.
    pub kind: Kind,
    /// A mistake in its options, with which the operator doesn't start.
    pub(crate) mistake: Option<String>,
    /// The name of the only operator that it is for.
    pub(crate) operator: Option<String>,
    /// What it is called for, its filter and its function, in its family's form.
    pub family: Family,
}

/// The families of handlers, each with calls of its own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Family {
    /// Called for changes of an object, and retried until it succeeds.
    Change(ChangeHandler),
    /// Called once for each watch event.
    Event(EventHandler),
    /// Called for each state of an object, before all others.
    Index(IndexHandler),
    /// Called for each change of an object, to tell which others get a turn.
    Related(RelatedHandler),
    /// Called for each object at intervals.
    Timer(TimerHandler),
    /// Runs for each object.
    Daemon(DaemonHandler),
}

impl Handler {
    /// The id, which names the handler in logs and in the progress records on the objects: another id is another handler.
    pub fn id(&self) -> &str {
        match &self.family {
            Family::Change(handler) => &handler.id,
            Family::Event(handler) => &handler.id,
            Family::Index(handler) => &handler.id,
            Family::Related(handler) => &handler.id,
            Family::Timer(handler) => &handler.id,
            Family::Daemon(handler) => &handler.id,
        }
    }

    /// What it is called for, in one word: `create`, `update`, `delete`, `resume`, `field`, `event`, `index`, `watches`, `timer`,
    /// `daemon`.
    pub fn called_for(&self) -> &'static str {
        match &self.family {
            Family::Change(handler) => handler.on.as_str(),
            Family::Event(_) => "event",
            Family::Index(_) => "index",
            Family::Related(_) => "watches",
            Family::Timer(_) => "timer",
            Family::Daemon(_) => "daemon",
        }
    }

    /// The filter of objects and changes.
    pub fn filter(&self) -> &Filter {
        match &self.family {
            Family::Change(handler) => &handler.filter,
            Family::Event(handler) => &handler.filter,
            Family::Index(handler) => &handler.filter,
            Family::Related(handler) => &handler.filter,
            Family::Timer(handler) => &handler.filter,
            Family::Daemon(handler) => &handler.filter,
        }
    }

    /// The value that it was registered with.
    pub fn param(&self) -> Option<&Parameter> {
        match &self.family {
            Family::Change(handler) => handler.invoke.param.as_ref(),
            Family::Event(handler) => handler.param.as_ref(),
            Family::Index(handler) => handler.param.as_ref(),
            Family::Related(handler) => handler.param.as_ref(),
            Family::Timer(handler) => handler.param.as_ref(),
            Family::Daemon(handler) => handler.param.as_ref(),
        }
    }

    /// The same handler, with something around each of its answers: from the object, the number of the attempt, and the
    /// answer. For the test kit.
    #[doc(hidden)]
    #[must_use]
    pub fn wrapped(
        self,
        wrap: impl Fn(&Body, u32, Answer) -> Answer + Clone + Send + Sync + 'static,
    ) -> Self {
        let family = match self.family {
            Family::Change(mut handler) => {
                let inner = handler.invoke.invoke;
                handler.invoke.invoke = Arc::new(move |call: ChangeCall| {
                    let (body, number) = (call.object.view.body.clone(), call.attempt.number);
                    wrap(&body, number, inner(call))
                });
                Family::Change(handler)
            }
            Family::Event(mut handler) => {
                let inner = handler.invoke;
                handler.invoke = Arc::new(move |call: EventCall| {
                    let body = call.object.view.body.clone();
                    wrap(&body, 0, inner(call))
                });
                Family::Event(handler)
            }
            // It has no answer that could be late.
            Family::Index(handler) => Family::Index(handler),
            Family::Related(handler) => Family::Related(handler),
            Family::Timer(mut handler) => {
                let inner = handler.invoke;
                handler.invoke = Arc::new(move |call: TimerCall| {
                    let (body, number) = (call.object.view.body.clone(), call.attempt.number);
                    wrap(&body, number, inner(call))
                });
                Family::Timer(handler)
            }
            Family::Daemon(mut handler) => {
                let inner = handler.invoke;
                handler.invoke = Arc::new(move |call: DaemonCall| {
                    let (body, number) = (call.object.view.body.clone(), call.attempt.number);
                    wrap(&body, number, inner(call))
                });
                Family::Daemon(handler)
            }
        };
        Self { family, ..self }
    }

    /// Whether it is called for triggers of its objects.
    pub(crate) fn resumes(&self) -> bool {
        matches!(&self.family, Family::Change(handler) if matches!(handler.on, OnChange::Resume { .. }))
    }

    /// Whether it keeps objects that are being deleted until it has succeeded.
    pub(crate) fn keeps_objects(&self) -> bool {
        match &self.family {
            Family::Change(handler) => matches!(handler.on, OnChange::Delete { optional: false, .. }),
            Family::Daemon(handler) => handler.options.finalizer,
            Family::Event(_) | Family::Index(_) | Family::Related(_) | Family::Timer(_) => false,
        }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("id", &self.id())
            .field("kind", &self.kind.resource.kind)
            .field("called_for", &self.called_for())
            .field("filter", self.filter())
            .finish_non_exhaustive()
    }
}
