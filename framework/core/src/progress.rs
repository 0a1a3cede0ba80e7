//! What is known of each handler's attempts: kept on the object, so that a restart loses nothing.
//!
//! The JSON is Kopf's, byte for byte (`ProgressRecord` in `kopf/_cogs/configs/progress.py`), so that either
//! operator goes on where the other one stopped.

mod json;
#[cfg(test)]
mod tests;

use super::Reason;
use jiff::Timestamp;
use std::{collections::BTreeMap, collections::BTreeSet, fmt};

/// The most bytes of an error's message that a record keeps.
///
/// All annotations of an object share 256 KiB (Kubernetes' `TotalAnnotationSizeLimitB`), and each byte of
/// other scripts than ASCII takes three in JSON as Python writes it. Kopf keeps the whole message.
pub const MESSAGE_LIMIT: usize = 1024;

/// What is known of one handler's attempts on one object.
///
/// Times are kept to the microsecond, as Python has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When the first attempt began; a handler's timeout counts from here.
    pub started: Timestamp,
    /// When the last attempt ended, if the handler has succeeded or failed for good.
    pub stopped: Option<Timestamp>,
    /// When the next attempt is due; none: at once.
    pub delayed: Option<Timestamp>,
    /// What the handler was called for; none in records of unknown purposes, which count for any.
    pub purpose: Option<Reason>,
    /// The attempts so far.
    pub retries: u32,
    /// Whether it has succeeded.
    pub success: bool,
    /// Whether it has failed for good.
    pub failure: bool,
    /// The last error.
    pub message: Option<String>,
    /// The ids of its sub-handlers, of all levels.
    pub subrefs: BTreeSet<String>,
    /// Whether it has failed for good because it could not read the object. Kopf takes no notice of it.
    pub refused: bool,
    /// Whether it has seen a later essence than the one that is to count as handled. Kopf takes no notice of it.
    pub later: bool,
}

impl Record {
    /// A handler that is about to be tried for the first time.
    pub fn new(started: Timestamp, purpose: Reason) -> Self {
        Self {
            started: to_micros(started),
            stopped: None,
            delayed: None,
            purpose: Some(purpose),
            retries: 0,
            success: false,
            failure: false,
            message: None,
            subrefs: BTreeSet::new(),
            refused: false,
            later: false,
        }
    }

    /// A handler that is to be called though nothing may differ: it has seen another essence than the one that counts
    /// as handled.
    pub fn owed(now: Timestamp, purpose: Reason) -> Self {
        Self { later: true, ..Self::new(now, purpose) }
    }

    /// Whether an attempt may have seen what isn't there any more. One that could not read the object saw nothing.
    pub fn has_seen(&self) -> bool {
        self.later || (self.retries > 0 && !self.refused)
    }

    /// Whether it needs no further attempt: it has succeeded or failed for good.
    pub fn is_finished(&self) -> bool {
        self.success || self.failure
    }

    /// When it is to be tried next: in the past if at once, none if never again.
    pub fn next_due(&self) -> Option<Timestamp> {
        (!self.is_finished()).then(|| self.delayed.unwrap_or(self.started))
    }

    /// After an attempt that succeeded.
    #[must_use]
    pub fn succeeded(self, now: Timestamp) -> Self {
        Self { success: true, failure: false, ..self.attempted(Some(now), None, None) }
    }

    /// After an attempt that failed for good.
    #[must_use]
    pub fn failed(self, now: Timestamp, message: &str) -> Self {
        Self { success: false, failure: true, ..self.attempted(Some(now), None, Some(message)) }
    }

    /// After an attempt that failed for good because it could not read the object.
    #[must_use]
    pub fn refused(self, now: Timestamp, message: &str) -> Self {
        Self { refused: true, ..self.failed(now, message) }
    }

    /// After an attempt that is to be repeated: not before `due`, or at once.
    #[must_use]
    pub fn postponed(self, due: Option<Timestamp>, message: Option<&str>) -> Self {
        Self { success: false, failure: false, ..self.attempted(None, due, message) }
    }

    fn attempted(self, stopped: Option<Timestamp>, due: Option<Timestamp>, message: Option<&str>) -> Self {
        Self {
            // The first end counts, as in Kopf.
            stopped: self.stopped.or(stopped.map(to_micros)),
            delayed: due.map(to_micros),
            retries: self.retries.saturating_add(1),
            message: message.map(shortened),
            refused: false,
            ..self
        }
    }

    /// With these sub-handlers besides those known.
    #[must_use]
    pub fn with_subrefs<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.subrefs.extend(ids.into_iter().map(Into::into));
        self
    }
}

