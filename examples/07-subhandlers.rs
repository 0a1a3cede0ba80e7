//! Sub-handlers, which depend on the object: one for each item of a list in its spec.
//!
//! Kopf's `@kopf.subhandler(id=item)` and `kopf.register(fn, id=item)` are `subs.add(item, closure)`. The
//! closure owns its item, and takes arguments like any handler. `await kopf.execute()` is
//! `subs.execute().await`. Each sub-handler has its own progress and retries, under the id `create/<item>`.
//! So a finished item isn't repeated because of another one, and the parent handler succeeds once all items
//! have succeeded.
//!
//! ```sh
//! cargo run --example 07-subhandlers -- crd | kubectl apply -f -
//! cargo run --example 07-subhandlers -- run --all-namespaces
//! kubectl apply -f - <<.
//! {"apiVersion": "kopf.dev/v1", "kind": "KopfExample", "metadata": {"name": "list"}, "spec": {"items": ["quick", "slow"]}}
//! .
//! ```

use korf::{Attempt, Error, Result, Spec, SubHandlers};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{process::ExitCode, time::Duration};

/// A list of things to make.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex")]
struct KopfExampleSpec {
    items: Vec<String>,
}

#[korf::on_create(KopfExample)]
async fn create(spec: Spec<KopfExampleSpec>, subs: SubHandlers<KopfExample>) -> Result {
    for item in spec.items.clone() {
        subs.add(item.clone(), async move |Attempt(before): Attempt| make(&item, before));
    }
    subs.execute().await?;
    tracing::info!("All {} items are made.", spec.items.len());
    Ok(())
}

/// Makes an item. A slow one takes two attempts.
fn make(item: &str, before: u32) -> Result {
    if item == "slow" && before == 0 {
        return Err(Error::temporary("not yet", Duration::from_secs(1)));
    }
    tracing::info!("Made {item}.");
    Ok(())
}

fn main() -> ExitCode {
    korf::cli::main("subhandlers")
}
