//! The CRD on a real API server: it accepts the Kopf demo's object and rejects mistakes at once.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

use korf_sandbox::ControlPlane;
use serde_json::{Value, json};
use std::{
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

/// A control plane of its own: other suites use the Kopf demo's CRD, which has the same name.
struct World(ControlPlane);

impl World {
    fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.0.kubectl().unwrap();
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// The output of kubectl, which must succeed.
    fn must(&self, arguments: &[&str], input: &str) -> String {
        let output = self.kubectl(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The message with which an object with this spec is rejected.
    fn rejected(&self, name: &str, spec: &Value) -> String {
        let output = self.kubectl(&["apply", "-f", "-"], &object(name, spec).to_string());
        assert!(!output.status.success(), "{spec} is accepted");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn manifest(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(name)).unwrap()
}

fn object(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "kopf.demo/v1", "kind": "DatabaseTable", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test]
async fn the_crd_accepts_good_objects_and_rejects_others_with_a_message() {
    let world = World(ControlPlane::start().await.unwrap());
    world.must(&["apply", "-f", "-"], &manifest("crd.yaml"));
    world.must(&["wait", "--for=condition=Established", "crd/databasetables.kopf.demo"], "");
    let crd = "{.status.conditions[?(@.type==\"NonStructuralSchema\")].message}";
    assert_eq!(
        world.must(&["get", "crd", "databasetables.kopf.demo", "-o", &format!("jsonpath={crd}")], ""),
        ""
    );

    world.must(&["apply", "-f", "-"], &manifest("kopf-demo-cr.yaml"));
    let mut good =
        json!({"tableName": "\"T\"", "columns": [{"a": "int"}, {"b": "int"}], "primaryKey": ["a", "b"]});
    world.must(&["apply", "-f", "-"], &object("good", &good).to_string());
    mistakes_are_rejected(&world);
    good["tableName"] = json!("other");
    let message = world.rejected("good", &good);
    assert!(
        message.contains("tableName can't be changed: delete the object and create a new one"),
        "{message}"
    );
    kubectl_get_prints_the_status(&world);
    rbac_grants_what_is_needed(&world);
}

fn mistakes_are_rejected(world: &World) {
    for (spec, why) in [
        (json!({"columns": [{"a": "int"}]}), "spec.tableName: Required value"),
        (json!({"tableName": "t"}), "spec.columns: Required value"),
        (json!({"tableName": "", "columns": [{"a": "int"}]}), "tableName is empty: give the table a name"),
        (json!({"tableName": "t", "columns": []}), "columns is empty: a table needs at least one column"),
        (
            json!({"tableName": "t", "columns": [{"a": "int", "b": "int"}]}),
            "each column must be one entry, NAME: TYPE",
        ),
        (json!({"tableName": "t", "columns": [{}]}), "each column must be one entry, NAME: TYPE"),
        (json!({"tableName": "t", "columns": [{"a": 1}]}), "must be of type string"),
        (
            json!({"tableName": "t", "columns": [{"a": {"type": "int"}}]}),
            "unknown field \"spec.columns[0].a.type\"",
        ),
        (json!({"tableName": 1, "columns": [{"a": "int"}]}), "must be of type string"),
        (json!({"tableName": "t", "columns": {"a": "int"}}), "unknown field \"spec.columns.a\""),
        (json!({"tableName": "t", "columns": "a"}), "must be of type array"),
        (json!({"tableName": "t", "columns": [{"a": "int"}], "primaryKey": ""}), "spec.primaryKey"),
        (json!({"tableName": "t", "columns": [{"a": "int"}], "primaryKey": []}), "spec.primaryKey"),
        (
            json!({"tableName": "t", "columns": [{"a": "int"}], "schema": "app"}),
            "unknown field \"spec.schema\"",
        ),
    ] {
        let message = world.rejected("bad", &spec);
        assert!(message.contains(why), "{spec}: {message}");
    }
}

fn kubectl_get_prints_the_status(world: &World) {
    let condition = |type_: &str, status: &str| {
        json!({"type": type_, "status": status, "reason": "UpdateAborted", "message": "no", "observedGeneration": 1,
               "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let status = json!({"status": {
        "observedGeneration": 1, "table": "public.\"T\"", "columns": [{"name": "a", "type": "integer"}],
        "columnCount": 1, "primaryKey": ["a"], "conditions": [condition("Ready", "True"), condition("Synced", "False")],
    }});
    let patch = ["patch", "dbt", "good", "--subresource=status", "--type=merge", "-p", &status.to_string()];
    world.must(&patch, "");
    let listed = world.must(&["get", "dbt", "good"], "");
    let rows: Vec<Vec<_>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "TABLE", "COLUMNS", "READY", "REASON", "AGE"]);
    assert_eq!(rows[1][..5], ["good", "public.\"T\"", "1", "True", "UpdateAborted"]);
    let stored: Value = serde_json::from_str(&world.must(&["get", "dbt", "good", "-o", "json"], "")).unwrap();
    assert_eq!(stored["status"], status["status"]);
}

fn rbac_grants_what_is_needed(world: &World) {
    world.must(&["apply", "-f", "-"], &manifest("rbac.yaml"));
    let may = |verb: &str, what: &str| {
        let user = "--as=system:serviceaccount:default:database-table-operator";
        world.kubectl(&["auth", "can-i", verb, what, user, "--all-namespaces"], "").status.success()
    };
    for (verb, what) in [
        ("watch", "databasetables.kopf.demo"),
        ("patch", "databasetables.kopf.demo/status"),
        ("get", "namespaces/kube-system"),
    ] {
        assert!(may(verb, what), "{verb} {what}");
    }
    for (verb, what) in [
        ("get", "secrets"),
        ("delete", "databasetables.kopf.demo"),
        ("list", "namespaces"),
        ("create", "events"),
    ] {
        assert!(!may(verb, what), "{verb} {what}");
    }
}
