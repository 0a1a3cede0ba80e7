//! The life of a table, each part of it handled by the other operator.

use super::turns::{Turns, invoked, is_handled, is_handled_with, stop};
use crate::stage::{SEED_CR, condition, seed_cr_with_country};
use serde_json::{Value, json};

/// The difference that one more column makes, as both operators log it.
const DIFF: &str = "[website-users] Updating diff: (('change', ('spec', 'columns'), \
    [{'USER_ID': 'integer'}, {'USER_NAME': 'varchar(50)'}, {'USER_EMAIL': 'varchar(100)'}, {'SIGNUP_DATE': 'date'}, \
    {'LAST_LOGIN': 'timestamp'}], \
    [{'USER_ID': 'integer'}, {'USER_NAME': 'varchar(50)'}, {'USER_EMAIL': 'varchar(100)'}, {'SIGNUP_DATE': 'date'}, \
    {'LAST_LOGIN': 'timestamp'}, {'COUNTRY': 'char(2)'}]),)";

fn diff(turns: &Turns) -> String {
    DIFF.replace("[website-users]", &format!("[{}/website-users]", turns.stage.namespace))
}

pub async fn created_by_kopf(turns: &Turns) {
    let python = turns.python();
    turns.stage.apply(SEED_CR);
    turns.stage.until("website-users", "Python has created it", is_handled).await;
    stop(python).await;
}

pub async fn created_by_korf(turns: &Turns) {
    let korf = turns.korf();
    turns.stage.apply(SEED_CR);
    turns.stage.until_ready("website-users").await;
    assert_eq!(invoked(&stop(korf).await), ["create_handler"]);
}

/// What Kopf wrote into the status stays.
pub async fn updated_by_korf(turns: &Turns) {
    let before = turns.stage.table("website-users").await.unwrap();
    turns.stage.apply(&seed_cr_with_country());
    let korf = turns.korf();
    let updated = |object: &Value| object["status"]["columnCount"] == 6;
    let object = turns.stage.until("website-users", "korf has updated it", updated).await;
    korf.wait_for_line("Updating is processed: 1 succeeded; 0 failed.").await;
    korf.wait_for_line(&diff(turns)).await;
    assert_eq!(invoked(&stop(korf).await), ["update_handler"]);
    assert_eq!(condition(&object, "Ready"), ["True", "Applied"]);
    assert_eq!(object["status"]["table"], "public.website_users");
    assert_eq!(object["status"]["create_handler"], before["status"]["create_handler"]);
    assert_eq!(turns.stage.columns("website_users").await.len(), 6);
}

/// What korf wrote into the status stays.
pub async fn updated_by_kopf(turns: &Turns) {
    let before = turns.stage.table("website-users").await.unwrap();
    turns.stage.apply(&seed_cr_with_country());
    let python = turns.python();
    let updated = |object: &Value| is_handled_with(object, "COUNTRY");
    let object = turns.stage.until("website-users", "Python has updated it", updated).await;
    python.wait_for_line("Updating is processed: 1 succeeded; 0 failed.").await;
    python.wait_for_line(&diff(turns)).await;
    stop(python).await;
    assert_eq!(object["status"]["conditions"], before["status"]["conditions"]);
    assert_eq!(turns.stage.columns("website_users").await.len(), 6);
    assert_eq!(turns.calls().await.last().unwrap(), "python update_handler 0 update");
}

pub async fn dropped_by_kopf(turns: &Turns) {
    turns.stage.delete("website-users").await;
    let python = turns.python();
    turns.stage.until_gone("website-users").await;
    stop(python).await;
    assert_eq!(turns.stage.columns("website_users").await, [""; 0]);
    assert_eq!(turns.calls().await.last().unwrap(), "python delete_handler 0 delete");
}

pub async fn dropped_by_korf(turns: &Turns) {
    turns.stage.delete("website-users").await;
    let korf = turns.korf();
    turns.stage.until_gone("website-users").await;
    assert_eq!(invoked(&stop(korf).await), ["delete_handler"]);
    assert_eq!(turns.stage.columns("website_users").await, [""; 0]);
}

#[tokio::test]
async fn a_table_created_by_kopf_is_updated_by_korf_and_dropped_by_kopf() {
    let Some(turns) = Turns::new("kopf-korf-kopf").await else { return };
    created_by_kopf(&turns).await;
    let created = turns.stage.table("website-users").await.unwrap();
    assert_eq!(created["status"]["create_handler"], json!({"table": "WEBSITE_USERS", "columns": 5}));
    updated_by_korf(&turns).await;
    dropped_by_kopf(&turns).await;
    assert_eq!(turns.calls().await, ["python create_handler 0 create", "python delete_handler 0 delete"]);
}

#[tokio::test]
async fn a_table_created_by_korf_is_updated_by_kopf_and_dropped_by_korf() {
    let Some(turns) = Turns::new("korf-kopf-korf").await else { return };
    created_by_korf(&turns).await;
    updated_by_kopf(&turns).await;
    let updated = turns.stage.table("website-users").await.unwrap();
    assert_eq!(updated["status"]["update_handler"]["columns"], 6);
    dropped_by_korf(&turns).await;
    assert_eq!(turns.calls().await, ["python update_handler 0 update"]);
}
