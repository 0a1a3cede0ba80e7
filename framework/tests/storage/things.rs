//! An operator that records its calls.

use korf::{Attempt, Error, Name, ObjectPatch, Operator, Result, State, Status, handler::Registry};
use korf_testing::{Cluster, Line};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Thing", namespaced, status = "ThingStatus")]
#[kube(schema = "disabled")]
pub struct ThingSpec {
    pub text: Option<String>,
    /// The patch that the create handler merges into the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wish: Option<Value>,
    /// The number of failures of the create handler.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
pub struct ThingStatus {
    pub calls: Option<usize>,
}

/// The called handlers, in their order.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, what: &str, name: &Name) -> Status<ThingStatus> {
        let mut calls = self.0.lock().unwrap();
        calls.push(format!("{what} {name}"));
        Status(ThingStatus { calls: Some(calls.len()) })
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

async fn created(
    calls: State<Calls>,
    name: Name,
    thing: korf::Spec<ThingSpec>,
    attempt: Attempt,
    patch: ObjectPatch,
) -> Result<Status<ThingStatus>> {
    if attempt.0 < thing.failures {
        return Err(Error::temporary("not yet", Duration::from_secs(1)));
    }
    if let Some(wish) = &thing.wish {
        patch.merge(wish.clone());
    }
    Ok(calls.note("create", &name))
}

async fn updated(calls: State<Calls>, name: Name) -> Result<Status<ThingStatus>> {
    Ok(calls.note("update", &name))
}

async fn deleted(calls: State<Calls>, name: Name) -> Result {
    calls.note("delete", &name);
    Ok(())
}

/// An operator with a create handler, an update handler, and a delete handler on request.
pub fn operator(calls: &Calls, deletions: bool) -> Operator {
    let operator = Operator::with_registry("things", Registry::default())
        .handler(korf::on_create::<Thing>("create").run(created))
        .handler(korf::on_update::<Thing>("update").run(updated))
        .state(calls.clone());
    if deletions { operator.handler(korf::on_delete::<Thing>("delete").run(deleted)) } else { operator }
}

pub fn cluster(calls: &Calls, operator: impl Fn(Operator) -> Operator + Send + Sync + 'static) -> Cluster {
    let calls = calls.clone();
    Cluster::of(move || operator(self::operator(&calls, false))).unwrap()
}

pub fn thing(name: &str, text: &str) -> Thing {
    Thing::new(name, ThingSpec { text: Some(text.to_owned()), ..ThingSpec::default() })
}

pub fn text(text: &str) -> Value {
    json!({"spec": {"text": text}})
}

/// The raw object.
pub fn raw(cluster: &Cluster, name: &str) -> Value {
    let objects = cluster.server().objects(&kube::core::ApiResource::erase::<Thing>(&()));
    let object = objects.iter().find(|object| object["metadata"]["name"] == name).unwrap();
    Value::clone(object)
}

pub fn annotations(cluster: &Cluster, name: &str) -> Vec<String> {
    let object = raw(cluster, name);
    object["metadata"]["annotations"].as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

/// The lines of a level that contain these words.
pub fn lines(cluster: &Cluster, level: tracing::Level, words: &str) -> Vec<Line> {
    let fits = |line: &Line| line.level == level && line.message.contains(words);
    cluster.lines().into_iter().filter(fits).collect()
}
