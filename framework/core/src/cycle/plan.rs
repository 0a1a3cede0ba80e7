//! What comes next for an object.

use super::{Cycle, Setup};
use crate::{
    Reason,
    body::Body,
    cause::{Cause, Past},
    diff::{Diff, diff},
    filter::Facts,
    patch::Finalizer,
    progress::Progress,
    task::Trigger,
};
use jiff::Timestamp;
use serde_json::Value;

/// How an object came to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// For the first time in this process.
    First,
    /// Somebody else changed it.
    Changed,
    /// Nobody else changed it: a retry is due, or our own write has come back.
    Again,
}

/// What is known of an object besides its body.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// The watch says that it is gone.
    pub gone: bool,
    /// How it came to be looked at.
    pub look: Look,
    /// A listing showed it first, and it has not been handled to the end since the start of this process.
    pub initial: bool,
    /// Somebody has changed its essence since deletion handlers failed for good: they are tried again.
    pub rearmed: bool,
    /// Somebody has changed its essence, and more than annotations, since handlers began to wait for their next
    /// attempt: they wait no longer.
    pub eager: bool,
}

/// What comes next for an object.
#[derive(Debug)]
pub enum Plan {
    /// Nothing.
    Rest(Rest),
    /// Nothing before this time.
    Wait(Timestamp),
    /// The finalizer is changed; then the object is planned for again.
    Write(Finalizer),
    /// Handlers are called.
    Run(Box<Cycle>),
}

/// Why nothing comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// No handler is for this object: not a word about it.
    Stealth,
    /// The object is gone.
    Gone,
    /// It is being deleted, and doesn't wait for us.
    Free,
    /// Nothing has changed that is handled.
    Noop,
    /// Handlers could not read this very essence; it waits for the next change.
    Refused,
    /// Deletion handlers failed for good; the object is kept until it changes or the operator restarts.
    Held,
}

/// What an object is, and what is on record of it.
pub(super) struct Known {
    /// The essence that was handled last, if it is known.
    pub old: Option<Value>,
    pub new: Value,
    pub diff: Diff,
    /// Whether some essence was handled.
    pub handled: bool,
    pub stored: Progress,
}

impl Known {
    fn of(setup: &Setup, body: &Body, now: Timestamp) -> Self {
        let kept = setup.storage.read_diff_base(body);
        let new = setup.essence(body);
        Self {
            handled: kept.is_some(),
            diff: kept.as_ref().map_or_else(|| diff(&Value::Null, &new), |kept| kept.diff(&new)),
            old: kept.and_then(|kept| kept.known(&new)),
            stored: setup.progress(body, now),
            new,
        }
    }

    fn past(&self) -> Past {
        let mut records = self.stored.iter().map(|(_, record)| record);
        Past {
            handled: self.handled,
            changed: !self.diff.is_empty(),
            begun: records.any(|record| record.purpose.is_none_or(|purpose| purpose == Reason::Update)),
        }
    }

    fn facts<'a>(&'a self, body: &'a Body, reason: Reason) -> Facts<'a> {
        let old = self.old.as_ref().unwrap_or(&Value::Null);
        Facts { body, reason: Some(reason), old, new: &self.new, diff: &self.diff }
    }
}

/// Says what comes next for an object.
pub fn plan(setup: &Setup, body: &Body, sight: Sight, now: Timestamp) -> Plan {
    let known = Known::of(setup, body, now);
    let cause = Cause::of(body, sight, setup.storage.finalizer(), known.past());
    let facts = known.facts(body, cause.reason());
    if let Some(change) = finalizer_change(setup, &facts, sight) {
        return Plan::Write(change);
    }
    let tasks = setup.called(cause.reason(), sight.initial, &known.stored, &facts);
    // Handlers of raw events alone are no reason to write anything onto the object.
    let concerned = setup.tasks.iter().any(|task| task.on != Trigger::Event && task.concerns(&facts));
    match cause {
        _ if !concerned => Plan::Rest(Rest::Stealth),
        Cause::Gone => Plan::Rest(Rest::Gone),
        Cause::Free => Plan::Rest(Rest::Free),
        Cause::Noop => Plan::Rest(Rest::Noop),
        Cause::Handle(Reason::Resume) if tasks.is_empty() => Plan::Rest(Rest::Noop),
        Cause::Handle(reason) => {
            let basis = setup.storage.read_basis(body);
            Cycle::of(setup, reason, tasks, known, basis).open(setup, sight, now)
        }
    }
}

/// The finalizer comes before any side effect, and goes where nobody needs it.
fn finalizer_change(setup: &Setup, facts: &Facts<'_>, sight: Sight) -> Option<Finalizer> {
    let name = setup.storage.finalizer();
    let present = facts.body.finalizers().any(|f| f == name);
    let needed = setup.tasks.iter().any(|task| task.keeps(facts));
    match (needed, present) {
        _ if sight.gone => None,
        (true, false) if !facts.body.is_deleting() => Some(Finalizer::Add(name.to_owned())),
        (false, true) => Some(Finalizer::Remove(name.to_owned())),
        _ => None,
    }
}
