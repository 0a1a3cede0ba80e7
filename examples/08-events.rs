//! Everything that the watch says of Pods: a spy, which leaves no trace on them.
//!
//! `#[korf::on_event(Pod)]` is Kopf's `@kopf.on.event('pods')`. Such handlers have no progress, so that nothing is
//! written on the object, and none of them is tried again: an error is logged, and that's it. What Kopf has in
//! `event['type']` is the argument `EventType`; where that is `None`, here it is `Listed`.
//!
//! ```sh
//! cargo run --example 08-events -- run --all-namespaces
//! kubectl run a-pod --image=registry.k8s.io/pause
//! kubectl label pod a-pod colour=blue
//! kubectl delete pod a-pod
//! ```

use k8s_openapi::api::core::v1::Pod;
use korf::{Error, EventType, Labels, Name, Result};
use std::process::ExitCode;

#[korf::on_event(Pod)]
async fn tell(event: EventType, name: Name, labels: Labels) {
    tracing::info!("{event:?}: Pod {name} with labels {:?}", *labels);
}

/// An error is nobody else's business.
#[korf::on_event(Pod)]
async fn fail() -> Result {
    Err(Error::new("Oops!"))
}

fn main() -> ExitCode {
    korf::cli::main("events", |operator| operator)
}
