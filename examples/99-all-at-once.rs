//! All at once, as in Kopf's example of this number: start-up, clean-up, results, retries, Events, a child and its events.
//!
//! ```sh
//! cargo run --example 99-all-at-once -- crd | kubectl apply -f -
//! cargo run --example 99-all-at-once -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! ```

use k8s_openapi::api::core::v1::Pod;
use korf::{Diff, prelude::*};
use kube::{Api, Client, CustomResource, ResourceExt, api::Patch, api::PatchParams};
use serde_json::{Value, json};
use std::{collections::BTreeMap, process::ExitCode, time::Duration};

#[derive(CustomResource, Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples", namespaced)]
#[kube(shortname = "kex", status = "BTreeMap<String, BTreeMap<String, u32>>")]
struct KopfExampleSpec {
    field: String,
    lst: Option<Vec<String>>,
}

#[korf::on_startup]
async fn startup_fn_simple() {}

#[korf::on_startup]
async fn startup_fn_retried(attempt: Attempt) -> Result {
    if attempt.0 < 3 { Err(Error::temporary("not yet", Duration::from_secs(1))) } else { Ok(()) }
}

#[korf::on_cleanup]
async fn cleanup_fn() {
    tracing::info!("Cleaning up.");
}

#[korf::on_create(KopfExample)]
async fn create_1(events: EventRecorder) -> Result<Value> {
    events.info("AnyReason", "The first job is done.");
    Ok(json!({"job1-status": 100}))
}

#[korf::on_create(KopfExample, backoff = 1s)]
async fn create_2(attempt: Attempt) -> Result<Value> {
    if attempt.0 == 0 { Err(Error::new("Whoops!")) } else { Ok(json!({"job2-status": 100})) }
}

#[korf::on_create(KopfExample)]
#[korf::needs(Pod, create, patch)]
async fn create_pod(example: Object<KopfExample>, namespace: ObjectNamespace, client: Client) -> Result {
    let spec = json!({"spec": {"containers": [{"name": "the-only-one", "image": "busybox"}]}});
    let mut pod: Pod = serde_json::from_value(spec)?;
    example.adopt(&mut pod)?;
    pod.labels_mut().insert("application".into(), "kopf-example-10".into());
    let pods = Api::<Pod>::namespaced(client, &namespace);
    pods.patch(&pod.name_any(), &PatchParams::apply("all-at-once"), &Patch::Apply(&pod)).await?;
    Ok(())
}

#[korf::on_update(KopfExample)]
async fn update(diff: Diff) {
    tracing::info!("Handling the diff {diff}.");
}

#[korf::on_field(KopfExample, field = "spec.lst")]
async fn update_lst(old: Old<Option<Vec<String>>>, new: New<Option<Vec<String>>>) {
    tracing::info!("Handling the field: from {:?} to {:?}.", *old, *new);
}

#[korf::on_delete(KopfExample)]
async fn delete() {}

#[korf::on_event(Pod, labels = "application=kopf-example-10")]
async fn example_pod_change() {
    tracing::info!("This Pod is special for us.");
}

fn main() -> ExitCode {
    korf::cli::main("all-at-once")
}
