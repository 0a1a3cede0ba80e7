//! Retries: the verdict on an attempt, and the delay before the next one.

mod backoff;
mod time;

pub use backoff::Backoff;
pub use time::seconds;

use crate::error::Error;
use jiff::Timestamp;
use std::time::Duration;

/// Meaning of an arbitrary error: one that is neither temporary nor permanent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The handler counts as succeeded.
    Ignored,
    /// The handler is retried after its backoff.
    #[default]
    Temporary,
    /// The handler fails permanently.
    Permanent,
}

/// Limits of the attempts of a handler.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// The most attempts; none: no limit.
    pub retries: Option<u32>,
    /// From the start of the first attempt; none: no limit.
    pub timeout: Option<Duration>,
    /// The delay after an arbitrary error.
    pub backoff: Backoff,
    /// The meaning of an arbitrary error.
    pub errors: OnError,
}

/// The outcome of an attempt. It is in memory only; the progress record is derived from it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The handler succeeded.
    Success,
    /// The handler failed, and the failure is ignored.
    Ignored,
    /// The handler is retried after this delay.
    Retry {
        /// The time to the next attempt.
        after: Duration,
        /// The error message.
        message: String,
    },
    /// The handler hasn't failed: it waits for something, and is called again after this delay.
    Waiting {
        /// The time to the next attempt.
        after: Duration,
        /// What it waits for.
        message: String,
    },
    /// The handler is called again because some of its sub-handlers are unfinished.
    Children {
        /// The time to the next attempt of the first of them.
        after: Duration,
    },
    /// The handler failed permanently.
    Failed {
        /// The error message.
        message: String,
    },
    /// The handler rejected the object: an argument can't be decoded from it. It waits for the next change.
    Rejected {
        /// The error message.
        message: String,
    },
}

/// The verdict on an attempt: its outcome, and the failure that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The outcome of the attempt.
    pub outcome: Outcome,
    /// None after a success, and where the handler waits, for its sub-handlers or for something else.
    pub failure: Option<AttemptFailure>,
}

/// The failure of an attempt. It is displayed as it follows `Handler 'x' ` in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptFailure {
    /// The reason.
    pub reason: FailureReason,
    /// The error message; empty if a limit was reached before or during the attempt.
    pub message: String,
}

/// The reason of a failure, and its consequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailureReason {
    /// The timeout has passed, so long after the start of the first attempt.
    TimedOut(Duration),
    /// This many attempts were made, and no more are allowed.
    RetriesExceeded(u32),
    /// A permanent error, or a rejected object.
    Permanent,
    /// A temporary error. The handler is retried after this delay.
    Temporary(Duration),
    /// A temporary error. This limit forbids a retry.
    TemporaryLimited(Limit),
    /// An arbitrary error, ignored.
    Ignored,
    /// An arbitrary error that counts as permanent.
    Unretried,
    /// An arbitrary error. The handler is retried after this delay.
    Retried(Duration),
    /// An arbitrary error. This limit forbids a retry.
    Limited(Limit),
}

/// A limit that the next attempt would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The timeout.
    Timeout(Duration),
    /// The number of attempts.
    Retries(u32),
}

impl Verdict {
    /// The verdict on an attempt that hasn't failed.
    pub fn unfailed(outcome: Outcome) -> Self {
        Self { outcome, failure: None }
    }

    /// The verdict on a handler that rejected the object.
    pub fn rejected(error: &Error) -> Self {
        let message = error.to_string();
        Self::new(Outcome::Rejected { message: message.clone() }, FailureReason::Permanent, message)
    }

    fn new(outcome: Outcome, reason: FailureReason, message: String) -> Self {
        Self { outcome, failure: Some(AttemptFailure { reason, message }) }
    }

    fn failed(reason: FailureReason, message: String) -> Self {
        Self::new(Outcome::Failed { message: message.clone() }, reason, message)
    }

    /// The verdict on a handler that has reached a limit. Its record holds the whole sentence, as Kopf's does.
    fn at_limit(id: &str, reason: FailureReason, message: String) -> Self {
        let failure = AttemptFailure { reason, message };
        Self { outcome: Outcome::Failed { message: failure.sentence(id) }, failure: Some(failure) }
    }
}

/// The number of an attempt, and the time since the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt {
    /// The number of attempts before this one.
    pub before: u32,
    /// The time since the first attempt began.
    pub elapsed: Duration,
}

