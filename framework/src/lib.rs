//! korf: Kubernetes operators from plain async functions. It is Kopf's model in Rust.
//!
//! A handler is an `async fn` with an attribute that says for which kind of objects it is, and when it is called:
//!
//! ```no_run
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use korf::{Name, Object, Result};
//! use std::process::ExitCode;
//!
//! #[korf::on_create(ConfigMap)]
//! async fn greet(map: Object<ConfigMap>, name: Name) -> Result {
//!     tracing::info!("{name} has {} keys", map.data.iter().flatten().count());
//!     Ok(())
//! }
//!
//! fn main() -> ExitCode {
//!     korf::cli::main("greeter", |operator| operator)
//! }
//! ```
//!
//! [`cli`] makes a program of that, with the commands `run`, `crd` and `handlers`. An [`Operator`] can also be run by
//! a `main` of one's own.
//!
//! # Handlers
//!
//! - [`on_create`](macro@on_create): the object is new, that is, no handler of this operator has handled it before.
//! - [`on_update`](macro@on_update): it differs from what was handled last, also where that happened while the
//!   operator wasn't running. What counts is the user's part: neither the status nor other operators' annotations.
//! - [`on_delete`](macro@on_delete): it is being deleted, and waits for the handler. An operator with such handlers puts
//!   a finalizer on its objects before it calls any other handler.
//! - [`on_resume`](macro@on_resume): the operator was started, and the object was handled before.
//! - [`on_field`](macro@on_field): one field of it has changed, for whatever reason.
//! - [`on_event`](macro@on_event): the watch says something of it. These are called once, whatever comes of it.
//!
//! What they take is listed at [`FromCall`], what they return at [`IntoReply`]. The functions of the same names
//! ([`on_create()`] and so on) make handlers by hand. What is only known when a handler runs can be done by
//! [`SubHandlers`].
//!
//! ```
//! use k8s_openapi::api::core::v1::Pod;
//! use korf::{Labels, Memo, Name, NewValue, OldValue, Result};
//!
//! /// For running pods of the web tier. One function is a handler of several things.
//! #[korf::on_create(Pod, labels = {"tier": "web"}, when = |facts| facts.body.value()["spec"]["nodeName"].is_string())]
//! #[korf::on_resume(Pod, labels = {"tier": "web"})]
//! async fn connect(name: Name, labels: Labels) -> Result {
//!     tracing::info!("{name} runs {:?}", labels.get("app"));
//!     Ok(())
//! }
//!
//! /// Its id is `moved/spec.nodeName`.
//! #[korf::on_field(Pod, field = "spec.nodeName", old = present, annotations = {"example.com/ignore": absent})]
//! async fn moved(old: OldValue, new: NewValue, moves: Memo<u32>) -> Result {
//!     tracing::info!("from {} to {}, the {}th time", *old, *new, moves.with(|moves| { *moves += 1; *moves }));
//!     Ok(())
//! }
//! ```
//!
//! An object that no handler is for, by its kind and by filters such as these, is left as it is: no log, no annotation,
//! no finalizer. When it becomes one, it is new.
//!
//! The handlers of one object are called one after the other, in the order of the source. Those of different objects
//! run side by side, up to [`CONCURRENCY`].
//!
//! # Errors
//!
//! `?` takes any error, and means: try again, with a [`Backoff`] that grows from a second to a minute.
//! [`ResultExt`] says more of an error:
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
//! A handler that has failed for good isn't called again until the object changes. A deletion handler that has failed for
//! good keeps its object; it is called again when the object changes, or the operator restarts. One with the option
//! `let_go` lets the object go then, and one that is `optional` never keeps it.
//!
//! # At least once
//!
//! Which handlers are done is written on the object after they were called. A crash between the two makes a handler
//! run again, so **handlers have to be idempotent**: look at what is there before making something, name things after the
//! object, take "not found" for success in a deletion.
//!
//! There is no leader election: run one operator of a name at a time.
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
//! With the feature `testing`, `korf_testing` runs the whole operator on a cluster in memory, with time under control,
//! and kills it at every place where it can die.
//!
//! # What is kept on the object
//!
//! Annotations in Kopf's formats: see [`storage`]. They begin with `<operator's name>.korf.dev/`, or, for an
//! operator that is to follow one written with Kopf, with Kopf's own prefix: [`Operator::kopf_compatible`]. Another prefix,
//! the status, or a [place of your own](storage::Place) are a line each.
// The crate's own tests and examples write `korf::`, as its users do.
extern crate self as korf;

#[doc(hidden)]
#[path = "expansion.rs"]
pub mod __private;
mod builder;
pub mod cli;
pub(crate) use korf_core as core;
pub(crate) use korf_core::error;
mod extract;
mod handler;
pub mod logging;
mod operator;
mod registry;
mod reply;
mod runtime;
#[cfg(test)]
mod sample;

pub use builder::{
    HandlerFn, On, SubHandlers, Watched, on_create, on_delete, on_event, on_field, on_resume, on_update,
};
pub use core::{
    Reason,
    body::Body,
    diff::{self, DiffItem, Field, Op},
    filter::{Facts, Filter, Match, When},
    retry::{Backoff, Errors, Limits},
    storage,
    task::Trigger,
};
pub use error::{Error, Result, ResultExt};
pub use extract::{
    Annotations, Attempt, Diff, Events, Labels, Memo, Meta, Name, Namespace, New, NewValue, Object,
    ObjectStatus, Old, OldObject, OldValue, Owns, Param, Patch, Runtime, Spec, Started, State, StatusValue,
    Uid,
};
pub use handler::{
    Additions, Call, Change, Creation, Definition, Deletion, EventType, Failure, FieldChange, FromCall,
    Handler, Kind, Needs, Notice, Parameter, Postbox, RawEvent, Reply, Resuming, Returns, Scope, Severity,
    Site, States, Sub, SubCalls, Transition, TypeMap, Update,
};
pub use korf_macros::{on_create, on_delete, on_event, on_field, on_resume, on_update};
pub use operator::{CONCURRENCY, GRACE, Operator, RunError};
pub use registry::{Registration, Registry, StartError};
pub use reply::{IntoReply, Output, Status};
pub use tokio_util::sync::CancellationToken;
