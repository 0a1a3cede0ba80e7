//! Handlers for a built-in kind: Pods with a certain annotation are deleted when their time is up.
//!
//! An attribute can name any kind of `k8s_openapi`, and there is no CRD to install. The filter is important,
//! so that Pods without the annotation aren't touched.
//!
//! As in Kopf's example, there is a task for each Pod. Kopf's example stores the tasks in a global variable, starts them in handlers of
//! creations and resumption, and cancels them when a Pod is deleted. Here, the task is a daemon: it begins when the operator sees
//! the Pod, and is dropped when the Pod is deleted, or loses its annotation.
//!
//! ```sh
//! cargo run --example 10-builtins -- run --all-namespaces
//! kubectl run a-pod --image=registry.k8s.io/pause --annotations=kopf.dev/seconds=10
//! kubectl get pods --watch
//! ```

use k8s_openapi::api::core::v1::Pod;
use korf::{Object, Result, ResultExt, extract::Annotations};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Preconditions},
};
use std::{process::ExitCode, time::Duration};

const SECONDS: &str = "kopf.dev/seconds";

#[korf::daemon(Pod, annotations = {SECONDS: present})]
#[korf::needs(Pod, delete)]
async fn end(pod: Object<Pod>, notes: Annotations, client: Client) -> Result {
    let time = Duration::from_secs(notes[SECONDS].parse().permanent()?);
    tracing::info!("The Pod will be deleted in {time:?}.");
    tokio::time::sleep(time).await;
    tracing::info!("The Pod's time is up.");
    let pods = Api::<Pod>::namespaced(client, &pod.namespace().unwrap_or_default());
    // The precondition protects another Pod of the same name.
    let only = pod.uid().map(|uid| Preconditions { uid: Some(uid), resource_version: None });
    let how = DeleteParams { preconditions: only, ..DeleteParams::default() };
    // One that fails is tried again. A daemon is told to stop when its object is being deleted, and has a second to finish what it
    // has begun.
    pods.delete(&pod.name_any(), &how).await?;
    Ok(())
}

fn main() -> ExitCode {
    korf::cli::main("builtins")
}
