//! The Kopf demo's own tables, whose comments name no owner.

use super::fixture::{Handover, invoked, is_handled, stop};
use crate::fixture::{KOPF_DEMO_CR, condition, kopf_demo_cr_with_country};
use serde_json::{Value, json};

const ADOPTED: &str =
    "Adopted table public.website_users: it is as another operator has made it for this object.";

/// A table that the Kopf demo has made, and whose object it has handled.
async fn created_by_the_demo(handover: &Handover) {
    let python = handover.demo();
    handover.fixture.apply(KOPF_DEMO_CR);
    handover.fixture.until("website-users", "Kopf has created it", is_handled).await;
    stop(python).await;
    assert_eq!(owner(handover).await, "");
}

/// The comment of the table.
async fn owner(handover: &Handover) -> String {
    let sql = "SELECT coalesce(obj_description('website_users'::regclass, 'pg_class'), '')";
    handover.fixture.query(sql).await.swap_remove(0)
}

async fn assert_is_owned(handover: &Handover) {
    let object = handover.fixture.table("website-users").await.unwrap();
    let (owner, uid) = (owner(handover).await, object["metadata"]["uid"].as_str().unwrap());
    assert!(owner.starts_with("database-table-operator: {") && owner.contains(uid), "{owner}");
}

/// Taken over at the start; then changed and deleted.
async fn goes_on(handover: &Handover) {
    created_by_the_demo(handover).await;
    let korf = handover.korf();
    let object = handover.fixture.until_ready("website-users").await;
    assert_eq!(object["status"]["table"], "public.website_users");
    korf.wait_for_line(ADOPTED).await;
    assert_is_owned(handover).await;
    handover.fixture.apply(&kopf_demo_cr_with_country());
    handover.fixture.until_column_count("website-users", 6).await;
    assert_eq!(handover.fixture.columns("website_users").await.len(), 6);
    handover.fixture.delete("website-users").await;
    handover.fixture.until_gone("website-users").await;
    assert_eq!(handover.fixture.columns("website_users").await, [""; 0]);
    assert_eq!(invoked(&stop(korf).await), ["resume_handler", "update_handler", "delete_handler"]);
}

#[tokio::test]
async fn a_table_of_the_demo_is_taken_over_at_the_start_and_is_updated_and_dropped_like_any_other() {
    let Some(handover) = Handover::new("unmarked").await else { return };
    goes_on(&handover).await;
}

#[tokio::test]
async fn with_the_full_crd_a_table_of_the_demo_is_taken_over_just_so() {
    let Some(handover) = Handover::with_full_crd("unmarked-full-crd").await else { return };
    goes_on(&handover).await;
}

#[tokio::test]
async fn an_object_that_changed_while_no_operator_ran_has_its_table_taken_over_and_updated() {
    let Some(handover) = Handover::new("unmarked-changed").await else { return };
    created_by_the_demo(&handover).await;
    handover.fixture.apply(&kopf_demo_cr_with_country());
    let korf = handover.korf();
    handover.fixture.until_column_count("website-users", 6).await;
    korf.wait_for_line(ADOPTED).await;
    assert_is_owned(&handover).await;
    assert_eq!(handover.fixture.columns("website_users").await.len(), 6);
}

#[tokio::test]
async fn an_object_that_was_deleted_while_no_operator_ran_has_its_table_dropped() {
    let Some(handover) = Handover::new("unmarked-deleted").await else { return };
    created_by_the_demo(&handover).await;
    handover.fixture.delete("website-users").await;
    let korf = handover.korf();
    handover.fixture.until_gone("website-users").await;
    korf.wait_for_line("Dropped table public.website_users.").await;
    assert_eq!(handover.fixture.columns("website_users").await, [""; 0]);
}

#[tokio::test]
async fn a_table_that_somebody_has_changed_since_is_left_alone_until_a_person_decides() {
    let Some(handover) = Handover::new("unmarked-strange").await else { return };
    created_by_the_demo(&handover).await;
    handover.fixture.sql("ALTER TABLE website_users ADD audit text").await;
    let korf = handover.korf();
    let is_conflict = |object: &Value| condition(object, "Synced") == ["False", "Conflict"];
    let object = handover.fixture.until("website-users", "it is a conflict", is_conflict).await;
    let text = object["status"]["conditions"].to_string();
    assert!(text.contains("column \\\"audit\\\" is in the table but not in the spec"), "{text}");
    handover.fixture.delete("website-users").await;
    korf.wait_for_line("Handler 'delete_handler' failed").await;
    handover.fixture.until("website-users", "its deletion is a conflict, too", is_conflict).await;
    assert_eq!(owner(&handover).await, "");
    handover.fixture.patch("website-users", json!({"spec": {"deletionPolicy": "Retain"}})).await;
    handover.fixture.until_gone("website-users").await;
    assert_eq!(handover.fixture.columns("website_users").await.len(), 6);
}

#[tokio::test]
async fn a_copy_of_a_cluster_leaves_the_tables_to_the_demo_that_still_runs_elsewhere() {
    let Some(handover) = Handover::new("unmarked-copy").await else { return };
    created_by_the_demo(&handover).await;
    let copy = handover.fixture.operator().arg("--leave-kopf-tables").start();
    let is_conflict = |object: &Value| condition(object, "Synced") == ["False", "Conflict"];
    handover.fixture.until("website-users", "it is a conflict", is_conflict).await;
    handover.fixture.delete("website-users").await;
    handover.fixture.until_gone("website-users").await;
    assert_eq!(handover.fixture.columns("website_users").await.len(), 5);
    assert_eq!(owner(&handover).await, "");
    stop(copy).await;
}
