//! Operators for the same objects, of which one is at work: that with the greatest priority. Operators of Kopf in the same peering
//! give way, too, or are given way to.
//!
//! Run it in two terminals, with `--priority 10` in one of them. Then stop that one, and see the other one go on.
//!
//! ```sh
//! kubectl apply -f examples/peering.yaml
//! kubectl apply -f examples/peering-example.yaml
//! cargo run --example 06-peering -- crd | kubectl apply -f -
//! cargo run --example 06-peering -- run --all-namespaces
//! cargo run --example 06-peering -- freeze --all-namespaces --peering example --lifetime 60 --message "a quiet minute"
//! ```

use korf::{Name, Operator, Result};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// Something that one operator at a time handles.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex")]
struct KopfExampleSpec {
    field: String,
}

#[korf::on_create(KopfExample)]
#[korf::on_update(KopfExample)]
async fn handle(name: Name) -> Result {
    tracing::info!("Handled by this operator: {name}");
    Ok(())
}

/// As `--peering example` does. While there is no such object, the operator is paused.
fn main() -> ExitCode {
    korf::cli::main(Operator::new("peers").peering("example"))
}
