//! Operators that are replaced while a handler waits for its next attempt.

use super::turns::{Turns, is_handled, record, stop};
use crate::stage::{Operator, SEED_CR};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

/// Seconds between the attempts of a Python handler that is asked to fail: time enough to stop its operator.
const DELAY: f64 = 3.0;
const ID: &str = "create_handler";

/// Waits until so many attempts, or more, have failed; stops the operator, and returns what is on record then.
async fn stopped_after(turns: &Turns, attempts: u64, operator: Operator) -> Value {
    let enough = |object: &Value| retries(object) >= attempts;
    turns.stage.until("website-users", &format!("{attempts} attempt(s) have failed"), enough).await;
    stop(operator).await;
    let object = turns.stage.table("website-users").await.unwrap();
    let record = record(&object, ID).unwrap();
    assert_eq!(record["purpose"], "create");
    record
}

fn retries(object: &Value) -> u64 {
    record(object, ID).and_then(|record| record["retries"].as_u64()).unwrap_or_default()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// When korf called the handler, as its log says.
async fn invoked_at(korf: &Operator) -> Timestamp {
    let line = korf.wait_for_line(&format!("Handler '{ID}' is invoked.")).await;
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S.%f", line[1..24].replace(',', ".")).unwrap();
    time.to_zoned(TimeZone::UTC).unwrap().timestamp()
}

/// Lets the database take no connections, or take them again; those that are open stay.
async fn open_database(turns: &Turns, open: bool) {
    let (name, limit) = (&turns.stage.database.name, if open { -1 } else { 0 });
    turns.stage.sql(&format!("ALTER DATABASE {name} CONNECTION LIMIT {limit}")).await;
}

/// It fails in Python, then in korf, and succeeds in Python.
pub async fn created_by_kopf(turns: &Turns) {
    turns.fail_once(ID, DELAY).await;
    turns.stage.apply(SEED_CR);
    let first = stopped_after(turns, 1, turns.python()).await;
    assert_eq!(first["retries"], 1);

    open_database(turns, false).await;
    let korf = turns.korf();
    assert!(invoked_at(&korf).await >= time(&first["delayed"]), "korf waits as Python would: {first}");
    let second = stopped_after(turns, 2, korf).await;
    assert_eq!(second["started"], first["started"]);
    open_database(turns, true).await;

    let python = turns.python();
    turns.stage.until("website-users", "it is handled", is_handled).await;
    stop(python).await;
    let last = format!("python create_handler {} create", second["retries"]);
    assert_eq!(turns.calls().await, ["python create_handler 0 create", &last]);
    assert!(turns.last_call().await >= time(&second["delayed"]), "Python waits as korf would: {second}");
    assert_eq!(turns.stage.columns("website_users").await.len(), 5);
}

/// It fails in korf, then in Python, and succeeds in korf.
pub async fn created_by_korf(turns: &Turns) {
    open_database(turns, false).await;
    turns.stage.apply(SEED_CR);
    let first = stopped_after(turns, 1, turns.korf()).await;
    open_database(turns, true).await;

    turns.fail_once(ID, DELAY).await;
    let before = first["retries"].as_u64().unwrap();
    let second = stopped_after(turns, before + 1, turns.python()).await;
    assert_eq!(turns.calls().await, [format!("python create_handler {before} create")]);
    assert!(turns.last_call().await >= time(&first["delayed"]), "Python waits as korf would: {first}");
    assert_eq!((&second["started"], &second["retries"]), (&first["started"], &Value::from(before + 1)));

    let korf = turns.korf();
    turns.stage.until_ready("website-users").await;
    assert!(invoked_at(&korf).await >= time(&second["delayed"]), "korf waits as Python would: {second}");
    let korf = stop(korf).await;
    assert_eq!(korf.count("Handler 'create_handler' is invoked."), 1);
    assert_eq!(turns.calls().await.len(), 1, "Python wasn't called again");
    let object = turns.stage.table("website-users").await.unwrap();
    assert!(is_handled(&object) && object["status"]["columnCount"] == 5, "{object:#}");
}

#[tokio::test]
async fn a_creation_that_fails_in_python_and_then_in_korf_succeeds_in_python_as_one_creation() {
    let Some(turns) = Turns::new("fails-in-both").await else { return };
    created_by_kopf(&turns).await;
}

#[tokio::test]
async fn a_creation_that_fails_in_korf_and_then_in_python_succeeds_in_korf_as_one_creation() {
    let Some(turns) = Turns::new("fails-in-both-too").await else { return };
    created_by_korf(&turns).await;
}