impl Attempt {
    /// The attempt at `now` that comes after so many others, the first of which began at `started`.
    pub fn after(before: u32, started: Timestamp, now: Timestamp) -> Self {
        Self { before, elapsed: Duration::try_from(now.duration_since(started)).unwrap_or_default() }
    }
}

impl Limits {
    /// The verdict on the handler `id` if no further attempt is allowed: a limit was reached while the operator was busy
    /// or down.
    pub fn exhausted(&self, id: &str, attempt: Attempt) -> Option<Verdict> {
        if self.timeout.is_some_and(|timeout| attempt.elapsed >= timeout) {
            return Some(Self::timed_out(id, attempt.elapsed));
        }
        let exceeded = self.retries.is_some_and(|most| attempt.before >= most);
        let reason = FailureReason::RetriesExceeded(attempt.before);
        exceeded.then(|| Verdict::at_limit(id, reason, String::new()))
    }

    /// The verdict on an attempt of the handler `id` that ran into its timeout.
    pub fn timed_out(id: &str, elapsed: Duration) -> Verdict {
        Verdict::at_limit(id, FailureReason::TimedOut(elapsed), String::new())
    }

    /// The verdict on an attempt of the handler `id` that returned an error; `jitter` is a random number in `0.0..1.0`.
    pub fn judge(&self, id: &str, error: &Error, attempt: Attempt, jitter: f64) -> Verdict {
        let message = error.to_string();
        let retry = |after| Outcome::Retry { after, message: message.clone() };
        match (error, self.errors) {
            (Error::Permanent(_), _) => Verdict::failed(FailureReason::Permanent, message),
            (Error::Temporary { delay, .. }, _) => match self.reached(attempt, *delay) {
                None => Verdict::new(retry(*delay), FailureReason::Temporary(*delay), message),
                Some(limit) => Verdict::at_limit(id, FailureReason::TemporaryLimited(limit), message),
            },
            (Error::Waiting { delay, .. }, _) => match self.reached(attempt, *delay) {
                None => Verdict::unfailed(Outcome::Waiting { after: *delay, message }),
                Some(limit) => Verdict::at_limit(id, FailureReason::TemporaryLimited(limit), message),
            },
            (Error::Unclassified(_), OnError::Permanent) => {
                Verdict::failed(FailureReason::Unretried, message)
            }
            (Error::Unclassified(_) | Error::Outage { .. }, OnError::Ignored) => {
                Verdict::new(Outcome::Ignored, FailureReason::Ignored, message)
            }
            (Error::Unclassified(_), OnError::Temporary) | (Error::Outage { .. }, _) => {
                let mut after = self.backoff.delay(attempt.before, jitter);
                if let Error::Outage { delay, .. } = error {
                    after = after.max(*delay);
                }
                match self.reached(attempt, after) {
                    None => Verdict::new(retry(after), FailureReason::Retried(after), message),
                    Some(limit) => Verdict::at_limit(id, FailureReason::Limited(limit), message),
                }
            }
        }
    }

