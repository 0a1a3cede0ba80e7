//! What becomes of a failed attempt.

use std::time::Duration;

/// What an error means that says nothing of its own (neither temporary nor permanent).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Errors {
    /// Count the handler as done.
    Ignored,
    /// Try again after the backoff.
    #[default]
    Temporary,
    /// Give up on this handler.
    Permanent,
}

/// The delay before the next attempt, after an error that names no delay of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backoff {
    /// Always the same, as Kopf does it.
    Constant(Duration),
    /// `first` after the first attempt, doubled after each one up to `most`, less up to a quarter of
    /// jitter, so that objects that failed together don't all come back together.
    Growing {
        /// The delay after the first failed attempt.
        first: Duration,
        /// The longest delay.
        most: Duration,
    },
}

impl Default for Backoff {
    fn default() -> Self {
        Self::Growing { first: Duration::from_secs(1), most: Duration::from_secs(60) }
    }
}

impl From<Duration> for Backoff {
    fn from(delay: Duration) -> Self {
        Self::Constant(delay)
    }
}

/// How long and how often a handler is tried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// The most attempts; none: no limit.
    pub retries: Option<u32>,
    /// From the start of the first attempt; none: no limit.
    pub timeout: Option<Duration>,
    /// The delay after an arbitrary error.
    pub backoff: Backoff,
    /// What an arbitrary error means.
    pub errors: Errors,
}
