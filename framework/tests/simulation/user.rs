//! Users, who change objects as the story goes, and meddle with the operator's work when it hurts most.

use crate::{tally::Counter, thing::Thing};
use http::Method;
use korf_testing::api::{ApiServer, Request};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const OBJECTS: &str = "/apis/korf.dev/v1/namespaces/default/things";

/// A user's action on one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Create,
    /// Some field is changed.
    Change,
    /// `spec.size` is, which many handlers are for.
    Resize,
    /// `spec.size` is, and what was changed so is often reverted so: it is 1 or 2.
    Flip,
    /// The label is that handlers' filters ask for.
    Label,
    /// The last change is reverted.
    Revert,
    Delete,
    /// The object goes at once, regardless of its finalizers, and another one of its name comes.
    Replace,
    /// The object goes at once, and no watch shows that: they are cut, and the history is compacted.
    Vanish,
    /// The same, and another one of its name comes.
    Supplant,
}

impl Deed {
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Resize => "resize",
            Self::Flip => "flip",
            Self::Label => "label",
            Self::Revert => "revert",
            Self::Delete => "delete",
            Self::Replace => "replace",
            Self::Vanish => "vanish",
            Self::Supplant => "supplant",
        }
    }
}

/// A moment at which users may meddle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// A handler has ended, and the operator doesn't know yet.
    AfterCall,
    /// A write of the operator is on its way to the server.
    BeforeWrite,
}

