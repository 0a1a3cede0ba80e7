//! The log lines of the runtime: Kopf's, word for word, wherever Kopf has one (kopf-parity §6).

mod object;

pub use object::*;

use super::schema::Dropped;
use crate::core::retry::seconds;
use std::{collections::BTreeSet, time::Duration};
use tracing::{debug, error, info, warn};

macro_rules! engine {
    ($level:ident, $($words:tt)+) => { $level!(target: "korf::engine", $($words)+) };
}

// The operator.

pub fn login_begins() {
    engine!(info, "Initial authentication has been initiated.");
}

pub fn login_succeeds() {
    info!(target: "korf::activities", "Activity 'login_via_client' succeeded.");
}

pub fn login_ends() {
    engine!(info, "Initial authentication has finished.");
}

pub fn stop_requested(signal: &str) {
    engine!(info, "Signal {signal} is received. Operator is stopping.");
}

/// What there is left to do when the operator is to stop.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// Handlers that run.
    pub handlers: usize,
    /// Objects that are being read or written.
    pub changes: usize,
}

pub fn waiting_for_workers(left: Left, grace: Duration) {
    let Left { handlers, changes } = left;
    let handlers = (handlers > 0).then(|| format!("for {handlers} running handler(s) to finish"));
    let changes = (changes > 0).then(|| format!("for the changes of {changes} object(s) to be stored"));
    let all: Vec<_> = handlers.into_iter().chain(changes).collect();
    engine!(info, "Waiting up to {} seconds {}.", seconds(grace), all.join(", and "));
}

pub fn abandoned(left: Left, grace: Duration) {
    let (Left { handlers, changes }, grace) = (left, seconds(grace));
    if handlers > 0 {
        engine!(
            warn,
            "{handlers} handler(s) did not finish within {grace} seconds and are cancelled; they are called again at \
             the next start."
        );
    }
    if changes > 0 {
        engine!(
            warn,
            "The changes of {changes} object(s) could not be stored within {grace} seconds; what led to them is done \
             again at the next start."
        );
    }
}

pub fn events_dropped(events: usize, why: &str) {
    engine!(warn, "{events} Kubernetes event(s) could not be posted and are dropped: {why}.");
}

pub fn events_left(events: usize) {
    if events > 0 {
        engine!(warn, "{events} Kubernetes event(s) were left to be posted when the operator had to stop.");
    }
}

pub fn saturated(waiting: usize, limit: usize) {
    engine!(
        warn,
        "All {limit} workers have been busy for 30 seconds while {waiting} objects wait. Handlers are slow, or the \
         concurrency is set too low."
    );
}

pub fn worker_lost(why: &str) {
    engine!(error, "A worker has ended in an unexpected way: {why}");
}

// Watching.

pub fn watching(title: &str, namespace: Option<&str>, selector: Option<&str>) {
    let place = namespace.map_or("the whole cluster".to_owned(), |name| format!("namespace {name:?}"));
    let only = selector.map(|selector| format!(", only what matches {selector}")).unwrap_or_default();
    engine!(debug, "Watching {title} in {place}{only}.");
}

pub fn watch_fails(server: &str, title: &str, why: &str) {
    engine!(warn, "Watching {title} at {server} fails: {why}. It is tried again until it works.");
}

pub fn watch_still_fails(title: &str, why: &str) {
    engine!(debug, "Watching {title} still fails: {why}.");
}

pub fn watch_works(title: &str) {
    engine!(info, "Watching {title} works again.");
}

pub fn listing_in_pages(title: &str) {
    engine!(debug, "The API server can't stream the initial list of {title}; it is read in pages.");
}

pub fn kind_is_missing(title: &str, built_in: bool) {
    if built_in {
        engine!(
            warn,
            "The API server doesn't know {title}: its version of Kubernetes doesn't have it yet, or no longer. The operator \
             waits for it."
        );
        return;
    }
    engine!(
        warn,
        "The API server doesn't know {title}. Install its CRD (the command `crd` prints those that are known); \
         the operator waits for it."
    );
}

pub fn kind_is_there(title: &str) {
    engine!(info, "The API server knows {title} now.");
}

pub fn discovery_fails(server: &str, title: &str, why: &str) {
    engine!(warn, "Asking {server} about {title} fails: {why}. It is tried again until it works.");
}

pub fn results_dropped(title: &str, dropped: &BTreeSet<Dropped>) {
    if !dropped.is_empty() {
        let fields =
            dropped.iter().map(|Dropped { field, handler }| format!("{field} (handler '{handler}')"));
        engine!(
            warn,
            "The schema of {title} has no room for what handlers return, so the API server drops it: {}. Add these \
             fields to the schema in its CRD, or `x-kubernetes-preserve-unknown-fields: true` to its `status`.",
            fields.collect::<Vec<_>>().join(", ")
        );
    }
}

pub fn definition_unread(name: &str, why: &str) {
    engine!(debug, "Whether {name} has room for results is not known: its definition can't be read: {why}.");
}

pub fn status_is_pruned(title: &str) {
    engine!(
        error,
        "The API server doesn't keep what the operator writes into the status of {title}: the kind has no status, or its \
         schema drops the field. Progress is kept in annotations instead. Allow the field in the schema (by \
         `x-kubernetes-preserve-unknown-fields: true`), or don't ask for the status storage."
    );
}
