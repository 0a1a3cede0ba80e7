//! korf: Kubernetes operators from plain async functions.
// The crate's own tests and examples write `korf::`, as its users do.
extern crate self as korf;

pub mod core;
mod error;
mod extract;
mod handler;

pub use error::{Error, Result, ResultExt};
pub use extract::{Creation, Deletion, FromCall, Needs, Scope, Update};
pub use handler::{Additions, Call, Failure, Handler, Kind, Reply, Site, States};
