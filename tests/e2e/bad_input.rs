//! A mistake in one object is told in one line, and harms nothing else.

mod cases;

use crate::stage::{Cluster, Operator, Stage, condition, manifest};
use cases::Case;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The limit for a deletion, as users were promised.
const SOON: Duration = Duration::from_secs(2);

/// What is not to be harmed: a table of the name that the bad types want to drop, and its row.
const ROW: &str = "SELECT id::text FROM x";

/// Creates the object of a case; what the API server says where it doesn't take it.
async fn create(stage: &Stage<'_>, case: &Case) -> Result<(), String> {
    let mut object =
        json!({ "apiVersion": "kopf.demo/v1", "kind": "DatabaseTable", "metadata": { "name": case.name } });
    if case.spec != Value::Null {
        object["spec"] = case.spec.clone();
    }
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    match stage.tables().create(&PostParams::default(), &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{}: {error}", case.name),
    }
}

/// The ERROR lines about an object so far.
fn errors(operator: &Operator, stage: &Stage<'_>, name: &str) -> Vec<String> {
    let here = format!("[ERROR   ] [{}/{name}] ", stage.namespace);
    operator.lines().iter().filter_map(|line| Some(line.split_once(&here)?.1.to_owned())).collect()
}

/// Waits until an object has its reason in the status, and the log the same in one line.
async fn refused(operator: &Operator, stage: &Stage<'_>, name: &str, why: &str) {
    let invalid = |object: &Value| condition(object, "Synced") == ["False", "InvalidSpec"];
    let object = stage.until(name, "its spec is refused", invalid).await;
    assert_eq!(condition(&object, "Ready"), ["False", "InvalidSpec"], "{name}");
    let message = object["status"]["conditions"][1]["message"].as_str().unwrap();
    assert!(message.contains(why), "{name}: {message}");
    assert!(!message.contains(['\0', '\n']), "{name}: {message:?}");
    let told = errors(operator, stage, name);
    let [only] = &told[..] else { panic!("{name}: {told:#?}") };
    assert_eq!(
        only.split_once("_handler' failed permanently: ").map(|(_, told)| told),
        Some(message),
        "{name}"
    );
}

/// Deletes an object, and waits until it is gone, which is soon.
async fn deleted(stage: &Stage<'_>, name: &str) {
    let begun = Instant::now();
    stage.delete(name).await;
    stage.until_gone(name).await;
    assert!(begun.elapsed() < SOON, "{name} took {:?}", begun.elapsed());
}

/// Objects before, beside and after the bad ones; the bad ones that get past the API server.
async fn bad_objects_harm_nobody(stage: &Stage<'_>, cases: &[&Case]) {
    let operator = stage.operator().terse().start();
    stage.apply(&manifest("before", "x", &["id"]));
    let handled = "/metadata/annotations/kopf.zalando.org~1last-handled-configuration";
    let before = stage.until("before", "it is handled", |object| object.pointer(handled).is_some()).await;
    assert_eq!(condition(&before, "Ready"), ["True", "Applied"]);
    stage.sql("INSERT INTO x VALUES (7)").await;
    for case in cases {
        create(stage, case).await.unwrap_or_else(|why| panic!("{}: {why}", case.name));
    }
    for case in cases {
        refused(&operator, stage, case.name, case.why).await;
    }
    stage.apply(&manifest("after", "after", &["id"]));
    stage.until_ready("after").await;
    for case in cases {
        deleted(stage, case.name).await;
        assert_eq!(errors(&operator, stage, case.name).len(), 1, "{}: none at its deletion", case.name);
    }
    assert_eq!(stage.table("before").await, Some(before));
    assert_eq!(stage.all_tables().await, ["after", "x"]);
    assert_eq!(stage.query(ROW).await, ["7"]);
    assert_eq!(operator.count("[ERROR"), cases.len());
}

#[tokio::test]
async fn each_mistake_is_one_clear_line_and_harms_nobody() {
    let stage = Stage::new("bad-input").await;
    let cases = cases::all();
    let (through, stopped): (Vec<_>, Vec<_>) = cases.iter().partition(|case| !case.why.is_empty());
    for case in stopped {
        let said = create(&stage, case).await.expect_err(case.name);
        assert!(said.contains("spec in body must be of type object"), "{}: {said}", case.name);
    }
    bad_objects_harm_nobody(&stage, &through).await;
}

#[tokio::test]
async fn with_the_full_crd_the_api_server_says_what_it_can_and_the_operator_the_rest() {
    let stage = Stage::on(Cluster::with_the_full_crd().await, "bad-input-in-full").await;
    let cases = cases::all();
    let (through, stopped): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.refused.is_empty());
    for case in stopped {
        let said = create(&stage, case).await.expect_err(case.name);
        assert!(said.contains(case.refused), "{}: {said}", case.name);
    }
    bad_objects_harm_nobody(&stage, &through).await;
}

#[tokio::test]
async fn an_object_that_becomes_bad_keeps_its_table_and_can_be_deleted_with_it() {
    let stage = Stage::new("becomes-bad").await;
    let operator = stage.operator().terse().start();
    stage.apply(&manifest("spoiled", "spoiled", &["id"]));
    stage.until_ready("spoiled").await;
    stage.patch("spoiled", json!({ "spec": { "columns": [{ "ID": "whatever" }] } })).await;
    refused(&operator, &stage, "spoiled", "there is no such type in the database").await;
    stage.patch("spoiled", json!({ "spec": null })).await;
    stage
        .until("spoiled", "its spec is missing", |object| {
            object["status"]["conditions"][1]["message"] == "spec is missing: it needs tableName and columns"
        })
        .await;
    assert_eq!(stage.columns("spoiled").await, ["id integer"]);
    deleted(&stage, "spoiled").await;
    assert_eq!(stage.all_tables().await, [""; 0]);
    assert_eq!(errors(&operator, &stage, "spoiled").len(), 2);
}
