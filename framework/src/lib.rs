//! korf: Kubernetes operators from plain async functions.
// The crate's own tests and examples write `korf::`, as its users do.
extern crate self as korf;

#[doc(hidden)]
#[path = "expansion.rs"]
pub mod __private;
mod builder;
pub mod cli;
pub mod core;
mod error;
mod extract;
mod handler;
pub mod logging;
mod operator;
mod registry;
mod reply;
mod runtime;
#[cfg(test)]
mod testing;

pub use builder::{HandlerFn, On, Watched, on_create, on_delete, on_update};
pub use core::{
    Reason,
    body::Body,
    retry::{Backoff, Errors},
};
pub use error::{Error, Result, ResultExt};
pub use extract::{Attempt, Diff, Name, Namespace, Object, Old, OldObject, Patch, Spec, Started, State};
pub use handler::{
    Additions, Call, Creation, Definition, Deletion, Failure, FromCall, Handler, Kind, Needs, Reply, Scope,
    Site, States, Update,
};
pub use korf_macros::{on_create, on_delete, on_update};
pub use operator::{CONCURRENCY, GRACE, Operator, RunError};
pub use registry::{Registration, Registry, StartError};
pub use reply::{IntoReply, Output, Status};
pub use tokio_util::sync::CancellationToken;
