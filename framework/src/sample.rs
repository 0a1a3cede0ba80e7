//! Calls for the crate's own tests.

use crate::{Call, Kind, core::Reason};
use kube::{
    Client, Config,
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A call for the object `body`; its client leads nowhere.
pub fn call(reason: Reason, body: Value) -> Call {
    let nowhere = Config::new("http://127.0.0.1:9".parse().unwrap());
    let started = "2026-11-22T14:53:30Z".parse().unwrap();
    Call {
        id: "handler".into(),
        kind: kind(&body),
        body: body.into(),
        old: None,
        new: Arc::new(Value::Null),
        diff: Arc::default(),
        field: None,
        reason: Some(reason),
        event: None,
        attempt: 0,
        started,
        now: started,
        param: None,
        states: Arc::default(),
        status_subresource: false,
        client: Client::try_from(nowhere).unwrap(),
        stopping: CancellationToken::new(),
        events: crate::Postbox::default(),
        additions: crate::Additions::default(),
        views: Arc::default(),
        memo: Arc::default(),
        subs: crate::handler::SubCalls::none(),
    }
}

/// The kind that the object says it is of.
fn kind(body: &Value) -> Kind {
    let text = |field: &str| body[field].as_str().unwrap_or_default();
    let api_version = text("apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")));
    Kind { resource, definition: None }
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
