//! Record of one handler's attempts on one object.

use crate::Reason;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The limit of an error's message in a record, in bytes.
///
/// All annotations of an object share 256 KiB, and each byte of other scripts than ASCII takes three in JSON as Python
/// writes it. Kopf stores the whole message.
pub const MESSAGE_LIMIT: usize = 1024;

/// The attempts of one handler on one object so far.
///
/// Times are precise to the microsecond, as in Python.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When the first attempt began; a handler's timeout counts from here.
    pub started: Timestamp,
    /// When the last attempt ended, if the handler has succeeded or failed permanently.
    pub stopped: Option<Timestamp>,
    /// When the next attempt is due; none if it is due at once.
    pub delayed: Option<Timestamp>,
    /// The reason for which the handler was called; none in records of unknown purposes, which count for any.
    pub purpose: Option<Reason>,
    /// The number of attempts so far.
    pub retries: u32,
    /// Whether it has succeeded.
    pub success: bool,
    /// Whether it has failed permanently.
    pub failure: bool,
    /// The last error.
    pub message: Option<String>,
    /// The ids of its sub-handlers, of all levels.
    pub subrefs: BTreeSet<String>,
    /// Whether it has rejected the object: an argument could not be made of it, and the handler fails permanently until
    /// the object changes. Kopf ignores this.
    pub rejected: bool,
    /// Whether it hasn't failed in its last attempt, but waits for what the message says. Kopf ignores this.
    pub waits: bool,
    /// Whether it has seen a newer essence than the one that becomes the diff-base. Kopf ignores this.
    pub saw_newer: bool,
}

impl Record {
    /// A handler before its first attempt.
    pub fn new(started: Timestamp, purpose: Reason) -> Self {
        Self {
            started: to_micros(started),
            stopped: None,
            delayed: None,
            purpose: Some(purpose.purpose()),
            retries: 0,
            success: false,
            failure: false,
            message: None,
            subrefs: BTreeSet::new(),
            rejected: false,
            waits: false,
            saw_newer: false,
        }
    }

    /// A handler that is called again even if nothing differs: it has seen another essence than the diff-base.
    pub fn owed(now: Timestamp, purpose: Reason) -> Self {
        Self { saw_newer: true, ..Self::new(now, purpose) }
    }

    /// Whether an attempt has seen the object, which may have changed since. One that rejected it hasn't.
    pub fn has_seen(&self) -> bool {
        self.saw_newer || (self.retries > 0 && !self.rejected)
    }

    /// Whether it has succeeded or failed permanently, and needs no further attempt.
    pub fn is_finished(&self) -> bool {
        self.success || self.failure
    }

    /// When the next attempt is due: in the past if at once, none if there is none.
    pub fn next_due(&self) -> Option<Timestamp> {
        (!self.is_finished()).then(|| self.delayed.unwrap_or(self.started))
    }

    /// After an attempt that succeeded.
    #[must_use]
    pub fn succeeded(self, now: Timestamp) -> Self {
        Self { success: true, failure: false, ..self.attempted(Some(now), None, None) }
    }

    /// After an attempt that failed permanently.
    #[must_use]
    pub fn failed(self, now: Timestamp, message: &str) -> Self {
        Self { success: false, failure: true, ..self.attempted(Some(now), None, Some(message)) }
    }

    /// After an attempt that rejected the object.
    #[must_use]
    pub fn rejected(self, now: Timestamp, message: &str) -> Self {
        Self { rejected: true, ..self.failed(now, message) }
    }

    /// After an attempt that is retried: not before `due`, or at once.
    #[must_use]
    pub fn postponed(self, due: Option<Timestamp>, message: Option<&str>) -> Self {
        Self { success: false, failure: false, ..self.attempted(None, due, message) }
    }

    /// After an attempt in which it waits for something: not before `due`.
    #[must_use]
    pub fn waiting(self, due: Timestamp, message: &str) -> Self {
        Self { waits: true, ..self.postponed(Some(due), Some(message)) }
    }

    /// Whether it is known to wait for this.
    pub fn waits_for(&self, message: &str) -> bool {
        self.waits && self.message.as_deref() == Some(&*shortened(message))
    }

    fn attempted(self, stopped: Option<Timestamp>, due: Option<Timestamp>, message: Option<&str>) -> Self {
        Self {
            // The first end counts, as in Kopf.
            stopped: self.stopped.or(stopped.map(to_micros)),
            delayed: due.map(to_micros),
            retries: self.retries.saturating_add(1),
            message: message.map(shortened),
            rejected: false,
            waits: false,
            ..self
        }
    }

    /// Adds sub-handlers.
    #[must_use]
    pub fn with_subrefs<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.subrefs.extend(ids.into_iter().map(Into::into));
        self
    }
}

pub(crate) fn to_micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

fn shortened(message: &str) -> String {
    if message.len() <= MESSAGE_LIMIT {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(MESSAGE_LIMIT - '…'.len_utf8());
    format!("{}…", &message[..end])
}
