//! What is left to be done where the object has become another one than its handlers saw.

use super::{Cycle, Setup, settle::is_below};
use crate::{
    Reason,
    body::Body,
    diff::{Diff, diff},
    filter::Facts,
    progress::{Progress, Record},
    task::Task,
};
use jiff::Timestamp;
use serde_json::Value;

impl Cycle {
    /// The handlers that have seen a later essence than the one that becomes the diff-base. They are called once more,
    /// also if that is taken back before anybody looks again, and nothing differs then.
    ///
    /// What a handler has made of a later essence that isn't one of updates itself, is for all that are.
    pub(super) fn owed(&self, setup: &Setup, current: &Progress, body: &Body, now: Timestamp) -> Progress {
        let Some(basis) = &self.basis else { return Progress::default() };
        let old = basis.clone().known(&self.new).unwrap_or(Value::Null);
        let diff = basis.diff(&self.new);
        let facts = Facts { body, reason: Some(Reason::Update), old: &old, new: &self.new, diff: &diff };
        let later = || current.iter().filter(|(_, record)| record.later).map(|(id, _)| id);
        let updates = || setup.tasks.iter().filter(|task| task.is_for_updates());
        let others = later().any(|id| !updates().any(|task| is_of(task, id)));
        let owes = |task: &&Task| later().any(|id| is_of(task, id)) || (others && task.concerns(&facts));
        updates().filter(owes).fold(Progress::default(), |owed, task| {
            owed.with(task.id.clone(), Record::owed(now, Reason::Update))
        })
    }

    /// Whether the object that is being deleted has become one that other handlers of deletions are for.
    pub(super) fn is_wanted(&self, setup: &Setup, body: &Body) -> bool {
        if self.reason != Reason::Delete {
            return false;
        }
        let (old, new) = (self.old.as_deref().unwrap_or(&Value::Null), setup.essence(body));
        let diff = if new == *self.new { Diff::clone(&self.diff) } else { diff(old, &new) };
        let facts = Facts { body, reason: Some(self.reason), old, new: &new, diff: &diff };
        let is_called = |task: &Task| self.tasks.iter().any(|at| setup.tasks[*at].id == task.id);
        setup.tasks.iter().any(|task| task.keeps(&facts) && !is_called(task))
    }

    /// What is on record when all handlers begin anew: those that have seen something are to be called, whatever differs
    /// by then.
    pub(super) fn anew(&self, setup: &Setup, progress: &Progress, now: Timestamp) -> Progress {
        let ids = self.tasks.iter().map(|at| &setup.tasks[*at].id);
        let seen = ids.filter(|id| progress.get(id).is_some_and(Record::has_seen));
        seen.fold(Progress::default(), |anew, id| anew.with(id.clone(), Record::owed(now, self.reason)))
    }
}

/// Whether an id is a handler's, or that of one of its sub-handlers.
fn is_of(task: &Task, id: &str) -> bool {
    id == task.id || is_below(id, &task.id)
}
