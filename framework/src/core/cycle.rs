//! One cycle of handling: what is to be done now.
//!
//! [`plan`] looks at an object and says what comes next. Where handlers are to be called, it opens a
//! [`Cycle`]; the worker calls them, and [`Cycle::settle`] turns the outcomes into one patch. The answer to
//! that patch is the next object to be planned for.

mod owed;
mod settle;
#[cfg(test)]
mod tests;

pub use settle::{Done, End, SubDone};

use super::{
    Reason,
    body::Body,
    cause::{Cause, Past},
    diff::{Diff, Field, diff},
    essence::essence,
    filter::Facts,
    patch::Finalizer,
    progress::{Counts, Progress, Record, Unreadable},
    retry::Attempt,
    storage::{Kept, Storage},
    task::{Task, Trigger},
};
use jiff::Timestamp;
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// What the core knows of one kind of objects.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where things are kept on the object.
    pub storage: Storage,
    /// The kind's handlers, in the order in which they are called.
    pub tasks: Vec<Task>,
    /// Only the first of the handlers whose turn it is, is called in a cycle; then the progress is stored.
    pub one_at_a_time: bool,
}

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

/// The handling of one change of one object, as it stands now.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// Why handlers are called.
    pub reason: Reason,
    /// The essence that was handled last; none while the object is new, and where it isn't known
    /// ([`Diff::is_unknown`]).
    pub old: Option<Arc<Value>>,
    /// The object's essence.
    pub new: Arc<Value>,
    /// From `old` to `new`.
    pub diff: Arc<Diff>,
    /// The handlers whose turn it is now.
    pub ready: Vec<Ready>,
    /// Handling for another reason that this one puts an end to.
    pub superseded: Option<(Reason, Counts)>,
    /// The handlers that this change calls, by their places in [`Setup::tasks`].
    tasks: Vec<usize>,
    stored: Progress,
    current: Progress,
    basis: Option<Kept>,
    /// Something may have been done for this object before.
    touched: bool,
}

/// A handler whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ready {
    /// Its place in [`Setup::tasks`].
    pub task: usize,
    /// The start of its first attempt.
    pub started: Timestamp,
    /// Which attempt it is.
    pub attempt: Attempt,
}

impl Setup {
    /// What counts as the user's state of an object: the usual essence, and the fields that handlers are for.
    pub fn essence(&self, body: &Body) -> Value {
        let fields: Vec<Field> = self.tasks.iter().filter_map(|task| task.filter.field.clone()).collect();
        essence(body, &self.storage, &fields)
    }

    /// What korf has stored on an object and can't read, and so takes for absent.
    pub fn faults(&self, body: &Body, now: Timestamp) -> Vec<Unreadable> {
        self.storage.faults(body).into_iter().chain(self.progress(body, now).unreadable().cloned()).collect()
    }

    /// The handlers that a change calls, by their places. Of those with one id only the first: they are one
    /// handler that several things call (creations and resuming, say), with one record.
    fn called(&self, reason: Reason, initial: bool, stored: &Progress, facts: &Facts<'_>) -> Vec<usize> {
        let has_begun = |id: &str| {
            let record = stored.get(id).filter(|record| record.purpose == Some(reason));
            record.is_some_and(Record::has_seen)
        };
        let mut ids = BTreeSet::new();
        let tasks = self.tasks.iter().enumerate();
        let called = tasks.filter(|(_, task)| task.is_called(reason, initial, has_begun(&task.id), facts));
        called.filter(|(_, task)| ids.insert(&task.id)).map(|(at, _)| at).collect()
    }

    /// The records of all handlers, and of all sub-handlers that they name.
    fn progress(&self, body: &Body, now: Timestamp) -> Progress {
        let mut asked: BTreeSet<String> = self.tasks.iter().map(|task| task.id.clone()).collect();
        let mut progress = self.storage.read_progress(body, asked.iter().map(String::as_str), now);
        loop {
            let named = progress.iter().flat_map(|(_, record)| record.subrefs.iter().cloned());
            let unread: Vec<_> = named.filter(|id| asked.insert(id.clone())).collect();
            if unread.is_empty() {
                return progress;
            }
            let more = self.storage.read_progress(body, unread.iter().map(String::as_str), now);
            progress = progress.updated(&more);
        }
    }
}

