//! An object is deleted and made again under the same name while its handler runs.

use crate::stage::{SEED_CR, Stage, eventually};
use serde_json::{Value, json};
use std::process::Stdio;

/// The seed's object with one more column, to be told from the first one.
fn second() -> String {
    SEED_CR.replace("  primaryKey", "    - COUNTRY: char(2)\n  primaryKey")
}

#[tokio::test]
async fn an_object_replaced_while_its_handler_runs_is_first_dropped_and_then_made() {
    let stage = Stage::new("replaced").await;
    let lock = stage.lock_name("public.website_users").await;
    let operator = stage.operator().start();
    stage.apply(SEED_CR);
    lock.awaited().await;
    let first = stage.table("website-users").await.unwrap();

    // Deletes, waits for the end of it, and creates.
    let path = format!("{}/replaced.yaml", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, second()).unwrap();
    let mut replace = stage.kubectl();
    replace.args(["replace", "--force", "--filename", &path]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let replaced = replace.spawn().unwrap();
    stage
        .until("website-users", "it is being deleted", |table| {
            !table["metadata"]["deletionTimestamp"].is_null()
        })
        .await;
    lock.release().await;

    let output = tokio::task::spawn_blocking(|| replaced.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
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
    stage.apply(&second());
    let second = stage.table("website-users").await.unwrap();
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    lock.release().await;

    let six = |table: &Value| table["status"]["columnCount"] == 6;
    let object = stage.until("website-users", "it has six columns", six).await;
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
