//! Invalid objects: each mistake is reported in one line, and affects no other object.

mod cases;

use crate::fixture::{Cluster, Fixture, OperatorProcess, condition, manifest};
use cases::Case;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The limit for the deletion of an invalid object, for each of ninety on a busy machine. One whose deletion waits, for another
/// attempt or for a connection, takes twenty seconds or more, or it is told as an error, and those are counted.
const DELETION_LIMIT: Duration = Duration::from_secs(10);

/// Reads the row that must survive: the malicious types in the cases try to drop this table.
const ROW: &str = "SELECT id::text FROM x";

/// Creates the object of a case. Fails with the API server's message if that rejects the object.
async fn create(fixture: &Fixture<'_>, case: &Case) -> Result<(), String> {
    let mut object =
        json!({ "apiVersion": "kopf.demo/v1", "kind": "DatabaseTable", "metadata": { "name": case.name } });
    if case.spec != Value::Null {
        object["spec"] = case.spec.clone();
    }
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    match fixture.tables().create(&PostParams::default(), &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{}: {error}", case.name),
    }
}

/// How an ERROR line about an object begins, after its time.
fn error_about(fixture: &Fixture<'_>, name: &str) -> String {
    format!("[ERROR   ] [{}/{name}] ", fixture.namespace)
}

/// The messages of the ERROR lines about an object so far.
fn errors(operator: &OperatorProcess, fixture: &Fixture<'_>, name: &str) -> Vec<String> {
    let prefix = error_about(fixture, name);
    operator.lines().iter().filter_map(|line| Some(line.split_once(&prefix)?.1.to_owned())).collect()
}

/// Waits until the status of an object reports `expected`, and checks that the log has the same message in
/// one line.
async fn until_rejected(operator: &OperatorProcess, fixture: &Fixture<'_>, name: &str, expected: &str) {
    let invalid = |object: &Value| condition(object, "Synced") == ["False", "InvalidSpec"];
    let object = fixture.until(name, "its spec is rejected", invalid).await;
    assert_eq!(condition(&object, "Ready"), ["False", "InvalidSpec"], "{name}");
    let message = object["status"]["conditions"][1]["message"].as_str().unwrap();
    assert!(message.contains(expected), "{name}: {message}");
    assert!(!message.contains(['\0', '\n']), "{name}: {message:?}");
    operator.wait_for_line(&error_about(fixture, name)).await;
    let errors = errors(operator, fixture, name);
    let [only] = &errors[..] else { panic!("{name}: {errors:#?}") };
    assert_eq!(
        only.split_once("_handler' failed permanently: ").map(|(_, reason)| reason),
        Some(message),
        "{name}"
    );
}

/// Deletes an object, and checks that it is gone within the limit.
async fn delete_quickly(fixture: &Fixture<'_>, name: &str) {
    let start = Instant::now();
    fixture.delete(name).await;
    fixture.until_gone(name).await;
    assert!(start.elapsed() < DELETION_LIMIT, "{name} took {:?}", start.elapsed());
}

/// Checks that the operator rejects these objects, which the API server accepts, and that other objects
/// before and after them are handled.
async fn invalid_objects_affect_no_others(fixture: &Fixture<'_>, cases: &[&Case]) {
    let operator = fixture.operator().not_verbose().start();
    fixture.apply(&manifest("before", "x", &["id"]));
    let handled = "/metadata/annotations/kopf.zalando.org~1last-handled-configuration";
    let before = fixture.until("before", "it is handled", |object| object.pointer(handled).is_some()).await;
    assert_eq!(condition(&before, "Ready"), ["True", "Applied"]);
    fixture.sql("INSERT INTO x VALUES (7)").await;
    for case in cases {
        create(fixture, case).await.unwrap_or_else(|message| panic!("{}: {message}", case.name));
    }
    for case in cases {
        until_rejected(&operator, fixture, case.name, case.operator_message).await;
    }
    fixture.apply(&manifest("after", "after", &["id"]));
    fixture.until_ready("after").await;
    for case in cases {
        delete_quickly(fixture, case.name).await;
        assert_eq!(
            errors(&operator, fixture, case.name).len(),
            1,
            "{}: its deletion logs no error",
            case.name
        );
    }
    assert_eq!(fixture.table("before").await, Some(before));
    assert_eq!(fixture.all_tables().await, ["after", "x"]);
    assert_eq!(fixture.query(ROW).await, ["7"]);
    operator.assert_lines("[ERROR", cases.len()).await;
}

#[tokio::test]
async fn each_mistake_is_reported_in_one_line_and_affects_no_other_object() {
    let fixture = Fixture::new("bad-input").await;
    let cases = cases::all();
    let (accepted, rejected): (Vec<_>, Vec<_>) =
        cases.iter().partition(|case| !case.operator_message.is_empty());
    for case in rejected {
        let message = create(&fixture, case).await.expect_err(case.name);
        assert!(message.contains("spec in body must be of type object"), "{}: {message}", case.name);
    }
    invalid_objects_affect_no_others(&fixture, &accepted).await;
}

#[tokio::test]
async fn with_the_full_crd_the_api_server_rejects_what_it_can_and_the_operator_the_rest() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "bad-input-in-full").await;
    let cases = cases::all();
    let (accepted, rejected): (Vec<_>, Vec<_>) =
        cases.iter().partition(|case| case.api_server_message.is_empty());
    for case in rejected {
        let message = create(&fixture, case).await.expect_err(case.name);
        assert!(message.contains(case.api_server_message), "{}: {message}", case.name);
    }
    invalid_objects_affect_no_others(&fixture, &accepted).await;
}

#[tokio::test]
async fn an_object_that_becomes_invalid_keeps_its_table_and_can_be_deleted_with_it() {
    let fixture = Fixture::new("becomes-bad").await;
    let operator = fixture.operator().not_verbose().start();
    fixture.apply(&manifest("spoiled", "spoiled", &["id"]));
    fixture.until_ready("spoiled").await;
    fixture.patch("spoiled", json!({ "spec": { "columns": [{ "ID": "varchar(0)" }] } })).await;
    until_rejected(&operator, &fixture, "spoiled", "must be at least 1").await;
    fixture.patch("spoiled", json!({ "spec": null })).await;
    fixture
        .until("spoiled", "its spec is missing", |object| {
            object["status"]["conditions"][1]["message"] == "spec is missing: it needs tableName and columns"
        })
        .await;
    assert_eq!(fixture.columns("spoiled").await, ["id integer"]);
    delete_quickly(&fixture, "spoiled").await;
    assert_eq!(fixture.all_tables().await, [""; 0]);
    operator.assert_lines(&error_about(&fixture, "spoiled"), 2).await;
}

/// The Kopf demo's CRD has no schema of the status: any client can write any shape.
#[tokio::test]
async fn a_status_of_another_shape_is_replaced() {
    let fixture = Fixture::new("status-shape").await;
    let shapes = [json!({ "conditions": 7 }), json!({ "columns": [{ "name": 1 }] }), json!({ "table": {} })];
    for (number, status) in shapes.iter().enumerate() {
        let name = format!("shape-{number}");
        let object = json!({
            "apiVersion": "kopf.demo/v1",
            "kind": "DatabaseTable",
            "metadata": { "name": name },
            "spec": { "tableName": name, "columns": [{ "ID": "integer" }] },
            "status": status,
        });
        fixture.apply(&object.to_string());
    }
    let _operator = fixture.operator().start();
    for number in 0..shapes.len() {
        fixture.until_ready(&format!("shape-{number}")).await;
    }
    assert_eq!(fixture.all_tables().await.len(), shapes.len());
}
