//! The life of a table, with a handover before each step.

use super::fixture::{Handover, invoked, is_handled, is_handled_with, stop};
use crate::fixture::{KOPF_DEMO_CR, condition, kopf_demo_cr_with_country};
use serde_json::{Value, json};

/// The diff of an added column, as both operators log it.
const DIFF: &str = "[website-users] Updating diff: (('change', ('spec', 'columns'), \
    [{'USER_ID': 'integer'}, {'USER_NAME': 'varchar(50)'}, {'USER_EMAIL': 'varchar(100)'}, {'SIGNUP_DATE': 'date'}, \
    {'LAST_LOGIN': 'timestamp'}], \
    [{'USER_ID': 'integer'}, {'USER_NAME': 'varchar(50)'}, {'USER_EMAIL': 'varchar(100)'}, {'SIGNUP_DATE': 'date'}, \
    {'LAST_LOGIN': 'timestamp'}, {'COUNTRY': 'char(2)'}]),)";

fn diff(handover: &Handover) -> String {
    DIFF.replace("[website-users]", &format!("[{}/website-users]", handover.fixture.namespace))
}

pub async fn created_by_kopf(handover: &Handover) {
    let python = handover.python();
    handover.fixture.apply(KOPF_DEMO_CR);
    handover.fixture.until("website-users", "Kopf has created it", is_handled).await;
    stop(python).await;
}

pub async fn created_by_korf(handover: &Handover) {
    let korf = handover.korf();
    handover.fixture.apply(KOPF_DEMO_CR);
    handover.fixture.until_ready("website-users").await;
    assert_eq!(invoked(&stop(korf).await), ["create_handler"]);
}

/// Also checks that the status keeps Kopf's results.
pub async fn updated_by_korf(handover: &Handover) {
    let before = handover.fixture.table("website-users").await.unwrap();
    handover.fixture.apply(&kopf_demo_cr_with_country());
    let korf = handover.korf();
    let updated = |object: &Value| object["status"]["columnCount"] == 6;
    let object = handover.fixture.until("website-users", "korf has updated it", updated).await;
    // The second one looks at what was there at the start; in an update, the first one has done so.
    korf.wait_for_line("Updating is processed: 2 succeeded; 0 failed.").await;
    korf.wait_for_line(&diff(handover)).await;
    assert_eq!(invoked(&stop(korf).await), ["update_handler", "resume_handler"]);
    assert_eq!(condition(&object, "Ready"), ["True", "Applied"]);
    assert_eq!(object["status"]["table"], "public.website_users");
    assert_eq!(object["status"]["create_handler"], before["status"]["create_handler"]);
    assert_eq!(handover.fixture.columns("website_users").await.len(), 6);
}

/// Also checks that the status keeps korf's conditions.
pub async fn updated_by_kopf(handover: &Handover) {
    let before = handover.fixture.table("website-users").await.unwrap();
    handover.fixture.apply(&kopf_demo_cr_with_country());
    let python = handover.python();
    let updated = |object: &Value| is_handled_with(object, "COUNTRY");
    let object = handover.fixture.until("website-users", "Kopf has updated it", updated).await;
    python.wait_for_line("Updating is processed: 1 succeeded; 0 failed.").await;
    python.wait_for_line(&diff(handover)).await;
    stop(python).await;
    assert_eq!(object["status"]["conditions"], before["status"]["conditions"]);
    assert_eq!(handover.fixture.columns("website_users").await.len(), 6);
    assert_eq!(handover.calls().await.last().unwrap(), "python update_handler 0 update");
}

pub async fn dropped_by_kopf(handover: &Handover) {
    handover.fixture.delete("website-users").await;
    let python = handover.python();
    handover.fixture.until_gone("website-users").await;
    stop(python).await;
    assert_eq!(handover.fixture.columns("website_users").await, [""; 0]);
    assert_eq!(handover.calls().await.last().unwrap(), "python delete_handler 0 delete");
}

pub async fn dropped_by_korf(handover: &Handover) {
    handover.fixture.delete("website-users").await;
    let korf = handover.korf();
    handover.fixture.until_gone("website-users").await;
    assert_eq!(invoked(&stop(korf).await), ["delete_handler"]);
    assert_eq!(handover.fixture.columns("website_users").await, [""; 0]);
}

#[tokio::test]
async fn a_table_created_by_kopf_is_updated_by_korf_and_dropped_by_kopf() {
    let Some(handover) = Handover::new("kopf-korf-kopf").await else { return };
    created_by_kopf(&handover).await;
    let created = handover.fixture.table("website-users").await.unwrap();
    assert_eq!(created["status"]["create_handler"], json!({"table": "WEBSITE_USERS", "columns": 5}));
    updated_by_korf(&handover).await;
    dropped_by_kopf(&handover).await;
    assert_eq!(handover.calls().await, ["python create_handler 0 create", "python delete_handler 0 delete"]);
}

#[tokio::test]
async fn a_table_created_by_korf_is_updated_by_kopf_and_dropped_by_korf() {
    let Some(handover) = Handover::new("korf-kopf-korf").await else { return };
    created_by_korf(&handover).await;
    updated_by_kopf(&handover).await;
    let updated = handover.fixture.table("website-users").await.unwrap();
    assert_eq!(updated["status"]["update_handler"]["columns"], 6);
    dropped_by_korf(&handover).await;
    assert_eq!(handover.calls().await, ["python update_handler 0 update"]);
}
