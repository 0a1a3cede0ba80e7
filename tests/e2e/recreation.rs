//! An object is deleted and made again under the same name while its handler runs.

use crate::stage::{SEED_CR, Stage, eventually, seed_cr_with_country};
use serde_json::json;

#[tokio::test]
async fn an_object_deleted_while_its_handler_runs_is_made_then_dropped_and_the_next_one_is_made_anew() {
    let stage = Stage::new("deleted-while-made").await;
    let lock = stage.lock_name("public.website_users").await;
    let operator = stage.operator().start();
    stage.apply(SEED_CR);
    lock.awaited().await;
    let first = stage.table("website-users").await.unwrap();

    stage.delete("website-users").await;
    lock.release().await;
    stage.until_gone("website-users").await;
    assert_eq!(stage.all_tables().await, [""; 0]);
    stage.apply(&seed_cr_with_country());
    let object = stage.until_ready("website-users").await;
    assert_ne!(object["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(stage.columns("website_users").await.len(), 6);
    operator.wait_for_lines("Handler 'create_handler' succeeded.", 2).await;
    assert_eq!(operator.count("Handler 'delete_handler' succeeded."), 1);
}

#[tokio::test]
async fn what_a_handler_did_for_an_object_that_is_gone_is_not_written_to_its_successor() {
    let stage = Stage::new("succeeded-by-another").await;
    let lock = stage.lock_name("public.website_users").await;
    let operator = stage.operator().start();
    stage.apply(SEED_CR);
    lock.awaited().await;
    let first = stage.table("website-users").await.unwrap();

    // By force, as people do with objects that won't go.
    stage.delete("website-users").await;
    stage.patch("website-users", json!({"metadata": {"finalizers": null}})).await;
    stage.until_gone("website-users").await;
    stage.apply(&seed_cr_with_country());
    let second = stage.table("website-users").await.unwrap();
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    lock.release().await;

    let object = stage.until_column_count("website-users", 6).await;
    assert_eq!(object["metadata"]["uid"], second["metadata"]["uid"]);
    assert_eq!(stage.columns("website_users").await.len(), 6);
    // Whatever the first one's handler came to: it ends, and its object is not there to hear of it.
    let ended = async || {
        operator.count("Handler 'create_handler' succeeded.")
            + operator.count("Handler 'create_handler' failed")
    };
    eventually("both handlers have ended", ended, |count| *count >= 2).await;
    let settled = stage.until_ready("website-users").await;
    assert_eq!(settled["status"]["columnCount"], 6);
}

#[tokio::test]
async fn a_deletion_that_comes_late_leaves_the_table_to_the_next_object_of_the_name() {
    let stage = Stage::new("deleted-late").await;
    let operator = stage.operator().start();
    stage.apply(SEED_CR);
    let first = stage.until_ready("website-users").await;
    stage.sql("INSERT INTO website_users (user_id) VALUES (7)").await;
    let lock = stage.lock_name("public.website_users").await;
    stage.delete("website-users").await;
    lock.awaited().await;
    stage.patch("website-users", json!({"metadata": {"finalizers": null}})).await;
    stage.until_gone("website-users").await;
    stage.apply(&seed_cr_with_country());
    lock.release().await;

    let object = stage.until_column_count("website-users", 6).await;
    assert_ne!(object["metadata"]["uid"], first["metadata"]["uid"]);
    operator.wait_for_line("Kept table public.website_users: the object no longer exists").await;
    assert_eq!(stage.query("SELECT user_id::text FROM website_users").await, ["7"]);
    let uid = format!("%{}%", object["metadata"]["uid"].as_str().unwrap());
    let marked = format!("SELECT (obj_description('website_users'::regclass) LIKE '{uid}')::text");
    assert_eq!(stage.query(&marked).await, ["true"]);
    stage.delete("website-users").await;
    stage.until_gone("website-users").await;
    assert_eq!(stage.all_tables().await, [""; 0]);
}
