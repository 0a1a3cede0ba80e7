//! What the core knows of one kind of objects.

use crate::{
    Reason,
    body::Body,
    diff::Field,
    essence::essence,
    filter::Facts,
    progress::{Progress, Record, Unreadable},
    storage::Storage,
    task::Task,
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

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
    pub(super) fn called(
        &self,
        reason: Reason,
        initial: bool,
        stored: &Progress,
        facts: &Facts<'_>,
    ) -> Vec<usize> {
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
    pub(super) fn progress(&self, body: &Body, now: Timestamp) -> Progress {
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
