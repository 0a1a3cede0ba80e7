//! Progress of handlers on one object: stored on the object, so that a restart loses nothing.

mod counts;
mod record;
#[cfg(test)]
pub(crate) mod tests;

pub use counts::Counts;
pub(crate) use record::to_micros;
pub use record::{MESSAGE_LIMIT, Record};

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// An entry on an object that can't be decoded, and so counts as absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableEntry {
    /// The annotation, or the path in the status.
    pub path: String,
    /// The error.
    pub reason: String,
}

impl fmt::Display for UnreadableEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is ignored, since it can't be read: {}", self.path, self.reason)
    }
}

/// The records of one object, by handler id. Changes return a new value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    records: BTreeMap<String, Record>,
    unreadable: BTreeMap<String, Vec<UnreadableEntry>>,
}

impl Progress {
    /// One handler's record.
    pub fn get(&self, id: &str) -> Option<&Record> {
        self.records.get(id)
    }

    /// All records, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Record)> {
        self.records.iter().map(|(id, record)| (id.as_str(), record))
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Adds a record, or replaces the handler's former one.
    #[must_use]
    pub fn with(mut self, id: impl Into<String>, record: Record) -> Self {
        self.records.insert(id.into(), record);
        self
    }

    /// With the records of these handlers, and of their sub-handlers, due at once.
    #[must_use]
    pub fn hastened<'a>(mut self, ids: impl IntoIterator<Item = &'a str>) -> Self {
        for id in ids {
            let subs = self.records.get(id).map(|record| record.subrefs.clone()).unwrap_or_default();
            for id in subs.iter().map(String::as_str).chain([id]) {
                if let Some(record) = self.records.get_mut(id) {
                    record.delayed = None;
                }
            }
        }
        self
    }

    /// The ids of the handlers, and of the sub-handlers, that wait for their next attempt.
    pub fn waiting(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|(_, record)| record.delayed.is_some() && !record.is_finished()).map(|(id, _)| id)
    }

    /// Whether all handlers that aren't finished have said that they wait, or wait for sub-handlers that have.
    pub fn is_patient(&self) -> bool {
        let mut unfinished = self.records.values().filter(|record| !record.is_finished());
        unfinished.all(|record| record.waits || record.message.is_none())
    }

    /// Without the records of handlers that have failed permanently.
    #[must_use]
    pub fn without_failures(&self) -> Self {
        self.filtered(|record| !record.failure)
    }

    /// Without the records of handlers that have rejected the object.
    #[must_use]
    pub fn without_rejections(&self) -> Self {
        self.filtered(|record| !record.rejected)
    }

    fn filtered(&self, keep: impl Fn(&Record) -> bool) -> Self {
        let mut left = self.clone();
        left.records.retain(|_, record| keep(record));
        left
    }

    /// Without the messages of errors.
    #[must_use]
    pub fn without_messages(&self) -> Self {
        let mut bare = self.clone();
        bare.records.values_mut().for_each(|record| record.message = None);
        bare
    }

    /// Adds the records of `newer`, or replaces the same handlers' former ones.
    #[must_use]
    pub fn updated(&self, newer: &Self) -> Self {
        newer.iter().fold(self.clone(), |progress, (id, record)| progress.with(id, record.clone()))
    }

    /// The entries that were found on the object but can't be decoded. Their handlers start again.
    pub fn unreadable(&self) -> impl Iterator<Item = &UnreadableEntry> {
        self.unreadable.values().flatten()
    }

    pub(super) fn with_unreadable(mut self, id: &str, found: Vec<UnreadableEntry>) -> Self {
        if !found.is_empty() {
            self.unreadable.insert(id.to_owned(), found);
        }
        self
    }

    /// The ids of all handlers with a record, and of their sub-handlers.
    fn ids(&self) -> BTreeSet<&str> {
        let subrefs = self.records.values().flat_map(|record| &record.subrefs);
        self.records.keys().chain(subrefs).map(String::as_str).collect()
    }

    /// The ids whose records `new` no longer has, and which are erased.
    ///
    /// Unreadable entries are erased too, once their handler has no record.
    pub(super) fn dropped_in<'a>(&'a self, new: &Self) -> Vec<&'a str> {
        let kept = new.ids();
        let mut ids = self.ids();
        ids.extend(self.unreadable.keys().map(String::as_str));
        ids.into_iter().filter(|id| !kept.contains(id)).collect()
    }

    /// The records of `new` that aren't the same here.
    pub(super) fn changed_in<'a>(&self, new: &'a Self) -> impl Iterator<Item = (&'a str, &'a Record)> {
        new.iter().filter(|(id, record)| self.get(id) != Some(*record))
    }
}
