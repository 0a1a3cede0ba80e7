//! Indexes: what is known of all objects of a kind, by keys, for the handlers of other objects.
//!
//! `#[korf::index(Pod)]` is Kopf's `@kopf.index('pods')`. A handler takes an index by its types, as `Index<K, V>`, and not by its
//! name: `is_running` and `by_label` have different keys. All indexes are filled before any other handler is called. Unlike
//! Kopf's, an index function is a plain `fn`, and what is deleted while the watch is broken leaves the index, too.
//!
//! ```sh
//! cargo run --example 16-indexing -- crd | kubectl apply -f -
//! cargo run --example 16-indexing -- run --all-namespaces --liveness http://0.0.0.0:8080/healthz
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl get kex kopf-example-1 -o jsonpath='{.status}'
//! curl http://localhost:8080/healthz
//! ```

use k8s_openapi::api::core::v1::Pod;
use korf::{Index, Labels, Name, Object, ObjectNamespace, Result, Status};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// An object for the handlers.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex", status = "Pods")]
struct KopfExampleSpec {
    field: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Pods {
    running_pods: Vec<String>,
}

/// By namespace and name: `[true]` for a pod that runs, `[false]` for another one.
#[korf::index(Pod)]
fn is_running(pod: Object<Pod>, namespace: ObjectNamespace, name: Name) -> ((ObjectNamespace, Name), bool) {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    ((namespace, name), phase == Some("Running"))
}

/// By label and value: the names of the pods that have it.
#[korf::index(Pod)]
fn by_label(labels: Labels, name: Name) -> Vec<((String, String), Name)> {
    labels.iter().map(|(label, value)| ((label.clone(), value.clone()), name.clone())).collect()
}

#[korf::on_probe]
async fn pod_count(is_running: Index<(ObjectNamespace, Name), bool>) -> Result<usize> {
    Ok(is_running.len())
}

#[korf::on_probe]
async fn pod_names(is_running: Index<(ObjectNamespace, Name), bool>) -> Result<Vec<String>> {
    Ok(is_running.keys().into_iter().map(|(_, name)| name.0).collect())
}

/// The status is written only when it has changed.
#[korf::timer(KopfExample, interval = 5s)]
async fn intervalled(
    is_running: Index<(ObjectNamespace, Name), bool>,
    by_label: Index<(String, String), Name>,
) -> Status<Pods> {
    for ((label, value), names) in &by_label {
        tracing::info!(
            "{label}={value}: {}",
            names.iter().map(|name| name.0.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    let running = is_running.iter().filter(|(_, runs)| runs.iter().any(|runs| **runs));
    Status(Pods {
        running_pods: running.map(|((namespace, name), _)| format!("{namespace}::{name}")).collect(),
    })
}

fn main() -> ExitCode {
    korf::cli::main("indexing")
}
