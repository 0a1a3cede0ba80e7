//! Indexes of an API server's objects: filled first, and without what was deleted unseen.

use crate::fixture::{Cluster, Crd, Fixture, eventually, manifest, until};
use database_table_operator::crd::DatabaseTable;
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{
    Index, Name, Operator, Result, State, extract::CancellationToken, handler::Registry, index,
    observe::Observation, on_create,
};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: web}}
spec: {containers: [{name: pause, image: registry.k8s.io/pause}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {app: web}}
spec: {containers: [{name: pause, image: registry.k8s.io/pause}]}
---
apiVersion: kopf.dev/v1
kind: KopfExample
metadata: {name: kex}
spec: {field: value}
";

#[tokio::test]
async fn a_pod_that_was_deleted_while_the_watch_was_down_leaves_the_index_after_a_410() {
    let cluster = Cluster::without_crd().await;
    let fixture = Fixture::on(&cluster, "indexes-unseen").await;
    let proxy = fixture.api_proxy().await;
    fixture.install(&fixture.example("16-indexing").crds());
    fixture.apply(PODS);
    let (pods, objects) =
        (fixture.api("v1", "Pod", "pods"), fixture.api("kopf.dev/v1", "KopfExample", "kopfexamples"));
    for name in ["a", "b"] {
        let running = json!({"status": {"phase": "Running"}});
        pods.patch_status(name, &Default::default(), &kube::api::Patch::Merge(running)).await.unwrap();
    }
    let operator = fixture.example("16-indexing").kubeconfig_through(&proxy).start();
    let running = async |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| format!("{}::{name}", fixture.namespace)).collect();
        let shows = |object: Option<&Value>| {
            object.is_some_and(|object| object["status"]["running-pods"] == json!(names))
        };
        until(&objects, "kex", &format!("the status shows {names:?}"), shows).await;
    };
    running(&["a", "b"]).await;

    // The link is stalled and not cut, so that the operator notices nothing and doesn't back off.
    proxy.stall();
    pods.delete("a", &DeleteParams::default().grace_period(0)).await.unwrap();
    until(&pods, "a", "it is gone", |pod| pod.is_none()).await;
    cluster.control_plane.restart_api_server().await.unwrap();
    proxy.cut();
    operator.wait_for_line("Connection reset by peer").await;
    proxy.restore();
    running(&["b"]).await;
    let pod = pods.get("b").await.unwrap().metadata;
    let ours = pod.annotations.into_iter().flatten().filter(|(key, _)| key.contains("korf.dev"));
    assert_eq!((ours.count(), pod.finalizers), (0, None));
}

/// What create handlers have found in the index.
#[derive(Clone, Default)]
struct Found(Arc<Mutex<Vec<String>>>);

fn tables(name: Name) -> (String, ()) {
    (name.0, ())
}

async fn look(name: Name, tables: Index<String, ()>, found: State<Found>) -> Result {
    found.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name}: {:?}", tables.keys()));
    Ok(())
}

#[tokio::test]
async fn handlers_of_all_kinds_wait_for_the_crd_of_an_indexed_kind() {
    let cluster = Cluster::without_crd().await;
    let fixture = Fixture::on(&cluster, "indexes-awaited").await;
    let (found, stop, (send, waits)) = (Found::default(), CancellationToken::new(), mpsc::channel());
    let handlers = [index::<DatabaseTable>("tables").run(tables), on_create::<ConfigMap>("look").run(look)];
    let operator = Operator::with_registry("indexes", Registry::from_iter(handlers))
        .client(cluster.control_plane.client().await.unwrap())
        .namespaces([&*fixture.namespace])
        .state(found.clone())
        .observe(move |observation| {
            if let Observation::IndexesAwaited { kinds } = observation {
                let _ = send.send(kinds.join(", "));
            }
        });
    let running = tokio::spawn(operator.run_until(stop.clone()));
    fixture.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}");
    let told = async || waits.try_recv().ok();
    let told = eventually("the operator says for what it waits", told, Option::is_some).await;
    assert_eq!(told.unwrap(), "databasetables.v1.kopf.demo");
    let seen = || found.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(seen(), [] as [&str; 0]);

    fixture.install(Crd::KopfDemo.manifest());
    fixture.apply(&["a", "b"].map(|name| manifest(name, name, &["id"])).join("\n---\n"));
    eventually("the handler is called", async || seen(), |seen| !seen.is_empty()).await;
    assert!(seen().iter().all(|line| line.starts_with("map: ")), "{:?}", seen());
    stop.cancel();
    running.await.unwrap().unwrap();
}
