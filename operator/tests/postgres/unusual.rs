//! Tables as people have them besides: with indexes that others need.

use crate::{indexes::until_over, support::World};
use database_table_operator::{sqlstate::ErrorClass, status::ConditionReason};
use serde_json::json;

#[tokio::test]
async fn a_unique_constraint_by_which_replication_tells_rows_apart_is_not_dropped() {
    let world = World::new("unique_identity").await;
    let of = |unique: bool| json!({"tableName": "t", "columns": [{"id": "integer"}, {"a": {"type": "integer", "nullable": false, "unique": unique}}]});
    assert_eq!(until_over(&world, &of(true)).await, Ok(()));
    world.run("ALTER TABLE t REPLICA IDENTITY USING INDEX t_a_key").await;
    let error = world.rejected(&of(false)).await;
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Environment, ConditionReason::Conflict),
        "{error}"
    );
    assert!(error.to_string().contains("\"t_a_key\" of table public.t is its REPLICA IDENTITY"), "{error}");
    // Its name follows its column, and it stays what it is.
    let renamed = json!({"tableName": "t", "columns": [{"id": "integer"}, {"b": {"type": "integer", "nullable": false, "unique": true, "renamedFrom": "a"}}]});
    assert_eq!(until_over(&world, &renamed).await, Ok(()));
    let query = "SELECT indexrelid::regclass::text FROM pg_index WHERE indisreplident";
    assert_eq!(world.sql.query_one(query, &[]).await.unwrap().get::<_, String>(0), "t_b_key");
    world.run("ALTER TABLE t REPLICA IDENTITY FULL").await;
    let plain = json!({"tableName": "t", "columns": [{"id": "integer"}, {"b": "integer"}]});
    assert_eq!(until_over(&world, &plain).await, Ok(()));
}
