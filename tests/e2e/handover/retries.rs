//! Handover while a handler waits for its retry.

use super::fixture::{Handover, is_handled, progress, stop};
use crate::fixture::{KOPF_DEMO_CR, OperatorProcess};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

/// Seconds between the attempts of a failing Python handler, in which its operator can be stopped.
const DELAY: f64 = 8.0;
const ID: &str = "create_handler";

/// Waits until at least `attempts` attempts have failed, stops the operator, and returns the stored progress.
async fn stop_after(handover: &Handover, attempts: u64, operator: OperatorProcess) -> Value {
    let enough = |object: &Value| retries(object) >= attempts;
    handover.fixture.until("website-users", &format!("{attempts} attempt(s) have failed"), enough).await;
    stop(operator).await;
    let object = handover.fixture.table("website-users").await.unwrap();
    let progress = progress(&object, ID).unwrap();
    assert_eq!(progress["purpose"], "create");
    progress
}

fn retries(object: &Value) -> u64 {
    progress(object, ID).and_then(|progress| progress["retries"].as_u64()).unwrap_or_default()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// The time when korf invoked the handler, from its log.
async fn invoked_at(korf: &OperatorProcess) -> Timestamp {
    let line = korf.wait_for_line(&format!("Handler '{ID}' is invoked.")).await;
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S.%f", line[1..24].replace(',', ".")).unwrap();
    time.to_zoned(TimeZone::UTC).unwrap().timestamp()
}

/// Allows or forbids new connections to the database. Existing connections stay open.
async fn allow_connections(handover: &Handover, allow: bool) {
    let (name, limit) = (&handover.fixture.database.name, if allow { -1 } else { 0 });
    handover.fixture.sql(&format!("ALTER DATABASE {name} CONNECTION LIMIT {limit}")).await;
}

/// A creation that fails in Kopf, then in korf, and succeeds in Kopf.
pub async fn created_by_kopf(handover: &Handover) {
    handover.fail_once(ID, DELAY).await;
    handover.fixture.apply(KOPF_DEMO_CR);
    let first = stop_after(handover, 1, handover.python()).await;
    assert_eq!(first["retries"], 1);

    allow_connections(handover, false).await;
    let korf = handover.korf();
    assert!(invoked_at(&korf).await >= time(&first["delayed"]), "korf waits as long as Kopf would: {first}");
    let second = stop_after(handover, 2, korf).await;
    assert_eq!(second["started"], first["started"]);
    allow_connections(handover, true).await;

    let python = handover.python();
    handover.fixture.until("website-users", "it is handled", is_handled).await;
    stop(python).await;
    let last = format!("python create_handler {} create", second["retries"]);
    assert_eq!(handover.calls().await, ["python create_handler 0 create", &last]);
    assert!(
        handover.last_call().await >= time(&second["delayed"]),
        "Kopf waits as long as korf would: {second}"
    );
    assert_eq!(handover.fixture.columns("website_users").await.len(), 5);
}

/// A creation that fails in korf, then in Kopf, and succeeds in korf.
pub async fn created_by_korf(handover: &Handover) {
    allow_connections(handover, false).await;
    handover.fixture.apply(KOPF_DEMO_CR);
    let first = stop_after(handover, 1, handover.korf()).await;
    allow_connections(handover, true).await;

    handover.fail_once(ID, DELAY).await;
    let before = first["retries"].as_u64().unwrap();
    let second = stop_after(handover, before + 1, handover.python()).await;
    assert_eq!(handover.calls().await, [format!("python create_handler {before} create")]);
    assert!(
        handover.last_call().await >= time(&first["delayed"]),
        "Kopf waits as long as korf would: {first}"
    );
    assert_eq!((&second["started"], &second["retries"]), (&first["started"], &Value::from(before + 1)));

    let korf = handover.korf();
    handover.fixture.until_ready("website-users").await;
    assert!(
        invoked_at(&korf).await >= time(&second["delayed"]),
        "korf waits as long as Kopf would: {second}"
    );
    let korf = stop(korf).await;
    assert_eq!(korf.count_lines("Handler 'create_handler' is invoked."), 1);
    assert_eq!(handover.calls().await.len(), 1, "Kopf didn't call the handler again");
    let object = handover.fixture.table("website-users").await.unwrap();
    assert!(is_handled(&object) && object["status"]["columnCount"] == 5, "{object:#}");
}

#[tokio::test]
async fn a_creation_that_fails_in_kopf_and_then_in_korf_succeeds_in_kopf() {
    let Some(handover) = Handover::new("fails-in-both").await else { return };
    created_by_kopf(&handover).await;
}

#[tokio::test]
async fn a_creation_that_fails_in_korf_and_then_in_kopf_succeeds_in_korf() {
    let Some(handover) = Handover::new("fails-in-both-too").await else { return };
    created_by_korf(&handover).await;
}
