//! The operator is killed (SIGKILL) in the middle of what it does; the next one brings it to its end.

use crate::stage::{Lock, Operator, SEED_CR, Stage, seed_cr_with_country};
use korf_sandbox::Proxy;
use serde_json::Value;

/// Kills the operator where it waits for the lock.
async fn killed_at(lock: Lock, operator: &mut Operator) {
    lock.awaited().await;
    operator.kill_9();
    lock.release().await;
}

/// A stage with the seed's table and an operator.
async fn with_the_table(name: &str) -> (Stage<'static>, Operator) {
    let stage = Stage::new(name).await;
    stage.apply(SEED_CR);
    let operator = stage.operator().start();
    stage.until_ready("website-users").await;
    (stage, operator)
}

/// Whoever reads the table keeps it from being altered or dropped.
const READER: &str = "SELECT count(*) FROM website_users";

#[tokio::test]
async fn killed_before_the_table_is_made_the_next_one_makes_it() {
    let stage = Stage::new("killed-before-create").await;
    let lock = stage.lock_name("public.website_users").await;
    let mut operator = stage.operator().start();
    stage.apply(SEED_CR);
    killed_at(lock, &mut operator).await;
    assert_eq!(stage.table("website-users").await.unwrap()["status"], Value::Null);

    let operator = stage.operator().start();
    stage.until_ready("website-users").await;
    assert_eq!(stage.columns("website_users").await.len(), 5);
    operator.wait_for_line("Creation is processed: 1 succeeded; 0 failed.").await;
}

#[tokio::test]
async fn killed_between_the_table_and_its_marker_the_next_one_finds_neither_and_makes_both() {
    let stage = Stage::new("killed-in-create").await;
    // The marker is a comment: where those are kept, nobody else can write now.
    let lock = stage.lock_as_superuser("LOCK TABLE pg_catalog.pg_description IN SHARE MODE").await;
    let mut operator = stage.operator().start();
    stage.apply(SEED_CR);
    killed_at(lock, &mut operator).await;

    let _operator = stage.operator().start();
    stage.until_ready("website-users").await;
    assert_eq!(stage.columns("website_users").await.len(), 5);
}

#[tokio::test]
async fn killed_in_an_update_the_next_one_makes_it() {
    let (stage, mut operator) = with_the_table("killed-in-update").await;
    let lock = stage.lock(READER).await;
    stage.apply(&seed_cr_with_country());
    killed_at(lock, &mut operator).await;

    let _operator = stage.operator().start();
    stage.until_column_count("website-users", 6).await;
    assert_eq!(stage.columns("website_users").await.len(), 6);
}

#[tokio::test]
async fn killed_in_a_deletion_the_next_one_drops_the_table_and_lets_the_object_go() {
    let (stage, mut operator) = with_the_table("killed-in-delete").await;
    let lock = stage.lock(READER).await;
    stage.delete("website-users").await;
    killed_at(lock, &mut operator).await;
    assert!(stage.table("website-users").await.is_some(), "the finalizer keeps it");

    let _operator = stage.operator().start();
    stage.until_gone("website-users").await;
    assert_eq!(stage.all_tables().await, [""; 0]);
}

/// An operator whose writes can be held back, and the proxy that does it.
async fn through_a_proxy(stage: &Stage<'_>) -> (Operator, Proxy) {
    let proxy = stage.api_proxy().await;
    (stage.operator().kubeconfig_through(&proxy).start(), proxy)
}

/// Kills the operator when its transaction is committed, and what it would write to the object is on its way.
async fn killed_after(commit: impl AsyncFnOnce(), lock: Lock, (mut operator, proxy): (Operator, Proxy)) {
    lock.awaited().await;
    proxy.stall();
    lock.release().await;
    commit().await;
    operator.kill_9();
}

#[tokio::test]
async fn killed_after_the_table_is_made_the_next_one_finds_it_and_says_so() {
    let stage = Stage::new("killed-after-create").await;
    let lock = stage.lock_name("public.website_users").await;
    let operator = through_a_proxy(&stage).await;
    stage.apply(SEED_CR);
    killed_after(async || stage.until_columns("website_users", 5).await, lock, operator).await;
    assert_eq!(stage.table("website-users").await.unwrap()["status"], Value::Null);

    let operator = stage.operator().start();
    stage.until_ready("website-users").await;
    operator.wait_for_line("Create handler invoked by custom resource website-users.").await;
    operator.wait_for_line("Table public.website_users is up to date.").await;
}

#[tokio::test]
async fn killed_after_a_column_is_added_the_next_one_finds_it_and_says_so() {
    let (stage, operator) = with_the_table("killed-after-update").await;
    drop(operator);
    let operator = through_a_proxy(&stage).await;
    operator.0.wait_for_line("Something has changed, but we are not interested").await;
    let lock = stage.lock(READER).await;
    stage.apply(&seed_cr_with_country());
    killed_after(async || stage.until_columns("website_users", 6).await, lock, operator).await;
    assert_eq!(stage.table("website-users").await.unwrap()["status"]["columnCount"], 5);

    let operator = stage.operator().start();
    stage.until_column_count("website-users", 6).await;
    operator.wait_for_line("Table public.website_users is up to date.").await;
}

#[tokio::test]
async fn killed_after_the_table_is_dropped_the_next_one_lets_the_object_go() {
    let (stage, operator) = with_the_table("killed-after-delete").await;
    drop(operator);
    let operator = through_a_proxy(&stage).await;
    operator.0.wait_for_line("Something has changed, but we are not interested").await;
    let lock = stage.lock(READER).await;
    stage.delete("website-users").await;
    killed_after(async || stage.until_columns("website_users", 0).await, lock, operator).await;
    assert!(stage.table("website-users").await.is_some(), "the finalizer keeps it");

    let operator = stage.operator().start();
    stage.until_gone("website-users").await;
    operator.wait_for_line("The object has no table to drop.").await;
}
