//! The command `explain`, on a real API server, mostly while no operator runs.

use crate::fixture::{Cluster, Fixture, condition, example, manifest};
use serde_json::{Value, json};
use std::{path::Path, process::Command};

/// What a command has printed: its exit code, and its output or its error.
struct Explained {
    code: i32,
    text: String,
}

impl Explained {
    /// Runs `explain` with these words, as this kubeconfig's user.
    fn by(program: &Path, kubeconfig: &Path, words: &[&str]) -> Self {
        let output =
            Command::new(program).arg("explain").args(words).env("KUBECONFIG", kubeconfig).output().unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        Self { code: output.status.code().unwrap(), text: String::from_utf8(text).unwrap() }
    }

    /// The text behind a name on the left.
    fn line(&self, name: &str) -> &str {
        let line = self.text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.text)).trim()
    }

    /// The text of the row with this word in its second column.
    fn row(&self, id: &str) -> &str {
        let row = self.text.lines().find_map(|line| {
            let (_, rest) = line.strip_prefix("  ")?.trim_start().split_once("  ")?;
            rest.trim_start().strip_prefix(&format!("{id} "))
        });
        row.unwrap_or_else(|| panic!("no {id} in {}", self.text)).trim()
    }

    fn assert(&self, code: i32, text: &str) {
        assert!(
            self.code == code && self.text.contains(text),
            "{} instead of {code}: {}",
            self.code,
            self.text
        );
    }
}

fn table_operator() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_database-table-operator"))
}

fn explain(fixture: &Fixture<'_>, words: &[&str]) -> Explained {
    let words = [words, &["--namespace", &fixture.namespace]].concat();
    Explained::by(table_operator(), fixture.cluster.control_plane.kubeconfig(), &words)
}

fn as_json(fixture: &Fixture<'_>, words: &[&str]) -> Value {
    let explained = explain(fixture, &[words, &["--output=json"]].concat());
    serde_json::from_str(&explained.text).unwrap_or_else(|error| panic!("{error}: {}", explained.text))
}

/// The entry of a handler with this id.
fn handler<'r>(report: &'r Value, id: &str) -> &'r Value {
    let handlers = report["handlers"].as_array().unwrap();
    handlers.iter().find(|handler| handler["id"] == id).unwrap()
}

