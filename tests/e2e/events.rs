//! Kubernetes Events about objects at which handlers fail, on a real API server, which has limits for their texts.

use crate::fixture::{Fixture, eventually, manifest};
use database_table_operator::crd::DatabaseTable;
use k8s_openapi::api::rbac::v1::ClusterRole;
use korf::{Error, EventRecorder, Operator, Result, extract::Annotations, handler::Registry};
use serde_json::{Value, json};

/// A text that is too long for each of an event's fields, in letters of two bytes.
fn long() -> String {
    "ä".repeat(3000)
}

/// Fails with a long error until the object says otherwise, and posts a long event of its own.
async fn handle(annotations: Annotations, events: EventRecorder) -> Result {
    if annotations.get("do").is_some_and(|what| what == "work") {
        return Ok(());
    }
    events.info(format!("Reason{}", long()), long());
    Err(Error::permanent(long()))
}

/// An operator with an id that is too long for an event.
fn operator(fixture: &Fixture<'_>) -> Operator {
    let id = "h".repeat(200);
    let handlers = [
        korf::on_update::<DatabaseTable>(&id).run(handle),
        korf::on_create::<ClusterRole>(&id).label("korf-e2e", fixture.namespace.clone()).run(handle),
    ];
    Operator::with_registry("events", Registry::from_iter(handlers)).namespaces([&fixture.namespace])
}

/// The events about objects of a kind, in the order of their times.
async fn events_of(fixture: &Fixture<'_>, namespace: &str, kind: &str, count: usize) -> Vec<Value> {
    let mut get = fixture.cluster.kubectl();
    let selector = format!("--field-selector=regarding.kind={kind}");
    get.args(["get", "events.v1.events.k8s.io", "--output=json", "--namespace", namespace, &selector]);
    let list = async || {
        let output = get.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut events = list["items"].as_array().unwrap().clone();
        events.sort_by_key(|event| event["eventTime"].as_str().unwrap().to_owned());
        events
    };
    eventually("the events are there", list, |events| events.len() >= count).await
}

#[tokio::test]
async fn events_with_texts_of_any_length_are_taken_and_tell_when_a_handler_fails_and_works_again() {
    let fixture = Fixture::new("transitions").await;
    let client = fixture.cluster.control_plane.client().await.unwrap();
    let running = operator(&fixture).client(client).spawn();
    assert!(running.ready().await);
    fixture.apply(&manifest("table", "transitions", &["id"]));
    let handled = |table: &Value| {
        !table["metadata"]["annotations"]["events.korf.dev/last-handled-configuration"].is_null()
    };
    fixture.until("table", "it is handled", handled).await;
    let tell = |what: &str| json!({"metadata": {"annotations": {"do": what}}});
    fixture.patch("table", tell("fail")).await;
    let events = events_of(&fixture, &fixture.namespace, "DatabaseTable", 2).await;
    let reasons: Vec<_> = events.iter().map(|event| event["reason"].as_str().unwrap()).collect();
    assert!(reasons[0].starts_with("Reason") && reasons[1] == "HandlerFailed", "{reasons:?}");
    for event in &events {
        let text = |field: &str| event[field].as_str().unwrap();
        let lengths = ["note", "reason", "action"].map(|field| text(field).len());
        assert!(lengths[0] > 1000 && lengths[0] <= 1024, "{event:#}");
        assert!(lengths[1] <= 128 && (125..=128).contains(&lengths[2]), "{event:#}");
        assert_eq!((text("reportingController"), &event["regarding"]["name"]), ("events", &"table".into()));
    }
    assert!(events[1]["note"].as_str().unwrap().starts_with("Handler 'hhh"), "{:#}", events[1]);
    let described = fixture.kubectl().args(["describe", "databasetable", "table"]).output().unwrap();
    let described = String::from_utf8(described.stdout).unwrap();
    assert!(described.contains("HandlerFailed"), "{described}");

    fixture.patch("table", tell("work")).await;
    let events = events_of(&fixture, &fixture.namespace, "DatabaseTable", 3).await;
    assert_eq!((&events[2]["reason"], &events[2]["type"]), (&"HandlerRecovered".into(), &"Normal".into()));

    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "korf-e2e-transitions", "labels": {"korf-e2e": fixture.namespace}},
    });
    fixture.cluster.apply(&role.to_string());
    let events = events_of(&fixture, "default", "ClusterRole", 2).await;
    assert_eq!(events[1]["reason"], "HandlerFailed", "{events:#?}");
    running.stop().await.unwrap();
}
