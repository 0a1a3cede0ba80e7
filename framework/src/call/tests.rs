//! Calls for the crate's own tests.

use super::{AttemptInfo, Context, EditSink, ObjectCall, ObjectView};
use crate::{
    core::{Reason, diff::Diff, progress::Progress, retry::Outcome},
    event_queue::{EventRequests, event_queue},
    families::{Change, ChangeCall, EventCall, Kind, SubCalls, WatchEventType},
};
use kube::{
    Client, Config,
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use std::{future::ready, sync::Arc};
use tokio_util::sync::CancellationToken;

/// A call of a change handler for the object `body`; its client leads nowhere.
pub fn change_call(reason: Reason, body: Value) -> ChangeCall {
    let (object, _) = object_call(body);
    let attempt = AttemptInfo { number: 0, started: object.context.now };
    let (old, new, diff) = (None, Arc::default(), Diff::default());
    let subs =
        SubCalls::new(Progress::default(), false, Arc::new(|_, _, _| Box::pin(ready(Outcome::Ignored))));
    ChangeCall { object, change: Change { reason, old, new, diff, field: None }, attempt, subs }
}

/// A call of an event handler for the object `body`.
pub fn event_call(event: WatchEventType, body: Value) -> EventCall {
    EventCall { object: object_call(body).0, event }
}

/// A handler and its object, and where its events go.
pub fn object_call(body: Value) -> (ObjectCall, EventRequests) {
    let nowhere = Config::new("http://127.0.0.1:9".parse().unwrap());
    let (events, requests) = event_queue(10);
    let context = Context {
        triggers: Default::default(),
        handler: "handler".into(),
        client: Client::try_from(nowhere).unwrap(),
        states: Arc::default(),
        indexes: Arc::default(),
        stop: CancellationToken::new(),
        param: None,
        now: "2026-11-22T14:53:30Z".parse().unwrap(),
    };
    let kind = Arc::new(kind(&body));
    let view = ObjectView { kind, body: body.into(), fallback: None, cache: Arc::default() };
    let (memo, edits) = (Arc::default(), EditSink::default());
    (ObjectCall { context, view, memo, edits, events, status_subresource: false }, requests)
}

/// The kind that the object names.
fn kind(body: &Value) -> Kind {
    let text = |field: &str| body[field].as_str().unwrap_or_default();
    let api_version = text("apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")));
    Kind { resource, definition: None, scope: None }
}

/// A `Table` with this spec.
pub fn table(spec: Value) -> Value {
    json!({
        "apiVersion": "korf.dev/v1",
        "kind": "Table",
        "metadata": {"namespace": "default", "name": "users", "uid": "u1", "labels": {"now": "yes"}},
        "spec": spec,
    })
}

#[tokio::test]
async fn a_call_shows_nothing_of_its_object() {
    let shown = format!("{:?}", change_call(Reason::Create, table(json!({"table": "hunter2"}))));
    assert!(shown.contains("users") && !shown.contains("hunter2"), "{shown}");
}
