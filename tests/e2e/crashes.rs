//! Crashes: an operator that is killed (SIGKILL) at any point, and another one that completes its work.

mod every_call;
mod scenario;
mod world;

use crate::fixture::{Fixture, KOPF_DEMO_CR, Lock, OperatorProcess, kopf_demo_cr_with_country};
use korf_sandbox::Proxy;
use serde_json::Value;

/// Kills the operator while it waits for the lock.
async fn kill_at(lock: Lock, operator: &mut OperatorProcess) {
    lock.until_blocking().await;
    operator.kill_9();
    lock.release().await;
}

/// A fixture with the Kopf demo's table and a running operator.
async fn with_the_table(name: &str) -> (Fixture<'static>, OperatorProcess) {
    let fixture = Fixture::new(name).await;
    fixture.apply(KOPF_DEMO_CR);
    let operator = fixture.operator().start();
    fixture.until_ready("website-users").await;
    (fixture, operator)
}

/// A statement whose lock blocks changes of the table and its removal.
const READER: &str = "SELECT count(*) FROM website_users";

#[tokio::test]
async fn an_operator_killed_before_it_creates_the_table_creates_it_after_a_restart() {
    let fixture = Fixture::new("killed-before-create").await;
    let lock = fixture.lock_name("public.website_users").await;
    let mut operator = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    kill_at(lock, &mut operator).await;
    assert_eq!(fixture.table("website-users").await.unwrap()["status"], Value::Null);

    let operator = fixture.operator().start();
    fixture.until_ready("website-users").await;
    assert_eq!(fixture.columns("website_users").await.len(), 5);
    operator.wait_for_line("Creation is processed: 1 succeeded; 0 failed.").await;
}

#[tokio::test]
async fn an_operator_killed_between_creating_a_table_and_its_marker_creates_both_after_a_restart() {
    let fixture = Fixture::new("killed-in-create").await;
    // The marker is a comment. With this lock, no other session can write comments.
    let lock = fixture.lock_as_superuser("LOCK TABLE pg_catalog.pg_description IN SHARE MODE").await;
    let mut operator = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    kill_at(lock, &mut operator).await;

    let _operator = fixture.operator().start();
    fixture.until_ready("website-users").await;
    assert_eq!(fixture.columns("website_users").await.len(), 5);
}

#[tokio::test]
async fn an_update_interrupted_by_a_kill_is_made_after_a_restart() {
    let (fixture, mut operator) = with_the_table("killed-in-update").await;
    let lock = fixture.lock(READER).await;
    fixture.apply(&kopf_demo_cr_with_country());
    kill_at(lock, &mut operator).await;

    let _operator = fixture.operator().start();
    fixture.until_column_count("website-users", 6).await;
    assert_eq!(fixture.columns("website_users").await.len(), 6);
}

#[tokio::test]
async fn a_deletion_interrupted_by_a_kill_is_completed_after_a_restart() {
    let (fixture, mut operator) = with_the_table("killed-in-delete").await;
    let lock = fixture.lock(READER).await;
    fixture.delete("website-users").await;
    kill_at(lock, &mut operator).await;
    assert!(fixture.table("website-users").await.is_some(), "the finalizer keeps the object");

    let _operator = fixture.operator().start();
    fixture.until_gone("website-users").await;
    assert_eq!(fixture.all_tables().await, [""; 0]);
}

/// An operator whose requests can be stalled, with the proxy that does so.
async fn start_through_a_proxy(fixture: &Fixture<'_>) -> (OperatorProcess, Proxy) {
    let proxy = fixture.api_proxy().await;
    (fixture.operator().kubeconfig_through(&proxy).start(), proxy)
}

/// Kills the operator after its transaction is committed, and before its patch reaches the API server.
async fn kill_after(commit: impl AsyncFnOnce(), lock: Lock, (mut operator, proxy): (OperatorProcess, Proxy)) {
    lock.until_blocking().await;
    proxy.stall();
    lock.release().await;
    commit().await;
    operator.kill_9();
}

#[tokio::test]
async fn a_table_created_right_before_a_kill_is_found_and_reported_after_a_restart() {
    let fixture = Fixture::new("killed-after-create").await;
    let lock = fixture.lock_name("public.website_users").await;
    let operator = start_through_a_proxy(&fixture).await;
    fixture.apply(KOPF_DEMO_CR);
    kill_after(async || fixture.until_columns("website_users", 5).await, lock, operator).await;
    assert_eq!(fixture.table("website-users").await.unwrap()["status"], Value::Null);

    let operator = fixture.operator().start();
    fixture.until_ready("website-users").await;
    operator.wait_for_line("Create handler invoked by custom resource website-users.").await;
    operator.wait_for_line("Table public.website_users is up to date.").await;
}

#[tokio::test]
async fn a_column_added_right_before_a_kill_is_found_and_reported_after_a_restart() {
    let (fixture, operator) = with_the_table("killed-after-update").await;
    drop(operator);
    let operator = start_through_a_proxy(&fixture).await;
    operator.0.wait_for_line("Something has changed, but we are not interested").await;
    let lock = fixture.lock(READER).await;
    fixture.apply(&kopf_demo_cr_with_country());
    kill_after(async || fixture.until_columns("website_users", 6).await, lock, operator).await;
    assert_eq!(fixture.table("website-users").await.unwrap()["status"]["columnCount"], 5);

    let operator = fixture.operator().start();
    fixture.until_column_count("website-users", 6).await;
    operator.wait_for_line("Table public.website_users is up to date.").await;
}

#[tokio::test]
async fn an_object_whose_table_was_dropped_right_before_a_kill_is_released_after_a_restart() {
    let (fixture, operator) = with_the_table("killed-after-delete").await;
    drop(operator);
    let operator = start_through_a_proxy(&fixture).await;
    operator.0.wait_for_line("Something has changed, but we are not interested").await;
    let lock = fixture.lock(READER).await;
    fixture.delete("website-users").await;
    kill_after(async || fixture.until_columns("website_users", 0).await, lock, operator).await;
    assert!(fixture.table("website-users").await.is_some(), "the finalizer keeps the object");

    let operator = fixture.operator().start();
    fixture.until_gone("website-users").await;
    operator.wait_for_line("Table public.website_users is gone: nothing was left to drop.").await;
}
