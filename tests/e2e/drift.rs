//! Tables that somebody changes by hand, while the operator runs and while it doesn't.

use crate::fixture::{Cluster, Fixture, Lock, condition, manifest, postgres};
use serde_json::{Value, json};
use std::{fs, path::Path};

fn is(reason: &str) -> impl Fn(&Value) -> bool {
    move |object| {
        let status = if reason == "Applied" { "True" } else { "False" };
        condition(object, "Ready") == [status, reason] && condition(object, "Synced") == [status, reason]
    }
}

fn is_in_progress(object: &Value) -> bool {
    condition(object, "Ready") == ["False", "InProgress"]
}

#[tokio::test]
async fn what_others_change_of_a_table_is_put_right_within_the_interval() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "drift-repair").await;
    let operator = fixture.operator().arg("--drift-interval=1").start();
    for name in ["a", "b"] {
        fixture.apply(&manifest(name, name, &["id", "x"]));
        fixture.until_ready(name).await;
    }
    fixture.sql("INSERT INTO a VALUES (1, 2)").await;
    let before = fixture.table("a").await.unwrap();
    fixture.sql("ALTER TABLE a DROP x").await;
    fixture.until_columns("a", 2).await;
    let notes = fixture.until_told("a", &["Created", "DriftDetected"]).await;
    let note = "Somebody had changed table public.a: column \"x\" is missing. It is as the spec asks again; a column that was \
                missing is empty";
    assert_eq!(notes[1], note);
    operator.wait_for_line(&format!("{note}.")).await;
    assert_eq!(fixture.query("SELECT id::text FROM a WHERE x IS NULL").await, ["1"], "the row is there");

    fixture.sql("DROP TABLE b").await;
    fixture.until_columns("b", 2).await;
    let notes = fixture.until_told("b", &["Created", "DriftDetected"]).await;
    assert!(notes[1].contains("It has been created again: it is empty, and without grants"), "{notes:?}");
    // Neither was written, nor looked at in vain.
    let after = fixture.table("a").await.unwrap();
    assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    operator.assert_lines("Handler 'resume_handler' is invoked", 2).await;
}

#[tokio::test]
async fn under_report_an_object_has_drifted_until_somebody_has_put_its_table_right() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "drift-report").await;
    let operator = fixture.operator().arg("--drift-interval=1").start();
    fixture.apply(&manifest("a", "a", &["id", "x"]));
    fixture.apply(&manifest("clock", "clock", &["id"]));
    fixture.patch("a", json!({"spec": {"driftPolicy": "Report"}})).await;
    let reported = |object: &Value| {
        let handled = &object["metadata"]["annotations"]["kopf.zalando.org/last-handled-configuration"];
        is("Applied")(object) && handled.as_str().is_some_and(|spec| spec.contains("Report"))
    };
    fixture.until("a", "the policy is known", reported).await;
    fixture.until_ready("clock").await;
    fixture.sql("ALTER TABLE a DROP x").await;
    let object = fixture.until("a", "it has drifted", is("Drifted")).await;
    assert_eq!(condition(&object, "Stalled"), ["True", "Drifted"]);
    assert_eq!(fixture.columns("a").await.len(), 1);
    let pending: Vec<_> = object["status"]["pending"].as_array().unwrap().iter().collect();
    assert!(pending[0].as_str().unwrap().contains("ADD COLUMN"), "{pending:?}");
    fixture.until_told("a", &["Created", "DriftDetected"]).await;
    // Time passes.
    for _ in 0..3 {
        fixture.sql("DROP TABLE clock").await;
        fixture.until_columns("clock", 1).await;
    }
    assert_eq!(operator.count_lines("Handler 'resume_handler' failed permanently"), 1, "it is told once");
    // Nor does a change of something else than the spec put it right.
    fixture.patch("a", json!({"metadata": {"labels": {"team": "red"}}})).await;
    operator.wait_for_line("Handler 'update_handler' failed permanently").await;
    assert_eq!(fixture.columns("a").await.len(), 1);
    assert!(is("Drifted")(&fixture.table("a").await.unwrap()));
    // Nor does `kubectl replace`, which takes away what was noted on the object.
    let again = manifest("a", "a", &["id", "x"]) + "  driftPolicy: Report\n";
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.yaml", fixture.namespace));
    fs::write(&file, again).unwrap();
    assert!(fixture.kubectl().args(["replace", "-f"]).arg(&file).status().unwrap().success());
    operator.wait_for_line("Handler 'create_handler' failed permanently").await;
    assert_eq!(fixture.columns("a").await.len(), 1);
    assert!(is("Drifted")(&fixture.table("a").await.unwrap()));
    for statement in pending {
        fixture.sql(statement.as_str().unwrap()).await;
    }
    let object = fixture.until("a", "it is as it asks", is("Applied")).await;
    assert_eq!((condition(&object, "Stalled"), &object["status"]["pending"]), (["", ""], &Value::Null));
}

