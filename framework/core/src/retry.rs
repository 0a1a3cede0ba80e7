//! What becomes of an attempt: done, tried again, or given up.

mod backoff;
mod time;

pub use backoff::Backoff;
pub use time::seconds;

use crate::error::Error;
use jiff::Timestamp;
use std::time::Duration;
use time::Clock;

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

/// What one attempt came to. It is in memory only; a progress record is what remains of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The handler is done.
    Success,
    /// The handler failed, and that is to be ignored.
    Ignored,
    /// The handler is called again after this delay.
    Retry {
        /// The time to the next attempt.
        after: Duration,
        /// What went wrong.
        message: String,
    },
    /// The handler is called again because of sub-handlers that are not done.
    Children {
        /// The time to the next attempt of the first of them.
        after: Duration,
    },
    /// The handler failed for good.
    GaveUp {
        /// What went wrong.
        message: String,
    },
    /// An argument could not be made from the object: the handler waits for a change of it.
    Unreadable {
        /// What is wrong with the object.
        message: String,
    },
}

/// An outcome with the words for it, which follow `Handler 'x' ` in the log (kopf-parity §6).
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What the attempt came to.
    pub outcome: Outcome,
    /// What the log says of it.
    pub words: String,
}

impl Verdict {
    /// The verdict on an argument that could not be made from the object.
    pub fn unreadable(error: &Error) -> Self {
        let message = error.to_string();
        let words = format!("failed permanently: {message}");
        Self { outcome: Outcome::Unreadable { message }, words }
    }

    fn gave_up(id: &str, words: String) -> Self {
        // The record keeps the whole sentence, as Kopf's does for limits that were reached.
        Self { outcome: Outcome::GaveUp { message: format!("Handler '{id}' {words}") }, words }
    }
}

/// Which attempt it is: how many came before, and how long ago the first one began.
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
    /// Why there is no further attempt of the handler `id`, if a limit was reached while the operator was busy or down.
    pub fn exhausted(&self, id: &str, attempt: Attempt) -> Option<Verdict> {
        if self.timeout.is_some_and(|timeout| attempt.elapsed >= timeout) {
            return Some(Self::timed_out(id, attempt.elapsed));
        }
        let exceeded = self.retries.is_some_and(|most| attempt.before >= most);
        exceeded.then(|| Verdict::gave_up(id, format!("has exceeded {} retries.", attempt.before)))
    }

    /// The verdict on an attempt of the handler `id` that ran into its timeout.
    pub fn timed_out(id: &str, elapsed: Duration) -> Verdict {
        Verdict::gave_up(id, format!("has timed out after {}.", Clock(elapsed)))
    }

    /// What the error of an attempt of the handler `id` means; `jitter` is a random number in `0.0..1.0`.
    pub fn judge(&self, id: &str, error: &Error, attempt: Attempt, jitter: f64) -> Verdict {
        let message = error.to_string();
        let gave_up = |words| Verdict { outcome: Outcome::GaveUp { message: message.clone() }, words };
        match (error, self.errors) {
            (Error::Temporary { delay, .. }, _) => self.judge_temporary(id, message, attempt, *delay),
            (Error::Permanent(_), _) => gave_up(format!("failed permanently: {message}")),
            (Error::Unclassified(_), Errors::Permanent) => {
                gave_up(format!("failed with an exception and will stop now: {message}"))
            }
            (Error::Unclassified(_), Errors::Ignored) => Verdict {
                outcome: Outcome::Ignored,
                words: format!("failed with an exception and will ignore it: {message}"),
            },
            (Error::Unclassified(_), Errors::Temporary) => {
                self.judge_arbitrary(id, message, attempt, self.backoff.delay(attempt.before, jitter))
            }
        }
    }

    fn judge_temporary(&self, id: &str, message: String, attempt: Attempt, after: Duration) -> Verdict {
        let end = match self.reached(attempt, after) {
            Some(Limit::Timeout(timeout)) => format!("will time out after {} seconds", seconds(timeout)),
            Some(Limit::Retries(most)) => format!("will exceed {most} retries"),
            None => {
                let words = format!("failed temporarily: {message}");
                return Verdict { outcome: Outcome::Retry { after, message }, words };
            }
        };
        Verdict::gave_up(id, format!("failed temporarily but {end}: {message}"))
    }

    fn judge_arbitrary(&self, id: &str, message: String, attempt: Attempt, after: Duration) -> Verdict {
        let end = match self.reached(attempt, after) {
            Some(Limit::Timeout(timeout)) => format!("time out in {} seconds", seconds(timeout)),
            Some(Limit::Retries(most)) => format!("exceed {most} retries"),
            None => {
                let next = seconds(after);
                let words =
                    format!("failed with an exception and will try again in {next} seconds: {message}");
                return Verdict { outcome: Outcome::Retry { after, message }, words };
            }
        };
        let end = format!("it would {end} on the next attempt");
        Verdict::gave_up(id, format!("failed with an exception and will stop now ({end}): {message}"))
    }

    /// The limit that the next attempt would meet: known beforehand, it isn't waited for.
    fn reached(&self, attempt: Attempt, after: Duration) -> Option<Limit> {
        let timeout = self.timeout.filter(|timeout| attempt.elapsed.saturating_add(after) >= *timeout);
        let retries = self.retries.filter(|most| attempt.before.saturating_add(1) >= *most);
        timeout.map(Limit::Timeout).or(retries.map(Limit::Retries))
    }
}

