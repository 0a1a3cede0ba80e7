//! Restarts: missed changes are handled, and finished work isn't repeated.

use crate::fixture::{
    Cluster, Fixture, KOPF_DEMO_CR, OperatorProcess, condition, kopf_demo_cr_with_country, manifest,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

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

/// Checks that a new operator looks at `website-users` once, and writes nothing.
async fn check_unchanged(fixture: &Fixture<'_>) {
    let before = fixture.table("website-users").await.unwrap();
    let operator = fixture.operator().start();
    let here = format!("[{}/website-users]", fixture.namespace);
    operator.wait_for_line(&format!("{here} Resuming is processed: 1 succeeded; 0 failed.")).await;
    fixture.apply(&manifest("probe", "probe", &["id"]));
    fixture.until_ready("probe").await;
    operator.wait_for_line("/probe] Handler 'create_handler' succeeded.").await;
    assert_eq!(operator.count_lines(&format!("{here} Handler 'resume_handler'")), 2, "invoked and succeeded");
    assert_eq!(succeeded(&operator), 2, "that, and the probe's handler");
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
    operator.wait_for_line("Updating is processed: 2 succeeded; 0 failed.").await;
}

/// A change that was made and taken back while nobody looked is a generation without a difference.
#[tokio::test]
async fn a_generation_without_a_difference_is_observed_after_a_restart() {
    let cluster = Cluster::with_full_crd().await;
    let fixture = Fixture::on(cluster, "taken-back").await;
    let mut operator = fixture.operator().start();
    fixture.apply(&manifest("back", "back", &["id"]));
    fixture.until_ready("back").await;
    operator.terminate().await;
    fixture.apply(&manifest("back", "back", &["id", "more"]));
    fixture.apply(&manifest("back", "back", &["id"]));
    let _operator = fixture.operator().start();
    let is_observed = |object: &Value| {
        let (generation, status) = (&object["metadata"]["generation"], &object["status"]);
        let conditions = status["conditions"].as_array().unwrap();
        *generation == 3
            && status["observedGeneration"] == 3
            && conditions.iter().all(|condition| condition["observedGeneration"] == 3)
    };
    let object = fixture.until("back", "the generation is observed", is_observed).await;
    assert_eq!(condition(&object, "Ready"), ["True", "Applied"]);
}

#[tokio::test]
async fn a_status_that_somebody_has_emptied_is_written_again_at_the_start() {
    let cluster = Cluster::with_full_crd().await;
    let fixture = Fixture::on(cluster, "emptied").await;
    let mut operator = fixture.operator().start();
    fixture.apply(&manifest("emptied", "emptied", &["id"]));
    fixture.until_ready("emptied").await;
    operator.terminate().await;
    let mut kubectl = fixture.kubectl();
    kubectl.args(["patch", "databasetable", "emptied", "--subresource=status", "--type=json"]);
    kubectl.args(["-p", r#"[{"op": "remove", "path": "/status"}]"#]);
    assert!(kubectl.output().unwrap().status.success());
    let _operator = fixture.operator().start();
    let ready = fixture.until_ready("emptied").await;
    assert_eq!(ready["status"]["table"], "public.emptied");
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

#[tokio::test]
async fn what_took_too_long_is_not_tried_again_by_the_next_operator_or_for_a_label() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "too-slow").await;
    let mut operator = fixture.operator().start();
    fixture.apply(&manifest("slow", "slow", &["ID"]));
    fixture.until_ready("slow").await;
    operator.terminate().await;
    fixture.apply(&manifest("slow", "slow", &["ID", "MORE"]));
    let generation = &fixture.table("slow").await.unwrap()["metadata"]["generation"];
    // As an operator has left it whose changes took longer than a minute.
    let pending = "ALTER TABLE \"public\".\"slow\" ADD COLUMN \"more\" integer";
    let status = json!({"status": {"tooSlowGeneration": generation, "pending": [pending]}});
    fixture.tables().patch_status("slow", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let _operator = fixture.operator().start();
    let is_aborted = |object: &Value| condition(object, "Synced") == ["False", "UpdateAborted"];
    let object = fixture.until("slow", "the changes are held back", is_aborted).await;
    let text = object["status"]["conditions"].to_string();
    assert!(text.contains("took longer than 60 s"), "{text}");
    fixture.patch("slow", json!({"metadata": {"labels": {"looked": "now"}}})).await;
    let is_handled = |object: &Value| {
        let handled = &object["metadata"]["annotations"]["kopf.zalando.org/last-handled-configuration"];
        handled.as_str().is_some_and(|spec| spec.contains("looked")) && is_aborted(object)
    };
    fixture.until("slow", "the label is handled", is_handled).await;
    assert_eq!(fixture.columns("slow").await.len(), 1);
    // Somebody runs them.
    fixture.sql("ALTER TABLE slow ADD COLUMN more integer").await;
    fixture.patch("slow", json!({"metadata": {"labels": {"looked": "again"}}})).await;
    let object = fixture.until_ready("slow").await;
    assert_eq!(object["status"]["tooSlowGeneration"], json!(null));
}
