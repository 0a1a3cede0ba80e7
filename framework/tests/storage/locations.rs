//! Locations of the storage.

use crate::things::{Calls, Thing, annotations, cluster, operator, raw, text, thing};
use korf::{
    extract::Body,
    storage::{Found, Location, Slot},
};
use korf_testing::{Cluster, api::ServedKind};
use serde_json::{Map, Value, json};

fn paths(cluster: &Cluster) -> Vec<&'static str> {
    let is_status = |path: &str| path.ends_with("/status");
    let part = |path: &str| if is_status(path) { "status" } else { "object" };
    cluster.writes().iter().map(|exchange| part(&exchange.request.path)).collect()
}

#[test]
fn the_end_of_a_cycle_is_one_write_with_the_status_storage() {
    let calls = Calls::default();
    let operator = {
        let calls = calls.clone();
        move || operator(&calls, true).status_storage()
    };
    let mut cluster = Cluster::of(operator).unwrap();
    cluster.create(&thing("a", "x")).unwrap();
    assert_eq!(paths(&cluster), ["object", "status"], "the finalizer, and all the rest");
    cluster.patch::<Thing>("a", text("y")).unwrap();
    assert_eq!(paths(&cluster)[2..], ["status"]);
    let object = raw(&cluster, "a");
    assert_eq!(object["status"]["calls"], 2);
    assert_eq!(object["status"]["things"]["last-handled-configuration"], r#"{"spec":{"text":"y"}}"#);
    assert!(annotations(&cluster, "a").is_empty());
    cluster.restart().unwrap();
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(paths(&cluster)[3..], ["object"]);
    assert_eq!(calls.all(), ["create a", "update a", "delete a"]);
}

#[test]
fn everything_is_one_write_without_a_status_subresource() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.status_storage().kopf_compatible());
    cluster.serve(ServedKind::of::<Thing>().with_status_subresource(false));
    cluster.restart().unwrap();
    cluster.create(&thing("a", "x")).unwrap();
    cluster.patch::<Thing>("a", text("y")).unwrap();
    assert_eq!(paths(&cluster), ["object", "object"]);
    assert!(raw(&cluster, "a")["status"]["kopf"]["last-handled-configuration"].is_string());
    assert_eq!(calls.all(), ["create a", "update a"]);
}

#[test]
fn an_operator_may_have_another_prefix_and_finalizer() {
    let calls = Calls::default();
    let operator = {
        let calls = calls.clone();
        move || operator(&calls, true).prefix("things.example.com").finalizer("example.com/Held")
    };
    let mut cluster = Cluster::of(operator).unwrap();
    cluster.create(&thing("a", "x")).unwrap();
    assert_eq!(raw(&cluster, "a")["metadata"]["finalizers"], json!(["example.com/Held"]));
    let keys = ["kopf-managed", "korf-uid", "last-handled-configuration"];
    assert_eq!(annotations(&cluster, "a"), keys.map(|key| format!("things.example.com/{key}")));
    cluster.delete::<Thing>("a").unwrap();
    assert!(!cluster.exists::<Thing>("a"));
}

/// A custom location in the spec.
#[derive(Debug)]
struct InSpec;

fn field(item: Slot<'_>) -> String {
    match item {
        Slot::Progress(id) => format!("handler {id}"),
        Slot::DiffBase => "base".into(),
        Slot::PendingDiffBase => "pending".into(),
        Slot::Uid => "uid".into(),
    }
}

impl Location for InSpec {
    fn read<'a>(&self, body: &'a Body, item: Slot<'_>) -> Vec<Found<'a>> {
        let text = body.value()["spec"]["operator"][field(item)].as_str();
        text.map(|text| Found { path: field(item), text: text.into() }).into_iter().collect()
    }

    fn write(&self, _: &Body, item: Slot<'_>, text: Option<&str>) -> Value {
        json!({"spec": {"operator": {field(item): text}}})
    }

    fn clean(&self, essence: &mut Map<String, Value>) {
        if let Some(Value::Object(spec)) = essence.get_mut("spec") {
            spec.remove("operator");
        }
    }
}

#[test]
fn a_custom_location_works_like_the_others() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.storage(InSpec));
    cluster.create(&thing("a", "x")).unwrap();
    cluster.patch::<Thing>("a", text("y")).unwrap();
    cluster.restart().unwrap();
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"l": "1"}}})).unwrap();
    assert_eq!(calls.all(), ["create a", "update a", "update a"]);
    let uid = raw(&cluster, "a")["metadata"]["uid"].to_string();
    let base = r#"{"metadata":{"labels":{"l":"1"}},"spec":{"text":"y"}}"#;
    assert_eq!(raw(&cluster, "a")["spec"]["operator"], json!({"base": base, "uid": uid}));
    assert!(annotations(&cluster, "a").is_empty());
}
