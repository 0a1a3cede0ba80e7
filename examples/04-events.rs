//! Kubernetes events about an object: what `kubectl describe` shows below it.
//!
//! Kopf's `kopf.info(obj, reason=…, message=…)` and `kopf.warn` are methods of the argument `Events`, for the handler's
//! object; `events.about(&child)` is for another one. What `kopf.exception` posts is a warning with the error as its
//! message. There is no `kopf.event(type='SomeType')`: Kubernetes has the types Normal and Warning, and refuses others.
//!
//! They are posted beside the handler, which neither waits for them nor fails by them.
//!
//! ```sh
//! cargo run --example 04-events -- crd | kubectl apply -f -
//! cargo run --example 04-events -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl events --for=kex/kopf-example-1
//! ```

use korf::{Events, Result, Spec};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// Something to be handled.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex")]
struct KopfExampleSpec {
    field: String,
}

#[korf::on_create(KopfExample)]
async fn create(spec: Spec<KopfExampleSpec>, events: Events) -> Result {
    events.info("SomeReason", "Some message");
    match spec.field.parse::<u32>() {
        Ok(number) => events.info("Number", format!("{number} is a number.")),
        Err(error) => events.warn("NotANumber", error),
    }
    Ok(())
}

fn main() -> ExitCode {
    korf::cli::main("events", |operator| operator)
}
