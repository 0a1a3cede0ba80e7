//! The history of a run, as the invariants see it.

use crate::{
    bell::Rung,
    catalog::Shown,
    crowd::Crowded,
    daemon::Run,
    record::{Called, Life, Moment, Rejected},
    role::Role,
    timer::Tick,
    world::World,
};
use jiff::Timestamp;
use korf_core::storage::StoredEssence;
use korf_testing::api::{Effect, Request};
use serde_json::Value;
use std::{cell::OnceCell, collections::BTreeMap, sync::Arc};

/// A write request, and its effect.
#[derive(Clone, Debug)]
pub struct Written {
    pub at: Timestamp,
    pub request: Request,
    /// Whether the operator sent it.
    pub ours: bool,
    pub effect: Option<Effect>,
    /// The operator has got a 409 for it: it is for another object, or for an older version.
    pub conflicts: bool,
    /// Whether it came after the run had become quiet.
    pub late: bool,
}

/// The history of a run.
#[derive(Clone, Debug)]
pub struct History {
    pub world: World,
    /// In the order of their effects.
    pub writes: Vec<Written>,
    /// The writes that the server rejected as invalid.
    pub rejected: Vec<Rejected>,
    /// In the order in which they began.
    pub calls: Vec<Called>,
    pub lives: Vec<Life>,
    /// In a run with replicas. The tenures are the lives of their calls.
    pub crowd: Option<Crowded>,
    /// The calls of the timer, in the order in which they began.
    pub ticks: Vec<Tick>,
    /// The triggers, in their order.
    pub rungs: Vec<Rung>,
    /// What the index shows at the end.
    pub shown: Shown,
    /// The runs of the daemon, in the order in which they began.
    pub runs: Vec<Run>,
    pub end: Timestamp,
    /// The objects at the end.
    pub objects: Vec<Arc<Value>>,
    /// The moment from which on the run was quiet.
    pub quiet: Moment,
    /// Log lines about failures inside the framework.
    pub breakdowns: Vec<String>,
    pub index: Index,
}

/// The places of each object's writes and calls, by uid; built on first use.
#[derive(Clone, Debug, Default)]
pub struct Index(OnceCell<BTreeMap<String, Places>>);

#[derive(Clone, Debug, Default)]
struct Places {
    writes: Vec<usize>,
    calls: Vec<usize>,
}

/// A broken invariant.
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

    /// The uids of all objects that ever existed.
    pub fn uids(&self) -> impl Iterator<Item = &str> {
        self.index().keys().map(String::as_str)
    }

    /// All changes; true for those of the operator.
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

    /// The diff-base of an object. A digest stands for a state that the object had.
    pub fn base(&self, object: &Value) -> Option<Value> {
        let base = self.world.stored_base(object)?;
        if let StoredEssence::Whole(essence) = base {
            return Some(Value::clone(&essence));
        }
        let mut essences = self.states_of(uid(object)).map(|(_, state)| self.world.essence(state));
        essences.find(|essence| base.is(essence)).or_else(|| self.world.base(object))
    }

    /// The calls for an object.
    pub fn calls_for<'a>(&'a self, of: &'a str) -> impl DoubleEndedIterator<Item = &'a Called> {
        let calls = self.index().get(of).map_or(&[][..], |places| &places.calls);
        calls.iter().map(|at| &self.calls[*at])
    }

    /// Whether something was triggered between two moments of a life.
    pub fn has_rung(&self, life: usize, turns: std::ops::Range<usize>) -> bool {
        self.rungs.iter().any(|rung| rung.life == life && turns.contains(&rung.moment.turn))
    }

    /// The operator's last life; of replicas, the last one's tenure for an object.
    pub fn last_life_of(&self, of: &str) -> usize {
        match &self.crowd {
            Some(crowd) => crowd.tenures.iter().rposition(|tenure| tenure.has(of)).unwrap_or_default(),
            None => self.lives.len().saturating_sub(1),
        }
    }

    /// The role of a call; none for a sub-handler's.
    pub fn role(&self, call: &Called) -> Option<&Role> {
        self.world.roles.iter().find(|role| role.id == call.id)
    }

    /// The role of a call, or of its parent.
    pub fn role_above(&self, call: &Called) -> Option<&Role> {
        let is_below = |role: &&Role| {
            call.id.strip_prefix(&role.id).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.world.roles.iter().find(is_below)
    }

    /// Whether a call's outcome was written onto the object before the operator's life ended.
    pub fn is_recorded(&self, call: &Called) -> bool {
        if let Some(crowd) = &self.crowd {
            return crowd.is_recorded(self, call);
        }
        let next = self.lives.get(call.life + 1).map_or(u64::MAX, |life| life.begun.revision);
        let in_time = |effect: &Effect| (call.ended.revision + 1..=next).contains(&effect.revision);
        self.effects_on(call.body.uid()).any(|(ours, effect)| ours && in_time(effect) && self.keeps(effect))
    }

    /// Whether a change touches the operator's records on the object.
    pub fn keeps(&self, effect: &Effect) -> bool {
        let kept = |object: &Option<Arc<Value>>| object.as_ref().map(|object| self.world.kept(object));
        kept(&effect.before) != kept(&effect.after)
    }

    /// Whether a change touches nothing but the operator's records and its finalizer.
    pub fn only_keeps(&self, effect: &Effect) -> bool {
        let others =
            |object: &Option<Arc<Value>>| object.as_ref().map(|object| self.world.without_kept(object));
        others(&effect.before) == others(&effect.after)
    }
}

/// The state that a change left; of an object that is gone, the last one.
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
