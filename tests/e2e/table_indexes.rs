//! Indexes that take long to build, and types that come later: what becomes of objects meanwhile, and of killed operators.

use crate::fixture::{Fixture, condition, eventually, manifest};
use serde_json::{Value, json};

/// A transaction whose view of the database is old: no index is built before it is over.
const OLD: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1";

async fn with_index(fixture: &Fixture<'_>) {
    let indexes = json!([{ "name": "by_id", "columns": ["ID"], "unique": true }]);
    fixture.patch("slow", json!({ "spec": { "indexes": indexes } })).await;
    let builds = async || {
        let query = "SELECT index_relid::regclass::text FROM pg_stat_progress_create_index WHERE index_relid <> 0 AND datname = current_database()";
        fixture.query(query).await
    };
    eventually("the index is being built", builds, |builds| builds == &["by_id"]).await;
}

async fn until_in_progress(fixture: &Fixture<'_>) {
    let building = |object: &Value| condition(object, "Ready") == ["False", "InProgress"];
    let object = fixture.until("slow", "it says that the index is being built", building).await;
    assert_eq!(condition(&object, "Stalled"), ["", ""], "nobody has to do anything");
}

async fn until_built(fixture: &Fixture<'_>) {
    let built = |object: &Value| {
        let handled = &object["metadata"]["annotations"]["kopf.zalando.org/last-handled-configuration"];
        handled.as_str().is_some_and(|spec| spec.contains("by_id"))
            && condition(object, "Ready") == ["True", "Applied"]
    };
    fixture.until("slow", "its index is built", built).await;
    let valid = "SELECT indisvalid::text FROM pg_index WHERE indrelid = 'slow'::regclass";
    assert_eq!(fixture.query(valid).await, ["true"]);
}

#[tokio::test]
async fn an_object_says_that_its_index_is_being_built_and_goes_on_as_soon_as_it_is() {
    let fixture = Fixture::new("slow-index").await;
    let operator = fixture.operator().not_verbose().start();
    fixture.apply(&manifest("slow", "slow", &["ID"]));
    fixture.until_ready("slow").await;
    let old = fixture.lock(OLD).await;
    with_index(&fixture).await;
    until_in_progress(&fixture).await;
    // Others aren't held up.
    fixture.apply(&manifest("quick", "quick", &["ID"]));
    fixture.until_ready("quick").await;
    old.release().await;
    until_built(&fixture).await;
    operator.wait_for_line("Table public.slow: begins with index \"by_id\".").await;
    // That is no failure: one line says what it waits for.
    assert_eq!(operator.count_lines("Handler 'update_handler' waits, and is called again in"), 1);
    assert_eq!(operator.count_lines("[ERROR"), 0);
}

#[tokio::test]
async fn an_object_is_deleted_while_its_index_is_being_built() {
    let fixture = Fixture::new("slow-index-deleted").await;
    let _operator = fixture.operator().start();
    fixture.apply(&manifest("slow", "slow", &["ID"]));
    fixture.until_ready("slow").await;
    let old = fixture.lock(OLD).await;
    with_index(&fixture).await;
    fixture.delete("slow").await;
    fixture.until_gone("slow").await;
    assert_eq!(fixture.all_tables().await, [""; 0]);
    old.release().await;
}

#[tokio::test]
async fn an_object_that_goes_and_keeps_its_table_gets_no_more_indexes() {
    let fixture = Fixture::new("slow-index-retained").await;
    let _operator = fixture.operator().start();
    fixture.apply(&manifest("slow", "slow", &["ID"]));
    fixture.until_ready("slow").await;
    let old = fixture.lock(OLD).await;
    let indexes = json!([{ "name": "by_id", "columns": ["ID"] }, { "name": "later", "columns": ["ID"], "method": "hash" }]);
    fixture.patch("slow", json!({ "spec": { "deletionPolicy": "Retain", "indexes": indexes } })).await;
    until_in_progress(&fixture).await;
    fixture.delete("slow").await;
    fixture.until_gone("slow").await;
    old.release().await;
    let valid = async || {
        fixture.query("SELECT indisvalid::text FROM pg_index WHERE indrelid = 'slow'::regclass").await
    };
    eventually("the server ends what it has begun", valid, |valid| valid == &["true"]).await;
    // What would have come next would be there by now.
    fixture.apply(&manifest("other", "other", &["ID"]));
    fixture.until_ready("other").await;
    let indexes = json!([{ "name": "of_other", "columns": ["ID"] }]);
    fixture.patch("other", json!({ "spec": { "indexes": indexes } })).await;
    let built = async || {
        fixture.query("SELECT indisvalid::text FROM pg_index WHERE indrelid = 'other'::regclass").await
    };
    eventually("another index is built", built, |valid| valid == &["true"]).await;
    assert_eq!(valid().await, ["true"], "there is one");
}

