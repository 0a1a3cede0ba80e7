//! Calls owed to handlers because the object has changed since they saw it.

use super::{
    Setup,
    handling::{Cycle, is_below},
};
use crate::{
    Reason,
    body::Body,
    diff::diff,
    filter::{ChangeInput, FilterInput},
    handler::{ChangeHandler, FilterFailed},
    progress::{Progress, Record},
};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

impl Cycle {
    /// The handlers that have seen a later essence than the next diff-base. They are called once more, even if that
    /// essence is reverted before the next turn, and nothing differs by then.
    ///
    /// If any other handler has seen a later essence, all update handlers are owed a call. And so are those that match the
    /// change to the next diff-base but weren't called for it, since it was reverted before their turn: it may have been
    /// made again.
    pub(super) fn owed<I>(
        &self,
        setup: &Setup<I>,
        current: &Progress,
        body: &Body,
        now: Timestamp,
    ) -> Result<Progress, FilterFailed> {
        let Some(pending) = &self.pending else { return Ok(Progress::default()) };
        let old = pending.clone().known(&self.new);
        let diff = pending.diff(&self.new);
        let change = ChangeInput { reason: Reason::Update, old: old.as_ref(), new: &self.new, diff: &diff };
        let input = FilterInput { body, change: Some(change) };
        let later = || current.iter().filter(|(_, record)| record.saw_newer).map(|(id, _)| id);
        let updates = || setup.handlers.iter().filter(|handler| handler.is_for_updates());
        let others = later().any(|id| !updates().any(|handler| is_of(handler, id)));
        let mut owed = Progress::default();
        for handler in updates() {
            if later().any(|id| is_of(handler, id))
                || (others && handler.concerns(&input)?)
                || self.has_missed(handler, current, body, old.as_ref())?
            {
                owed = owed.with(handler.id.clone(), Record::owed(now, Reason::Update));
            }
        }
        Ok(owed)
    }

    /// Whether a handler matches the change to the next diff-base and wasn't called for it.
    fn has_missed<I>(
        &self,
        handler: &ChangeHandler<I>,
        current: &Progress,
        body: &Body,
        next: Option<&Arc<Value>>,
    ) -> Result<bool, FilterFailed> {
        let Some(next) = next.filter(|_| current.get(&handler.id).is_none()) else { return Ok(false) };
        let to_next = diff(self.old.as_deref().unwrap_or(&Value::Null), next);
        let change =
            ChangeInput { reason: Reason::Update, old: self.old.as_ref(), new: next, diff: &to_next };
        handler.is_called(Reason::Update, false, None, &FilterInput { body, change: Some(change) })
    }

    /// Whether further delete handlers match the object since its deletion began.
    pub(super) fn is_wanted<I>(&self, setup: &Setup<I>, body: &Body) -> Result<bool, FilterFailed> {
        if self.reason != Reason::Delete {
            return Ok(false);
        }
        let (old, new) = (self.old.as_ref(), Arc::new(setup.essence(body)));
        let diff =
            if new == self.new { self.diff.clone() } else { diff(old.map_or(&Value::Null, |old| old), &new) };
        let change = ChangeInput { reason: self.reason, old, new: &new, diff: &diff };
        let input = FilterInput { body, change: Some(change) };
        let is_called = |id: &str| self.called.iter().any(|index| setup.handlers[*index].id == id);
        setup.any(|handler| Ok(!is_called(&handler.id) && handler.needs_finalizer(&input)?))
    }

    /// The records after a restart of the cycle: handlers that have run are called again, even if nothing differs by
    /// then.
    pub(super) fn restarted<I>(&self, setup: &Setup<I>, progress: &Progress, now: Timestamp) -> Progress {
        let ids = self.called.iter().map(|index| &setup.handlers[*index].id);
        let seen = ids.filter(|id| progress.get(id).is_some_and(Record::has_seen));
        seen.fold(Progress::default(), |restarted, id| {
            restarted.with(id.clone(), Record::owed(now, self.reason))
        })
    }
}

/// Whether an id is a handler's, or that of one of its sub-handlers.
fn is_of<I>(handler: &ChangeHandler<I>, id: &str) -> bool {
    id == handler.id || is_below(id, &handler.id)
}
