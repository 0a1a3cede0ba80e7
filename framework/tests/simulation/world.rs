//! Worlds: an operator with its handlers, and the weather on the network.

use crate::{bell::Bell, catalog::Catalog, daemon::Companion, focus::Focus, role::Role, timer::Clockwork};
use korf::{Operator, extract::Body};
use korf_core::storage::{StorageConfig, StoredEssence};
use serde_json::{Map, Value, json};
use std::{fmt, ops::Range, time::Duration};

/// The place of the operator's records on objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    OwnAnnotations,
    OwnStatus,
    KopfsAnnotations,
    KopfsStatus,
}

/// The odds of faults, from 0 to 1.
#[derive(Clone, Debug)]
pub struct Weather {
    pub requests: f64,
    /// The chance that a write is rejected as invalid.
    pub rejections: f64,
    /// The chance that a write begins an outage, in which all writes fail in one way.
    pub outages: f64,
    pub events: f64,
    /// The milliseconds that requests, answers and events take.
    pub latency: Range<u64>,
    /// The milliseconds by which events are later than that.
    pub lag: Range<u64>,
    /// The chance to die at each place within handlers.
    pub deaths: f64,
    /// The chance to die before and after each write.
    pub deaths_at_writes: f64,
    pub most_deaths: usize,
}

/// All that is fixed during a run.
#[derive(Clone, Debug)]
pub struct World {
    pub keeping: Keeping,
    pub status_subresource: bool,
    pub one_at_a_time: bool,
    pub concurrency: usize,
    /// The time that handlers have after the operator was told to stop.
    pub grace: Duration,
    pub weather: Weather,
    pub roles: Vec<Role>,
    /// A timer of all objects.
    pub timer: Option<Clockwork>,
    /// What triggers objects.
    pub bell: Option<Bell>,
    /// An index of all objects.
    pub catalog: Option<Catalog>,
    /// A daemon.
    pub daemon: Option<Companion>,
    /// The namespaces that it is told to serve; none: all.
    pub globs: Option<&'static str>,
}

/// The globs of a seed's world: a sixth of the worlds have some. The objects are in `default`.
pub fn globs(seed: u64) -> Option<&'static str> {
    let mut chance = fastrand::Rng::with_seed(seed ^ 0x676c_6f62);
    let all = ["def*", "!kube-*", "*,!d*,d*t"];
    (chance.u8(..6) == 0).then(|| all[chance.usize(..all.len())])
}

const NAME: &str = "sim";
const OWN_PREFIX: &str = "sim.korf.dev";
const KOPFS_PREFIX: &str = "kopf.zalando.org";
const MARKER: &str = "kopf-managed";

impl World {
    /// The world of a seed.
    pub fn drawn(focus: Focus, chance: &mut fastrand::Rng) -> Self {
        let keepings =
            [Keeping::OwnAnnotations, Keeping::OwnStatus, Keeping::KopfsAnnotations, Keeping::KopfsStatus];
        let number = chance.usize(1..=6);
        let mut world = Self {
            keeping: keepings[chance.usize(..keepings.len())],
            status_subresource: chance.u8(..3) > 0,
            one_at_a_time: chance.u8(..4) == 0,
            concurrency: chance.usize(1..=3),
            grace: Duration::from_secs(chance.u64(1..30)),
            weather: Weather::drawn(chance),
            roles: (0..number).map(|at| Role::drawn(at, chance)).collect(),
            timer: None,
            globs: None,
            bell: None,
            catalog: None,
            daemon: None,
        };
        focus.shape(&mut world, chance);
        world
    }

    /// The operator, less its handlers.
    pub fn settings(&self, operator: Operator) -> Operator {
        let operator = operator.concurrency(self.concurrency).grace(self.grace);
        let operator = self.globs.into_iter().fold(operator, |operator, globs| operator.namespaces([globs]));
        let operator = if self.one_at_a_time { operator.one_at_a_time() } else { operator };
        match self.keeping {
            Keeping::OwnAnnotations => operator,
            Keeping::OwnStatus => operator.status_storage(),
            Keeping::KopfsAnnotations => operator.kopf_compatible(),
            Keeping::KopfsStatus => operator.kopf_compatible().status_storage(),
        }
    }