enum Limit {
    Timeout(Duration),
    Retries(u32),
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
    fn each_error_has_the_words_that_kopf_has_for_it() {
        let few = Limits { retries: Some(3), ..constant() };
        let short = Limits { timeout: Some(4 * SECOND), ..constant() };
        let ignoring = Limits { errors: Errors::Ignored, ..constant() };
        let strict = Limits { errors: Errors::Permanent, ..constant() };
        let third = Attempt { before: 2, elapsed: SECOND };
        let cases = [
            (&constant(), temporary(), first(), "failed temporarily: no route"),
            (&few, temporary(), third, "failed temporarily but will exceed 3 retries: no route"),
            (&short, temporary(), first(), "failed temporarily but will time out after 4 seconds: no route"),
            (&constant(), Error::permanent("no"), first(), "failed permanently: no"),
            (&ignoring, Error::permanent("no"), first(), "failed permanently: no"),
            (
                &constant(),
                arbitrary(),
                first(),
                "failed with an exception and will try again in 60 seconds: no route",
            ),
            (&ignoring, arbitrary(), first(), "failed with an exception and will ignore it: no route"),
            (&strict, arbitrary(), first(), "failed with an exception and will stop now: no route"),
            (
                &few,
                arbitrary(),
                third,
                "failed with an exception and will stop now (it would exceed 3 retries on the next attempt): no route",
            ),
            (
                &short,
                arbitrary(),
                first(),
                "failed with an exception and will stop now (it would time out in 4 seconds on the next attempt): no route",
            ),
        ];
        for (limits, error, attempt, words) in cases {
            assert_eq!(limits.judge("x", &error, attempt, 0.0).words, words);
        }
    }

    #[test]
    fn a_temporary_error_is_retried_after_its_own_delay() {
        let verdict = constant().judge("x", &temporary(), first(), 0.0);
        assert_eq!(verdict.outcome, Outcome::Retry { after: 5 * SECOND, message: "no route".into() });
    }

    #[test]
    fn the_last_attempt_that_a_limit_allows_is_final_at_once() {
        let once = Limits { retries: Some(1), ..constant() };
        let message = "Handler 'x' failed temporarily but will exceed 1 retries: no route".into();
        assert_eq!(once.judge("x", &temporary(), first(), 0.0).outcome, Outcome::GaveUp { message });
    }

    #[test]
    fn limits_that_were_reached_meanwhile_end_the_handler_before_another_attempt() {
        let limits = Limits { retries: Some(2), timeout: Some(90 * SECOND), ..constant() };
        let words = |before, elapsed| limits.exhausted("x", Attempt { before, elapsed }).map(|v| v.words);
        assert_eq!(words(1, 89 * SECOND), None);
        assert_eq!(words(2, SECOND).as_deref(), Some("has exceeded 2 retries."));
        assert_eq!(words(7, SECOND).as_deref(), Some("has exceeded 7 retries."), "as many as were made");
        assert_eq!(words(0, 90 * SECOND).as_deref(), Some("has timed out after 0:01:30."));
    }
}
