//! What a connection of before goes on with at a table: nobody waits behind the operator that waits for its lock.

use crate::{
    indexes::until_over,
    support::{World, until},
};
use database_table_operator::{
    error::{TableError, Wait},
    outcome::Outcome,
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use futures::future::join;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A spec of a table `t` with a column `a` of these settings.
fn a(settings: &Value) -> Value {
    let mut column = json!({"type": "integer"});
    column.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    json!({"tableName": "t", "columns": [{"id": "integer"}, {"a": column}]})
}

fn more(mut wanted: Value) -> Value {
    wanted["columns"].as_array_mut().unwrap().push(json!({"b": "text"}));
    wanted
}

/// Asserts that a spec waits for what is done to the table, and that it took no lock.
async fn waits(world: &World, wanted: &Value) -> TableError {
    let begun = Instant::now();
    let error = world.rejected(wanted).await;
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Temporary, ConditionReason::InProgress),
        "{error}"
    );
    assert_eq!(error.wait(), Wait::ForWork);
    assert!(begun.elapsed() < Duration::from_secs(2), "{error}");
    error
}

#[tokio::test]
async fn a_change_waits_for_a_lock_that_another_connection_of_the_user_holds_without_queueing_for_it() {
    let world = World::new("busy").await;
    world.apply(&a(&json!({}))).await.unwrap();
    let other = world.database.connect().await.unwrap();
    other.batch_execute("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
    let error = waits(&world, &more(a(&json!({})))).await;
    assert!(
        error.to_string().starts_with("table public.t is held by another connection of the operator's user"),
        "{error}"
    );
    waits(&world, &a(&json!({"nullable": false}))).await;
    // Nothing is to be changed.
    assert_eq!(world.apply(&a(&json!({}))).await.unwrap().outcome, Outcome::Unchanged);
    other.batch_execute("COMMIT").await.unwrap();
    world.apply(&more(a(&json!({})))).await.unwrap();
    // Readers and writers don't matter.
    other.batch_execute("BEGIN; INSERT INTO t VALUES (1, 1)").await.unwrap();
    world.apply(&more(a(&json!({"default": 5})))).await.unwrap_err();
    other.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_validation_that_an_operator_of_before_has_begun_is_waited_for_and_ended_if_nobody_asks_for_it_any_more()
 {
    let world = World::new("forgotten_validation").await;
    world.apply(&a(&json!({"nullable": false}))).await.unwrap();
    world.run("ALTER TABLE t ALTER a DROP NOT NULL; INSERT INTO t VALUES (1, 1)").await;
    // It takes a minute for a row.
    world.run("ALTER TABLE t ADD CONSTRAINT korf_a_not_null CHECK (a IS NOT NULL AND pg_sleep(60) IS NOT NULL) NOT VALID").await;
    let of_before = world.database.connect().await.unwrap();
    let validate = async {
        let statement = "ALTER TABLE \"public\".\"t\" VALIDATE CONSTRAINT \"korf_a_not_null\"";
        of_before.execute_typed(statement, &[]).await.unwrap_err()
    };
    let work = async {
        let is_going = "SELECT FROM pg_locks WHERE relation = 't'::regclass AND mode = 'ShareUpdateExclusiveLock' AND granted";
        until("it is going", async || !world.sql.query(is_going, &[]).await.unwrap().is_empty()).await;
        waits(&world, &more(a(&json!({"nullable": false})))).await;
        let begun = Instant::now();
        world.apply(&more(a(&json!({})))).await.unwrap();
        // By itself, it would go on for a minute.
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    };
    let (error, ()) = join(validate, work).await;
    assert_eq!(error.code().unwrap().code(), "57014", "{error}");
    let left = world
        .sql
        .query("SELECT FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'", &[])
        .await
        .unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn the_build_of_a_unique_column_is_ended_with_it_and_its_index_isnt_forgotten_before_it_is_gone() {
    let world = World::new("unique_given_up").await;
    world.apply(&a(&json!({}))).await.unwrap();
    world.run("INSERT INTO t SELECT n, n FROM generate_series(1, 100) n").await;
    // No build is over before this transaction is, nor is the drop of an index.
    let old = world.database.connect().await.unwrap();
    old.batch_execute("BEGIN; INSERT INTO t VALUES (0, 0)").await.unwrap();
    let error = world.apply(&a(&json!({"unique": true}))).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::InProgress, "{error}");
    let error = world.apply(&a(&json!({}))).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::InProgress, "{error}");
    let building = "SELECT FROM pg_stat_progress_create_index WHERE datname = current_database()";
    assert!(world.sql.query(building, &[]).await.unwrap().is_empty(), "it goes on");
    let comment = "SELECT obj_description('t'::regclass, 'pg_class')";
    let named =
        async || world.sql.query_one(comment, &[]).await.unwrap().get::<_, String>(0).contains("unique");
    assert!(named().await, "an operator that starts now would leave the index as it is");
    old.batch_execute("COMMIT").await.unwrap();
    assert_eq!(until_over(&world, &a(&json!({}))).await, Ok(()));
    assert!(!named().await);
    let indexes = world.sql.query("SELECT FROM pg_index WHERE indrelid = 't'::regclass", &[]).await.unwrap();
    assert!(indexes.is_empty());
    assert_eq!(world.apply(&a(&json!({}))).await.unwrap().outcome, Outcome::Unchanged);
}
