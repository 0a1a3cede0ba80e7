//! Handover between two handlers of one change, of which one is finished.

use super::fixture::{Handover, is_handled, is_handled_with, progress, stop, stored};
use crate::fixture::until;
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{Attempt, Error, Operator, Result, State, extract::CancellationToken, handler::Registry};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

type Recording = Arc<Client>;

const DELAY: f64 = 3.0;
const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shared\ndata:\n  number: \"1\"";

/// Does what `tests/kopf/recording.py` does: records the call, and fails on demand.
async fn record(recording: &Client, handler: &str, attempt: Attempt, reason: &str) -> Result {
    let call = format!("korf {handler} {} {reason}", attempt.0);
    recording.execute("INSERT INTO handover_calls (call) VALUES ($1)", &[&call]).await?;
    let sql =
        "UPDATE handover_failures SET times = times - 1 WHERE handler = $1 AND times > 0 RETURNING delay";
    match recording.query_opt(sql, &[&handler]).await? {
        Some(row) => Err(Error::temporary("failed on demand", Duration::from_secs_f64(row.get(0)))),
        None => Ok(()),
    }
}

async fn first(recording: State<Recording>, attempt: Attempt) -> Result {
    record(&recording, "first", attempt, "create").await
}

async fn second(recording: State<Recording>, attempt: Attempt) -> Result {
    record(&recording, "second", attempt, "create").await
}

async fn changed(recording: State<Recording>, attempt: Attempt) -> Result {
    record(&recording, "changed", attempt, "update").await
}

async fn also_changed(recording: State<Recording>, attempt: Attempt) -> Result {
    record(&recording, "also_changed", attempt, "update").await
}

