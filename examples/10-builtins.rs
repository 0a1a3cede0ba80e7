//! Handlers for a built-in kind: Pods with a certain annotation are deleted when their time is up.
//!
//! An attribute can name any kind of `k8s_openapi`, and there is no CRD to install. The filter is important,
//! so that Pods without the annotation aren't touched.
//!
//! As in Kopf's example, there is a task for each Pod. Kopf's example stores the tasks in a global variable,
//! and cancels them when a Pod is deleted. Here, they are in the Pod's `Memo`, which is dropped with the Pod,
//! and a dropped `JoinSet` cancels its tasks. An operator's memory is lost when it stops, so `on_resume`
//! starts the task again.
//!
//! ```sh
//! cargo run --example 10-builtins -- run --all-namespaces
//! kubectl run a-pod --image=registry.k8s.io/pause --annotations=kopf.dev/seconds=10
//! kubectl get pods --watch
//! ```

use k8s_openapi::api::core::v1::Pod;
use korf::{Memo, Object, Result, ResultExt, extract::Annotations};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Preconditions},
};
use std::{process::ExitCode, time::Duration};
use tokio::task::JoinSet;
use tracing::Instrument;

const SECONDS: &str = "kopf.dev/seconds";

#[korf::on_create(Pod, annotations = {SECONDS: present})]
#[korf::on_resume(Pod, annotations = {SECONDS: present})]
async fn schedule(pod: Object<Pod>, notes: Annotations, client: Client, tasks: Memo<JoinSet<()>>) -> Result {
    let time = Duration::from_secs(notes[SECONDS].parse().permanent()?);
    tracing::info!("The Pod will be deleted in {time:?}.");
    tasks.with(|tasks| {
        // If the handler is called again, there is one already.
        tasks.abort_all();
        // In the handler's span, its log lines have the Pod's name, like the handler's own.
        tasks.spawn(end(pod, client, time).in_current_span());
    });
    Ok(())
}

async fn end(pod: Object<Pod>, client: Client, time: Duration) {
    tokio::time::sleep(time).await;
    tracing::info!("The Pod's time is up.");
    let pods = Api::<Pod>::namespaced(client, &pod.namespace().unwrap_or_default());
    // The precondition protects another Pod of the same name.
    let only = pod.uid().map(|uid| Preconditions { uid: Some(uid), resource_version: None });
    let how = DeleteParams { preconditions: only, ..DeleteParams::default() };
    if let Err(error) = pods.delete(&pod.name_any(), &how).await {
        tracing::warn!("The Pod can't be deleted: {error}");
    }
}

fn main() -> ExitCode {
    korf::cli::main("builtins")
}
