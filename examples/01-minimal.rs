//! A first operator, which greets every `KopfExample` in the log and in the object's status.
//!
//! ```sh
//! cargo run --example 01-minimal -- crd | kubectl apply -f -
//! cargo run --example 01-minimal -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl get kopfexample kopf-example-1 -o jsonpath='{.status}'
//! ```

use korf::{Name, Result, Spec, Status};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// Something to be greeted.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex", status = "Greeting")]
struct KopfExampleSpec {
    field: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Greeting {
    message: String,
}

#[korf::on_create(KopfExample)]
async fn create(name: Name, spec: Spec<KopfExampleSpec>) -> Result<Status<Greeting>> {
    tracing::info!("And here we are! Creating: {}", spec.field);
    Ok(Status(Greeting { message: format!("hello {name}") }))
}

fn main() -> ExitCode {
    korf::cli::main("minimal")
}
