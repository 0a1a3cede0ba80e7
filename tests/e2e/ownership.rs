//! Tables that were there before an object asked for them, and belong to nobody.

use crate::fixture::{Cluster, Fixture, condition, manifest};
use serde_json::{Value, json};

const ORDERS: &str = "\
apiVersion: kopf.demo/v1
kind: DatabaseTable
metadata: {name: orders}
spec:
  tableName: ORDERS
  columns: [ID: integer, TOTAL: numeric]
  primaryKey: ID
";

/// A table of somebody else, and an object whose first spec is rejected.
async fn rejected(fixture: &Fixture<'_>, spec: &str) {
    fixture.sql("CREATE TABLE orders (id integer PRIMARY KEY, total numeric)").await;
    fixture.sql("INSERT INTO orders VALUES (1, 2)").await;
    fixture.apply(spec);
    let is_noted = |object: &Value| {
        is("InvalidSpec")(object)
            && object["metadata"]["annotations"]["kopf.zalando.org/last-handled-configuration"].is_string()
    };
    fixture.until("orders", "it is rejected", is_noted).await;
}

/// A spec that the database rejects.
fn with_a_wrong_type() -> String {
    ORDERS.replace("TOTAL: numeric", "TOTAL: varchar(0)")
}

fn columns() -> Value {
    json!([{"ID": "integer"}, {"TOTAL": "numeric"}])
}

fn is(reason: &str) -> impl Fn(&Value) -> bool {
    move |object| condition(object, "Synced") == ["False", reason]
}

async fn assert_is_left_alone(fixture: &Fixture<'_>) {
    let found = fixture
        .query("SELECT count(*) || coalesce(obj_description('orders'::regclass, 'pg_class'), '') FROM orders")
        .await;
    assert_eq!(found, ["1"]);
}

#[tokio::test]
async fn a_table_of_somebody_else_never_becomes_that_of_an_object_whose_first_spec_was_rejected() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "first-rejected").await;
    let mut operator = fixture.operator().start();
    rejected(&fixture, &format!("{ORDERS}  connectionSecretRef: {{name: pg, namespace: elsewhere}}\n")).await;
    fixture.patch("orders", json!({"spec": {"connectionSecretRef": null}})).await;
    fixture.until("orders", "the table isn't its own", is("Conflict")).await;
    // The next attempt, which finds that reason in the status.
    operator.kill_9();
    let operator = fixture.operator().start();
    operator.wait_for_line("already exists and doesn't belong to a DatabaseTable").await;
    assert_is_left_alone(&fixture).await;
    fixture.delete("orders").await;
    fixture.until_gone("orders").await;
    assert_is_left_alone(&fixture).await;
}

#[tokio::test]
async fn an_object_whose_first_spec_was_rejected_is_deleted_at_once_where_the_table_is_somebody_elses() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "first-mistyped").await;
    let operator = fixture.operator().start();
    rejected(&fixture, &with_a_wrong_type()).await;
    fixture.patch("orders", json!({"spec": {"columns": columns()}})).await;
    fixture.until("orders", "the table isn't its own", is("Conflict")).await;
    fixture.delete("orders").await;
    fixture.until_gone("orders").await;
    assert_is_left_alone(&fixture).await;
    assert_eq!(operator.count_lines("Handler 'delete_handler' failed"), 0);
}

#[tokio::test]
async fn a_table_of_somebody_else_stays_where_the_object_is_restored_from_a_backup_without_its_status() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "rejected-restored").await;
    let mut operator = fixture.operator().start();
    rejected(&fixture, &with_a_wrong_type()).await;
    operator.kill_9();
    let mut backup = fixture.table("orders").await.unwrap();
    fixture.patch("orders", json!({"metadata": {"finalizers": null}})).await;
    fixture.delete("orders").await;
    fixture.until_gone("orders").await;
    for field in ["uid", "resourceVersion", "managedFields"] {
        backup["metadata"].as_object_mut().unwrap().remove(field);
    }
    backup["spec"]["columns"] = columns();
    backup.as_object_mut().unwrap().remove("status");
    fixture.apply(&backup.to_string());
    let operator = fixture.operator().start();
    fixture.until("orders", "the table isn't its own", is("Conflict")).await;
    fixture.delete("orders").await;
    fixture.until_gone("orders").await;
    assert_is_left_alone(&fixture).await;
    drop(operator);
}

#[tokio::test]
async fn an_object_whose_table_became_another_ones_does_not_count_as_its_owner_any_more() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "owner-lost").await;
    let _operator = fixture.operator().arg("--drift-interval=0").start();
    fixture.apply(&manifest("a", "t", &["id"]));
    let first = fixture.until_ready("a").await;
    assert!(first["status"]["owner"].is_string(), "{first}");
    fixture.apply(&manifest("b", "t", &["id"]));
    fixture.until("b", "a has the table", |object| condition(object, "Ready") == ["False", "Conflict"]).await;
    fixture.sql("DROP TABLE t").await;
    let label = |value: &str| json!({"metadata": {"labels": {"look": value}}});
    fixture.patch("b", label("1")).await;
    fixture.until_ready("b").await;
    fixture.patch("a", label("1")).await;
    let a = fixture
        .until("a", "b has the table", |object| condition(object, "Ready") == ["False", "Conflict"])
        .await;
    assert_eq!(a["status"]["owner"], Value::Null);
    // So it doesn't write its line into a table that has lost that of its owner.
    fixture.sql("COMMENT ON TABLE t IS 'somebody''s'").await;
    fixture.patch("a", label("2")).await;
    let told = |object: &Value| {
        let ready = object["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Ready");
        ready.unwrap()["message"].as_str().unwrap().contains("doesn't belong to a DatabaseTable")
    };
    fixture.until("a", "the table is nobody's", told).await;
    fixture.patch("b", label("2")).await;
    fixture.until_told("b", &["OwnershipConflict", "Created", "OwnerRestored"]).await;
}
