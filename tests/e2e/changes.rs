//! Updates and deletions of an object, and their effects on its table.

use crate::fixture::{Cluster, Fixture, KOPF_DEMO_CR, condition, kopf_demo_cr_with_country};

/// A fixture with the Kopf demo's table, and a row in it.
async fn with_a_row(name: &str) -> Fixture<'static> {
    let fixture = Fixture::new(name).await;
    fixture.apply(KOPF_DEMO_CR);
    let _operator = fixture.operator().start();
    fixture.until_ready("website-users").await;
    fixture.sql("INSERT INTO website_users (user_id, user_name) VALUES (7, 'Ada')").await;
    fixture
}

const ROW: &str = "SELECT concat_ws(' ', user_id, user_name) FROM website_users";

#[tokio::test]
async fn a_column_added_to_the_spec_is_added_to_the_table() {
    let fixture = with_a_row("column-added").await;
    let operator = fixture.operator().start();
    assert_eq!(
        fixture.apply(&kopf_demo_cr_with_country()),
        "databasetable.kopf.demo/website-users configured\n"
    );
    fixture.until_column_count("website-users", 6).await;

    let columns = fixture.columns("website_users").await;
    assert_eq!((columns.len(), columns.last().unwrap().as_str()), (6, "country character(2)"));
    assert_eq!(fixture.query(ROW).await, ["7 Ada"]);
    let here = format!("[{}/website-users]", fixture.namespace);
    for line in [
        "Update handler invoked by custom resource website-users. Checking the database table.",
        &format!("{here} Handler 'update_handler' succeeded."),
        &format!("{here} Updating is processed: 1 succeeded; 0 failed."),
    ] {
        operator.wait_for_line(line).await;
    }
}

#[tokio::test]
async fn an_aborted_update_changes_nothing_and_putting_the_column_back_resolves_it() {
    let fixture = with_a_row("update-aborted").await;
    let operator = fixture.operator().start();
    let before = fixture.columns("website_users").await;
    // One column is removed and another one added: neither change is made.
    fixture.apply(&kopf_demo_cr_with_country().replace("    - USER_EMAIL: varchar(100)\n", ""));
    let aborted = |type_: &'static str| {
        move |table: &serde_json::Value| condition(table, type_) == ["False", "UpdateAborted"]
    };
    fixture.until("website-users", "the update is aborted", aborted("Synced")).await;
    let line = operator.wait_for_line("Handler 'update_handler' failed permanently: ").await;
    let reason = "the update of table public.website_users is aborted and nothing was changed: \
               column \"user_email\" is in the table but not in the spec";
    assert!(line.contains(" [ERROR   ] ") && line.contains(reason), "{line}");
    operator.wait_for_line("Updating is processed: 0 succeeded; 1 failed.").await;
    assert_eq!(fixture.columns("website_users").await, before);
    assert_eq!(fixture.query(ROW).await, ["7 Ada"]);

    fixture.apply(KOPF_DEMO_CR);
    let object = fixture.until_ready("website-users").await;
    assert_eq!(condition(&object, "Synced"), ["True", "Applied"]);
    assert_eq!(fixture.columns("website_users").await, before);
    assert_eq!(fixture.query(ROW).await, ["7 Ada"]);
}

/// `kubectl wait`, and the tools that follow kstatus, wait for a status about the newest generation.
#[tokio::test]
async fn kubectl_does_not_wait_for_a_change_that_was_taken_back() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "taken-back-live").await;
    let proxy = fixture.database_proxy().await;
    let _operator = fixture.operator().database_through(&proxy).start();
    fixture.apply(KOPF_DEMO_CR);
    fixture.until_ready("website-users").await;
    let without_a_column = KOPF_DEMO_CR.replace("    - USER_EMAIL: varchar(100)\n", "");
    for (changed, until) in [
        (&without_a_column, Some("UpdateAborted")),
        (&KOPF_DEMO_CR.replace("primaryKey: USER_ID", "primaryKey: NOBODY"), Some("InvalidSpec")),
        (&kopf_demo_cr_with_country(), Some("DatabaseUnavailable")),
        // Before the operator has looked, perhaps.
        (&without_a_column, None),
    ] {
        let is_away = until == Some("DatabaseUnavailable");
        if is_away {
            proxy.cut();
        }
        fixture.apply(changed);
        if let Some(reason) = until {
            let fails = |table: &serde_json::Value| condition(table, "Synced") == ["False", reason];
            fixture.until("website-users", reason, fails).await;
        }
        fixture.apply(KOPF_DEMO_CR);
        if is_away {
            proxy.restore();
        }
        let mut wait = fixture.kubectl();
        wait.args(["wait", "--for=condition=Ready", "databasetable/website-users", "--timeout=30s"]);
        let output = tokio::task::spawn_blocking(move || wait.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{until:?}: {output:?}");
        let table = fixture.until_ready("website-users").await;
        let (generation, status) = (&table["metadata"]["generation"], &table["status"]);
        let conditions = status["conditions"].as_array().unwrap();
        let of_conditions = conditions.iter().map(|condition| &condition["observedGeneration"]);
        assert!(of_conditions.chain([&status["observedGeneration"]]).all(|g| g == generation), "{table:#}");
    }
    assert_eq!(fixture.columns("website_users").await.len(), 5);
}

