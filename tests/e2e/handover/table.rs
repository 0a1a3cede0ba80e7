//! The life of a table, each part of it handled by the other operator.

use super::turns::{Turns, invoked, stop};
use crate::stage::{SEED_CR, condition};
use serde_json::{Value, json};

/// The seed's object with one more column.
fn with_country() -> String {
    SEED_CR.replace("  primaryKey", "    - COUNTRY: char(2)\n  primaryKey")
}

/// The difference that this makes, as both operators log it.
const DIFF: &str = "[website-users] Updating diff: (('change', ('spec', 'columns'), \
    [{'USER_ID': 'integer'}, {'USER_NAME': 'varchar(50)'}, {'USER_EMAIL': 'varchar(100)'}, {'SIGNUP_DATE': 'date'}, \
    {'LAST_LOGIN': 'timestamp'}], \
    [{'USER_ID': 'integer'}, {'USER_NAME': 'varchar(50)'}, {'USER_EMAIL': 'varchar(100)'}, {'SIGNUP_DATE': 'date'}, \
    {'LAST_LOGIN': 'timestamp'}, {'COUNTRY': 'char(2)'}]),)";

fn diff(turns: &Turns) -> String {
    DIFF.replace("[website-users]", &format!("[{}/website-users]", turns.stage.namespace))
}

#[tokio::test]
async fn a_table_created_by_kopf_is_updated_by_korf_and_dropped_by_kopf() {
    let Some(turns) = Turns::new("kopf-korf-kopf").await else { return };
    let stage = &turns.stage;
    let python = turns.python();
    stage.apply(SEED_CR);
    let created = |object: &Value| object["status"]["create_handler"]["columns"] == 5;
    stage.until("website-users", "Python has created it", created).await;
    stop(python).await;

    stage.apply(&with_country());
    let korf = turns.korf();
    let updated = |object: &Value| object["status"]["columnCount"] == 6;
    let object = stage.until("website-users", "korf has updated it", updated).await;
    korf.wait_for_line("Updating is processed: 1 succeeded; 0 failed.").await;
    korf.wait_for_line(&diff(&turns)).await;
    assert_eq!(invoked(&stop(korf).await), ["update_handler"]);
    assert_eq!(condition(&object, "Ready"), ["True", "Applied"]);
    assert_eq!(object["status"]["table"], "public.website_users");
    assert_eq!(
        object["status"]["create_handler"],
        json!({"table": "WEBSITE_USERS", "columns": 5}),
        "what Python wrote stays"
    );
    assert_eq!(stage.columns("website_users").await.len(), 6);

    stage.delete("website-users").await;
    let python = turns.python();
    stage.until_gone("website-users").await;
    stop(python).await;
    assert_eq!(stage.columns("website_users").await, [""; 0]);
    assert_eq!(turns.calls().await, ["python create_handler 0 create", "python delete_handler 0 delete"]);
}

#[tokio::test]
async fn a_table_created_by_korf_is_updated_by_kopf_and_dropped_by_korf() {
    let Some(turns) = Turns::new("korf-kopf-korf").await else { return };
    let stage = &turns.stage;
    let korf = turns.korf();
    stage.apply(SEED_CR);
    let created = stage.until_ready("website-users").await;
    assert_eq!(invoked(&stop(korf).await), ["create_handler"]);

    stage.apply(&with_country());
    let python = turns.python();
    let updated = |object: &Value| object["status"]["update_handler"]["columns"] == 6;
    let object = stage.until("website-users", "Python has updated it", updated).await;
    python.wait_for_line("Updating is processed: 1 succeeded; 0 failed.").await;
    python.wait_for_line(&diff(&turns)).await;
    stop(python).await;
    assert_eq!(object["status"]["conditions"], created["status"]["conditions"], "what korf wrote stays");
    assert_eq!(stage.columns("website_users").await.len(), 6);

    stage.delete("website-users").await;
    let korf = turns.korf();
    stage.until_gone("website-users").await;
    assert_eq!(invoked(&stop(korf).await), ["delete_handler"]);
    assert_eq!(stage.columns("website_users").await, [""; 0]);
    assert_eq!(turns.calls().await, ["python update_handler 0 update"]);
}
