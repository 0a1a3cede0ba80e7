//! Timers: called for each object at intervals, while it is there.
//!
//! `#[korf::timer(KopfExample, interval = 1s)]` is Kopf's `@kopf.timer('kopfexamples', interval=1)`. The interval counts from
//! the end of a call to the start of the next one; with `sharp`, from start to start. `idle` waits until the object's user
//! has left it unchanged for that time. Unlike Kopf's, timers put no finalizer on their objects, and cost no request while
//! nothing changes.
//!
//! ```sh
//! cargo run --example 15-timers -- crd | kubectl apply -f -
//! cargo run --example 15-timers -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl get kopfexamples
//! ```

use korf::{Attempt, Error, Memo, Name, Result, Status};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// An object for the handlers.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex", status = "Beats")]
struct KopfExampleSpec {
    field: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Beats {
    thirds: u64,
}

/// The status is written only when it has changed: here, at every third call.
#[korf::timer(KopfExample, interval = 1s)]
async fn beat(name: Name, beats: Memo<u64>) -> Result<Status<Beats>> {
    let beat = beats.with(|beats| {
        *beats += 1;
        *beats
    });
    tracing::info!("{name}: beat {beat}");
    Ok(Status(Beats { thirds: beat / 3 }))
}

/// Retries come after delays of their own; the next run is one interval after the last of them.
#[korf::timer(KopfExample, interval = 5s, sharp, retries = 3, backoff = 500ms)]
async fn stumble(attempt: Attempt) -> Result {
    if attempt.0 < 2 {
        return Err(Error::new("Oops!"));
    }
    Ok(())
}

#[korf::timer(KopfExample, interval = 10s, initial_delay = 1s, idle = 3s)]
async fn rest(name: Name) {
    tracing::info!("{name} has not been changed for a while");
}

fn main() -> ExitCode {
    korf::cli::main("timers")
}