    /// The limit that the next attempt would exceed. As it is known in advance, the handler fails at once.
    fn reached(&self, attempt: Attempt, after: Duration) -> Option<Limit> {
        let timeout = self.timeout.filter(|timeout| attempt.elapsed.saturating_add(after) >= *timeout);
        let retries = self.retries.filter(|most| attempt.before.saturating_add(1) >= *most);
        timeout.map(Limit::Timeout).or(retries.map(Limit::Retries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn first() -> Attempt {
        Attempt { before: 0, elapsed: Duration::ZERO }
    }

    fn temporary() -> Error {
        Error::temporary("no route", 5 * SECOND)
    }

    fn arbitrary() -> Error {
        Error::Unclassified("no route".into())
    }

    fn constant() -> Limits {
        Limits { backoff: (60 * SECOND).into(), ..Limits::default() }
    }

    #[test]
    fn a_temporary_error_is_retried_after_its_own_delay() {
        let verdict = constant().judge("x", &temporary(), first(), 0.0);
        assert_eq!(verdict.outcome, Outcome::Retry { after: 5 * SECOND, message: "no route".into() });
    }

    #[test]
    fn a_handler_that_waits_has_not_failed_until_a_limit_is_reached() {
        let wait = || Error::waiting("not yet", 5 * SECOND);
        let waits = Verdict::unfailed(Outcome::Waiting { after: 5 * SECOND, message: "not yet".into() });
        for errors in [OnError::Temporary, OnError::Permanent, OnError::Ignored] {
            let limits = Limits { errors, retries: Some(2), timeout: Some(9 * SECOND), ..constant() };
            assert_eq!(limits.judge("x", &wait(), first(), 0.0), waits, "{errors:?}");
            let reason = |attempt| {
                let failure = limits.judge("x", &wait(), attempt, 0.0).failure;
                failure.map(|failure| failure.reason)
            };
            let limited = |limit| Some(FailureReason::TemporaryLimited(limit));
            assert_eq!(
                reason(Attempt { before: 0, elapsed: 4 * SECOND }),
                limited(Limit::Timeout(9 * SECOND))
            );
            assert_eq!(reason(Attempt { before: 1, elapsed: SECOND }), limited(Limit::Retries(2)));
        }
    }

    #[test]
    fn in_an_outage_an_object_is_retried_after_its_backoff_or_the_outage_s_delay_whichever_is_longer() {
        let outage = |delay| Error::outage("the database", "refused", delay);
        let after = |limits: &Limits, delay| match limits.judge("x", &outage(delay), first(), 0.0).outcome {
            Outcome::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(&constant(), 300 * SECOND), 300 * SECOND);
        assert_eq!(after(&constant(), 3 * SECOND), 60 * SECOND);
        let strict = Limits { errors: OnError::Permanent, ..constant() };
        assert_eq!(after(&strict, 3 * SECOND), 60 * SECOND, "it is no arbitrary error");
    }

    #[test]
    fn the_last_attempt_within_a_limit_fails_permanently_at_once() {
        let once = Limits { retries: Some(1), ..constant() };
        let message = "Handler 'x' failed temporarily but will exceed 1 retries: no route".into();
        assert_eq!(once.judge("x", &temporary(), first(), 0.0).outcome, Outcome::Failed { message });
    }

    #[test]
    fn a_limit_reached_between_two_attempts_ends_the_handler_before_the_next_one() {
        let limits = Limits { retries: Some(2), timeout: Some(90 * SECOND), ..constant() };
        let reason = |before, elapsed| {
            let verdict = limits.exhausted("x", Attempt { before, elapsed })?;
            verdict.failure.map(|failure| failure.reason)
        };
        assert_eq!(reason(1, 89 * SECOND), None);
        assert_eq!(reason(2, SECOND), Some(FailureReason::RetriesExceeded(2)));
        assert_eq!(reason(7, SECOND), Some(FailureReason::RetriesExceeded(7)), "as many as were made");
        assert_eq!(reason(0, 90 * SECOND), Some(FailureReason::TimedOut(90 * SECOND)));
    }

    #[test]
    fn the_reason_of_a_failure_depends_on_the_error_and_the_limits() {
        let few = Limits { retries: Some(3), ..constant() };
        let short = Limits { timeout: Some(4 * SECOND), ..constant() };
        let ignoring = Limits { errors: OnError::Ignored, ..constant() };
        let strict = Limits { errors: OnError::Permanent, ..constant() };
        let third = Attempt { before: 2, elapsed: SECOND };
        let timeout = Limit::Timeout(4 * SECOND);
        let cases = [
            (&constant(), temporary(), first(), FailureReason::Temporary(5 * SECOND)),
            (&few, temporary(), third, FailureReason::TemporaryLimited(Limit::Retries(3))),
            (&short, temporary(), first(), FailureReason::TemporaryLimited(timeout)),
            (&ignoring, Error::permanent("no"), first(), FailureReason::Permanent),
            (&constant(), arbitrary(), first(), FailureReason::Retried(60 * SECOND)),
            (&ignoring, arbitrary(), first(), FailureReason::Ignored),
            (&strict, arbitrary(), first(), FailureReason::Unretried),
            (&few, arbitrary(), third, FailureReason::Limited(Limit::Retries(3))),
            (&short, arbitrary(), first(), FailureReason::Limited(timeout)),
        ];
        for (limits, error, attempt, reason) in cases {
            let failure = limits.judge("x", &error, attempt, 0.0).failure;
            assert_eq!(failure.map(|failure| failure.reason), Some(reason), "{error:?}");
        }
    }
}
