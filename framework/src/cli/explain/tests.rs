//! Reports of objects that are on no API server.

use super::{
    kinds::FoundKind,
    object::Look,
    report::{HandlerState, LeaseName, Replica, ReplicaState, Report, State},
    text,
};
use crate::{
    AnyKind, Operator,
    core::body::Body,
    daemon,
    families::{Handler, Kind},
    filter::none,
    handler::Registry,
    index, on_create, on_delete, on_event, on_update,
    operator::Inspection,
    timer,
};
use http::{Request, Response};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Client,
    client::Body as HttpBody,
    core::{ApiResource, Expression},
};
use serde_json::{Value, json};
use std::{convert::Infallible, time::Duration};

async fn nothing() {}

/// What an operator with these handlers thinks of an object.
async fn of<K: kube::Resource<DynamicType = ()>>(
    handlers: impl IntoIterator<Item = Handler>,
    object: Value,
) -> Report {
    let nobody =
        tower::service_fn(async |_: Request<HttpBody>| Ok::<_, Infallible>(Response::new(HttpBody::empty())));
    let operator = Operator::with_registry("op", handlers.into_iter().collect::<Registry>())
        .select::<K>(Expression::NotEqual("skip".into(), "yes".into()))
        .client(Client::new(nobody, "default"));
    let inspection: Inspection = operator.inspect().await.unwrap();
    let kind = Kind { resource: ApiResource::erase::<K>(&()), definition: None, scope: None };
    let found = FoundKind { kind: &kind, namespaced: true, categories: vec!["all".to_owned()] };
    let lease = LeaseName { namespace: "default".into(), name: "op".into() };
    let text = "unknown".to_owned();
    let replica = Replica {
        state: ReplicaState::Unknown,
        lease,
        shard: None,
        shards: None,
        holder: None,
        renewed: None,
        text,
    };
    let now = "2026-11-22T14:53:30Z".parse().unwrap();
    Look { inspection: &inspection, found: &found, now }.at(Body::from(object), replica)
}

fn printed(report: &Report) -> String {
    let mut out = Vec::new();
    text::write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn object(kind: &str, metadata: Value, data: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "n", "uid": "u"},
                            "data": data});
    json_patch::merge(&mut object["metadata"], &metadata);
    object
}

#[tokio::test]
async fn nothing_of_a_secret_is_told_but_the_names_of_its_fields() {
    let handled =
        json!({"data": {"password": "b2xk", "gone": "Z29uZQ=="}, "metadata": {"labels": {"word": "Geheim"}}});
    let metadata = json!({
        "annotations": {"op.korf.dev/last-handled-configuration": handled.to_string()},
        "labels": {"word": "Geheimer"},
    });
    let secret = object("Secret", metadata, json!({"password": "bmV3"}));
    let report = of::<Secret>([on_update::<Secret>("u").run(nothing)], secret).await;
    assert_eq!(report.state, State::Changed);
    let fields: Vec<_> = report.changes.items.iter().map(|change| change.field.join(".")).collect();
    assert_eq!(fields, ["data.gone", "data.password", "metadata.labels.word"]);
    let json = serde_json::to_string(&report).unwrap();
    for text in [json, printed(&report)] {
        for word in ["b2xk", "Z29u", "bmV3", "Geheim", "blake2b"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
}

#[tokio::test]
async fn handlers_of_all_families_are_told_where_they_may_be_for_the_object() {
    let every = Duration::from_secs(30);
    let handlers = || {
        [
            on_create::<ConfigMap>("create").run(nothing),
            on_event::<ConfigMap>("event").label("app", "web").run(nothing),
            on_event::<AnyKind>("any").category("all").run(nothing),
            on_event::<AnyKind>("other").group("apps").run(nothing),
            timer::<ConfigMap>("timer", every).run(nothing),
            daemon::<ConfigMap>("daemon").finalizer().run(nothing),
            daemon::<ConfigMap>("never").when(none((|| true,))).run(nothing),
            index::<ConfigMap>("index").run(|| Some((1, 2))),
            on_create::<Secret>("secret").run(nothing),
        ]
    };
    let report = of::<ConfigMap>(handlers(), object("ConfigMap", json!({}), json!({}))).await;
    let mut told: Vec<_> =
        report.handlers.iter().map(|handler| (handler.id.as_str(), handler.standing)).collect();
    told.sort_by_key(|(id, _)| *id);
    let expected = [
        ("any", HandlerState::Active),
        ("create", HandlerState::Due),
        ("daemon", HandlerState::Active),
        ("event", HandlerState::Unselected),
        ("index", HandlerState::Active),
        ("never", HandlerState::Unselected),
        ("timer", HandlerState::Active),
    ];
    assert_eq!(told, expected);
    assert_eq!(report.next.finalizer, Some("add"), "for the daemon");
    let deleted =
        json!({"deletionTimestamp": "2026-11-22T14:53:00Z", "finalizers": ["op.korf.dev/finalizer"]});
    let report = of::<ConfigMap>(handlers(), object("ConfigMap", deleted, json!({}))).await;
    let text = printed(&report);
    assert!(text.contains("this operator's, for daemon (if it runs)"), "{text}");
    assert!(text.contains("ended: the object is being deleted"), "{text}");
}

#[tokio::test]
async fn copies_unreadable_state_and_objects_that_are_not_asked_for_are_noted() {
    let handlers =
        || [on_create::<ConfigMap>("c").run(nothing), on_delete::<ConfigMap>("d").optional().run(nothing)];
    let metadata = json!({"annotations": {"op.korf.dev/last-handled-configuration": "{}", "op.korf.dev/korf-uid": "\"other\""}});
    let copy = of::<ConfigMap>(handlers(), object("ConfigMap", metadata, json!({}))).await;
    assert_eq!(copy.state, State::New);
    assert!(copy.notes[0].starts_with("The state on it is another object's"), "{:?}", copy.notes);
    let metadata = json!({"annotations": {"op.korf.dev/c": "nonsense"}, "labels": {"skip": "yes"}});
    let report = of::<ConfigMap>(handlers(), object("ConfigMap", metadata, json!({}))).await;
    let [selector, unreadable] = &report.notes[..] else { panic!("{:?}", report.notes) };
    assert!(selector.contains("match skip!=yes"), "{selector}");
    assert!(unreadable.contains("op.korf.dev/c is ignored"), "{unreadable}");
}

#[tokio::test]
async fn what_others_have_written_on_the_object_commands_no_terminal() {
    let record = json!({"started": "2026-11-22T14:00:00+00:00", "purpose": "create", "retries": 1,
                        "success": false, "failure": false, "message": "no\u{1b}[2Jroute\nat all",
                        "delayed": "2026-11-22T14:54:00+00:00"});
    let metadata = json!({"annotations": {"op.korf.dev/c": record.to_string()}, "finalizers": ["a\u{9b}b"]});
    let handlers = [on_create::<ConfigMap>("c").retries(3).run(nothing)];
    let report = of::<ConfigMap>(handlers, object("ConfigMap", metadata, json!({}))).await;
    let text = printed(&report);
    let waits =
        "waits until 2026-11-22 14:54:00 UTC (in 30s): attempt 2 of 3, after: no\\u{1b}[2Jroute\\nat all";
    assert!(text.contains(waits), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}
