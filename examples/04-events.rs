//! Kubernetes events about an object, as `kubectl describe` shows them.
//!
//! Kopf's `kopf.info(obj, reason=…, message=…)` and `kopf.warn` are methods of the argument `EventRecorder`, for the
//! handler's object. Use `events.about(&child)` for another object. For `kopf.exception`, post a warning with
//! the error as its message. There is no `kopf.event(type='SomeType')`, because Kubernetes rejects types
//! other than Normal and Warning.
//!
//! EventRecorder are posted in the background. They never delay or fail the handler.
//!
//! ```sh
//! cargo run --example 04-events -- crd | kubectl apply -f -
//! cargo run --example 04-events -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl events --for=kex/kopf-example-1
//! ```

use korf::{EventRecorder, Result, Spec};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// An object for the handlers.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex")]
struct KopfExampleSpec {
    field: String,
}

#[korf::on_create(KopfExample)]
async fn create(spec: Spec<KopfExampleSpec>, events: EventRecorder) -> Result {
    events.info("SomeReason", "Some message");
    match spec.field.parse::<u32>() {
        Ok(number) => events.info("Number", format!("{number} is a number.")),
        Err(error) => events.warn("NotANumber", error),
    }
    Ok(())
}

fn main() -> ExitCode {
    korf::cli::main("events")
}