    /// The operator's name.
    pub fn operator(&self) -> &'static str {
        NAME
    }

    fn is_kopfs(&self) -> bool {
        matches!(self.keeping, Keeping::KopfsAnnotations | Keeping::KopfsStatus)
    }

    fn prefix(&self) -> &'static str {
        if self.is_kopfs() { KOPFS_PREFIX } else { OWN_PREFIX }
    }

    /// The field of the status for the operator's records.
    fn field(&self) -> &'static str {
        if self.is_kopfs() { "kopf" } else { NAME }
    }

    /// The operator's finalizer.
    pub fn finalizer(&self) -> &'static str {
        if self.is_kopfs() { "kopf.zalando.org/KopfFinalizerMarker" } else { "sim.korf.dev/finalizer" }
    }

    /// Whether the operator's finalizer is on an object.
    pub fn holds(&self, object: &Value) -> bool {
        Body::from(object.clone()).finalizers().any(|finalizer| finalizer == self.finalizer())
    }

    /// The operator's records on an object.
    pub fn kept(&self, object: &Value) -> Map<String, Value> {
        let annotations = object["metadata"]["annotations"].as_object().into_iter().flatten();
        let ours = annotations.filter_map(|(key, value)| {
            let (prefix, name) = key.split_once('/')?;
            (prefix == self.prefix() && name != MARKER).then(|| (name.to_owned(), value.clone()))
        });
        let in_status = object["status"][self.field()].as_object().into_iter().flatten();
        let in_status = in_status.filter(|(_, value)| value.as_object().is_none_or(|map| !map.is_empty()));
        ours.chain(in_status.map(|(key, value)| (key.clone(), value.clone()))).collect()
    }

    /// An object without the operator's records and finalizer, and without the server's counters.
    pub fn without_kept(&self, object: &Value) -> Value {
        let mut object = object.clone();
        for counted in ["resourceVersion", "generation"] {
            object["metadata"].as_object_mut().map(|metadata| metadata.remove(counted));
        }
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations
                .retain(|key, _| key.split_once('/').is_none_or(|(prefix, _)| prefix != self.prefix()));
        }
        if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|finalizer| finalizer != self.finalizer());
        }
        object["status"].as_object_mut().map(|status| status.remove(self.field()));
        without_empty(object)
    }

    /// The record of a handler's progress.
    pub fn progress(&self, object: &Value, id: &str) -> Option<Value> {
        let kept = self.kept(object);
        match kept.get(&id.replace('/', ".")) {
            Some(annotation) => serde_json::from_str(annotation.as_str()?).ok(),
            None => kept.get("progress")?.get(id).cloned(),
        }
    }

    /// The diff-base: the essence that was handled last, or its digest.
    pub fn stored_base(&self, object: &Value) -> Option<StoredEssence> {
        let kept = self.kept(object);
        let text = kept.get("last-handled-configuration")?;
        let annotations = json!({"kopf.zalando.org/last-handled-configuration": text});
        let storage = StorageConfig { kopf: true, ..StorageConfig::default() }.storage("sim").ok()?;
        storage.read_diff_base(&json!({"metadata": {"annotations": annotations}}).into())
    }

    /// The diff-base, where it is known without the object's history.
    pub fn base(&self, object: &Value) -> Option<Value> {
        self.stored_base(object).map(|base| match base {
            StoredEssence::Whole(essence) => Value::clone(&essence),
            StoredEssence::Digest(digest) => json!({"digest": digest}),
        })
    }

    /// The essence: the user's part of an object, which handlers are called for.
    pub fn essence(&self, object: &Value) -> Value {
        let mut metadata = Map::new();
        let labels = object["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        let annotations = object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        let is_marked = |prefix: &str| annotations.contains_key(&format!("{prefix}/{MARKER}"));
        let is_users = |key: &str| match key.split_once('/') {
            Some((prefix, _)) => {
                ![OWN_PREFIX, KOPFS_PREFIX, "kubectl.kubernetes.io"].contains(&prefix) && !is_marked(prefix)
            }
            None => true,
        };
        let users: Map<_, _> = annotations.clone().into_iter().filter(|(key, _)| is_users(key)).collect();
        for (field, values) in [("labels", labels), ("annotations", users)] {
            if !values.is_empty() {
                metadata.insert(field.to_owned(), values.into());
            }
        }
        let mut essence = Map::from_iter([("spec".to_owned(), object["spec"].clone())]);
        if !metadata.is_empty() {
            essence.insert("metadata".to_owned(), metadata.into());
        }
        let ready = &object["status"]["ready"];
        if self.roles.iter().any(|role| role.field == Some("status.ready")) && !ready.is_null() {
            essence.insert("status".to_owned(), json!({"ready": ready}));
        }
        essence.into()
    }
}

impl Weather {
    fn drawn(chance: &mut fastrand::Rng) -> Self {
        let (requests, events) = match chance.u8(..4) {
            0 => (0.0, 0.0),
            1 | 2 => (0.1, 0.1),
            _ => (0.3, 0.3),
        };
        let latency = [0..1, 0..50, 0..2_000][chance.usize(..3)].clone();
        let deaths = [0.0, 0.02, 0.1][chance.usize(..3)];
        let (rejections, outages, lag) = (0.0, 0.0, 0..1);
        Self {
            requests,
            rejections,
            outages,
            events,
            latency,
            lag,
            deaths,
            deaths_at_writes: deaths,
            most_deaths: chance.usize(1..6),
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:?}, status subresource: {}, one at a time: {}, concurrency {}, grace {:?}",
            self.keeping, self.status_subresource, self.one_at_a_time, self.concurrency, self.grace
        )?;
        writeln!(f, "{:?}", self.weather)?;
        self.roles.iter().try_for_each(|role| writeln!(f, "- {role}"))
    }
}

/// A value somewhere in an object.
pub fn resolve<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, key| &value[key])
}

/// The same without empty mappings and lists, which make no difference.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, without_empty(value)));
            let is_empty = |value: &Value| *value == json!({}) || *value == json!([]) || value.is_null();
            fields.filter(|(_, value)| !is_empty(value)).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}
