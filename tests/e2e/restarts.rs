//! Restarts: missed changes are handled, and finished work isn't repeated.

use crate::fixture::{Fixture, KOPF_DEMO_CR, OperatorProcess, kopf_demo_cr_with_country, manifest};

/// The number of handlers that have succeeded, from the log.
fn succeeded(operator: &OperatorProcess) -> usize {
    let lines = operator.lines();
    lines.iter().filter(|line| line.contains("] Handler '") && line.ends_with("' succeeded.")).count()
}

/// A fixture with the Kopf demo's table, after its operator has stopped.
async fn after_a_stop(name: &str) -> Fixture<'static> {
    let fixture = Fixture::new(name).await;
    fixture.apply(KOPF_DEMO_CR);
    let mut operator = fixture.operator().start();
    fixture.until_ready("website-users").await;
    let status = operator.terminate().await;
    assert_eq!(status.code(), Some(0));
    operator.wait_for_line("Signal SIGTERM is received. Operator is stopping.").await;
    fixture
}

/// Checks that a new operator sees `website-users`, and neither handles nor writes it.
async fn check_unchanged(fixture: &Fixture<'_>) {
    let before = fixture.table("website-users").await.unwrap();
    let operator = fixture.operator().start();
    let here = format!("[{}/website-users]", fixture.namespace);
    let noop = "Something has changed, but we are not interested (the essence is the same).";
    operator.wait_for_line(&format!("{here} {noop}")).await;
    fixture.apply(&manifest("probe", "probe", &["id"]));
    fixture.until_ready("probe").await;
    assert_eq!(operator.count_lines(&format!("{here} Handler")), 0);
    assert_eq!(succeeded(&operator), 1, "only the probe's handler");
    assert_eq!(fixture.table("website-users").await.unwrap(), before, "nothing was written");
}

#[tokio::test]
async fn a_restart_repeats_nothing() {
    let fixture = after_a_stop("second-start").await;
    check_unchanged(&fixture).await;
}

#[tokio::test]
async fn a_change_made_while_the_operator_was_down_is_handled_after_the_restart() {
    let fixture = after_a_stop("change-while-down").await;
    fixture.apply(&kopf_demo_cr_with_country());
    let operator = fixture.operator().start();
    fixture.until_column_count("website-users", 6).await;
    assert_eq!(fixture.columns("website_users").await.len(), 6);
    operator.wait_for_line("Handler 'update_handler' succeeded.").await;
    assert_eq!(succeeded(&operator), 1);
}

#[tokio::test]
async fn a_deletion_made_while_the_operator_was_down_is_handled_after_the_restart() {
    let fixture = after_a_stop("deletion-while-down").await;
    fixture.delete("website-users").await;
    assert!(fixture.table("website-users").await.is_some(), "the finalizer keeps the object");
    let operator = fixture.operator().start();
    fixture.until_gone("website-users").await;
    assert_eq!(fixture.all_tables().await, [""; 0]);
    operator.wait_for_line("Handler 'delete_handler' succeeded.").await;
    assert_eq!(succeeded(&operator), 1);
}

#[tokio::test]
async fn a_handler_running_at_sigterm_finishes_and_its_result_is_stored() {
    let fixture = Fixture::new("stopped-in-a-handler").await;
    let lock = fixture.lock_name("public.website_users").await;
    let mut operator = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    lock.until_blocking().await;
    operator.sigterm();
    operator.wait_for_line("Waiting up to 25 seconds for 1 running handler(s) to finish.").await;
    lock.release().await;
    assert_eq!(operator.wait().await.code(), Some(0));
    assert_eq!(operator.count_lines("Handler 'create_handler' succeeded."), 1);
    fixture.until_ready("website-users").await;
    assert_eq!(fixture.columns("website_users").await.len(), 5);
    check_unchanged(&fixture).await;
}
