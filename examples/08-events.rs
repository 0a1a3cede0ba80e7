//! Event handlers, which see every watch event of a kind, here of Pods, and change nothing.
//!
//! `#[korf::on_event(Pod)]` is Kopf's `@kopf.on.event('pods')`. Event handlers have no progress, so nothing is written to
//! the object, and they aren't retried: errors are only logged. Kopf's `event['type']` is the argument
//! `WatchEventType`, with `Listed` instead of `None`.
//!
//! ```sh
//! cargo run --example 08-events -- run --all-namespaces
//! kubectl run a-pod --image=registry.k8s.io/pause
//! kubectl label pod a-pod colour=blue
//! kubectl delete pod a-pod
//! ```

use k8s_openapi::api::core::v1::Pod;
use korf::{Error, Labels, Name, Result, extract::WatchEventType};
use std::process::ExitCode;

#[korf::on_event(Pod)]
async fn log_event(event: WatchEventType, name: Name, labels: Labels) {
    tracing::info!("{event:?}: Pod {name} with labels {:?}", *labels);
}

/// Fails, which affects no other handler.
#[korf::on_event(Pod)]
async fn fail() -> Result {
    Err(Error::new("Oops!"))
}

fn main() -> ExitCode {
    korf::cli::main("events")
}
