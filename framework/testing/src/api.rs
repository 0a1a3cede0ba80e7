//! An API server in memory: what korf needs of a kube-apiserver, answered as the real one does.
//!
//! That it does is tested: one table of request sequences is run against both (`tests/conformance.rs`). It knows
//! discovery, GET, paged lists, label selectors, POST, PUT, merge patches, DELETE, the status subresource, finalizers, generations,
//! pruning and defaults by a CRD's schema, watches from a version and with streamed lists, bookmarks, and 410 for what
//! was forgotten. It does not know: field selectors, validation by a schema, server-side apply and JSON patches, dry runs,
//! namespaces as things that have to be there, garbage collection, several versions of one kind.
//!
//! All that happens is a matter of the requests, the [`Faults`] and the [time](crate::control): no threads, no
//! wall clock, names and uids from counters.

mod answer;
mod chaos;
mod fault;
mod log;
mod meta;
mod path;
mod reading;
mod rules;
mod schema;
mod selection;
mod served;
mod server;
mod service;
mod store;
mod watching;
mod writing;

pub use chaos::Chaos;
pub use fault::{Fate, Faults, Moment, Passage, Trouble};
pub use log::{Effect, Exchange, Request};
pub use served::Served;
pub use server::ApiServer;
pub use watching::WatchEvent;
