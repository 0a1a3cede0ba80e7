//! Setup of one kind: its change handlers, and the storage of their progress.

use crate::{
    Reason,
    body::Body,
    essence::essence,
    filter::FilterInput,
    handler::{ChangeHandler, FilterFailed},
    progress::{Progress, Record},
    storage::Storage,
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// One kind's change handlers, and the storage of their progress.
#[derive(Clone, Debug)]
pub struct Setup<I = ()> {
    /// The storage of progress, diff-base and finalizer on the object.
    pub storage: Storage,
    /// The change handlers, in the order in which they are called.
    pub handlers: Vec<ChangeHandler<I>>,
    /// A cycle calls only the first of the handlers that are due; then the progress is stored.
    pub one_at_a_time: bool,
}

impl<I> Setup<I> {
    /// The user's part of an object: the usual essence, and the fields that handlers name.
    pub fn essence(&self, body: &Body) -> Value {
        essence(body, &self.storage, self.handlers.iter().filter_map(|handler| handler.filter.field.as_ref()))
    }

    /// Whether a predicate holds for any of the handlers.
    pub(super) fn any(
        &self,
        mut predicate: impl FnMut(&ChangeHandler<I>) -> Result<bool, FilterFailed>,
    ) -> Result<bool, FilterFailed> {
        for handler in &self.handlers {
            if predicate(handler)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The handlers that a change calls, by their indices. Handlers with the same id are one handler with several triggers
    /// (creation and resumption, for example) and share a record: only the first one is called.
    pub(super) fn called(
        &self,
        reason: Reason,
        resumed: bool,
        stored: &Progress,
        input: &FilterInput<'_>,
    ) -> Result<Vec<usize>, FilterFailed> {
        let of_reason = |record: &&Record| record.purpose.is_none_or(|purpose| purpose == reason.purpose());
        let record = |id: &str| stored.get(id).filter(of_reason);
        let (mut ids, mut called) = (BTreeSet::new(), Vec::new());
        for (index, handler) in self.handlers.iter().enumerate() {
            if handler.is_called(reason, resumed, record(&handler.id), input)? && ids.insert(&handler.id) {
                called.push(index);
            }
        }
        Ok(called)
    }

    /// The records of all handlers, and of all sub-handlers that they name.
    pub(super) fn progress(&self, body: &Body, now: Timestamp) -> Progress {
        let mut read: BTreeSet<String> = self.handlers.iter().map(|handler| handler.id.clone()).collect();
        let mut progress = self.storage.read_progress(body, read.iter().map(String::as_str), now);
        loop {
            let named = progress.iter().flat_map(|(_, record)| record.subrefs.iter().cloned());
            let unread: Vec<_> = named.filter(|id| read.insert(id.clone())).collect();
            if unread.is_empty() {
                return progress;
            }
            let more = self.storage.read_progress(body, unread.iter().map(String::as_str), now);
            progress = progress.updated(&more);
        }
    }
}