#[tokio::test]
async fn an_object_is_explained_from_its_creation_to_its_deletion_while_no_operator_runs() {
    let fixture = Fixture::new("explained").await;
    let show = ["databasetable", "table"];
    explain(&fixture, &show)
        .assert(1, "databasetables.v1.kopf.demo \"table\" is not found in namespace \"explained\"");

    fixture.apply(&manifest("table", "explained", &["id"]));
    let new = explain(&fixture, &show);
    assert_eq!(new.line("State"), "new: not handled yet, or not completely");
    assert_eq!(new.line("Next"), "adds its finalizer, then calls create_handler");
    assert_eq!(new.row("create_handler"), "called now");
    assert!(new.line("Replica").starts_with("there is no Lease"), "{}", new.text);

    fixture.operator().start().wait_for_line("Creation is processed").await;
    let handled = explain(&fixture, &["dbt", "table"]);
    assert_eq!(
        handled.line("State"),
        "handled (done, or failed permanently): nothing has changed since",
        "{}",
        handled.text
    );
    assert_eq!(handled.line("Next"), "nothing, until it changes");
    assert_eq!(handled.row("update_handler"), "not called: nothing has changed");
    handled.assert(0, "kopf.zalando.org/KopfFinalizerMarker  this operator's, for delete_handler");

    fixture.apply(&manifest("table", "explained", &["id", "more"]));
    let changed = explain(&fixture, &["databasetables.kopf.demo", "table"]);
    assert_eq!(changed.line("State"), "changed since it was handled");
    assert_eq!(changed.row("spec.columns"), r#"[{"id":"integer"}] → [{"id":"integer"},{"more":"integer"}]"#);
    assert_eq!(changed.row("update_handler"), "called now");
    assert_eq!(changed.row("create_handler"), "not called: only for new objects");

    let proxy = fixture.database_proxy().await;
    proxy.cut();
    let operator = fixture.operator().database_through(&proxy).start();
    fixture.until("table", "it can't be handled", |table| condition(table, "Synced")[0] == "False").await;
    operator.wait_for_line("will try again").await;
    drop(operator);
    let waiting = as_json(&fixture, &show);
    let update = handler(&waiting, "update_handler");
    assert_eq!((&waiting["state"], &update["attempt"]), (&"changed".into(), &2.into()), "{waiting:#}");
    assert!(["waiting", "due"].contains(&update["standing"].as_str().unwrap()), "{waiting:#}");
    assert!(!update["message"].as_str().unwrap().is_empty(), "{waiting:#}");
    assert_eq!(waiting["changes"]["items"][0]["field"], json!(["spec", "columns"]), "{waiting:#}");

    fixture.patch("table", json!({"metadata": {"finalizers": ["example.com/other", FINALIZER]}})).await;
    fixture.delete("table").await;
    let deleting = as_json(&fixture, &show);
    assert_eq!(
        (&deleting["state"], &deleting["next"]["handlers"]),
        (&"deleting".into(), &json!(["delete_handler"]))
    );
    let finalizers = deleting["finalizers"].as_array().unwrap();
    let told: Vec<_> = finalizers.iter().map(|one| (&one["name"], &one["own"], &one["neededBy"])).collect();
    assert_eq!(
        told,
        [
            (&"example.com/other".into(), &false.into(), &Value::Null),
            (&FINALIZER.into(), &true.into(), &json!(["delete_handler"])),
        ]
    );
    fixture.operator().start().wait_for_line("Deletion is processed").await;
    let kept = explain(&fixture, &show);
    assert_eq!(kept.line("Next"), "nothing: this operator doesn't keep it");
    fixture.patch("table", json!({"metadata": {"finalizers": null}})).await;
    fixture.until_gone("table").await;
}

#[tokio::test]
async fn what_is_not_there_or_may_not_be_read_is_told_in_one_line() {
    let fixture = Fixture::new("unexplained").await;
    fixture.apply(&manifest("table", "unexplained", &["id"]));
    explain(&fixture, &["pod", "table"])
        .assert(2, "error: no handler is for a kind \"pod\": handlers are for databasetables.v1.kopf.demo\n");
    explain(&fixture, &["databasetable"]).assert(2, "<NAME>");
    explain(&fixture, &["dbt", "table", "--output=wide"]).assert(2, "[possible values: text, json]");

    let control_plane = &fixture.cluster.control_plane;
    let nobody = control_plane.kubeconfig_for("nobody", &["system:authenticated"], None).unwrap();
    let as_user = |words: &[&str]| {
        let words = [&["dbt", "table", "--namespace", &fixture.namespace], words].concat();
        Explained::by(table_operator(), &nobody, &words)
    };
    as_user(&[]).assert(1, "can't be read: databasetables.kopf.demo \"table\" is forbidden");

    let grant = ["create", "role", "reader", "--verb=get", "--resource=databasetables.kopf.demo"];
    let bind = ["create", "rolebinding", "reader", "--role=reader", "--user=nobody"];
    for words in [&grant[..], &bind] {
        assert!(fixture.kubectl().args(words).status().unwrap().success());
    }
    let lines = as_user(&["--lease-namespace", &fixture.namespace]);
    assert!(lines.line("Replica").starts_with("unknown, since the Lease unexplained/"), "{}", lines.text);
    assert!(lines.line("Replica").contains("is forbidden"), "{}", lines.text);
    let mut unreachable = Command::new(table_operator());
    unreachable.args(["explain", "dbt", "table"]).env("KUBECONFIG", "/nonexistent");
    assert_eq!(unreachable.output().unwrap().status.code(), Some(1));
}

const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";

/// A Lease that is renewed at this time.
fn lease(name: &str, holder: &str, shards: u16) -> String {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "labels": {"korf.dev/operator": "database-table-operator"},
            "annotations": {"korf.dev/shards": shards.to_string()},
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": 3600,
            "renewTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        },
    })
    .to_string()
}

#[tokio::test]
async fn the_replica_is_told_that_holds_the_lease_of_the_objects_shard() {
    let fixture = Fixture::new("explained-replica").await;
    fixture.apply(&manifest("table", "explained_replica", &["id"]));
    let show = ["dbt", "table", "--lease-namespace", &fixture.namespace];
    fixture.apply(&lease("database-table-operator", "pod-1_a", 1));
    assert_eq!(
        explain(&fixture, &show).line("Replica").split(", renewed").next(),
        Some("pod-1_a (Lease explained-replica/database-table-operator")
    );
    fixture.apply(&lease("database-table-operator", "", 2));
    for shard in 0..2 {
        let holder = format!("pod-{shard}_a");
        fixture.apply(&lease(&format!("database-table-operator-{shard}-of-2"), &holder, 2));
    }
    let report = as_json(&fixture, &show);
    let shard = report["replica"]["shard"].as_u64().unwrap();
    assert_eq!(report["replica"]["holder"], format!("pod-{shard}_a"), "{report:#}");
    assert_eq!(report["replica"]["lease"]["name"], format!("database-table-operator-{shard}-of-2"));
}

#[tokio::test]
async fn a_handler_that_is_not_for_an_object_says_which_of_its_conditions_does_not_hold() {
    let cluster = Cluster::without_crd().await;
    let fixture = Fixture::on(&cluster, "explained-filters").await;
    fixture.install(&fixture.example("11-filtering-handlers").crds());
    let object = json!({
        "apiVersion": "kopf.dev/v1",
        "kind": "KopfExample",
        "metadata": {"name": "one", "labels": {"somelabel": "other"}},
        "spec": {"field": "x"},
    });
    fixture.apply(&object.to_string());
    let program = example("11-filtering-handlers");
    let words = ["kex", "one", "--namespace", &fixture.namespace];
    let explained = Explained::by(&program, cluster.control_plane.kubeconfig(), &words);
    println!("{}", explained.text);
    explained.assert(0, "not for this object: label somelabel isn't \"somevalue\"");
    explained.assert(0, "not for this object: field spec.field isn't \"value\"");
    explained.assert(0, "not for this object: its condition `when` doesn't hold");
}
