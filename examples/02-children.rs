//! An object with a child: every `KopfExample` gets a ConfigMap of its name, which follows its spec and goes with it.
//!
//! Kopf's `kopf.adopt(child)` is `object.adopt(&mut child)`: an owner reference, with which the cluster deletes the child
//! after its owner, so that there is no handler for that; the namespace, the labels and, where the child has none, the
//! name. Applied (not created), the child is right however often the handler is called, so that one function does for
//! creations and updates: two attributes, and one handler.
//!
//! ```sh
//! cargo run --example 02-children -- crd | kubectl apply -f -
//! cargo run --example 02-children -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl get configmap kopf-example-1 -o yaml
//! kubectl patch kex kopf-example-1 --type=merge -p '{"spec": {"field": "other"}}'
//! ```

use k8s_openapi::api::core::v1::ConfigMap;
use korf::{Namespace, Object, Result};
use kube::{
    Api, Client, CustomResource, ResourceExt,
    api::{Patch, PatchParams},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, process::ExitCode};

/// Something to be handled.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex")]
struct KopfExampleSpec {
    field: String,
}

#[korf::on_create(KopfExample)]
#[korf::on_update(KopfExample)]
async fn make_child(example: Object<KopfExample>, namespace: Namespace, client: Client) -> Result {
    let data = BTreeMap::from([("field".to_owned(), example.spec.field.clone())]);
    let mut child = ConfigMap { data: Some(data), ..ConfigMap::default() };
    example.adopt(&mut child)?;
    let (children, name) = (Api::<ConfigMap>::namespaced(client, &namespace), child.name_any());
    children.patch(&name, &PatchParams::apply("children"), &Patch::Apply(&child)).await?;
    tracing::info!("ConfigMap {name} has {:?} now.", example.spec.field);
    Ok(())
}

fn main() -> ExitCode {
    korf::cli::main("children", |operator| operator)
}
