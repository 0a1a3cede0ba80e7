//! One cycle of handling: what is to be done now.
//!
//! [`plan()`] looks at an object and says what comes next. Where handlers are to be called, it opens a
//! [`Cycle`]; the worker calls them, and [`Cycle::settle`] turns the outcomes into one patch. The answer to
//! that patch is the next object to be planned for.

mod owed;
mod plan;
mod settle;
mod setup;
#[cfg(test)]
mod tests;

pub use plan::{Look, Plan, Rest, Sight, plan};
pub use settle::{Done, End, SubDone};
pub use setup::Setup;

use super::{
    Reason,
    diff::Diff,
    progress::{Counts, Progress, Record},
    retry::Attempt,
    storage::Kept,
};
use jiff::Timestamp;
use plan::Known;
use serde_json::Value;
use std::sync::Arc;

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

impl Cycle {
    /// The handling of a change by these handlers.
    fn of(setup: &Setup, reason: Reason, tasks: Vec<usize>, known: Known, basis: Option<Kept>) -> Self {
        let Known { old, new, diff, handled, stored } = known;
        let attempted = stored.iter().any(|(_, record)| record.retries > 0 && !record.refused);
        let current = current(setup, &stored, &tasks, reason);
        Self {
            reason,
            superseded: superseded(&stored, &current, reason),
            tasks,
            current,
            stored,
            basis,
            touched: handled || attempted,
            old: old.map(Arc::new),
            new: Arc::new(new),
            diff: Arc::new(diff),
            ready: Vec::new(),
        }
    }

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