#[tokio::test]
async fn a_build_goes_on_when_its_operator_is_killed_and_the_next_one_waits_for_it() {
    let fixture = Fixture::new("slow-index-killed").await;
    let mut operator = fixture.operator().start();
    fixture.apply(&manifest("slow", "slow", &["ID"]));
    fixture.until_ready("slow").await;
    let old = fixture.lock(OLD).await;
    with_index(&fixture).await;
    let oid = "SELECT 'by_id'::regclass::oid::text";
    let before = fixture.query(oid).await;
    operator.kill_9();
    let _operator = fixture.operator().start();
    until_in_progress(&fixture).await;
    old.release().await;
    until_built(&fixture).await;
    assert_eq!(fixture.query(oid).await, before, "it wasn't built twice");
}

#[tokio::test]
async fn a_build_that_dies_with_its_operator_begins_again() {
    let fixture = Fixture::new("slow-index-dead").await;
    let mut operator = fixture.operator().start();
    fixture.apply(&manifest("slow", "slow", &["ID"]));
    fixture.until_ready("slow").await;
    let old = fixture.lock(OLD).await;
    with_index(&fixture).await;
    operator.kill_9();
    fixture
        .query("SELECT pg_terminate_backend(pid)::text FROM pg_stat_progress_create_index WHERE datname = current_database()")
        .await;
    old.release().await;
    let _operator = fixture.operator().start();
    until_built(&fixture).await;
}

#[tokio::test]
async fn a_build_that_somebody_cancels_is_begun_again_after_minutes_or_when_the_object_changes() {
    let fixture = Fixture::new("slow-index-cancelled").await;
    let _operator = fixture.operator().not_verbose().start();
    fixture.apply(&manifest("slow", "slow", &["ID"]));
    fixture.until_ready("slow").await;
    let old = fixture.lock(OLD).await;
    with_index(&fixture).await;
    fixture
        .query("SELECT pg_cancel_backend(pid)::text FROM pg_stat_progress_create_index WHERE datname = current_database()")
        .await;
    let cancelled = |object: &Value| condition(object, "Synced") == ["False", "DatabaseUnavailable"];
    let object = fixture.until("slow", "it says that the build was cancelled", cancelled).await;
    let text = object["status"]["conditions"].to_string();
    assert!(text.contains("is tried again after five minutes"), "{text}");
    let progress = object["metadata"]["annotations"]["kopf.zalando.org/update_handler"].as_str().unwrap();
    let progress: Value = serde_json::from_str(progress).unwrap();
    let next: jiff::Timestamp = progress["delayed"].as_str().unwrap().parse().unwrap();
    let wait = next.duration_since(jiff::Timestamp::now());
    assert!((200..=300).contains(&wait.as_secs()), "{wait:?}");
    // Others have nothing to do with it.
    fixture.apply(&manifest("quick", "quick", &["ID"]));
    fixture.until_ready("quick").await;
    old.release().await;
    fixture.patch("slow", json!({ "metadata": { "labels": { "looked": "now" } } })).await;
    until_built(&fixture).await;
}

#[tokio::test]
async fn a_type_that_comes_later_makes_all_objects_go_on_that_wait_for_it() {
    let fixture = Fixture::new("late-type").await;
    let operator = fixture.operator().not_verbose().start();
    for number in 0..3 {
        let name = format!("late-{number}");
        let late = manifest(&name, &format!("late_{number}"), &["ID"])
            .replace("ID: integer", &format!("C{number}: mood"));
        fixture.apply(&late);
        let missing = |object: &Value| condition(object, "Ready") == ["False", "TypeMissing"];
        let object = fixture.until(&name, "its type is missing", missing).await;
        assert_eq!(condition(&object, "Stalled"), ["", ""], "it may come");
    }
    operator.wait_for_line("the database has no type mood").await;
    fixture.sql("CREATE TYPE mood AS ENUM ('ok')").await;
    for number in 0..3 {
        fixture.until_ready(&format!("late-{number}")).await;
    }
    operator.wait_for_line("the database has no type mood. ").await;
}