/// Says what comes next for an object.
pub fn plan(setup: &Setup, body: &Body, sight: Sight, now: Timestamp) -> Plan {
    let kept = setup.storage.read_diff_base(body);
    let new = setup.essence(body);
    let handled = kept.is_some();
    let difference = kept.as_ref().map_or_else(|| diff(&Value::Null, &new), |kept| kept.diff(&new));
    let old = kept.and_then(|kept| kept.known(&new));
    let stored = setup.progress(body, now);
    let past = Past {
        handled,
        changed: !difference.is_empty(),
        begun: stored
            .iter()
            .any(|(_, record)| record.purpose.is_none_or(|purpose| purpose == Reason::Update)),
    };
    let cause = Cause::of(body, sight, setup.storage.finalizer(), past);
    let facts = Facts {
        body,
        reason: Some(cause.reason()),
        old: old.as_ref().unwrap_or(&Value::Null),
        new: &new,
        diff: &difference,
    };
    if let Some(change) = finalizer_change(setup, &facts, sight) {
        return Plan::Write(change);
    }
    let tasks = setup.called(cause.reason(), sight.initial, &stored, &facts);
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
            let touched = handled || stored.iter().any(|(_, r)| r.retries > 0 && !r.refused);
            let current = current(setup, &stored, &tasks, reason);
            let cycle = Cycle {
                reason,
                superseded: superseded(&stored, &current, reason),
                tasks,
                current,
                stored,
                basis,
                touched,
                old: old.map(Arc::new),
                new: Arc::new(new),
                diff: Arc::new(difference),
                ready: Vec::new(),
            };
            cycle.open(setup, sight, now)
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

/// The records of the handling that is at hand, sub-handlers included.
fn current(setup: &Setup, stored: &Progress, tasks: &[usize], reason: Reason) -> Progress {
    let task_of = |id: &str| {
        let mut tasks = tasks.iter().map(|at| &setup.tasks[*at]);
        tasks.find(|task| id == task.id || settle::is_below(id, &task.id))
    };
    stored.iter().fold(Progress::default(), |current, (id, record)| match task_of(id) {
        Some(task) if task.goes_on_with(record, reason) => current.with(id, record.clone()),
        _ => current,
    })
}

/// The first records of another purpose, if nothing is on record for this one yet.
fn superseded(stored: &Progress, current: &Progress, reason: Reason) -> Option<(Reason, Counts)> {
    if !current.is_empty() {
        return None;
    }
    let purpose =
        stored.iter().find_map(|(_, record)| record.purpose.filter(|purpose| *purpose != reason))?;
    let of_purpose = stored.iter().filter(|(_, record)| record.purpose == Some(purpose));
    Some((purpose, Counts::of(of_purpose.map(|(_, record)| Some(record)))))
}

impl Cycle {
    /// What is on record of the handlers and their sub-handlers.
    pub fn progress(&self) -> &Progress {
        &self.current
    }

    fn open(mut self, setup: &Setup, sight: Sight, now: Timestamp) -> Plan {
        self.rearm(setup, sight, now);
        if let Some(rest) = self.stands(setup) {
            return Plan::Rest(rest);
        }
        let due = |record: Option<&Record>| {
            record.and_then(Record::next_due).filter(|_| !sight.eager).unwrap_or(now)
        };
        let unfinished: Vec<_> =
            self.records(setup, &self.current).filter(|(_, record)| !is_finished(*record)).collect();
        let mut ready: Vec<_> = unfinished
            .iter()
            .filter(|(_, record)| due(*record) <= now)
            .map(|(task, record)| Ready::new(*task, *record, now))
            .collect();
        if let Some(next) =
            unfinished.iter().map(|(_, record)| due(*record)).min().filter(|_| ready.is_empty())
        {
            return Plan::Wait(next);
        }
        if setup.one_at_a_time {
            ready.truncate(1);
        }
        self.ready = ready;
        Plan::Run(Box::new(self))
    }

    /// The handlers that this change calls, by their places, and what is on record of them.
    fn records<'a>(
        &'a self,
        setup: &'a Setup,
        progress: &'a Progress,
    ) -> impl Iterator<Item = (usize, Option<&'a Record>)> {
        self.tasks.iter().map(|at| (*at, progress.get(&setup.tasks[*at].id)))
    }

    /// Forgets failures that a change of the object, or a newer operator, may have mended.
    fn rearm(&mut self, setup: &Setup, sight: Sight, now: Timestamp) {
        let first = sight.look == Look::First;
        let refused = self.current.iter().any(|(_, record)| record.refused);
        // What is resumed is as it was handled.
        let same =
            self.reason == Reason::Resume || self.basis.as_ref().is_some_and(|basis| basis.is(&self.new));
        match self.reason {
            Reason::Delete if first || sight.rearmed => self.current = self.current.without_failures(),
            Reason::Delete => {}
            // Those that succeeded have seen another essence than the one that could not be read.
            _ if refused && !same => {
                (self.current, self.basis) = (self.anew(setup, &self.current, now), None)
            }
            _ if refused && first => self.current = self.current.without_refusals(),
            _ => {}
        }
    }

    /// Whether an end that was reached before still holds.
    fn stands(&self, setup: &Setup) -> Option<Rest> {
        let finished = self.records(setup, &self.current).all(|(_, record)| is_finished(record));
        let refused =
            self.records(setup, &self.current).any(|(_, record)| record.is_some_and(|record| record.refused));
        match self.reason {
            _ if !finished => None,
            Reason::Delete => self.is_held(setup, &self.current).then_some(Rest::Held),
            _ => refused.then_some(Rest::Refused),
        }
    }

    /// Whether a handler has failed for good that doesn't let the object go then.
    fn is_held(&self, setup: &Setup, progress: &Progress) -> bool {
        // The handler that is called may be another one of the same id: of resuming, say.
        let holds = |at: usize| setup.tasks.iter().any(|task| task.holds() && task.id == setup.tasks[at].id);
        self.reason == Reason::Delete
            && self
                .records(setup, progress)
                .any(|(task, record)| record.is_some_and(|record| record.failure) && holds(task))
    }
}

fn is_finished(record: Option<&Record>) -> bool {
    record.is_some_and(Record::is_finished)
}

impl Ready {
    fn new(task: usize, record: Option<&Record>, now: Timestamp) -> Self {
        // One that is owed was on record before its first attempt.
        let started = record.filter(|record| record.retries > 0).map_or(now, |record| record.started);
        Self {
            task,
            started,
            attempt: Attempt::after(record.map_or(0, |record| record.retries), started, now),
        }
    }
}
