//! Change handler, for planning: what it is called on, its filter, its limits.

use super::{
    Reason,
    filter::{Filter, FilterInput},
    progress::Record,
    retry::Limits,
};
use crate::error::panic_text;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// What a change handler is called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnChange {
    /// A creation.
    Create,
    /// An update; where the handler is for a field, one of that field.
    Update,
    /// A deletion.
    Delete {
        /// The object gets no finalizer for it: the handler is called only if something else keeps the object.
        optional: bool,
        /// The object isn't kept after the handler has failed permanently.
        release_on_failure: bool,
    },
    /// A turn of an object that was handled before, in which nothing else is to be done, and the first one since the
    /// operator's start: never for a creation.
    Resume {
        /// Also for an object that is being deleted.
        deleted: bool,
        /// Again after each such time.
        resync: Option<Duration>,
    },
    /// A change of the handler's field, for whatever reason.
    Field,
}

impl OnChange {
    /// The name in lists: `create`, `field`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete { .. } => "delete",
            Self::Resume { .. } => "resume",
            Self::Field => "field",
        }
    }
}

impl fmt::Display for OnChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change handler, as far as planning goes.
#[derive(Clone, Debug)]
pub struct ChangeHandler<I = ()> {
    /// The handler's id.
    pub id: String,
    /// What it is called on.
    pub on: OnChange,
    /// The objects and changes that it is for.
    pub filter: Filter,
    /// The limits of its attempts.
    pub limits: Limits,
    /// Calls it: the runtime's business, opaque to the core.
    pub invoke: I,
}

/// A handler's filter can't be evaluated: which handler's, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterFailed {
    handler: String,
    message: String,
}

impl fmt::Display for FilterFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the filter of handler '{}' {}", self.handler, self.message)
    }
}

/// Evaluates the filter of the handler with this id.
///
/// # Errors
/// A condition of the filter panicked, or can't be asked for this object.
pub fn evaluate(handler: &str, filter: impl FnOnce() -> Result<bool, String>) -> Result<bool, FilterFailed> {
    evaluate_with(handler, filter)
}

/// The same, for what isn't said by yes or no.
///
/// # Errors
/// A condition of the filter panicked, or can't be asked for this object.
pub fn evaluate_with<T>(
    handler: &str,
    filter: impl FnOnce() -> Result<T, String>,
) -> Result<T, FilterFailed> {
    let message = match catch_unwind(AssertUnwindSafe(filter)) {
        Ok(Ok(holds)) => return Ok(holds),
        Ok(Err(why)) => format!("can't be evaluated: {why}"),
        Err(panic) => format!("panicked: {}", panic_text(panic.as_ref())),
    };
    Err(FilterFailed { handler: handler.to_owned(), message })
}

impl<I> ChangeHandler<I> {
    /// Whether the handler is for this object, whatever has happened to it.
    ///
    /// # Errors
    /// Its filter can't be evaluated; as for all that evaluate it.
    pub fn concerns(&self, input: &FilterInput<'_>) -> Result<bool, FilterFailed> {
        evaluate(&self.id, || self.filter.concerns(input))
    }

    /// Whether the object needs the finalizer for this handler, so that it isn't gone before the handler was called.
    ///
    /// # Errors
    /// Its filter can't be evaluated.
    pub fn needs_finalizer(&self, input: &FilterInput<'_>) -> Result<bool, FilterFailed> {
        Ok(matches!(self.on, OnChange::Delete { optional: false, .. }) && self.concerns(input)?)
    }

    /// Whether the object is kept after the handler has failed permanently. Only delete handlers keep it.
    pub fn blocks_deletion_on_failure(&self) -> bool {
        matches!(self.on, OnChange::Delete { optional: false, release_on_failure: false })
    }

    /// Whether updates call it.
    pub fn is_for_updates(&self) -> bool {
        matches!(self.on, OnChange::Update | OnChange::Field)
    }

    /// Whether the handler is called. `resumed`: resume handlers are due; `record`: its record for this
    /// reason, if there is one. A handler that has one may have seen, or rejected, a change that was reverted since. A deletion
    /// isn't reverted: an unfinished delete handler that isn't for the object any more is called no more, and keeps it no more.
    ///
    /// # Errors
    /// Its filter can't be evaluated.
    pub fn is_called(
        &self,
        reason: Reason,
        resumed: bool,
        record: Option<&Record>,
        input: &FilterInput<'_>,
    ) -> Result<bool, FilterFailed> {
        let ends = matches!(self.on, OnChange::Delete { .. });
        let begun = record.is_some_and(|record| if ends { record.success } else { record.has_seen() });
        let (by_reason, of_changes) = match self.on {
            OnChange::Create => (reason == Reason::Create, false),
            OnChange::Update => (reason == Reason::Update, true),
            OnChange::Delete { .. } => (reason == Reason::Delete, false),
            OnChange::Resume { deleted, .. } => {
                let possible = reason != Reason::Create && (reason != Reason::Delete || deleted);
                (resumed && possible, false)
            }
            OnChange::Field => (true, true),
        };
        let changing = of_changes && record.is_none();
        Ok(by_reason && (begun || evaluate(&self.id, || self.filter.selects(input, changing))?))
    }

    /// Whether a record belongs to the current handling. Resuming is mixed into other handling, and goes on there.
    pub fn goes_on_with(&self, record: &Record, reason: Reason) -> bool {
        let resumes = matches!(self.on, OnChange::Resume { .. }) && record.purpose == Some(Reason::Resume);
        resumes || record.purpose.is_none_or(|purpose| purpose == reason.purpose())
    }
}