fn to_micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

fn shortened(message: &str) -> String {
    if message.len() <= MESSAGE_LIMIT {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(MESSAGE_LIMIT - '…'.len_utf8());
    format!("{}…", &message[..end])
}

/// Something stored on the object that can't be read, and so counts as absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The annotation, or the path in the status.
    pub place: String,
    /// Why it can't be read.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is ignored, since it can't be read: {}", self.place, self.reason)
    }
}

/// How many handlers have got how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Done.
    pub succeeded: usize,
    /// Failed for good.
    pub failed: usize,
    /// To be tried, or tried again.
    pub running: usize,
}

impl Counts {
    /// Counts handlers by their records; one without a record is still to be called.
    pub fn of<'a>(records: impl Iterator<Item = Option<&'a Record>>) -> Self {
        records.fold(Self::default(), |mut counts, record| {
            match record {
                Some(record) if record.success => counts.succeeded += 1,
                Some(record) if record.failure => counts.failed += 1,
                _ => counts.running += 1,
            }
            counts
        })
    }
}

/// The records of one object, by handler id. Changes give a new value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    records: BTreeMap<String, Record>,
    unreadable: BTreeMap<String, Vec<Unreadable>>,
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

    /// The number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// With this record in the place of the handler's former one.
    #[must_use]
    pub fn with(mut self, id: impl Into<String>, record: Record) -> Self {
        self.records.insert(id.into(), record);
        self
    }

    /// Without the handler's record.
    #[must_use]
    pub fn without(mut self, id: &str) -> Self {
        self.records.remove(id);
        self
    }

    /// Without the records of other purposes; one without a purpose counts for any.
    ///
    /// Kopf takes a record of another purpose over if the same handler is to run now, and so doesn't call a
    /// handler of creations and deletions for the deletion once its creation has succeeded.
    #[must_use]
    pub fn for_purpose(mut self, reason: Reason) -> Self {
        self.records.retain(|_, record| record.purpose.is_none_or(|purpose| purpose == reason));
        self
    }

    /// Without the records of handlers that have failed for good.
    #[must_use]
    pub fn without_failures(&self) -> Self {
        let mut left = self.clone();
        left.records.retain(|_, record| !record.failure);
        left
    }

    /// Without the records of handlers that could not read the object.
    #[must_use]
    pub fn without_refusals(&self) -> Self {
        let mut left = self.clone();
        left.records.retain(|_, record| !record.refused);
        left
    }

    /// The records of other purposes than this one.
    #[must_use]
    pub fn of_others(&self, reason: Reason) -> Self {
        let mut left = self.clone();
        left.records.retain(|_, record| record.purpose.is_some_and(|purpose| purpose != reason));
        left
    }

    /// The same without the messages of errors.
    #[must_use]
    pub fn without_messages(&self) -> Self {
        let mut terse = self.clone();
        terse.records.values_mut().for_each(|record| record.message = None);
        terse
    }

    /// With the records of `newer`, in the place of the same handlers' former ones.
    #[must_use]
    pub fn updated(&self, newer: &Self) -> Self {
        newer.iter().fold(self.clone(), |progress, (id, record)| progress.with(id, record.clone()))
    }

    /// The purposes of the records.
    pub fn purposes(&self) -> BTreeSet<Reason> {
        self.records.values().filter_map(|record| record.purpose).collect()
    }

    /// When the first of the unfinished handlers is due; none if all are finished.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.records.values().filter_map(Record::next_due).min()
    }

    /// Whether every record is of a finished handler; true where there is none.
    pub fn is_finished(&self) -> bool {
        self.records.values().all(Record::is_finished)
    }

    /// How many handlers have got how far.
    pub fn counts(&self) -> Counts {
        Counts::of(self.records.values().map(Some))
    }

    /// What was found on the object but couldn't be read, to be warned of. Such handlers start anew.
    pub fn unreadable(&self) -> impl Iterator<Item = &Unreadable> {
        self.unreadable.values().flatten()
    }

    pub(super) fn with_unreadable(mut self, id: &str, found: Vec<Unreadable>) -> Self {
        if !found.is_empty() {
            self.unreadable.insert(id.to_owned(), found);
        }
        self
    }

    /// The ids of all that these records stand for, sub-handlers included.
    fn ids(&self) -> BTreeSet<&str> {
        let subrefs = self.records.values().flat_map(|record| &record.subrefs);
        self.records.keys().chain(subrefs).map(String::as_str).collect()
    }

    /// The ids whose records `new` no longer has, and which are to be erased.
    ///
    /// What couldn't be read goes too, once its handler has no record.
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
