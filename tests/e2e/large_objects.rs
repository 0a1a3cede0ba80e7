//! Objects whose diff-base is too large for the API server's limit on annotations.

use crate::fixture::{Fixture, until};
use k8s_openapi::{ByteString, api::core::v1::ConfigMap};
use korf::{Name, Operator, Reason, Result, State, extract::CancellationToken, handler::Registry};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::task::JoinHandle;

const KIB: usize = 1024;
const BASE: &str = "large.korf.dev/last-handled-configuration";

type Calls = Arc<Mutex<Vec<String>>>;

async fn record(calls: State<Calls>, name: Name, reason: Reason) -> Result {
    calls.lock().unwrap().push(format!("{reason} {name}"));
    Ok(())
}

/// An operator in this process.
struct InProcessOperator {
    calls: Calls,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl InProcessOperator {
    async fn start(fixture: &Fixture<'_>) -> Self {
        let (calls, stop) = (Calls::default(), CancellationToken::new());
        let operator = Operator::with_registry("large", Registry::default())
            .handler(korf::on_create::<ConfigMap>("create").run(record))
            .handler(korf::on_update::<ConfigMap>("update").run(record))
            .handler(korf::on_delete::<ConfigMap>("delete").run(record))
            .state(Arc::clone(&calls))
            .namespaces([&fixture.namespace])
            .client(fixture.cluster.control_plane.client().await.unwrap());
        let running = operator.run_until(stop.clone());
        Self { calls, stop, task: tokio::spawn(async { running.await.unwrap() }) }
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// Stops it, and returns all calls.
    async fn stop(self) -> Vec<String> {
        self.stop.cancel();
        let calls = Arc::clone(&self.calls);
        self.task.await.unwrap();
        calls.lock().unwrap().clone()
    }
}

/// Random bytes, which can't be compressed.
fn noise(seed: u64) -> ByteString {
    let mut state = seed;
    let byte = || {
        // A linear congruential generator; its high bits are good enough.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    ByteString(std::iter::repeat_with(byte).take(500 * KIB).collect())
}

fn of_noise(seed: u64) -> ConfigMap {
    ConfigMap { binary_data: Some([("blob".to_owned(), noise(seed))].into()), ..named("noise") }
}

fn of_text(line: &str) -> ConfigMap {
    ConfigMap {
        data: Some([("text".to_owned(), line.repeat(700 * KIB / line.len()))].into()),
        ..named("text")
    }
}

fn named(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

fn maps(fixture: &Fixture<'_>) -> Api<DynamicObject> {
    fixture.api("v1", "ConfigMap", "configmaps")
}

async fn create(fixture: &Fixture<'_>, map: &ConfigMap) {
    let object = serde_json::from_value(serde_json::to_value(map).unwrap()).unwrap();
    maps(fixture).create(&PostParams::default(), &object).await.unwrap();
}

async fn change(fixture: &Fixture<'_>, map: &ConfigMap) {
    let name = map.metadata.name.as_deref().unwrap();
    maps(fixture).patch(name, &PatchParams::default(), &Patch::Merge(map)).await.unwrap();
}

/// Waits until an object has a new diff-base of this form, and returns it.
async fn new_base(fixture: &Fixture<'_>, name: &str, before: &str, form: &str) -> String {
    let base =
        |object: &Value| object["metadata"]["annotations"][BASE].as_str().unwrap_or_default().to_owned();
    let is_new = |object: Option<&Value>| {
        let found = object.map(base).unwrap_or_default();
        !found.is_empty() && found != before && found.starts_with(form)
    };
    let what = format!("its diff-base is a new one of the form {form}");
    base(&until(&maps(fixture), name, &what, is_new).await.unwrap())
}

#[tokio::test]
async fn large_objects_are_handled_once_per_creation_update_and_deletion() {
    let fixture = Fixture::new("large-objects").await;
    let (digest, deflated) = (r#"{"korf":{"digest":"#, r#"{"korf":{"deflate":"#);
    let operator = InProcessOperator::start(&fixture).await;
    create(&fixture, &of_noise(1)).await;
    let first = new_base(&fixture, "noise", "", digest).await;
    change(&fixture, &of_noise(2)).await;
    new_base(&fixture, "noise", &first, digest).await;
    create(&fixture, &of_text("line by line\n")).await;
    let first = new_base(&fixture, "text", "", deflated).await;
    change(&fixture, &of_text("Line by line\n")).await;
    new_base(&fixture, "text", &first, deflated).await;
    assert_eq!(operator.stop().await, ["create noise", "update noise", "create text", "update text"]);

    change(&fixture, &of_noise(3)).await;
    let operator = InProcessOperator::start(&fixture).await;
    let api = maps(&fixture);
    new_base(&fixture, "noise", "", digest).await;
    for name in ["noise", "text"] {
        api.delete(name, &Default::default()).await.unwrap();
        until(&api, name, "it is gone", |object| object.is_none()).await;
    }
    let calls = operator.stop().await;
    assert!(!calls.iter().any(|call| call.starts_with("create")), "{calls:?}");
    assert!(
        calls.contains(&"delete noise".to_owned()) && calls.contains(&"delete text".to_owned()),
        "{calls:?}"
    );
}

/// The object's other annotations use up the limit, so that nothing can be stored.
#[tokio::test]
async fn an_object_without_space_for_annotations_is_handled_once_there_is_space() {
    let fixture = Fixture::new("no-room").await;
    let operator = InProcessOperator::start(&fixture).await;
    let finalizer = "large.korf.dev/finalizer".to_owned();
    let mut full = named("full");
    full.metadata.annotations = Some(BTreeMap::from([("user".to_owned(), "u".repeat(256 * KIB - 4))]));
    create(&fixture, &full).await;
    let has_finalizer = |object: Option<&Value>| {
        object.is_some_and(|object| object["metadata"]["finalizers"] == json!([finalizer]))
    };
    until(&maps(&fixture), "full", "it has its finalizer", has_finalizer).await;
    create(&fixture, &named("other")).await;
    new_base(&fixture, "other", "", "{}").await;
    crate::fixture::eventually(
        "the first one is handled",
        async || operator.calls(),
        |calls| calls.len() == 2,
    )
    .await;
    let less = json!({"metadata": {"annotations": {"user": null}}});
    maps(&fixture).patch("full", &PatchParams::default(), &Patch::Merge(less)).await.unwrap();
    new_base(&fixture, "full", "", "{}").await;
    let calls = operator.stop().await;
    assert_eq!(calls, ["create full", "create other", "update full"]);
}
