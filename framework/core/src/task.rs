//! A handler, as far as planning goes: when it is called, for which objects, and how often it is tried.

use super::{
    Reason,
    filter::{Facts, Filter},
    progress::Record,
    retry::Limits,
};
use crate::error::panic_text;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

/// What calls a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trigger {
    /// A creation.
    Create,
    /// An update; where the handler is for a field, one of that field.
    Update,
    /// A deletion.
    Delete {
        /// The object isn't kept for it: the handler is called only if something else keeps the object.
        optional: bool,
        /// A handler that failed for good doesn't keep the object.
        lets_go: bool,
    },
    /// The operator sees the object for the first time since it was started, and it was handled before. It is
    /// called for a deletion only if it says so, and never for a creation.
    Resume {
        /// For deletions, too.
        deleted: bool,
    },
    /// A change of the handler's field, for whatever reason.
    Field,
    /// Every event of the watch, the initial listing and our own writes included, but for those of handlers of events;
    /// outside of all cycles.
    Event,
}

impl Trigger {
    /// The name in lists: `create`, `field`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete { .. } => "delete",
            Self::Resume { .. } => "resume",
            Self::Field => "field",
            Self::Event => "event",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A handler, as far as planning goes.
#[derive(Clone, Debug)]
pub struct Task {
    /// The handler's id.
    pub id: String,
    /// What calls it.
    pub on: Trigger,
    /// The objects and changes that it is for.
    pub filter: Filter,
    /// How long and how often it is tried.
    pub limits: Limits,
}

/// What a panic in a handler's filter becomes.
#[derive(Debug)]
pub struct FilterPanic {
    handler: String,
    message: String,
}

impl fmt::Display for FilterPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the filter of handler '{}' panicked: {}", self.handler, self.message)
    }
}

/// Asks a handler's filter.
///
/// # Panics
/// With a [`FilterPanic`], if a condition of the filter panics: it says which handler's it is.
pub fn ask(handler: &str, filter: impl FnOnce() -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(filter)).unwrap_or_else(|panic| {
        let message = panic_text(panic.as_ref()).to_owned();
        resume_unwind(Box::new(FilterPanic { handler: handler.to_owned(), message }))
    })
}

impl Task {
    /// Whether the object is one that the handler is for, whatever has happened to it.
    pub fn concerns(&self, facts: &Facts<'_>) -> bool {
        ask(&self.id, || self.filter.concerns(facts))
    }

    /// Whether the object may not go before the handler was called.
    pub fn keeps(&self, facts: &Facts<'_>) -> bool {
        matches!(self.on, Trigger::Delete { optional: false, .. }) && self.concerns(facts)
    }

    /// Whether the object may not go after the handler has failed for good. Only handlers of deletions keep it.
    pub fn holds(&self) -> bool {
        matches!(self.on, Trigger::Delete { optional: false, lets_go: false })
    }

    /// Whether updates call it.
    pub fn is_for_updates(&self) -> bool {
        matches!(self.on, Trigger::Update | Trigger::Field)
    }

    /// Whether the handler is called; `initial`: the object is seen for the first time since the start; `begun`: an
    /// attempt for this reason is on record, which may have seen a change that was taken back since.
    pub fn is_called(&self, reason: Reason, initial: bool, begun: bool, facts: &Facts<'_>) -> bool {
        let (by_reason, changing) = match self.on {
            Trigger::Create => (reason == Reason::Create, false),
            Trigger::Update => (reason == Reason::Update, true),
            Trigger::Delete { .. } => (reason == Reason::Delete, false),
            Trigger::Resume { deleted } => {
                let possible = reason != Reason::Create && (reason != Reason::Delete || deleted);
                (initial && possible, false)
            }
            Trigger::Field => (true, true),
            Trigger::Event => (false, false),
        };
        by_reason && (begun || ask(&self.id, || self.filter.selects(facts, changing)))
    }

    /// Whether a record is of the handling that is at hand. Resuming is mixed into other handling, and goes on
    /// there.
    pub fn goes_on_with(&self, record: &Record, reason: Reason) -> bool {
        let resumes = matches!(self.on, Trigger::Resume { .. }) && record.purpose == Some(Reason::Resume);
        resumes || record.purpose.is_none_or(|purpose| purpose == reason)
    }
}
