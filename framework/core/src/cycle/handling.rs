//! Handling of one change of an object: its handlers and their records.

use super::{Reading, Setup};
use crate::{
    Reason,
    diff::Diff,
    progress::{Counts, Progress, Record},
    retry::Attempt,
    storage::StoredEssence,
};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// The current state of the handling of one change.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// The reason for which handlers are called.
    pub reason: Reason,
    /// The essence that was handled last; none while the object is new, and where it isn't known
    /// ([`Diff::is_unknown`]).
    pub old: Option<Arc<Value>>,
    /// The object's essence.
    pub new: Arc<Value>,
    /// From `old` to `new`.
    pub diff: Diff,
    /// The handlers that are due.
    pub ready: Vec<Ready>,
    /// The unfinished handling for another reason that this one supersedes.
    pub superseded: Option<(Reason, Counts)>,
    /// The handlers that this change calls, by their indices in [`Setup::handlers`].
    pub(super) called: Vec<usize>,
    pub(super) stored: Progress,
    pub(super) current: Progress,
    /// The essence that the first handler to finish saw: the next diff-base.
    pub(super) pending: Option<StoredEssence>,
    /// Whether handlers may have run for this object before.
    pub(super) touched: bool,
}

/// A handler that is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ready {
    /// Its index in [`Setup::handlers`].
    pub handler: usize,
    /// The start of its first attempt.
    pub started: Timestamp,
    /// The number of this attempt, and the time since the first one.
    pub attempt: Attempt,
}

impl Cycle {
    /// The handling of a change by these handlers.
    pub(super) fn of<I>(setup: &Setup<I>, reason: Reason, called: Vec<usize>, reading: &Reading) -> Self {
        let stored = reading.stored.clone();
        let attempted = stored.iter().any(|(_, record)| record.retries > 0 && !record.rejected);
        let current = current(setup, &stored, &called, reason);
        Self {
            reason,
            superseded: superseded(&stored, &current, reason),
            called,
            current,
            stored,
            pending: reading.pending.clone(),
            touched: reading.handled || attempted,
            old: reading.old.clone(),
            new: Arc::clone(&reading.new),
            diff: reading.diff.clone(),
            ready: Vec::new(),
        }
    }

    /// The records of the handlers and their sub-handlers.
    pub fn progress(&self) -> &Progress {
        &self.current
    }

    /// The handlers that this change calls, by their indices, with their records.
    pub(super) fn records<'a, I>(
        &'a self,
        setup: &'a Setup<I>,
        progress: &'a Progress,
    ) -> impl Iterator<Item = (usize, Option<&'a Record>)> {
        self.called.iter().map(|index| (*index, progress.get(&setup.handlers[*index].id)))
    }

    /// Whether a permanently failed delete handler keeps the object.
    pub(super) fn is_held<I>(&self, setup: &Setup<I>, progress: &Progress) -> bool {
        // The called handler may be another one with the same id: a resume handler, for example.
        let blocks = |index: usize| {
            let id = &setup.handlers[index].id;
            setup.handlers.iter().any(|handler| handler.blocks_deletion_on_failure() && handler.id == *id)
        };
        self.reason == Reason::Delete
            && self
                .records(setup, progress)
                .any(|(index, record)| record.is_some_and(|record| record.failure) && blocks(index))
    }
}

/// The records of the current handling, sub-handlers included.
fn current<I>(setup: &Setup<I>, stored: &Progress, called: &[usize], reason: Reason) -> Progress {
    let handler_of = |id: &str| {
        let mut handlers = called.iter().map(|index| &setup.handlers[*index]);
        handlers.find(|handler| id == handler.id || is_below(id, &handler.id))
    };
    stored.iter().fold(Progress::default(), |current, (id, record)| match handler_of(id) {
        Some(handler) if handler.goes_on_with(record, reason) => current.with(id, record.clone()),
        _ => current,
    })
}

/// The first records of another purpose, if there are none for this one yet.
fn superseded(stored: &Progress, current: &Progress, reason: Reason) -> Option<(Reason, Counts)> {
    if !current.is_empty() {
        return None;
    }
    let other = |purpose: &Reason| *purpose != reason.purpose();
    let purpose = stored.iter().find_map(|(_, record)| record.purpose.filter(other))?;
    let of_purpose = stored.iter().filter(|(_, record)| record.purpose == Some(purpose));
    Some((purpose, Counts::of(of_purpose.map(|(_, record)| Some(record)))))
}

pub(super) fn is_finished(record: Option<&Record>) -> bool {
    record.is_some_and(Record::is_finished)
}

/// Whether one handler is a sub-handler of another, at any level.
pub fn is_below(id: &str, parent: &str) -> bool {
    id.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
}
