//! All that has happened in a run, as invariants look at it.

use crate::{
    record::{Called, Life, Moment, Refused},
    role::Role,
    world::World,
};
use korf_testing::api::{Effect, Request};
use serde_json::Value;
use std::{cell::OnceCell, collections::BTreeMap, sync::Arc};

/// A request that could have changed something, and what it did.
#[derive(Clone, Debug)]
pub struct Written {
    pub request: Request,
    /// Whether the operator sent it.
    pub ours: bool,
    pub effect: Option<Effect>,
    /// Whether it came after all had become quiet.
    pub late: bool,
}

/// All that has happened in a run.
#[derive(Clone, Debug)]
pub struct History {
    pub world: World,
    /// In the order of their effects.
    pub writes: Vec<Written>,
    /// The writes that a server found invalid.
    pub refused: Vec<Refused>,
    /// By their beginnings.
    pub calls: Vec<Called>,
    pub lives: Vec<Life>,
    /// What is there in the end.
    pub objects: Vec<Arc<Value>>,
    /// When all had become quiet.
    pub quiet: Moment,
    /// What the operator has said of failures inside of the framework.
    pub breakdowns: Vec<String>,
    pub index: Index,
}

/// Where the writes and the calls of each object are, by uid; made when it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Index(OnceCell<BTreeMap<String, Places>>);

#[derive(Clone, Debug, Default)]
struct Places {
    writes: Vec<usize>,
    calls: Vec<usize>,
}

/// An invariant that doesn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl History {
    fn index(&self) -> &BTreeMap<String, Places> {
        self.index.0.get_or_init(|| {
            let mut index: BTreeMap<String, Places> = BTreeMap::new();
            for (at, write) in self.writes.iter().enumerate() {
                if let Some(effect) = &write.effect {
                    index.entry(uid(state(effect)).to_owned()).or_default().writes.push(at);
                }
            }
            for (at, call) in self.calls.iter().enumerate() {
                index.entry(call.body.uid().to_owned()).or_default().calls.push(at);
            }
            index
        })
    }

    /// The uids of all objects that there were.
    pub fn uids(&self) -> impl Iterator<Item = &str> {
        self.index().keys().map(String::as_str)
    }

    /// All changes, with whether they were the operator's.
    pub fn effects(&self) -> impl DoubleEndedIterator<Item = (bool, &Effect)> {
        self.writes.iter().filter_map(|write| Some((write.ours, write.effect.as_ref()?)))
    }

    /// The changes of one object.
    pub fn effects_on<'a>(&'a self, of: &'a str) -> impl DoubleEndedIterator<Item = (bool, &'a Effect)> {
        let writes = self.index().get(of).map_or(&[][..], |places| &places.writes);
        writes
            .iter()
            .map(|at| &self.writes[*at])
            .filter_map(|write| Some((write.ours, write.effect.as_ref()?)))
    }

    /// The states that an object had, with their versions.
    pub fn states_of<'a>(&'a self, of: &'a str) -> impl DoubleEndedIterator<Item = (u64, &'a Value)> {
        self.effects_on(of).filter_map(|(_, effect)| Some((effect.revision, &**effect.after.as_ref()?)))
    }

    /// The calls for an object.
    pub fn calls_for<'a>(&'a self, of: &'a str) -> impl DoubleEndedIterator<Item = &'a Called> {
        let calls = self.index().get(of).map_or(&[][..], |places| &places.calls);
        calls.iter().map(|at| &self.calls[*at])
    }

    /// The role that a call is of, if it isn't one of a sub-handler.
    pub fn role(&self, call: &Called) -> Option<&Role> {
        self.world.roles.iter().find(|role| role.id == call.id)
    }

    /// The role that a call is of, or that its parent is.
    pub fn role_above(&self, call: &Called) -> Option<&Role> {
        let is_below = |role: &&Role| {
            call.id.strip_prefix(&role.id).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.world.roles.iter().find(is_below)
    }

    /// Whether what a call came to was written onto the object before the operator's life ended.
    pub fn is_recorded(&self, call: &Called) -> bool {
        let next = self.lives.get(call.life + 1).map_or(u64::MAX, |life| life.begun.revision);
        let in_time = |effect: &Effect| (call.ended.revision + 1..=next).contains(&effect.revision);
        self.effects_on(call.body.uid()).any(|(ours, effect)| ours && in_time(effect) && self.keeps(effect))
    }

    /// Whether a change is one of what the operator keeps on the object.
    pub fn keeps(&self, effect: &Effect) -> bool {
        let kept = |object: &Option<Arc<Value>>| object.as_ref().map(|object| self.world.kept(object));
        kept(&effect.before) != kept(&effect.after)
    }

    /// Whether a change is of nothing but what the operator keeps on the object.
    pub fn only_keeps(&self, effect: &Effect) -> bool {
        let others =
            |object: &Option<Arc<Value>>| object.as_ref().map(|object| self.world.without_kept(object));
        others(&effect.before) == others(&effect.after)
    }
}

/// An object as a change left it, or as it was before it went.
pub fn state(effect: &Effect) -> &Value {
    effect.after.as_ref().or(effect.before.as_ref()).map_or(&Value::Null, |object| &**object)
}

pub fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

pub fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The version of an object.
pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}
