//! Change handlers of all kinds: create, update, delete, resume and field handlers.
//!
//! For each change, handlers are called one after the other, in the order of this file. Kopf's `old`, `new`
//! and `diff` are arguments by type. In `on_update`, `OldSpec<_>` is the spec that was handled last. In
//! `on_field`, it is the field.
//!
//! ```sh
//! cargo run --example 05-handlers -- crd | kubectl apply -f -
//! cargo run --example 05-handlers -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl patch kex kopf-example-1 --type=merge -p '{"spec": {"field": "other"}}'
//! ```
//!
//! Restart the operator to see the resume handlers. Finally, `kubectl delete -f examples/kopf-example.yaml`.

use korf::{Diff, New, Old, OldSpec, Reason, Result, Spec};
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

/// Called for objects that existed before the operator started.
#[korf::on_resume(KopfExample)]
async fn resume_1() {
    tracing::info!("RESUMED 1st");
}

/// Called whenever the operator sees an object for the first time, which is useful to open a connection, for
/// example.
#[korf::on_resume(KopfExample)]
#[korf::on_create(KopfExample)]
async fn resume_2(reason: Reason) {
    tracing::info!("RESUMED 2nd, at {reason}");
}

#[korf::on_create(KopfExample)]
async fn create_1() {
    tracing::info!("CREATED 1st");
}

#[korf::on_create(KopfExample)]
async fn create_2() -> Result {
    tracing::info!("CREATED 2nd");
    Ok(())
}

#[korf::on_update(KopfExample)]
async fn update(old: OldSpec<KopfExampleSpec>, spec: Spec<KopfExampleSpec>, diff: Diff) {
    tracing::info!("UPDATED from {:?} to {:?}, that is {}", old.field, spec.field, diff);
}

#[korf::on_field(KopfExample, field = "spec.field")]
async fn field(old: Old<Option<String>>, new: New<Option<String>>) {
    tracing::info!("FIELD {:?} became {:?}", *old, *new);
}

#[korf::on_delete(KopfExample)]
async fn delete_1() {
    tracing::info!("DELETED 1st");
}

#[korf::on_delete(KopfExample)]
async fn delete_2() {
    tracing::info!("DELETED 2nd");
}

fn main() -> ExitCode {
    korf::cli::main("handlers")
}
