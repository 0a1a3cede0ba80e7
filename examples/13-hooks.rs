//! Handlers for the operator itself: at its start and its end, for its login, and for probes.
//!
//! What Kopf's example keeps in global variables, a start-up handler provides as a `State`: the tasks, one for each Pod.
//!
//! ```sh
//! cargo run --example 13-hooks -- run --all-namespaces --verbose --liveness=http://localhost:8080/healthz
//! ```

use k8s_openapi::api::core::v1::Pod;
use korf::{Attempt, Error, Result, State, extract::*};
use kube::{Config, config::KubeConfigOptions};
use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};
use tokio::{sync::Mutex, task::JoinHandle, time::sleep};
use tracing::Instrument;

/// The tasks by their Pods, and what stops them.
type Tasks = Arc<Mutex<BTreeMap<String, (CancellationToken, JoinHandle<()>)>>>;

#[korf::on_startup]
async fn startup_fn_simple(setup: OperatorSetup) {
    tracing::info!("Initialising the tasks...");
    setup.state(Tasks::default());
}

#[korf::on_startup]
async fn startup_fn_retried(attempt: Attempt) -> Result {
    if attempt.0 < 3 {
        let message = format!("Going to succeed in {}s", 3 - attempt.0);
        return Err(Error::temporary(message, Duration::from_secs(1)));
    }
    tracing::info!("Starting retried...");
    Ok(())
}

#[korf::on_login(errors = permanent)]
async fn login_fn() -> Result<Config> {
    Ok(Config::from_kubeconfig(&KubeConfigOptions::default()).await?)
}

#[korf::on_cleanup]
async fn cleanup_fn(tasks: State<Tasks>) -> Result {
    tracing::info!("Cleaning up...");
    let tasks = std::mem::take(&mut *tasks.lock().await);
    tasks.values().for_each(|(stop, _)| stop.cancel());
    tracing::info!("All pod-tasks are requested to stop...");
    for (_, task) in tasks.into_values() {
        task.await?;
    }
    Ok(())
}

#[korf::on_probe]
async fn tasks_count(tasks: State<Tasks>) -> Result<usize> {
    Ok(tasks.lock().await.len())
}

#[korf::on_event(Pod)]
async fn pod_task(event: WatchEventType, name: Name, namespace: ObjectNamespace, tasks: State<Tasks>) {
    let (mut tasks, pod) = (tasks.lock().await, format!("{namespace}/{name}"));
    if event == WatchEventType::Deleted {
        tasks.remove(&pod).inspect(|(stop, _)| stop.cancel());
    } else {
        tasks.entry(pod).or_insert_with(|| {
            let stop = CancellationToken::new();
            (stop.clone(), tokio::spawn(serve(stop).in_current_span()))
        });
    }
}

async fn serve(stop: CancellationToken) {
    while stop.run_until_cancelled(sleep(Duration::from_secs(1))).await.is_some() {
        tracing::info!("Served by the background task.");
    }
    tracing::info!("Serving is finished by request.");
}

fn main() -> ExitCode {
    korf::cli::main("hooks")
}
