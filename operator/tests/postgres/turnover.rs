//! Work that a replica has begun for an object, and that waits for its turn, after another replica has taken the object over.

use crate::support::{World, owner, spec};
use database_table_operator::{database::Database, drift::Hold, status::ConditionReason};
use futures::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_postgres::Client;

/// A table `t` with rows, of object `a`, whose changes to this spec wait for the build of an index of another table in a former
/// process; and the transaction that keeps that build from its end.
async fn waiting(name: &str, changed: &Value, hold: Option<&Hold>) -> (World, Database, Client) {
    let mut world = World::new(name).await;
    if let Some(hold) = hold {
        world.tables.watch().hold("shop", "a", hold);
    }
    world.apply(&base()).await.unwrap();
    world.run("INSERT INTO t SELECT n, n FROM generate_series(1, 100) n").await;
    let old = world.database.connect().await.unwrap();
    old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1").await.unwrap();
    let mut other = spec("other", &[("a", "integer")]);
    world.apply_as("b", &other).await.unwrap();
    other["indexes"] = json!([{"name": "of_other", "columns": ["a"]}]);
    let in_progress = |error: database_table_operator::error::TableError| {
        assert_eq!(error.reason(), ConditionReason::InProgress, "{error}");
    };
    in_progress(world.apply_as("b", &other).await.unwrap_err());
    in_progress(world.apply(changed).await.unwrap_err());
    let former = world.another_process();
    (world, former, old)
}

fn base() -> Value {
    spec("t", &[("a", "integer"), ("b", "integer")])
}

/// The spec with this in place of its first column.
fn with_column(column: &Value) -> Value {
    let mut wanted = base();
    wanted["columns"][0] = json!({"a": column});
    wanted
}

/// What of a snapshot isn't about the other table.
fn of_table(snapshot: Vec<String>) -> Vec<String> {
    snapshot.into_iter().filter(|line| !line.contains("other")).collect()
}

/// Waits until a process has nothing to do for an object any more.
async fn until_settled(process: &Database, name: &str) {
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    process.when_settled(&owner(name), move || tell.notify_one());
    told.notified().await;
}

#[tokio::test]
async fn what_the_spec_no_longer_has_is_not_done_by_a_replica_that_had_begun_with_it() {
    let mut indexed = base();
    indexed["indexes"] = json!([{"name": "by_a", "columns": ["a"], "unique": true}]);
    let cases = [
        ("late_index", indexed),
        ("late_not_null", with_column(&json!({"type": "integer", "nullable": false}))),
        ("late_unique", with_column(&json!({"type": "integer", "unique": true}))),
    ];
    join_all(cases.iter().map(async |(name, changed)| {
        let (world, former, old) = waiting(name, changed, None).await;
        world.apply(&base()).await.unwrap();
        let before = world.snapshot().await;
        old.batch_execute("COMMIT").await.unwrap();
        until_settled(&former, "a").await;
        assert_eq!(of_table(world.snapshot().await), of_table(before), "{name}");
    }))
    .await;
}

#[tokio::test]
async fn a_replica_that_has_lost_an_object_does_nothing_more_for_it() {
    let (hold, mut indexed) = (Hold::default(), base());
    indexed["indexes"] = json!([{"name": "by_a", "columns": ["a"]}]);
    let (world, former, old) = waiting("lost", &indexed, Some(&hold)).await;
    let before = world.snapshot().await;
    drop(hold);
    old.batch_execute("COMMIT").await.unwrap();
    until_settled(&former, "a").await;
    assert_eq!(of_table(world.snapshot().await), of_table(before));
}

/// The number of a work that is over, or was left by a process that is gone, is taken out of the comment. That waits for a lock that a
/// VACUUM holds for hours.
#[tokio::test]
async fn a_table_that_is_as_asked_is_applied_while_others_hold_the_lock_for_its_comment() {
    let world = World::new("turnover_locked").await;
    world.apply(&base()).await.unwrap();
    let number = "SELECT obj_description('t'::regclass)";
    let comment: String = world.sql.query_one(number, &[]).await.unwrap().get(0);
    let (start, _) = comment.rsplit_once('}').unwrap();
    let left = format!("{start},\"work\":\"7\"}}");
    world.run(&format!("COMMENT ON TABLE t IS '{left}'")).await;
    let other = world.database.connect().await.unwrap();
    other.batch_execute("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
    world.apply(&base()).await.unwrap();
    // Anything else has to be written.
    let error =
        world.apply(&spec("t", &[("a", "integer"), ("b", "integer"), ("c", "text")])).await.unwrap_err();
    assert!(
        [ConditionReason::DatabaseUnavailable, ConditionReason::InProgress].contains(&error.reason()),
        "{error}"
    );
    assert_eq!(world.sql.query_one(number, &[]).await.unwrap().get::<_, String>(0), left);
    other.batch_execute("COMMIT").await.unwrap();
    world.apply(&base()).await.unwrap();
    assert_eq!(world.sql.query_one(number, &[]).await.unwrap().get::<_, String>(0), comment);
}
