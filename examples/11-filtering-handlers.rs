//! Filters, which select the objects and the changes for a handler.
//!
//! Their names are Kopf's: `labels`, `annotations`, `field`, `value`, `old`, `new`, `when`. `kopf.PRESENT` and
//! `kopf.ABSENT` are `present` and `absent`, a callback is a closure or a function of arguments by type, and
//! `kopf.all_([…])`, `kopf.any_`, `kopf.not_` and `kopf.none_` are `all((…))` and so on. Labels may also be selected as with
//! kubectl: `labels = "somelabel,!nonexistent"`. All filters must match. Objects that match no handler are left alone.
//!
//! ```sh
//! cargo run --example 11-filtering-handlers -- crd | kubectl apply -f -
//! cargo run --example 11-filtering-handlers -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl label kex kopf-example-1 somelabel=somevalue
//! kubectl patch kex kopf-example-1 --type=merge -p '{"spec": {"field": "other"}}'
//! ```

use korf::{
    Name, Spec,
    filter::{all, not},
};
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

#[korf::on_create(KopfExample, labels = {"somelabel": "somevalue"})]
async fn label_matches() {
    tracing::info!("Label is matching.");
}

#[korf::on_create(KopfExample, labels = "somelabel,!nonexistent")]
async fn label_is_present() {
    tracing::info!("Label is present.");
}

#[korf::on_create(KopfExample, labels = {"somelabel": absent})]
async fn label_is_absent() {
    tracing::info!("Label is absent.");
}

#[korf::on_create(KopfExample, annotations = {"someannotation": |value| value != "othervalue"})]
async fn annotation_passes() {
    tracing::info!("Annotation has another value.");
}

#[korf::on_create(KopfExample, field = "spec.field", value = "value")]
async fn field_has_value() {
    tracing::info!("Field value is satisfied.");
}

/// With `field`, an update handler is called only for changes of that field.
#[korf::on_update(KopfExample, field = "spec.field", old = "value", new = |value| value != "value")]
async fn field_leaves_value() {
    tracing::info!("Field has lost its value.");
}

fn is_ours(name: Name) -> bool {
    name.starts_with("kopf-example")
}

fn is_empty(spec: Spec<KopfExampleSpec>) -> bool {
    spec.field.is_empty()
}

#[korf::on_create(KopfExample, when = all((is_ours, not(is_empty))))]
async fn conditions_hold() {
    tracing::info!("Conditions are satisfied.");
}

fn main() -> ExitCode {
    korf::cli::main("filtering-handlers")
}
