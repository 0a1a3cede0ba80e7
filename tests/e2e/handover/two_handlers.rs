//! Two handlers of one change, one of them done before the operator is replaced.

use super::turns::{Turns, is_handled, is_handled_with, kept, record, stop};
use crate::stage::until;
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{Attempt, CancellationToken, Error, Operator, Registry, Result, State};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

type Ledger = Arc<Client>;

const DELAY: f64 = 3.0;
const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shared\ndata:\n  number: \"1\"";

/// What `tests/kopf/rehearsal.py` does: notes the call, and fails if it was asked to.
async fn noted(ledger: &Client, handler: &str, attempt: Attempt, reason: &str) -> Result {
    let call = format!("korf {handler} {} {reason}", attempt.0);
    ledger.execute("INSERT INTO handover_calls (call) VALUES ($1)", &[&call]).await?;
    let sql =
        "UPDATE handover_failures SET times = times - 1 WHERE handler = $1 AND times > 0 RETURNING delay";
    match ledger.query_opt(sql, &[&handler]).await? {
        Some(row) => Err(Error::temporary("it was asked to fail", Duration::from_secs_f64(row.get(0)))),
        None => Ok(()),
    }
}

async fn first(ledger: State<Ledger>, attempt: Attempt) -> Result {
    noted(&ledger, "first", attempt, "create").await
}

async fn second(ledger: State<Ledger>, attempt: Attempt) -> Result {
    noted(&ledger, "second", attempt, "create").await
}

async fn changed(ledger: State<Ledger>, attempt: Attempt) -> Result {
    noted(&ledger, "changed", attempt, "update").await
}

async fn also_changed(ledger: State<Ledger>, attempt: Attempt) -> Result {
    noted(&ledger, "also_changed", attempt, "update").await
}

