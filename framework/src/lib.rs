//! Kubernetes operators from plain async functions: Kopf for Rust.
//!
//! A handler is an `async fn` with an attribute that names the kind of its objects, and what it is called for:
//!
//! ```no_run
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use korf::{Name, Object, Operator, Result};
//!
//! #[korf::on_create(ConfigMap)]
//! async fn greet(map: Object<ConfigMap>, name: Name) -> Result {
//!     println!("{name} has {} keys", map.data.iter().flatten().count());
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), korf::RunError> {
//!     Operator::new("greeter").run().await
//! }
//! ```
//!
//! [`cli::main`] is a whole `main` with a command line and logs: `korf::cli::main("greeter")`.
//!
//! # Handlers
//!
//! | Attribute | The handler is called |
//! |---|---|
//! | [`on_create`](macro@on_create) | for an object that no handler of this operator has handled yet |
//! | [`on_update`](macro@on_update) | when an object differs from what was handled last, even if it changed while the operator was down |
//! | [`on_delete`](macro@on_delete) | when an object is being deleted; the object is kept until the handler has succeeded |
//! | [`on_resume`](macro@on_resume) | for an object that was handled before: after each start of the operator; at an interval, or when a [`Trigger`] asks for it |
//! | [`on_field`](macro@on_field) | when one field of an object has changed, for whatever reason |
//! | [`on_event`](macro@on_event) | once for each watch event of an object |
//! | [`timer`](macro@timer) | at an interval, while an object is there |
//! | [`watches`](macro@watches) | for each change of an object: those that it returns, of another kind, get a turn |
//! | [`daemon`](macro@daemon) | once for each object, and runs as long as the object is there |
//! | [`index`](macro@index) | for each state of an object: what it returns is found by all handlers in an [`Index`] |
//! | [`on_startup`](macro@on_startup), [`on_cleanup`](macro@on_cleanup) | before anything is watched, and after the last other handler |
//! | [`on_login`](macro@on_login) | for credentials, when the operator starts and when they are no longer accepted |
//! | [`on_probe`](macro@on_probe) | when somebody asks how the operator is |
//!
//! [`needs`](macro@needs) declares a permission that a function needs for its own requests.
//!
//! [`FromCall`] lists their arguments, [`handler::IntoReply`] what they return. The functions with the same names
//! ([`on_create()`] and so on) make handlers by hand; see [`handler`]. Work that is only known when a handler runs is for
//! [`SubHandlers`].
//!
//! ```
//! use k8s_openapi::api::core::v1::Pod;
//! use korf::prelude::*;
//!
//! /// For running pods of the web tier. One function can be the handler of several things.
//! #[korf::on_create(Pod, labels = "tier=web", when = |pod: Object<Pod>| pod.spec.iter().any(|spec| spec.node_name.is_some()))]
//! #[korf::on_resume(Pod, labels = "tier=web")]
//! async fn connect(name: Name, labels: Labels) -> Result {
//!     tracing::info!("{name} runs {:?}", labels.get("app"));
//!     Ok(())
//! }
//!
//! /// Its id is `moved/spec.nodeName`.
//! #[korf::on_field(Pod, field = "spec.nodeName", old = present, annotations = {"example.com/ignore": absent})]
//! async fn moved(old: Old<String>, new: New<Option<String>>, moves: Memo<u32>) -> Result {
//!     let count = moves.with(|moves| { *moves += 1; *moves });
//!     tracing::info!("from {} to {:?}, move {count}", *old, *new);
//!     Ok(())
//! }
//! ```
//!
//! Objects that no handler is for, by its kind and its [filters](filter), are left as they are: no log, no annotation, no
//! finalizer. An object that begins to match is a new one.
//!
//! The handlers of one object are called one after the other, in the order of the source. Those of different objects
//! run concurrently, up to a [limit](Operator::concurrency).
//!
//! # Errors
//!
//! `?` takes any error and means: try again, with a [backoff](handler::Backoff) from one second to one minute. So does
//! `Err(Error::new("a text"))`. [`ResultExt`] says more about an error:
//!
//! ```
//! use korf::{Name, Result, ResultExt};
//! use std::{fs, time::Duration};
//!
//! #[korf::on_create(k8s_openapi::api::core::v1::ConfigMap, retries = 5)]
//! async fn read(name: Name) -> Result {
//!     let text = fs::read_to_string(format!("/srv/{name}")).retry_in(Duration::from_secs(10))?;
//!     let _number: u32 = text.trim().parse().permanent()?;
//!     Ok(())
//! }
//! ```
//!
//! A handler that has failed permanently isn't called again until the object changes. A delete handler that has failed
//! permanently keeps its object; it is called again when the object changes, or the operator restarts. With the option
//! `release_on_failure` it lets the object go then, and with `optional` it never keeps it.
//!
//! # At least once
//!
//! Handlers are recorded as done on the object, after they were called. A crash between the two calls a handler again, so
//! **handlers have to be idempotent**: look at what is there before making something, name things after the object, take
//! "not found" for success in a deletion.
//!
//! Run one operator of a name at a time, or let its [`replicas`] elect who works: `--leader-elect`.
//!
//! # Terms
//!
//! [`concepts`] explains all of them. The most important ones:
//!
//! - The **essence** of an object is what its user has written: the object without its status, its system metadata, and what
//!   operators store on it. Only changes of the essence are changes for handlers.
//! - The **diff-base** is the essence that was handled last. It is stored on the object, so that a restart loses nothing. An
//!   object without one is new.
//! - A **reason** ([`Reason`]) is the difference between the two: creation, update, deletion, or resuming.
//! - A **cycle** is the handling of one change: all change handlers for it are called, and retried, until each has succeeded
//!   or failed permanently.
//! - An **attempt** ([`Attempt`]) is one call of a handler in a cycle. Attempts are counted on the object, too.
//!
//! [`storage`] describes the annotations in which all that is stored. They begin with `<operator's name>.korf.dev/`, or, for
//! an operator that replaces one written with Kopf, with Kopf's own prefix: [`Operator::kopf_compatible`]. Another prefix,
//! the status, or a [location of your own](storage::Location) are one line each.
//!
//! # Tests
//!
//! A handler stays a function, and its arguments can be made from plain values:
//!
//! ```
//! # use k8s_openapi::api::core::v1::ConfigMap;
//! # use korf::{Name, Object, Result};
//! #[korf::on_create(ConfigMap)]
//! async fn greet(map: Object<ConfigMap>, name: Name) -> Result {
//!     # let _ = (map, name);
//!     Ok(())
//! }
//!
//! # futures::executor::block_on(async {
//! assert!(greet(ConfigMap::default().into(), "a".into()).await.is_ok());
//! # });
//! ```
//!
//! The crate [`korf-testing`](../korf_testing/index.html) runs the whole operator on a cluster in memory, with time under
//! control, and kills it at every place where it can die.
// The crate's own tests and examples write `korf::`, as its users do.
extern crate self as korf;

mod argument;
mod builder;
mod call;
pub mod cli;
mod event_queue;
mod expansion;
pub(crate) use korf_core as core;
pub(crate) use korf_core::error;
pub mod extract;
mod families;
pub mod filter;
pub mod handler;
pub mod logging;
mod needs;
mod operator;
pub mod prelude;
mod registry;
mod reply;
mod runtime;
pub mod scope;
pub mod settings;

pub use argument::FromCall;
pub use core::{
    Reason,
    diff::{self, Diff},
    storage,
};
pub use error::{Error, Result, ResultExt};
pub use extract::{
    Attempt, EventRecorder, Index, Labels, Live, Memo, Name, New, Object, ObjectNamespace, ObjectPatch,
    ObjectRef, Old, OldSpec, Spec, State, Stopped, SubHandlers, Trigger,
};
pub use families::{
    AnyKind, daemon, index, on_cleanup, on_create, on_delete, on_event, on_field, on_login, on_probe,
    on_resume, on_startup, on_update, timer, watches,
};
#[doc = include_str!("../docs/daemon.md")]
pub use korf_macros::daemon;
#[doc = include_str!("../docs/index.md")]
pub use korf_macros::index;
#[doc = include_str!("../docs/needs.md")]
pub use korf_macros::needs;
#[doc = include_str!("../docs/on_cleanup.md")]
pub use korf_macros::on_cleanup;
#[doc = include_str!("../docs/on_create.md")]
pub use korf_macros::on_create;
#[doc = include_str!("../docs/on_delete.md")]
pub use korf_macros::on_delete;
#[doc = include_str!("../docs/on_event.md")]
pub use korf_macros::on_event;
#[doc = include_str!("../docs/on_field.md")]
pub use korf_macros::on_field;
#[doc = include_str!("../docs/on_login.md")]
pub use korf_macros::on_login;
#[doc = include_str!("../docs/on_probe.md")]
pub use korf_macros::on_probe;
#[doc = include_str!("../docs/on_resume.md")]
pub use korf_macros::on_resume;
#[doc = include_str!("../docs/on_startup.md")]
pub use korf_macros::on_startup;
#[doc = include_str!("../docs/on_update.md")]
pub use korf_macros::on_update;
#[doc = include_str!("../docs/timer.md")]
pub use korf_macros::timer;
#[doc = include_str!("../docs/watches.md")]
pub use korf_macros::watches;
pub use operator::{Operator, RunError, RunningOperator};
pub use reply::Status;
pub use runtime::observe;

/// The terms of korf, and its promises.
pub mod concepts {
    #![doc = include_str!("../docs/concepts.md")]
}

/// Whether an operator is alive and ready, and how the kubelet learns of it.
pub mod health {
    #![doc = include_str!("../docs/health.md")]
}

/// What the operator thinks of an object: the command `explain`.
pub mod explain {
    #![doc = include_str!("../docs/explain.md")]
}

/// How an operator gets into a cluster, and with which permissions.
pub mod installing {
    #![doc = include_str!("../docs/installing.md")]
}

/// What an operator counts of itself, for Prometheus.
pub mod metrics {
    #![doc = include_str!("../docs/metrics.md")]
    pub use prometheus_client;
}

/// What an operator does, for OpenTelemetry.
pub mod traces {
    #![doc = include_str!("../docs/traces.md")]
}

/// Replicas of one operator: who works.
pub mod replicas {
    #![doc = include_str!("../docs/replicas.md")]
}

/// Operators for the same objects, of which one is at work.
pub mod peering {
    #![doc = include_str!("../docs/peering.md")]
}

/// A dictionary from Kopf to korf.
pub mod kopf {
    #![doc = include_str!("../docs/kopf.md")]
}

/// Items that attributes expand to, and that the test kit needs.
#[doc(hidden)]
pub mod __private {
    pub use crate::expansion::*;
}