#[tokio::test]
async fn an_object_whose_update_was_held_back_is_applied_once_somebody_has_run_the_pending_statements() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "drift-pending").await;
    let operator = fixture.operator().arg("--drift-interval=1").start();
    fixture.apply(&manifest("a", "a", &["id", "x"]));
    fixture.until_ready("a").await;
    fixture.apply(&manifest("a", "a", &["id"]));
    let object = fixture.until("a", "a column is held back", is("UpdateAborted")).await;
    for statement in object["status"]["pending"].as_array().unwrap() {
        fixture.sql(statement.as_str().unwrap()).await;
    }
    fixture.until("a", "it is as it asks", is("Applied")).await;
    operator.assert_lines("failed permanently", 1).await;
}

#[tokio::test]
async fn what_others_change_while_no_operator_runs_is_found_at_its_start() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "drift-start").await;
    let mut operator = fixture.operator().start();
    for name in ["a", "b", "c"] {
        fixture.apply(&manifest(name, name, &["id", "x"]));
        fixture.until_ready(name).await;
    }
    fixture.patch("b", json!({"spec": {"driftPolicy": "Report"}})).await;
    let until_reported = |object: &Value| {
        let handled = &object["metadata"]["annotations"]["kopf.zalando.org/last-handled-configuration"];
        handled.as_str().is_some_and(|spec| spec.contains("Report"))
    };
    fixture.until("b", "the policy is known", until_reported).await;
    let before = fixture.table("a").await.unwrap();
    operator.terminate().await;
    fixture.sql("ALTER TABLE a DROP x; ALTER TABLE b DROP x; ALTER TABLE c ALTER x TYPE bigint").await;
    let _operator = fixture.operator().arg("--drift-interval=0").start();
    for name in ["b", "c"] {
        fixture.until(name, "it has drifted", is("Drifted")).await;
    }
    fixture.until_columns("a", 2).await;
    let after = fixture.table("a").await.unwrap();
    assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    assert_eq!(fixture.columns("b").await.len(), 1);
    assert_eq!(fixture.columns("c").await, ["id integer", "x bigint"]);
}

/// An object whose table has an index that somebody drops while nobody can build it, and the transaction that holds it up.
async fn with_slow_repair(fixture: &Fixture<'_>) -> Lock {
    fixture.apply(&manifest("slow", "slow", &["id"]));
    fixture.until_ready("slow").await;
    let indexes = json!([{ "name": "by_id", "columns": ["id"] }]);
    fixture.patch("slow", json!({ "spec": { "indexes": indexes } })).await;
    let indexed = |object: &Value| object["status"]["indexes"] == json!(["by_id"]) && is("Applied")(object);
    fixture.until("slow", "it has its index", indexed).await;
    fixture.until_told("slow", &["Created", "Changed"]).await;
    // No index is built before this is over.
    let old =
        fixture.lock("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1").await;
    fixture.sql("DROP INDEX by_id").await;
    old
}

#[tokio::test]
async fn a_repair_that_takes_long_is_told_when_it_begins_and_not_again_by_the_next_operator() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "drift-slow").await;
    let mut operator = fixture.operator().arg("--drift-interval=1").start();
    let old = with_slow_repair(&fixture).await;
    let object = fixture.until("slow", "its index is being built", is_in_progress).await;
    let text = object["status"]["conditions"].to_string();
    assert!(text.contains("because somebody had changed it: index \\\"by_id\\\" is missing"), "{text}");
    let told = ["Created", "Changed", "DriftDetected", "InProgress"];
    let notes = fixture.until_told("slow", &told).await;
    let note = "Somebody had changed table public.slow: index \"by_id\" is missing. It is being put right";
    assert_eq!(notes[2], note);
    operator.wait_for_line(&format!("{note}.")).await;
    operator.kill_9();
    // What the server builds for a client that is gone dies, too.
    fixture
        .query("SELECT pg_terminate_backend(pid)::text FROM pg_stat_progress_create_index WHERE datname = current_database()")
        .await;
    // It is tried at once.
    fixture.patch("slow", json!({"metadata": {"labels": {"looked": "now"}}})).await;
    let operator = fixture.operator().arg("--drift-interval=1").start();
    operator.wait_for_line("Table public.slow: begins with").await;
    operator.wait_for_line("table public.slow is being changed").await;
    old.release().await;
    fixture.until("slow", "it is as it asks", is("Applied")).await;
    fixture.until_told("slow", &[&told[..], &["Applied"]].concat()).await;
    assert_eq!(operator.count_lines("Somebody had changed"), 0);
}

const FORGOTTEN: &str = r#"{"status": {"table": null}}"#;