/// The twin of `tests/kopf/two_handlers.py`, within this process.
struct Korf {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Korf {
    async fn start(turns: &Turns) -> Self {
        let stop = CancellationToken::new();
        let operator = Operator::with_registry("two-handlers", Registry::default())
            .handler(korf::on_create::<ConfigMap>("first").run(first))
            .handler(korf::on_create::<ConfigMap>("second").run(second))
            .handler(korf::on_update::<ConfigMap>("changed").run(changed))
            .handler(korf::on_update::<ConfigMap>("also_changed").run(also_changed))
            .kopf_compatible()
            .state(Arc::new(turns.stage.database.connect().await.unwrap()))
            .namespaces([&turns.stage.namespace])
            .client(turns.stage.cluster.control_plane.client().await.unwrap());
        let running = operator.run_until(stop.clone());
        Self { stop, ended: tokio::spawn(async { running.await.unwrap() }) }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap();
    }
}

fn python(turns: &Turns) -> crate::stage::Operator {
    turns.python_file("two_handlers.py")
}

fn maps(turns: &Turns) -> Api<DynamicObject> {
    turns.stage.api("v1", "ConfigMap", "configmaps")
}

async fn until_map(turns: &Turns, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    until(&maps(turns), "shared", what, |map| map.is_some_and(&is_so)).await.unwrap()
}

/// Of two handlers one is done, and the other one has failed once.
fn half_done<'a>(done: &'a str, failed: &'a str) -> impl Fn(&Value) -> bool + 'a {
    let is = |map: &Value, id, field: &str, value: Value| {
        record(map, id).is_some_and(|record| record[field] == value)
    };
    move |map| is(map, done, "success", true.into()) && is(map, failed, "retries", 1.into())
}

async fn change(turns: &Turns, number: &str) {
    let patch = Patch::Merge(json!({"data": {"number": number}}));
    maps(turns).patch("shared", &PatchParams::default(), &patch).await.unwrap();
}

async fn until_handled(turns: &Turns, number: &str) {
    until_map(turns, "the change is handled", |map| is_handled_with(map, &format!("\"{number}\""))).await;
}

/// The creation of an object with the number 1, by korf as far as its first handler, and then by Kopf.
///
/// What korf kept while it was half done is of no meaning any more, though Kopf has left it there.
async fn begun_by_korf_and_ended_by_kopf(turns: &Turns) {
    turns.fail_once("second", DELAY).await;
    let korf = Korf::start(turns).await;
    turns.stage.apply(MANIFEST);
    until_map(turns, "korf is half done", half_done("first", "second")).await;
    korf.stop().await;

    let python = python(turns);
    let map = until_map(turns, "Python has done the rest", is_handled).await;
    assert!(kept(&map, "korf-basis").is_some(), "Kopf doesn't know it");
    stop(python).await;
    let calls = ["korf first 0 create", "korf second 0 create", "python second 1 create"];
    assert_eq!(turns.calls().await, calls);
    turns.stage.sql("DELETE FROM handover_calls").await;
}

#[tokio::test]
async fn the_handler_that_kopf_has_finished_is_not_called_by_korf() {
    let Some(turns) = Turns::new("half-in-kopf").await else { return };
    turns.fail_once("second", DELAY).await;
    let python = python(&turns);
    turns.stage.apply(MANIFEST);
    until_map(&turns, "Python is half done", half_done("first", "second")).await;
    stop(python).await;

    let korf = Korf::start(&turns).await;
    until_map(&turns, "korf has done the rest", is_handled).await;
    korf.stop().await;
    assert_eq!(
        turns.calls().await,
        ["python first 0 create", "python second 0 create", "korf second 1 create"]
    );
}

#[tokio::test]
async fn what_kopf_has_ended_for_korf_is_updated_by_either_of_them() {
    let Some(turns) = Turns::new("half-in-korf").await else { return };
    begun_by_korf_and_ended_by_kopf(&turns).await;
    let python = python(&turns);
    change(&turns, "2").await;
    until_handled(&turns, "2").await;
    stop(python).await;

    // While nobody is there, and while korf is.
    change(&turns, "3").await;
    let korf = Korf::start(&turns).await;
    until_handled(&turns, "3").await;
    change(&turns, "4").await;
    until_handled(&turns, "4").await;
    korf.stop().await;
    let calls = ["python changed 0 update", "python also_changed 0 update"];
    let korfs = ["korf changed 0 update", "korf also_changed 0 update"];
    assert_eq!(turns.calls().await, [calls, korfs, korfs].concat());
}

#[tokio::test]
async fn what_kopf_has_ended_for_korf_and_changed_meanwhile_is_updated_once() {
    let Some(turns) = Turns::new("ended-by-kopf").await else { return };
    begun_by_korf_and_ended_by_kopf(&turns).await;
    change(&turns, "2").await;
    let korf = Korf::start(&turns).await;
    until_handled(&turns, "2").await;
    korf.stop().await;
    assert_eq!(turns.calls().await, ["korf changed 0 update", "korf also_changed 0 update"]);
}

#[tokio::test]
async fn an_update_that_kopf_has_begun_after_that_is_ended_by_korf() {
    let Some(turns) = Turns::new("begun-by-kopf").await else { return };
    begun_by_korf_and_ended_by_kopf(&turns).await;
    turns.fail_once("also_changed", DELAY).await;
    change(&turns, "2").await;
    let python = python(&turns);
    until_map(&turns, "Python is half done", half_done("changed", "also_changed")).await;
    stop(python).await;

    let korf = Korf::start(&turns).await;
    until_handled(&turns, "2").await;
    change(&turns, "3").await;
    until_handled(&turns, "3").await;
    korf.stop().await;
    let calls = [
        "python changed 0 update",
        "python also_changed 0 update",
        "korf also_changed 1 update",
        "korf changed 0 update",
        "korf also_changed 0 update",
    ];
    assert_eq!(turns.calls().await, calls);
}