/// The ways in which users meddle with the operator's work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meddling {
    /// The odds, from 0 to 1, and the actions.
    pub after_calls: (f64, &'static [Deed]),
    pub before_writes: (f64, &'static [Deed]),
    /// The limit for a run: the operator has to come to rest.
    pub most: usize,
}

struct State {
    server: ApiServer,
    status_subresource: bool,
    chance: fastrand::Rng,
    meddling: Meddling,
    /// The story goes on.
    busy: bool,
    /// The patches that revert each object's last change.
    undo: BTreeMap<String, Value>,
}

/// All users of the cluster; clones share their memory.
#[derive(Clone, Default)]
pub struct Users {
    state: Arc<Mutex<Option<State>>>,
    counter: Counter,
}

impl Users {
    pub fn new(counter: &Counter) -> Self {
        Self { counter: counter.clone(), ..Self::default() }
    }

    /// Lets them use this server from now on.
    pub fn use_server(&self, server: &ApiServer, status_subresource: bool, seed: u64, meddling: Meddling) {
        *self.state() = Some(State {
            server: server.clone(),
            status_subresource,
            chance: fastrand::Rng::with_seed(seed),
            meddling,
            busy: true,
            undo: BTreeMap::new(),
        });
    }

    /// Lets them do only what the story tells, from now on.
    pub fn stop_meddling(&self) {
        if let Some(state) = self.state().as_mut() {
            (state.meddling, state.busy) = (Meddling::default(), false);
        }
    }

    /// Whether the story goes on.
    pub fn are_busy(&self) -> bool {
        self.state().as_ref().is_some_and(|state| state.busy)
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acts on an object at once; if the server rejects it, it was tried in vain.
    pub fn act(&self, deed: Deed, name: &str) {
        if let Some(state) = self.state().as_mut() {
            state.act(deed, name);
        }
    }

    /// Meddles with the operator's work, by chance.
    pub fn meddle(&self, when: Instant, name: &str) {
        let mut guard = self.state();
        let Some(state) = guard.as_mut() else { return };
        let Meddling { after_calls, before_writes, .. } = state.meddling;
        let (odds, deeds) = if when == Instant::AfterCall { after_calls } else { before_writes };
        if state.meddling.most == 0 || deeds.is_empty() || state.chance.f64() >= odds {
            return;
        }
        state.meddling.most -= 1;
        let deed = deeds[state.chance.usize(..deeds.len())];
        self.counter.count(format!("meddling: {}", deed.name()));
        state.act(deed, name);
    }

    /// The object that a write of the operator is for, if it is one of the users'.
    pub fn object_of(request: &Request) -> Option<&str> {
        let name = request.path.strip_prefix(OBJECTS)?.strip_prefix('/')?.split('/').next();
        name.filter(|_| is_operator(&request.client) && request.is_write())
    }
}

/// Whether this is the name of an operator, or of one of its replicas.
pub fn is_operator(client: &str) -> bool {
    client.starts_with("operator")
}

impl State {
    fn act(&mut self, deed: Deed, name: &str) {
        match deed {
            Deed::Create => self.create(name),
            Deed::Change => self.change(name, |state| state.some_change()),
            Deed::Resize => self.change(name, |state| json!({"spec": {"size": state.chance.u32(1..4)}})),
            Deed::Flip => self.change(name, |state| json!({"spec": {"size": state.other_size(name)}})),
            Deed::Label => self.change(name, |state| json!({"metadata": {"labels": {"tier": state.tier()}}})),
            Deed::Revert => {
                if let Some(patch) = self.undo.remove(name) {
                    self.change(name, |_| patch);
                }
            }
            Deed::Delete => self.ask(Method::DELETE, &format!("/{name}"), Value::Null),
            Deed::Replace => {
                self.remove(name);
                self.create(name);
            }
            Deed::Vanish => self.vanish(name),
            Deed::Supplant => {
                self.vanish(name);
                self.create(name);
            }
        }
    }

    fn ask(&self, method: Method, path: &str, body: Value) {
        let _ = self.server.ask(Request::new("user", method, &format!("{OBJECTS}{path}"), body));
    }

    fn create(&mut self, name: &str) {
        self.undo.remove(name);
        let spec = self.spec();
        let mut metadata = json!({"name": name, "namespace": "default"});
        if let Some(tier) = self.tier() {
            metadata["labels"] = json!({"tier": tier});
        }
        if self.chance.u8(..5) == 0 {
            metadata["finalizers"] = json!(["example.com/other"]);
        }
        let object =
            json!({"apiVersion": "korf.dev/v1", "kind": "Thing", "metadata": metadata, "spec": spec});
        self.ask(Method::POST, "", object);
    }

    fn change(&mut self, name: &str, patch: impl FnOnce(&mut Self) -> Value) {
        let patch = patch(self);
        if let Some(object) = self.server.object::<Thing>(Some("default"), name) {
            self.undo.insert(name.to_owned(), inverse(&patch, &object));
        }
        let of_status = self.status_subresource && patch.get("status").is_some();
        self.ask(Method::PATCH, &format!("/{name}{}", if of_status { "/status" } else { "" }), patch);
    }

    fn other_size(&self, name: &str) -> u8 {
        let object = self.server.object::<Thing>(Some("default"), name);
        if object.is_some_and(|object| object["spec"]["size"] == 1) { 2 } else { 1 }
    }

    fn remove(&mut self, name: &str) {
        self.ask(Method::DELETE, &format!("/{name}"), Value::Null);
        self.ask(Method::PATCH, &format!("/{name}"), json!({"metadata": {"finalizers": null}}));
    }

    fn vanish(&mut self, name: &str) {
        self.server.break_watches();
        self.remove(name);
        self.server.compact();
    }

    fn spec(&mut self) -> Value {
        let fields = (0..3).map(|_| self.field()).map(|(field, value)| (field.to_owned(), value));
        let mut spec: Map<_, _> = fields.collect();
        spec.retain(|_, value| !value.is_null());
        spec.into()
    }

    fn field(&mut self) -> (&'static str, Value) {
        let chance = &mut self.chance;
        match chance.u8(..6) {
            0..3 => ("size", chance.u32(1..4).into()),
            3 => ("color", [json!("red"), json!("blue"), Value::Null][chance.usize(..3)].clone()),
            4 => ("parts", [json!(["p"]), json!(["p", "q"]), json!([])][chance.usize(..3)].clone()),
            _ => ("broken", [json!(true), Value::Null, Value::Null][chance.usize(..3)].clone()),
        }
    }

    fn some_change(&mut self) -> Value {
        match self.chance.u8(..12) {
            0..6 => {
                let (field, value) = self.field();
                json!({"spec": {field: value}})
            }
            6 | 7 => json!({"metadata": {"labels": {"tier": self.tier()}}}),
            8 => json!({"metadata": {"annotations": {"note": self.one_of(["x", "y"])}}}),
            9 => json!({"metadata": {"annotations": {
                "ops.example.com/kopf-managed": "yes", "ops.example.com/state": self.one_of(["1", "2"]),
            }}}),
            10 => json!({"status": {"ready": self.chance.bool()}}),
            _ => {
                json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}})
            }
        }
    }

    fn tier(&mut self) -> Option<String> {
        self.one_of(["gold", "silver"])
    }

    fn one_of(&mut self, values: [&str; 2]) -> Option<String> {
        (self.chance.u8(..3) > 0).then(|| values[self.chance.usize(..2)].to_owned())
    }
}

/// The merge patch that reverts another one.
fn inverse(patch: &Value, object: &Value) -> Value {
    match patch {
        Value::Object(patch) if object.is_object() || object.is_null() => {
            let fields = patch.iter().map(|(key, inner)| (key.clone(), inverse(inner, &object[key])));
            Value::Object(fields.collect())
        }
        _ => object.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_a_patch_reverts_it() {
        let before = json!({"spec": {"size": 1, "color": "red"}, "metadata": {"labels": {"a": "b"}}});
        for patch in [
            json!({"spec": {"size": 2}}),
            json!({"spec": {"color": null}, "metadata": {"labels": {"tier": "gold"}}}),
            json!({"status": {"ready": true}}),
        ] {
            let mut object = before.clone();
            json_patch::merge(&mut object, &patch);
            json_patch::merge(&mut object, &inverse(&patch, &before));
            object.as_object_mut().expect("it is a mapping").retain(|key, _| key != "status");
            assert_eq!(object, before, "{patch}");
        }
    }
}
