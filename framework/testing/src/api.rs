//! An API server in memory that answers korf's requests as a kube-apiserver does.
//!
//! A test compares the two: one table of request sequences is run against both (`tests/conformance`).
//!
//! # What it knows
//!
//! - All built-in kinds of Kubernetes in their stable versions, and the custom kinds that are [served](ApiServer::serve);
//!   discovery of both
//! - GET, paged lists, label selectors; watches from a version and with streamed lists, bookmarks, 410 for forgotten
//!   versions
//! - POST, PUT, DELETE with preconditions, merge patches, JSON patches, server-side apply; the status subresource
//! - A namespace that is deleted takes its objects with it, and stays until they are gone
//! - Finalizers, generations, resource versions; pruning and defaults by a CRD's schema
//!
//! **Server-side apply** creates an object or merges into it. A manager that no longer applies a field removes it, unless
//! another one has set it, too; a field that another manager has set to another value is a conflict (409) without `force`.
//! Writes of other kinds count as those of their `fieldManager` or client. Maps are merged field by field. Lists are
//! replaced as a whole, unless a CRD's schema says otherwise (`x-kubernetes-list-type`), or they are among these:
//! finalizers, owner references, conditions; in pods, containers with their `env`, `ports` and mounts, volumes, image pull
//! secrets, host aliases and topology constraints; ports of services, secrets of service accounts, and webhooks.
//!
//! # What it doesn't know
//!
//! These are rejected with 501 and a message that says so: strategic merge patches, bodies in YAML, field selectors (but
//! for a name or a namespace), dry runs, deletions of whole collections, and subresources other than the status.
//!
//! These are silently different: there is no validation by a schema, and built-in kinds have no defaults, no cluster IPs
//! and so on; nothing that controllers do happens (no garbage collection, no pods of a deployment); namespaces don't have
//! to exist; there are no permissions; a kind has one version; `managedFields` aren't in the answers.
//!
//! It is deterministic: everything depends on the requests, the [`Faults`] and the [time](crate::control). There are no
//! threads and no wall clock, and names and uids are counted.

mod admission;
mod answer;
mod apply;
mod built_in;
mod changes;
mod faults;
mod fields;
mod list;
mod log;
mod managers;
mod meta;
mod namespaces;
mod schema;
mod selector;
mod served;
mod server;
mod service;
mod shape;
mod store;
mod target;
mod watch;
mod write;

pub use faults::{Chaos, Delivery, EventDelivery, Fault, Faults, Moment};
pub use log::{Effect, Exchange, Request};
pub use served::ServedKind;
pub use server::ApiServer;
pub use watch::WatchEvent;
