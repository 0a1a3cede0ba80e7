//! Roles: the handlers of a world, with their triggers, filters, options and scripts.

use crate::{
    script::{Act, Ending, Script},
    world::{World, resolve},
};
use korf::handler::{Backoff, Limits, OnError};
use serde_json::Value;
use std::{fmt, time::Duration};

/// A trigger of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    Create,
    Update,
    Delete { optional: bool, lets_go: bool },
    Resume { deleted: bool },
    Field,
    Event,
}

/// A condition on a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    Is(Value),
    Present,
    Absent,
}

impl Want {
    pub fn drawn(values: &[&str], chance: &mut fastrand::Rng) -> Self {
        match chance.u8(..3) {
            0 => Self::Present,
            1 => Self::Absent,
            _ => Self::Is(values[chance.usize(..values.len())].into()),
        }
    }

    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Is(wanted) => wanted == value,
            Self::Present => !value.is_null(),
            Self::Absent => value.is_null(),
        }
    }
}

/// A handler: its triggers, filters, options, and script.
#[derive(Clone, Debug)]
pub struct Role {
    /// The full id, including the field.
    pub id: String,
    /// A function may have several; an event handler has that one alone.
    pub cues: Vec<Cue>,
    pub label: Option<(&'static str, Want)>,
    pub annotation: Option<(&'static str, Want)>,
    pub field: Option<&'static str>,
    pub value: Option<Want>,
    pub limits: Limits,
    /// It rejects an object whose `spec.broken` is true.
    pub reads: bool,
    /// It has a sub-handler for each item of `spec.parts`.
    pub parts: bool,
    pub script: Script,
}

const FIELDS: [&str; 3] = ["spec.size", "spec.color", "status.ready"];

impl Role {
    /// A random handler.
    pub fn drawn(at: usize, chance: &mut fastrand::Rng) -> Self {
        let cues = Cue::drawn(chance);
        Self::of(at, cues, chance)
    }

    /// A random handler with these triggers.
    pub fn of(at: usize, cues: Vec<Cue>, chance: &mut fastrand::Rng) -> Self {
        let deletes = cues.iter().any(|cue| matches!(cue, Cue::Delete { .. }));
        let edges = cues.iter().all(|cue| matches!(cue, Cue::Field | Cue::Update));
        let needs_field = cues.contains(&Cue::Field);
        let with_field = needs_field || (edges && chance.bool());
        let field = with_field.then(|| FIELDS[chance.usize(..FIELDS.len())]);
        let limits = limits(deletes, chance);
        let is_event = cues == [Cue::Event];
        Self {
            id: format!("h{at}{}", field.map(|field| format!("/{field}")).unwrap_or_default()),
            label: (chance.u8(..4) == 0).then(|| ("tier", Want::drawn(&["gold", "silver"], chance))),
            annotation: (chance.u8(..8) == 0).then(|| ("note", Want::drawn(&["x", "y"], chance))),
            value: field.filter(|_| chance.u8(..3) == 0).map(|field| value_of(field, chance)),
            field,
            reads: !is_event && chance.u8(..4) == 0,
            parts: !is_event && chance.u8(..5) == 0,
            script: Script::drawn(limits.timeout.is_some(), is_event, chance),
            limits,
            cues,
        }
    }

    pub fn has(&self, cue: Cue) -> bool {
        self.cues.contains(&cue)
    }

    pub fn handles_events(&self) -> bool {
        self.has(Cue::Event)
    }

    /// As a delete handler: whether it is optional, and whether it lets go after a failure.
    pub fn deletion(&self) -> Option<(bool, bool)> {
        self.cues.iter().find_map(|cue| match cue {
            Cue::Delete { optional, lets_go } => Some((*optional, *lets_go)),
            _ => None,
        })
    }

    /// Whether it is for such an object, regardless of what happened to it.
    pub fn concerns(&self, world: &World, object: &Value) -> bool {
        let Some(field) = self.field else { return self.marked(object) };
        let wanted = self.value.as_ref().unwrap_or(&Want::Present);
        let holds = |essence: &Value| wanted.holds(resolve(essence, field));
        let before = world.base(object).unwrap_or_default();
        self.marked(object) && (holds(&world.essence(object)) || holds(&before))
    }

    /// Whether the labels and annotations fit its filter.
    pub fn marked(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let holds = |wanted: &Option<(&str, Want)>, values: &Value| {
            wanted.as_ref().is_none_or(|(key, wanted)| wanted.holds(&values[*key]))
        };
        holds(&self.label, &metadata["labels"]) && holds(&self.annotation, &metadata["annotations"])
    }

    /// Whether it rejects such an object.
    pub fn rejects(&self, object: &Value) -> bool {
        self.reads && object["spec"]["broken"] == true
    }

    /// Whether the limits allow no further attempt.
    pub fn is_last(&self, attempt: u32) -> bool {
        self.limits.retries.is_some_and(|most| attempt + 1 >= most)
    }

    /// Whether it needs no further attempt after one that ended so; none where that depends on the time that all took.
    pub fn is_done_after(&self, attempt: u32, ending: Ending) -> Option<bool> {
        let last = self.is_last(attempt);
        let retried = if self.limits.timeout.is_some() { None } else { Some(false) };
        match ending {
            Ending::Succeeded | Ending::Permanent | Ending::Unreadable => Some(true),
            // By its own timeout, or by the operator's end.
            Ending::Interrupted => retried,
            Ending::Arbitrary | Ending::Panicked if self.limits.errors != OnError::Temporary => Some(true),
            _ if last => Some(true),
            _ => retried,
        }
    }
}

impl Cue {
    fn drawn(chance: &mut fastrand::Rng) -> Vec<Self> {
        let delete = |chance: &mut fastrand::Rng| Self::Delete {
            optional: chance.u8(..5) == 0,
            lets_go: chance.u8(..5) == 0,
        };
        let resume = Self::Resume { deleted: chance.bool() };
        match chance.u8(..12) {
            0 | 1 => vec![Self::Create],
            2 | 3 => vec![Self::Update],
            4 | 5 => vec![delete(chance)],
            6 => vec![resume],
            7 => vec![Self::Field],
            8 => vec![Self::Event],
            9 => vec![Self::Create, Self::Update],
            10 => vec![Self::Create, resume],
            _ => vec![Self::Create, Self::Update, resume, delete(chance)],
        }
    }
}

fn value_of(field: &str, chance: &mut fastrand::Rng) -> Want {
    match field {
        "spec.size" => Want::Is(chance.u32(1..4).into()),
        "spec.color" => Want::drawn(&["red", "blue"], chance),
        _ => Want::Is(chance.bool().into()),
    }
}

fn limits(deletes: bool, chance: &mut fastrand::Rng) -> Limits {
    let mut limits = Limits::default();
    if chance.u8(..3) == 0 {
        limits.retries = Some(chance.u32(1..4));
    }
    if chance.u8(..4) == 0 {
        limits.timeout = Some(Duration::from_secs(chance.u64(3..60)));
    }
    if chance.bool() {
        limits.backoff = Backoff::Constant(Duration::from_millis(chance.u64(..20_000)));
    }
    let errors = [OnError::Temporary, OnError::Temporary, OnError::Permanent, OnError::Ignored];
    // A deletion that fails permanently keeps its object: that must not happen too often.
    limits.errors = errors[chance.usize(..if deletes { 2 } else { errors.len() })];
    limits
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.id, self.cues)?;
        if let Some((key, wanted)) = &self.label {
            write!(f, ", label {key} {wanted:?}")?;
        }
        if let Some((key, wanted)) = &self.annotation {
            write!(f, ", annotation {key} {wanted:?}")?;
        }
        if let Some(wanted) = &self.value {
            write!(f, ", value {wanted:?}")?;
        }
        write!(f, ", {:?}", self.limits)?;
        let flags = [(self.reads, "reads"), (self.parts, "has sub-handlers")];
        flags.into_iter().filter(|(set, _)| *set).try_for_each(|(_, flag)| write!(f, ", {flag}"))?;
        self.script
            .0
            .iter()
            .enumerate()
            .try_for_each(|(at, act): (usize, &Act)| write!(f, "\n    #{at}: {act}"))
    }
}
