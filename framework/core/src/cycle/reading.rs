//! Reading of an object: its essence, diff-base and progress, decoded once for each version.

use super::Setup;
use crate::{
    Reason,
    body::Body,
    cause::Past,
    diff::{Diff, diff},
    filter::{ChangeInput, FilterInput},
    patch::Edits,
    progress::{Progress, UnreadableEntry},
    storage::{Essences, Storage, StoredEssence, StoredFor},
};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// One version of an object, decoded for planning.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The object.
    pub body: Body,
    /// The essence that was handled last; none while the object is new, and where it isn't known
    /// ([`Diff::is_unknown`]).
    pub old: Option<Arc<Value>>,
    /// The object's essence.
    pub new: Arc<Value>,
    /// From `old` to `new`.
    pub diff: Diff,
    /// Whether the object has a diff-base.
    pub handled: bool,
    /// Whose state is on it.
    pub stored_for: StoredFor,
    /// The records of all handlers and their sub-handlers.
    pub(super) stored: Progress,
    /// The essence that the first handler to finish saw: the next diff-base.
    pub(super) pending: Option<StoredEssence>,
    unreadable: Vec<UnreadableEntry>,
}

impl Reading {
    /// Decodes an object; `now` is the start of records that have none.
    pub fn of<I>(setup: &Setup<I>, body: Body, now: Timestamp) -> Self {
        let storage = &setup.storage;
        let new = Arc::new(setup.essence(&body));
        let Essences { diff_base: base, pending, mut unreadable } = storage.read_essences(&body, Some(&new));
        let stored = setup.progress(&body, now);
        unreadable.extend(stored.unreadable().cloned());
        Self {
            handled: base.is_some(),
            stored_for: storage.stored_for(&body),
            diff: base.as_ref().map_or_else(|| diff(&Value::Null, &new), |base| base.diff(&new)),
            old: base.and_then(|base| base.known(&new)),
            pending,
            new,
            stored,
            unreadable,
            body,
        }
    }

    /// Calls handlers though they aren't due.
    pub fn hasten<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) {
        self.stored = std::mem::take(&mut self.stored).hastened(ids);
    }

    /// The ids of the handlers, and of the sub-handlers, that wait for their next attempt.
    pub fn waiting(&self) -> impl Iterator<Item = &str> {
        self.stored.waiting()
    }

    /// Whether no handler is retried because it has failed: those that are called again have said that they wait.
    pub fn is_patient(&self) -> bool {
        self.stored.is_patient()
    }

    /// The edits that remove the operator's state from the object.
    pub fn erasure(&self, storage: &Storage) -> Edits {
        let mut edits = Edits::default();
        edits.set_closing(storage.part());
        edits.store(storage.write_progress(&self.body, &self.stored, &Progress::default()));
        edits.store(storage.erase_essences(&self.body));
        edits
    }

    /// Whether nothing of the operator's state is on the object.
    pub fn is_blank(&self) -> bool {
        !self.handled && self.pending.is_none() && self.stored.is_empty() && self.unreadable.is_empty()
    }

    /// Entries on the object that can't be decoded, and so count as absent.
    pub fn unreadable(&self) -> &[UnreadableEntry] {
        &self.unreadable
    }

    pub(super) fn past(&self) -> Past {
        let mut records = self.stored.iter().map(|(_, record)| record);
        Past {
            handled: self.handled,
            changed: !self.diff.is_empty(),
            begun: records.any(|record| record.purpose.is_none_or(|purpose| purpose == Reason::Update)),
        }
    }

    pub(super) fn filter_input(&self, reason: Reason) -> FilterInput<'_> {
        let change = ChangeInput { reason, old: self.old.as_ref(), new: &self.new, diff: &self.diff };
        FilterInput { body: &self.body, change: Some(change) }
    }
}
