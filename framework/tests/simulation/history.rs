//! All that has happened in a run, as invariants look at it.

use crate::{
    record::{Called, Death, Life, Moment},
    role::Role,
    world::World,
};
use korf::testing::api::{Effect, Request};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

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
    /// By their beginnings.
    pub calls: Vec<Called>,
    pub lives: Vec<Life>,
    /// What is there in the end.
    pub objects: Vec<Arc<Value>>,
    /// When all had become quiet.
    pub quiet: Moment,
    /// The writes and calls of each object, by uid.
    of: BTreeMap<String, (Vec<usize>, Vec<usize>)>,
}

/// An invariant that doesn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl History {
    pub fn new(
        world: World,
        writes: Vec<Written>,
        calls: Vec<Called>,
        lives: Vec<Life>,
        objects: Vec<Arc<Value>>,
        quiet: Moment,
    ) -> Self {
        let mut of: BTreeMap<String, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (at, effect) in
            writes.iter().enumerate().filter_map(|(at, write)| Some((at, write.effect.as_ref()?)))
        {
            of.entry(uid(state(effect)).to_owned()).or_default().0.push(at);
        }
        for (at, call) in calls.iter().enumerate() {
            of.entry(call.body.uid().to_owned()).or_default().1.push(at);
        }
        Self { world, writes, calls, lives, objects, quiet, of }
    }

    /// The uids of all objects that there were.
    pub fn uids(&self) -> impl Iterator<Item = &str> {
        self.of.keys().map(String::as_str)
    }

    /// All changes, with whether they were the operator's.
    pub fn effects(&self) -> impl DoubleEndedIterator<Item = (bool, &Effect)> {
        self.writes.iter().filter_map(|write| Some((write.ours, write.effect.as_ref()?)))
    }

    /// The changes of one object.
    pub fn effects_on<'a>(&'a self, of: &'a str) -> impl DoubleEndedIterator<Item = (bool, &'a Effect)> {
        let writes = self.of.get(of).into_iter().flat_map(|(writes, _)| writes).map(|at| &self.writes[*at]);
        writes.filter_map(|write| Some((write.ours, write.effect.as_ref()?)))
    }

    /// The states that an object had, with their versions.
    pub fn states_of<'a>(&'a self, of: &'a str) -> impl DoubleEndedIterator<Item = (u64, &'a Value)> {
        self.effects_on(of).filter_map(|(_, effect)| Some((effect.revision, &**effect.after.as_ref()?)))
    }

    /// The calls for an object.
    pub fn calls_for<'a>(&'a self, of: &'a str) -> impl DoubleEndedIterator<Item = &'a Called> {
        self.of.get(of).into_iter().flat_map(|(_, calls)| calls).map(|at| &self.calls[*at])
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

    /// Whether a life of the operator was ended by a stop or a death between two moments.
    pub fn died_between(&self, from: Moment, to: Moment) -> bool {
        let ends = self.lives.iter().filter_map(|life| life.ended);
        ends.into_iter().any(|(end, _): (Moment, Death)| (from.turn..to.turn).contains(&end.turn))
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
