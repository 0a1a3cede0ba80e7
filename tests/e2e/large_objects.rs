//! Objects that are too large for the annotations that the API server allows: seen by the real one.

use crate::stage::{Stage, until};
use k8s_openapi::{ByteString, api::core::v1::ConfigMap};
use korf::{CancellationToken, Name, Operator, Reason, Registry, Result, State, storage::Storage};
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

async fn noted(calls: State<Calls>, name: Name, reason: Reason) -> Result {
    calls.lock().unwrap().push(format!("{reason} {name}"));
    Ok(())
}

struct Running {
    calls: Calls,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Running {
    async fn start(stage: &Stage<'_>) -> Self {
        let (calls, stop) = (Calls::default(), CancellationToken::new());
        let operator = Operator::with_registry("large", Registry::default())
            .handler(korf::on_create::<ConfigMap>("create").run(noted))
            .handler(korf::on_update::<ConfigMap>("update").run(noted))
            .handler(korf::on_delete::<ConfigMap>("delete").run(noted))
            .state(Arc::clone(&calls))
            .namespaces([&stage.namespace])
            .client(stage.cluster.control_plane.client().await.unwrap());
        let running = operator.run_until(stop.clone());
        Self { calls, stop, ended: tokio::spawn(async { running.await.unwrap() }) }
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    async fn stop(self) -> Vec<String> {
        self.stop.cancel();
        let calls = Arc::clone(&self.calls);
        self.ended.await.unwrap();
        calls.lock().unwrap().clone()
    }
}

/// Nothing makes it smaller.
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

fn maps(stage: &Stage<'_>) -> Api<DynamicObject> {
    stage.api("v1", "ConfigMap", "configmaps")
}

async fn create(stage: &Stage<'_>, map: &ConfigMap) {
    let object = serde_json::from_value(serde_json::to_value(map).unwrap()).unwrap();
    maps(stage).create(&PostParams::default(), &object).await.unwrap();
}

async fn change(stage: &Stage<'_>, map: &ConfigMap) {
    let name = map.metadata.name.as_deref().unwrap();
    maps(stage).patch(name, &PatchParams::default(), &Patch::Merge(map)).await.unwrap();
}

/// Waits until an object's diff-base is another one, of this form, and returns it.
async fn base(stage: &Stage<'_>, name: &str, before: &str, form: &str) -> String {
    let found =
        |object: &Value| object["metadata"]["annotations"][BASE].as_str().unwrap_or_default().to_owned();
    let is_new = |object: Option<&Value>| {
        let found = object.map(found).unwrap_or_default();
        !found.is_empty() && found != before && found.starts_with(form)
    };
    found(&until(&maps(stage), name, form, is_new).await.unwrap())
}

#[tokio::test]
async fn large_objects_are_created_once_updated_when_they_change_and_deleted() {
    let stage = Stage::new("large-objects").await;
    let (digest, deflated) = (r#"{"korf":{"digest":"#, r#"{"korf":{"deflate":"#);
    let operator = Running::start(&stage).await;
    create(&stage, &of_noise(1)).await;
    let first = base(&stage, "noise", "", digest).await;
    change(&stage, &of_noise(2)).await;
    base(&stage, "noise", &first, digest).await;
    create(&stage, &of_text("line by line\n")).await;
    let first = base(&stage, "text", "", deflated).await;
    change(&stage, &of_text("Line by line\n")).await;
    base(&stage, "text", &first, deflated).await;
    assert_eq!(operator.stop().await, ["create noise", "update noise", "create text", "update text"]);

    change(&stage, &of_noise(3)).await;
    let operator = Running::start(&stage).await;
    let api = maps(&stage);
    base(&stage, "noise", "", digest).await;
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

/// Annotations of others up to the limit: there is no room for anything.
#[tokio::test]
async fn the_real_server_says_what_is_too_large_and_the_object_is_handled_when_there_is_room() {
    let stage = Stage::new("no-room").await;
    let operator = Running::start(&stage).await;
    let finalizer = Storage::named("large").unwrap().finalizer().to_owned();
    let mut full = named("full");
    full.metadata.annotations = Some(BTreeMap::from([("user".to_owned(), "u".repeat(256 * KIB - 4))]));
    create(&stage, &full).await;
    let held = |object: Option<&Value>| {
        object.is_some_and(|object| object["metadata"]["finalizers"] == json!([finalizer]))
    };
    until(&maps(&stage), "full", "it has its finalizer", held).await;
    create(&stage, &named("other")).await;
    base(&stage, "other", "", "{}").await;
    crate::stage::eventually("the first is handled", async || operator.calls(), |calls| calls.len() == 2)
        .await;
    let room = json!({"metadata": {"annotations": {"user": null}}});
    maps(&stage).patch("full", &PatchParams::default(), &Patch::Merge(room)).await.unwrap();
    base(&stage, "full", "", "{}").await;
    let calls = operator.stop().await;
    assert_eq!(calls, ["create full", "create other", "update full"]);
}
