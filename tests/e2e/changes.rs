//! A table is changed and dropped as its object is.

use crate::stage::{SEED_CR, Stage, condition, seed_cr_with_country};

/// A stage with the seed's table, and a row in it.
async fn with_a_row(name: &str) -> Stage<'static> {
    let stage = Stage::new(name).await;
    stage.apply(SEED_CR);
    let _operator = stage.operator().start();
    stage.until_ready("website-users").await;
    stage.sql("INSERT INTO website_users (user_id, user_name) VALUES (7, 'Ada')").await;
    stage
}

const ROW: &str = "SELECT concat_ws(' ', user_id, user_name) FROM website_users";

#[tokio::test]
async fn a_column_that_is_added_to_the_spec_is_added_to_the_table() {
    let stage = with_a_row("column-added").await;
    let operator = stage.operator().start();
    assert_eq!(stage.apply(&seed_cr_with_country()), "databasetable.kopf.demo/website-users configured\n");
    stage.until_column_count("website-users", 6).await;

    let columns = stage.columns("website_users").await;
    assert_eq!((columns.len(), columns.last().unwrap().as_str()), (6, "country character(2)"));
    assert_eq!(stage.query(ROW).await, ["7 Ada"]);
    let here = format!("[{}/website-users]", stage.namespace);
    for line in [
        "Update handler invoked by custom resource website-users. Checking the database table.",
        &format!("{here} Handler 'update_handler' succeeded."),
        &format!("{here} Updating is processed: 1 succeeded; 0 failed."),
    ] {
        operator.wait_for_line(line).await;
    }
}

#[tokio::test]
async fn a_refused_update_leaves_the_table_alone_and_the_column_put_back_makes_all_well() {
    let stage = with_a_row("update-refused").await;
    let operator = stage.operator().start();
    let before = stage.columns("website_users").await;
    // One column goes, another comes: neither is done.
    stage.apply(&seed_cr_with_country().replace("    - USER_EMAIL: varchar(100)\n", ""));
    let aborted = |type_: &'static str| {
        move |table: &serde_json::Value| condition(table, type_) == ["False", "UpdateAborted"]
    };
    stage.until("website-users", "the update is aborted", aborted("Synced")).await;
    let line = operator.wait_for_line("Handler 'update_handler' failed permanently: ").await;
    let why = "the update of table public.website_users is aborted and nothing was changed: \
               column \"user_email\" is in the table but not in the spec";
    assert!(line.contains(" [ERROR   ] ") && line.contains(why), "{line}");
    operator.wait_for_line("Updating is processed: 0 succeeded; 1 failed.").await;
    assert_eq!(stage.columns("website_users").await, before);
    assert_eq!(stage.query(ROW).await, ["7 Ada"]);

    stage.apply(SEED_CR);
    let object = stage.until_ready("website-users").await;
    assert_eq!(condition(&object, "Synced"), ["True", "Applied"]);
    assert_eq!(stage.columns("website_users").await, before);
    assert_eq!(stage.query(ROW).await, ["7 Ada"]);
}

#[tokio::test]
async fn a_column_is_known_as_removed_by_the_last_spec_where_the_status_is_lost() {
    let stage = with_a_row("status-lost").await;
    stage.patch("website-users", serde_json::json!({"status": null})).await;
    stage.sql("ALTER TABLE website_users ADD COLUMN by_hand integer").await;
    let _operator = stage.operator().start();
    stage.apply(&SEED_CR.replace("    - USER_EMAIL: varchar(100)\n", ""));
    let refused = stage
        .until("website-users", "it is refused", |table| condition(table, "Ready")[1] == "UpdateAborted")
        .await;
    let message = refused["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("\"user_email\" is in the table but not in the spec. Columns"), "{message}");

    stage.apply(&seed_cr_with_country());
    let ready = stage.until_column_count("website-users", 6).await;
    let message = ready["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("which are left alone: \"by_hand\""), "{message}");
    assert_eq!(stage.columns("website_users").await.len(), 7);
}

#[tokio::test]
async fn a_column_that_changes_its_type_is_refused() {
    let stage = with_a_row("type-changed").await;
    let _operator = stage.operator().start();
    let before = stage.columns("website_users").await;
    stage.apply(&SEED_CR.replace("varchar(50)", "varchar(40)"));
    let refused = stage
        .until("website-users", "it is refused", |table| condition(table, "Ready")[1] == "UpdateAborted")
        .await;
    let message = refused["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("column \"user_name\" has the type character varying(50)"), "{message}");
    assert_eq!(stage.columns("website_users").await, before);
}

#[tokio::test]
async fn the_table_goes_with_its_object_and_no_other_table_does() {
    let stage = with_a_row("deleted").await;
    stage.sql("CREATE TABLE somebody_elses (id integer)").await;
    let operator = stage.operator().start();
    stage.delete("website-users").await;
    stage.until_gone("website-users").await;
    assert_eq!(stage.all_tables().await, ["somebody_elses"]);
    let here = format!("[{}/website-users]", stage.namespace);
    for line in [
        "Delete handler invoked by custom resource website-users. Dropping database table.",
        &format!("{here} Handler 'delete_handler' succeeded."),
        &format!("{here} Deletion is processed: 1 succeeded; 0 failed."),
        &format!("{here} Deleted, really deleted, and we are notified."),
    ] {
        operator.wait_for_line(line).await;
    }
}
