//! Objects that are deleted and recreated under the same name while a handler runs.

use crate::fixture::{Fixture, KOPF_DEMO_CR, eventually, kopf_demo_cr_with_country};
use serde_json::json;

#[tokio::test]
async fn an_object_deleted_during_its_creation_is_dropped_and_its_successor_created() {
    let fixture = Fixture::new("deleted-while-made").await;
    let lock = fixture.lock_name("public.website_users").await;
    let operator = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    lock.until_blocking().await;
    let first = fixture.table("website-users").await.unwrap();

    fixture.delete("website-users").await;
    lock.release().await;
    fixture.until_gone("website-users").await;
    assert_eq!(fixture.all_tables().await, [""; 0]);
    fixture.apply(&kopf_demo_cr_with_country());
    let object = fixture.until_ready("website-users").await;
    assert_ne!(object["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(fixture.columns("website_users").await.len(), 6);
    operator.wait_for_lines("Handler 'create_handler' succeeded.", 2).await;
    assert_eq!(operator.count_lines("Handler 'delete_handler' succeeded."), 1);
}

#[tokio::test]
async fn the_result_for_a_deleted_object_is_not_written_to_its_successor() {
    let fixture = Fixture::new("succeeded-by-another").await;
    let lock = fixture.lock_name("public.website_users").await;
    let operator = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    lock.until_blocking().await;
    let first = fixture.table("website-users").await.unwrap();

    // By force, as people do with objects whose deletion hangs.
    fixture.delete("website-users").await;
    fixture.patch("website-users", json!({"metadata": {"finalizers": null}})).await;
    fixture.until_gone("website-users").await;
    fixture.apply(&kopf_demo_cr_with_country());
    let second = fixture.table("website-users").await.unwrap();
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    lock.release().await;

    let object = fixture.until_column_count("website-users", 6).await;
    assert_eq!(object["metadata"]["uid"], second["metadata"]["uid"]);
    assert_eq!(fixture.columns("website_users").await.len(), 6);
    // The first object's handler may succeed or fail, because its object is gone.
    let finished = async || {
        operator.count_lines("Handler 'create_handler' succeeded.")
            + operator.count_lines("Handler 'create_handler' failed")
    };
    eventually("both handlers have finished", finished, |count| *count >= 2).await;
    let settled = fixture.until_ready("website-users").await;
    assert_eq!(settled["status"]["columnCount"], 6);
}

#[tokio::test]
async fn a_late_deletion_leaves_the_table_to_the_successor() {
    let fixture = Fixture::new("deleted-late").await;
    let operator = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    let first = fixture.until_ready("website-users").await;
    fixture.sql("INSERT INTO website_users (user_id) VALUES (7)").await;
    let lock = fixture.lock_name("public.website_users").await;
    fixture.delete("website-users").await;
    lock.until_blocking().await;
    // Within the operator's three seconds.
    fixture.patch("website-users", json!({"metadata": {"finalizers": null}})).await;
    fixture.until_gone("website-users").await;
    fixture.create(&kopf_demo_cr_with_country()).await;
    lock.release().await;

    let object = fixture.until_column_count("website-users", 6).await;
    assert_ne!(object["metadata"]["uid"], first["metadata"]["uid"]);
    operator
        .wait_for_line("Table public.website_users stays in the database: the object no longer exists")
        .await;
    assert_eq!(fixture.query("SELECT user_id::text FROM website_users").await, ["7"]);
    let uid = format!("%{}%", object["metadata"]["uid"].as_str().unwrap());
    let marked = format!("SELECT (obj_description('website_users'::regclass) LIKE '{uid}')::text");
    assert_eq!(fixture.query(&marked).await, ["true"]);
    fixture.delete("website-users").await;
    fixture.until_gone("website-users").await;
    assert_eq!(fixture.all_tables().await, [""; 0]);
}