#[tokio::test]
async fn if_the_status_is_lost_a_removed_column_is_recognised_by_the_last_handled_spec() {
    let fixture = with_a_row("status-lost").await;
    fixture.patch("website-users", serde_json::json!({"status": null})).await;
    fixture.sql("ALTER TABLE website_users ADD COLUMN by_hand integer").await;
    let _operator = fixture.operator().start();
    fixture.apply(&KOPF_DEMO_CR.replace("    - USER_EMAIL: varchar(100)\n", ""));
    let aborted = fixture
        .until("website-users", "the update is aborted", |table| {
            condition(table, "Ready")[1] == "UpdateAborted"
        })
        .await;
    let message = aborted["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("\"user_email\" is in the table but not in the spec. Put back"), "{message}");

    fixture.apply(&kopf_demo_cr_with_country());
    let ready = fixture.until_column_count("website-users", 6).await;
    let message = ready["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("which are left alone: \"by_hand\""), "{message}");
    assert_eq!(fixture.columns("website_users").await.len(), 7);
}

#[tokio::test]
async fn a_changed_column_type_is_rejected() {
    let fixture = with_a_row("type-changed").await;
    let _operator = fixture.operator().start();
    let before = fixture.columns("website_users").await;
    fixture.apply(&KOPF_DEMO_CR.replace("varchar(50)", "varchar(40)"));
    let aborted = fixture
        .until("website-users", "the update is aborted", |table| {
            condition(table, "Ready")[1] == "UpdateAborted"
        })
        .await;
    let message = aborted["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("column \"user_name\" has the type character varying(50)"), "{message}");
    assert_eq!(fixture.columns("website_users").await, before);
}

#[tokio::test]
async fn columns_get_what_the_spec_says_of_them_and_what_is_held_back_can_be_done_by_hand() {
    let fixture = with_a_row("long-form").await;
    let _operator = fixture.operator().start();
    let long = "    - USER_NAME: {type: text, nullable: false, default: \"'nobody'\", comment: Who}\n";
    let wanted = KOPF_DEMO_CR.replace("    - USER_NAME: varchar(50)\n", long);
    fixture.apply(&wanted);
    let applied = |column: usize, type_: &'static str| {
        move |table: &serde_json::Value| {
            let is_there = table["status"]["columns"][column]["type"] == type_;
            is_there && condition(table, "Synced") == ["True", "Applied"]
        }
    };
    let object = fixture.until("website-users", "the new form is applied", applied(1, "text")).await;
    assert!(object["status"].get("pending").is_none(), "{object}");
    fixture.sql("INSERT INTO website_users (user_id) VALUES (8)").await;
    assert_eq!(fixture.query(ROW).await, ["7 Ada", "8 nobody"]);

    fixture.apply(&wanted.replace("USER_ID: integer", "USER_ID: numeric"));
    let object = fixture
        .until("website-users", "the update is aborted", |table| {
            condition(table, "Ready")[1] == "UpdateAborted"
        })
        .await;
    let pending: Vec<String> = serde_json::from_value(object["status"]["pending"].clone()).unwrap();
    assert_eq!(
        pending,
        [
            "ALTER TABLE \"public\".\"website_users\" ALTER COLUMN \"user_id\" TYPE numeric USING \"user_id\"::numeric"
        ]
    );
    for statement in &pending {
        fixture.sql(statement).await;
    }
    let look = serde_json::json!({"metadata": {"annotations": {"looked": "now"}}});
    fixture.patch("website-users", look).await;
    let object = fixture.until("website-users", "it is as the spec asks", applied(0, "numeric")).await;
    assert!(object["status"].get("pending").is_none(), "{object}");
    assert_eq!(fixture.query(ROW).await, ["7 Ada", "8 nobody"]);
}

#[tokio::test]
async fn deleting_the_object_drops_its_table_and_no_other() {
    let fixture = with_a_row("deleted").await;
    fixture.sql("CREATE TABLE foreign_table (id integer)").await;
    let operator = fixture.operator().start();
    fixture.delete("website-users").await;
    fixture.until_gone("website-users").await;
    assert_eq!(fixture.all_tables().await, ["foreign_table"]);
    let here = format!("[{}/website-users]", fixture.namespace);
    for line in [
        "Delete handler invoked by custom resource website-users. Dropping database table.",
        &format!("{here} Handler 'delete_handler' succeeded."),
        &format!("{here} Deletion is processed: 1 succeeded; 0 failed."),
        &format!("{here} Deleted, really deleted, and we are notified."),
    ] {
        operator.wait_for_line(line).await;
    }
}
