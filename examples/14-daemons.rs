//! Daemons: one task for each object, for as long as it is there.
//!
//! `#[korf::daemon(KopfExample)]` is Kopf's `@kopf.daemon('kopfexamples')`. A daemon is told to stop by `Stopped`, as by Kopf's
//! `stopped`, and dropped at an `.await` if it doesn't listen. What it patches is written while it runs. Unlike Kopf's, it puts no
//! finalizer on the object, unless it has the option `finalizer`.
//!
//! ```sh
//! cargo run --example 14-daemons -- crd | kubectl apply -f -
//! cargo run --example 14-daemons -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl annotate kopfexample kopf-example-1 someannotation=somevalue
//! kubectl delete -f examples/kopf-example.yaml
//! ```

use korf::{Attempt, Error, Live, ObjectPatch, Result, Stopped};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{process::ExitCode, time::Duration};
use tokio::time::{Instant, sleep};

/// An object for the handlers.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex", status = "Message")]
struct KopfExampleSpec {
    field: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Message {
    message: String,
}

const SECOND: Duration = Duration::from_secs(1);

/// Fails three times, then runs for half a minute, unless it is stopped. After that, it isn't started again for this object.
#[korf::daemon(KopfExample)]
async fn background_sync(
    example: Live<KopfExample>,
    attempt: Attempt,
    patch: ObjectPatch,
    stopped: Stopped,
) -> Result {
    if attempt.0 < 3 {
        patch.status(Message { message: format!("Failed {} times.", attempt.0 + 1) })?;
        return Err(Error::temporary("Simulated failure.", SECOND));
    }
    let begun = Instant::now();
    while begun.elapsed() < 30 * SECOND {
        tracing::info!("=> Ping from a patient daemon: field={:?}", example.get()?.spec.field);
        if stopped.wait_for(5 * SECOND).await {
            break;
        }
    }
    patch.status(Message { message: "Accompanying is finished.".into() })
}

/// Runs until it is cancelled, a second after it was told to stop. It doesn't listen.
#[korf::daemon(
    KopfExample,
    annotations = {"someannotation": "somevalue"},
    cancellation_backoff = 1s,
    cancellation_timeout = 500ms
)]
async fn background_async(example: Live<KopfExample>) -> Result {
    loop {
        tracing::info!("=> Ping from an endless daemon: field={:?}", example.get()?.spec.field);
        sleep(5 * SECOND).await;
    }
}

fn main() -> ExitCode {
    korf::cli::main("daemons")
}
