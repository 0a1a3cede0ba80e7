//! Handlers for a kind that isn't one's own: Pods with a certain annotation end when their time is up.
//!
//! Any kind of `k8s_openapi` can stand in an attribute, and there is no CRD to install. The filter matters: most Pods
//! are none of this operator's business, and those without the annotation aren't touched.
//!
//! As in Kopf's example, a task waits for each Pod. Where that keeps tasks in a global, and cancels them when a Pod is
//! deleted, here they are in the Pod's `Memo`: it ends with the Pod, and a `JoinSet` that ends takes its tasks with it.
//! The memory of an operator ends with the operator, so the task begins again at `on_resume`.
//!
//! ```sh
//! cargo run --example 10-builtins -- run --all-namespaces
//! kubectl run a-pod --image=registry.k8s.io/pause --annotations=kopf.dev/seconds=10
//! kubectl get pods --watch
//! ```

use k8s_openapi::api::core::v1::Pod;
use korf::{Annotations, Memo, Object, Result, ResultExt};
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
async fn seen(pod: Object<Pod>, notes: Annotations, client: Client, tasks: Memo<JoinSet<()>>) -> Result {
    let time = Duration::from_secs(notes[SECONDS].parse().permanent()?);
    tracing::info!("The Pod is in sight, and has {time:?} to live.");
    tasks.with(|tasks| {
        // There is one already if the handler is called again.
        tasks.abort_all();
        // In the handler's span, it logs as the handler does, with the Pod's name.
        tasks.spawn(end(pod, client, time).in_current_span());
    });
    Ok(())
}

async fn end(pod: Object<Pod>, client: Client, time: Duration) {
    tokio::time::sleep(time).await;
    tracing::info!("The Pod's time is up.");
    let pods = Api::<Pod>::namespaced(client, &pod.namespace().unwrap_or_default());
    // Not another Pod of that name.
    let only = pod.uid().map(|uid| Preconditions { uid: Some(uid), resource_version: None });
    let how = DeleteParams { preconditions: only, ..DeleteParams::default() };
    if let Err(error) = pods.delete(&pod.name_any(), &how).await {
        tracing::warn!("The Pod can't be deleted: {error}");
    }
}

fn main() -> ExitCode {
    korf::cli::main("builtins", |operator| operator)
}