/// An operator in this process, with the same handlers as `tests/kopf/two_handlers.py`.
struct InProcessOperator {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl InProcessOperator {
    async fn start(handover: &Handover) -> Self {
        let stop = CancellationToken::new();
        let operator = Operator::with_registry("two-handlers", Registry::default())
            .handler(korf::on_create::<ConfigMap>("first").run(first))
            .handler(korf::on_create::<ConfigMap>("second").run(second))
            .handler(korf::on_update::<ConfigMap>("changed").run(changed))
            .handler(korf::on_update::<ConfigMap>("also_changed").run(also_changed))
            .kopf_compatible()
            .state(Arc::new(handover.fixture.database.connect().await.unwrap()))
            .namespaces([&handover.fixture.namespace])
            .client(handover.fixture.cluster.control_plane.client().await.unwrap());
        let running = operator.run_until(stop.clone());
        Self { stop, task: tokio::spawn(async { running.await.unwrap() }) }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn python(handover: &Handover) -> crate::fixture::OperatorProcess {
    handover.python_file("two_handlers.py")
}

fn maps(handover: &Handover) -> Api<DynamicObject> {
    handover.fixture.api("v1", "ConfigMap", "configmaps")
}

async fn until_map(handover: &Handover, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    until(&maps(handover), "shared", what, |map| map.is_some_and(&condition)).await.unwrap()
}

/// Whether one handler has succeeded, and the other one has failed once.
fn half_done<'a>(succeeded: &'a str, failed: &'a str) -> impl Fn(&Value) -> bool + 'a {
    let has = |map: &Value, id, field: &str, value: Value| {
        progress(map, id).is_some_and(|progress| progress[field] == value)
    };
    move |map| has(map, succeeded, "success", true.into()) && has(map, failed, "retries", 1.into())
}

async fn change(handover: &Handover, number: &str) {
    let patch = Patch::Merge(json!({"data": {"number": number}}));
    maps(handover).patch("shared", &PatchParams::default(), &patch).await.unwrap();
}

async fn until_handled(handover: &Handover, number: &str) {
    until_map(handover, "the change is handled", |map| is_handled_with(map, &format!("\"{number}\""))).await;
}

/// Creates an object with the number 1: korf runs the first handler, and Kopf the second.
///
/// Kopf doesn't remove the pending diff-base that korf stored in between, but that has no meaning any more.
async fn created_by_korf_and_then_kopf(handover: &Handover) {
    handover.fail_once("second", DELAY).await;
    let korf = InProcessOperator::start(handover).await;
    handover.fixture.apply(MANIFEST);
    until_map(handover, "korf is half done", half_done("first", "second")).await;
    korf.stop().await;

    let python = python(handover);
    let map = until_map(handover, "Kopf has done the rest", is_handled).await;
    assert!(stored(&map, "korf-basis").is_some(), "Kopf doesn't know this annotation");
    stop(python).await;
    let calls = ["korf first 0 create", "korf second 0 create", "python second 1 create"];
    assert_eq!(handover.calls().await, calls);
    handover.fixture.sql("DELETE FROM handover_calls").await;
}

#[tokio::test]
async fn korf_does_not_repeat_a_handler_that_succeeded_in_kopf() {
    let Some(handover) = Handover::new("half-in-kopf").await else { return };
    handover.fail_once("second", DELAY).await;
    let python = python(&handover);
    handover.fixture.apply(MANIFEST);
    until_map(&handover, "Kopf is half done", half_done("first", "second")).await;
    stop(python).await;

    let korf = InProcessOperator::start(&handover).await;
    until_map(&handover, "korf has done the rest", is_handled).await;
    korf.stop().await;
    assert_eq!(
        handover.calls().await,
        ["python first 0 create", "python second 0 create", "korf second 1 create"]
    );
}

#[tokio::test]
async fn a_creation_shared_by_korf_and_kopf_can_be_updated_by_both() {
    let Some(handover) = Handover::new("half-in-korf").await else { return };
    created_by_korf_and_then_kopf(&handover).await;
    let python = python(&handover);
    change(&handover, "2").await;
    until_handled(&handover, "2").await;
    stop(python).await;

    // One change while no operator is running, and one while korf is.
    change(&handover, "3").await;
    let korf = InProcessOperator::start(&handover).await;
    until_handled(&handover, "3").await;
    change(&handover, "4").await;
    until_handled(&handover, "4").await;
    korf.stop().await;
    let calls = ["python changed 0 update", "python also_changed 0 update"];
    let korfs = ["korf changed 0 update", "korf also_changed 0 update"];
    assert_eq!(handover.calls().await, [calls, korfs, korfs].concat());
}

#[tokio::test]
async fn a_change_after_a_creation_shared_by_korf_and_kopf_is_handled_once() {
    let Some(handover) = Handover::new("completed-by-kopf").await else { return };
    created_by_korf_and_then_kopf(&handover).await;
    change(&handover, "2").await;
    let korf = InProcessOperator::start(&handover).await;
    until_handled(&handover, "2").await;
    korf.stop().await;
    assert_eq!(handover.calls().await, ["korf changed 0 update", "korf also_changed 0 update"]);
}

#[tokio::test]
async fn korf_completes_an_update_that_kopf_began_after_a_shared_creation() {
    let Some(handover) = Handover::new("begun-by-kopf").await else { return };
    created_by_korf_and_then_kopf(&handover).await;
    handover.fail_once("also_changed", DELAY).await;
    change(&handover, "2").await;
    let python = python(&handover);
    until_map(&handover, "Kopf is half done", half_done("changed", "also_changed")).await;
    stop(python).await;

    let korf = InProcessOperator::start(&handover).await;
    until_handled(&handover, "2").await;
    change(&handover, "3").await;
    until_handled(&handover, "3").await;
    korf.stop().await;
    let calls = [
        "python changed 0 update",
        "python also_changed 0 update",
        "korf also_changed 1 update",
        "korf changed 0 update",
        "korf also_changed 0 update",
    ];
    assert_eq!(handover.calls().await, calls);
}
