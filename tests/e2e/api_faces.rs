//! Faces of the API server that are easily misread: what it says, what is meant, and what the operator makes of it.

use crate::fixture::{Cluster, Crd, Fixture, eventually, manifest};
use serde_json::{Value, json};

/// The full CRD, with this done to the schema of the spec.
fn crd(change: impl FnOnce(&mut Value)) -> String {
    let mut crd: Value = serde_saphyr::from_str(Crd::Full.manifest()).unwrap();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    change(&mut schema["properties"]["spec"]);
    crd.to_string()
}

#[tokio::test]
async fn an_object_that_a_new_schema_traps_is_told_and_goes_once_the_schema_lets_it() {
    let cluster = Cluster::start(Crd::Full).await;
    let fixture = Fixture::on(&cluster, "trapped").await;
    let operator = fixture.operator().not_verbose().env("KORF_SET_PERSISTENCE_REJECTED_DELAY", "2s").start();
    for name in ["trapped", "free"] {
        fixture.apply(&manifest(name, name, &["id"]));
        fixture.until_ready(name).await;
    }
    // It can't be evaluated for objects without the field, and so rejects every change of theirs.
    let rule = json!([{"rule": "self.owner == 'me'", "message": "it needs an owner"}]);
    fixture.install(&crd(|spec| {
        spec["properties"]["owner"] = json!({"type": "string"});
        spec["x-kubernetes-validations"] = rule;
    }));
    fixture.delete("trapped").await;
    let error = operator.wait_for_line("rejects the removal of the finalizer, so the object stays").await;
    assert!(error.contains("[ERROR") && error.contains("no such key: owner"), "{error}");
    let note = fixture.until_event("trapped", "FinalizerRejected").await;
    assert!(note.contains("no such key: owner"), "{note}");

    fixture.install(Crd::Full.manifest());
    fixture.until_gone("trapped").await;
    fixture.apply(&manifest("free", "free", &["id", "more"]));
    fixture.until_column_count("free", 2).await;
}

#[tokio::test]
async fn a_new_default_shows_without_a_new_version_and_is_handled() {
    let cluster = Cluster::start(Crd::Full).await;
    let fixture = Fixture::on(&cluster, "defaulted").await;
    let operator = fixture.operator().start();
    fixture.apply(&manifest("old", "old", &["id"]));
    let before = fixture.until_ready("old").await;
    fixture.install(&crd(|spec| {
        spec["properties"]["note"] = json!({"type": "string", "default": "new"});
    }));
    operator.wait_for_line("Update handler invoked by custom resource old.").await;
    let after = fixture.until_ready("old").await;
    assert_eq!(after["spec"]["note"], "new");
    assert_eq!(before["metadata"]["generation"], after["metadata"]["generation"]);
    // The change has cut the watch; that is no failure.
    assert_eq!(operator.count_lines("Watching databasetables.v1.kopf.demo at"), 0, "{:#?}", operator.lines());
}

/// Denies the status of the objects of this name, as if a permission were missing.
fn policy(name: &str) -> String {
    let metadata = json!({"name": "no-status.example.com"});
    let rule = json!({
        "apiGroups": ["kopf.demo"], "apiVersions": ["*"], "operations": ["UPDATE"],
        "resources": ["databasetables/status"],
    });
    let validation = json!({
        "expression": format!("object.metadata.name != '{name}'"), "message": "it has no status", "reason": "Forbidden",
    });
    let of = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec,
        })
    };
    let items = [
        of(
            "ValidatingAdmissionPolicy",
            json!({
                "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]}, "validations": [validation],
            }),
        ),
        of(
            "ValidatingAdmissionPolicyBinding",
            json!({"policyName": "no-status.example.com", "validationActions": ["Deny"]}),
        ),
    ];
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

#[tokio::test]
async fn a_policy_s_denial_is_told_by_its_name_and_is_no_missing_permission() {
    let cluster = Cluster::start(Crd::Full).await;
    let fixture = Fixture::on(&cluster, "denied").await;
    cluster.apply(&policy("denied"));
    fixture.apply(&manifest("denied", "denied", &["id"]));
    let is_denied = async || {
        let mut kubectl = fixture.kubectl();
        kubectl.args(["patch", "databasetable", "denied", "--subresource=status", "--type=merge"]);
        kubectl.args(["--dry-run=server", "-p", r#"{"status":{"columnCount":7}}"#]);
        String::from_utf8_lossy(&kubectl.output().unwrap().stderr).contains("it has no status")
    };
    eventually("the policy is enforced", is_denied, |denied| *denied).await;

    let operator = fixture.operator().not_verbose().start();
    let error = operator.wait_for_line("The API server rejects the status, so it is not written: ").await;
    assert!(error.contains("[ERROR") && error.contains("'no-status.example.com'"), "{error}");
    fixture.apply(&manifest("free", "free", &["id"]));
    fixture.until_ready("free").await;
    operator.wait_for_line("[denied/denied] Creation is processed: 1 succeeded; 0 failed.").await;
    assert_eq!(fixture.all_tables().await, ["denied", "free"]);
    operator.assert_lines("[ERROR", 1).await;
}

#[tokio::test]
async fn a_kind_that_is_served_in_a_newer_version_is_told_once() {
    let cluster = Cluster::start(Crd::Full).await;
    let fixture = Fixture::on(&cluster, "newer").await;
    let mut crd: Value = serde_saphyr::from_str(Crd::Full.manifest()).unwrap();
    let mut newer = crd["spec"]["versions"][0].clone();
    newer["name"] = json!("v2");
    crd["spec"]["versions"][0]["storage"] = json!(false);
    crd["spec"]["versions"].as_array_mut().unwrap().push(newer);
    fixture.install(&crd.to_string());
    let operator = fixture.operator().not_verbose().start();
    let warning = operator.wait_for_line("databasetables.v1.kopf.demo is served as v2, too").await;
    assert!(warning.contains("[WARNING") && warning.contains("erase what only v2 has"), "{warning}");
    fixture.apply(&manifest("new", "new", &["id"]));
    fixture.until_ready("new").await;
    assert_eq!(operator.count_lines("is served as v2, too"), 1);
}
