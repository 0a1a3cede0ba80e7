//! Where things are kept.

use crate::things::{Calls, Thing, annotations, cluster, lines, operator, raw, text, thing};
use korf::{
    Body,
    storage::{Found, Item, Place},
};
use korf_testing::{
    Cluster,
    api::{Fate, Faults, Request, Served},
};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tracing::Level;

fn paths(cluster: &Cluster) -> Vec<&'static str> {
    let is_status = |path: &str| path.ends_with("/status");
    let part = |path: &str| if is_status(path) { "status" } else { "object" };
    cluster.writes().iter().map(|exchange| part(&exchange.request.path)).collect()
}

#[test]
fn in_the_status_the_end_of_a_cycle_is_one_write() {
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
fn without_a_status_subresource_all_is_one_write() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.status_storage().kopf_compatible());
    cluster.serve(Served::of::<Thing>().with_status_subresource(false));
    cluster.restart().unwrap();
    cluster.create(&thing("a", "x")).unwrap();
    cluster.patch::<Thing>("a", text("y")).unwrap();
    assert_eq!(paths(&cluster), ["object", "object"]);
    assert!(raw(&cluster, "a")["status"]["kopf"]["last-handled-configuration"].is_string());
    assert_eq!(calls.all(), ["create a", "update a"]);
}

#[test]
fn a_status_that_drops_the_field_is_left_for_annotations_and_handlers_are_called_once() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.status_storage());
    cluster.serve(Served::of::<Thing>().with_status_fields(["calls"]));
    cluster.restart().unwrap();
    cluster.create(&thing("a", "x")).unwrap();
    cluster.create(&thing("b", "x")).unwrap();
    cluster.advance(Duration::from_secs(3600));
    assert_eq!(calls.all(), ["create a", "create b"]);
    assert!(annotations(&cluster, "a").contains(&"things.korf.dev/last-handled-configuration".to_owned()));
    assert_eq!(raw(&cluster, "b")["status"], json!({"calls": 2}));
    assert_eq!(
        lines(&cluster, Level::ERROR, "doesn't keep what the operator writes into the status").len(),
        1
    );
    cluster.restart().unwrap();
    cluster.patch::<Thing>("a", text("y")).unwrap();
    assert_eq!(calls.all()[2..], ["update a"]);
}

/// Requests take a while.
struct Slow;

impl Faults for Slow {
    fn request(&mut self, _: &Request) -> Fate {
        Fate::pass().taking(Duration::from_secs(1), Duration::from_secs(1))
    }
}

#[test]
fn a_status_that_drops_the_field_is_left_by_all_that_are_at_it() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.status_storage());
    cluster.serve(Served::of::<Thing>().with_status_fields(["calls"]));
    cluster.restart().unwrap();
    cluster.set_faults(Slow);
    for name in ["a", "b", "c"] {
        cluster.create(&thing(name, "x")).unwrap();
    }
    cluster.advance(Duration::from_secs(3600));
    assert_eq!(calls.all(), ["create a", "create b", "create c"]);
    let said = lines(&cluster, Level::ERROR, "doesn't keep what the operator writes into the status");
    assert_eq!(said.len(), 1);
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
    let keys = ["things.example.com/kopf-managed", "things.example.com/last-handled-configuration"];
    assert_eq!(annotations(&cluster, "a"), keys);
    cluster.delete::<Thing>("a").unwrap();
    assert!(!cluster.exists::<Thing>("a"));
}

/// In a label? No: in the spec.
#[derive(Debug)]
struct InSpec;

fn field(item: Item<'_>) -> String {
    match item {
        Item::Progress(id) => format!("handler {id}"),
        Item::DiffBase => "base".into(),
        Item::Basis => "basis".into(),
    }
}

impl Place for InSpec {
    fn read<'a>(&self, body: &'a Body, item: Item<'_>) -> Vec<Found<'a>> {
        let text = body.value()["spec"]["operator"][field(item)].as_str();
        text.map(|text| Found { place: field(item), text: text.into() }).into_iter().collect()
    }

    fn write(&self, _: &Body, item: Item<'_>, text: Option<&str>) -> Value {
        json!({"spec": {"operator": {field(item): text}}})
    }

    fn clean(&self, essence: &mut Map<String, Value>) {
        if let Some(Value::Object(spec)) = essence.get_mut("spec") {
            spec.remove("operator");
        }
    }
}

#[test]
fn a_place_of_ones_own_is_as_good_as_any() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.storage(InSpec));
    cluster.create(&thing("a", "x")).unwrap();
    cluster.patch::<Thing>("a", text("y")).unwrap();
    cluster.restart().unwrap();
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"l": "1"}}})).unwrap();
    assert_eq!(calls.all(), ["create a", "update a", "update a"]);
    let base = r#"{"metadata":{"labels":{"l":"1"}},"spec":{"text":"y"}}"#;
    assert_eq!(raw(&cluster, "a")["spec"]["operator"], json!({"base": base}));
    assert!(annotations(&cluster, "a").is_empty());
}
