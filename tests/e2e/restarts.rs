//! What happens while no operator runs is made up for, and what is done is not done again.

use crate::stage::{Operator, SEED_CR, Stage, manifest, seed_cr_with_country};

/// How many handlers have succeeded.
fn succeeded(operator: &Operator) -> usize {
    let lines = operator.lines();
    lines.iter().filter(|line| line.contains("] Handler '") && line.ends_with("' succeeded.")).count()
}

/// A stage with the seed's table, and no operator any more.
async fn after_a_stop(name: &str) -> Stage<'static> {
    let stage = Stage::new(name).await;
    stage.apply(SEED_CR);
    let mut operator = stage.operator().start();
    stage.until_ready("website-users").await;
    let status = operator.terminate().await;
    assert_eq!(status.code(), Some(0));
    operator.wait_for_line("Signal SIGTERM is received. Operator is stopping.").await;
    stage
}

/// An operator that has looked at `website-users` and at what came after it.
async fn nothing_to_do(stage: &Stage<'_>) {
    let before = stage.table("website-users").await.unwrap();
    let operator = stage.operator().start();
    let here = format!("[{}/website-users]", stage.namespace);
    let noop = "Something has changed, but we are not interested (the essence is the same).";
    operator.wait_for_line(&format!("{here} {noop}")).await;
    stage.apply(&manifest("probe", "probe", &["id"]));
    stage.until_ready("probe").await;
    assert_eq!(operator.count(&format!("{here} Handler")), 0);
    assert_eq!(succeeded(&operator), 1, "the probe's handler and no other");
    assert_eq!(stage.table("website-users").await.unwrap(), before, "nothing was written");
}

#[tokio::test]
async fn a_second_start_has_nothing_to_do() {
    let stage = after_a_stop("second-start").await;
    nothing_to_do(&stage).await;
}

#[tokio::test]
async fn a_change_made_while_the_operator_was_down_is_handled_at_the_next_start() {
    let stage = after_a_stop("change-while-down").await;
    stage.apply(&seed_cr_with_country());
    let operator = stage.operator().start();
    stage.until_column_count("website-users", 6).await;
    assert_eq!(stage.columns("website_users").await.len(), 6);
    operator.wait_for_line("Handler 'update_handler' succeeded.").await;
    assert_eq!(succeeded(&operator), 1);
}

#[tokio::test]
async fn a_deletion_made_while_the_operator_was_down_is_handled_at_the_next_start() {
    let stage = after_a_stop("deletion-while-down").await;
    stage.delete("website-users").await;
    assert!(stage.table("website-users").await.is_some(), "the finalizer keeps it");
    let operator = stage.operator().start();
    stage.until_gone("website-users").await;
    assert_eq!(stage.all_tables().await, [""; 0]);
    operator.wait_for_line("Handler 'delete_handler' succeeded.").await;
    assert_eq!(succeeded(&operator), 1);
}

#[tokio::test]
async fn a_handler_that_runs_when_the_operator_is_told_to_stop_finishes_and_is_recorded() {
    let stage = Stage::new("stopped-in-a-handler").await;
    let lock = stage.lock_name("public.website_users").await;
    let mut operator = stage.operator().start();
    stage.apply(SEED_CR);
    lock.awaited().await;
    operator.sigterm();
    operator.wait_for_line("Waiting up to 25 seconds for 1 running handler(s) to finish.").await;
    lock.release().await;
    assert_eq!(operator.exit().await.code(), Some(0));
    assert_eq!(operator.count("Handler 'create_handler' succeeded."), 1);
    stage.until_ready("website-users").await;
    assert_eq!(stage.columns("website_users").await.len(), 5);
    nothing_to_do(&stage).await;
}
