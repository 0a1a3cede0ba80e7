//! An API server in memory that answers korf's requests as a kube-apiserver does.
//!
//! A test compares the two: one table of request sequences is run against both (`tests/conformance`). The server knows
//! discovery, GET, paged lists, label selectors, POST, PUT, merge patches, DELETE, the status subresource, finalizers,
//! generations, pruning and defaults by a CRD's schema, watches from a version and with streamed lists, bookmarks, and
//! 410 for forgotten versions. It doesn't know field selectors, validation by a schema, server-side apply, JSON patches,
//! dry runs, namespaces as objects that have to exist, garbage collection, or several versions of one kind.
//!
//! It is deterministic: everything depends on the requests, the [`Faults`] and the [time](crate::control). There are no
//! threads and no wall clock, and names and uids are counted.

mod admission;
mod answer;
mod faults;
mod list;
mod log;
mod meta;
mod schema;
mod selector;
mod served;
mod server;
mod service;
mod store;
mod target;
mod watch;
mod write;

pub use faults::{Chaos, Delivery, EventDelivery, Fault, Faults, Moment};
pub use log::{Effect, Exchange, Request};
pub use served::ServedKind;
pub use server::ApiServer;
pub use watch::WatchEvent;