#[tokio::test]
async fn tables_that_are_missing_with_most_others_wait_for_a_restore_or_for_a_word() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "drift-most").await;
    let mut operator = fixture.operator().arg("--drift-interval=1").start();
    let names = ["a", "b", "c", "d"];
    for name in names {
        fixture.apply(&manifest(name, name, &["id", "x"]));
        fixture.until_ready(name).await;
    }
    fixture.sql("DROP TABLE a, b, c").await;
    for name in ["a", "b", "c"] {
        let object = fixture.until(name, "it is held back", is("Drifted")).await;
        let message = object["status"]["conditions"][0]["message"].as_str().unwrap();
        let counts = "most of the operator's tables in this database (3 of 4 are missing now)";
        assert!(message.contains(counts), "{message}");
    }
    assert_eq!(fixture.all_tables().await, ["d"]);
    // They are restored by somebody, one after the other: the last ones are as little to be made again as the first.
    for name in ["a", "b", "c"] {
        assert!(!fixture.all_tables().await.contains(&name.to_owned()));
        let object = fixture.table(name).await.unwrap();
        for statement in object["status"]["pending"].as_array().unwrap() {
            fixture.sql(statement.as_str().unwrap()).await;
        }
        fixture.until_ready(name).await;
    }
    assert_eq!(fixture.all_tables().await, names);

    // Another database at its start, with nothing in it.
    operator.terminate().await;
    let other = postgres().await.create_database("drift_most_other").await.unwrap();
    let operator = fixture.operator().env("DATABASE_URL", other.url()).start();
    for name in names {
        let object = fixture.until(name, "the database is another one", is("DatabaseChanged")).await;
        let message = object["status"]["conditions"][0]["message"].as_str().unwrap();
        let forget =
            format!("kubectl patch databasetable {name} -n {} --subresource=status", fixture.namespace);
        assert!(message.contains(&forget), "{message}");
    }
    fixture.delete("d").await;
    fixture
        .until("d", "its deletion waits", |object| {
            is("DatabaseChanged")(object) && object["metadata"]["deletionTimestamp"].is_string()
        })
        .await;
    // The command of the message, and of the documents, for all.
    let objects = fixture.kubectl_get(&["databasetables", "-o", "name"]);
    let mut kubectl = fixture.kubectl();
    kubectl.arg("patch").args(["--subresource=status", "--type=merge", "-p", FORGOTTEN]);
    let output = kubectl.args(objects.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    fixture.until_gone("d").await;
    for name in ["a", "b", "c"] {
        fixture.until_ready(name).await;
    }
    let sql = other.connect().await.unwrap();
    let rows = sql.query("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(fixture.all_tables().await, names, "those of before stay");
    drop(operator);
}

#[tokio::test]
async fn rows_that_are_in_the_way_are_told_and_not_read_again_because_the_operator_starts() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "drift-rows").await;
    let mut operator = fixture.operator().arg("--drift-interval=1").start();
    let with_index = |name: &str| json!({"spec": {"indexes": [{"name": format!("{name}_id"), "columns": ["id"], "unique": true}]}});
    for name in ["had", "gets"] {
        fixture.apply(&manifest(name, name, &["id"]));
        fixture.until_ready(name).await;
    }
    fixture.patch("had", with_index("had")).await;
    let indexed = |object: &Value| object["status"]["indexes"] == json!(["had_id"]) && is("Applied")(object);
    fixture.until("had", "it has its index", indexed).await;
    fixture.sql("DROP INDEX had_id; INSERT INTO had VALUES (1), (1); INSERT INTO gets VALUES (1), (1)").await;
    fixture.patch("gets", with_index("gets")).await;
    for (name, reason) in [("had", "Drifted"), ("gets", "UpdateAborted")] {
        let object = fixture.until(name, "rows are in the way", is(reason)).await;
        let text = condition_message(&object);
        assert!(text.contains("at once when the object changes, such as by kubectl label"), "{text}");
    }
    fixture.until_told("had", &["Created", "Changed", "DriftDetected"]).await;
    operator.terminate().await;

    let operator = fixture.operator().start();
    operator.wait_for_lines("for the delayed handlers", 2).await;
    assert_eq!(operator.count_lines("begins with"), 0);
    for name in ["had", "gets"] {
        fixture.sql(&format!("DELETE FROM {name} WHERE ctid <> (SELECT min(ctid) FROM {name})")).await;
        fixture.patch(name, json!({"metadata": {"labels": {"looked": "now"}}})).await;
        fixture.until(name, "it is as it asks", is("Applied")).await;
    }
    fixture.until_told("had", &["Created", "Changed", "DriftDetected", "Changed"]).await;
}

fn condition_message(object: &Value) -> String {
    object["status"]["conditions"][0]["message"].as_str().unwrap().to_owned()
}
