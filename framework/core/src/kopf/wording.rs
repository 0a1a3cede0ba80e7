//! Wording of log lines.

use super::Timedelta;
use crate::{
    Reason,
    retry::{AttemptFailure, FailureReason, Limit, seconds},
};
use std::fmt;

impl Reason {
    /// The name in log lines: `Creation`, `Updating`, `Deletion`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Create => "Creation",
            Self::Update => "Updating",
            Self::Delete => "Deletion",
            Self::Resume => "Resuming",
            Self::Resync => "Resync",
            Self::Triggered => "Trigger",
        }
    }
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            FailureReason::TimedOut(elapsed) => {
                return write!(f, "has timed out after {}.", Timedelta(elapsed));
            }
            FailureReason::RetriesExceeded(made) => return write!(f, "has exceeded {made} retries."),
            FailureReason::Permanent => f.write_str("failed permanently"),
            // Kopf says "failed temporarily", and not when. That is what a reader of the log wants to know; the words are
            // those that Kopf has for other errors.
            FailureReason::Temporary(after) => {
                write!(f, "failed temporarily and will try again in {} seconds", seconds(after))
            }
            FailureReason::TemporaryLimited(Limit::Timeout(timeout)) => {
                write!(f, "failed temporarily but will time out after {} seconds", seconds(timeout))
            }
            FailureReason::TemporaryLimited(Limit::Retries(most)) => {
                write!(f, "failed temporarily but will exceed {most} retries")
            }
            FailureReason::Ignored => f.write_str("failed with an exception and will ignore it"),
            FailureReason::Unretried => f.write_str("failed with an exception and will stop now"),
            FailureReason::Retried(after) => {
                write!(f, "failed with an exception and will try again in {} seconds", seconds(after))
            }
            FailureReason::Limited(limit) => {
                let end = match limit {
                    Limit::Timeout(timeout) => format!("time out in {} seconds", seconds(timeout)),
                    Limit::Retries(most) => format!("exceed {most} retries"),
                };
                write!(f, "failed with an exception and will stop now (it would {end} on the next attempt)")
            }
        }?;
        write!(f, ": {}", self.message)
    }
}

impl AttemptFailure {
    /// The whole sentence, as the progress record of the handler `id` holds it.
    pub(crate) fn sentence(&self, id: &str) -> String {
        format!("Handler '{id}' {self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_failure_that_is_retried_says_when() {
        let after = Duration::from_millis(1640);
        for (reason, words) in [
            (FailureReason::Temporary(after), "failed temporarily and will try again in 1.64 seconds: no"),
            (
                FailureReason::Retried(after),
                "failed with an exception and will try again in 1.64 seconds: no",
            ),
        ] {
            assert_eq!(AttemptFailure { reason, message: "no".into() }.to_string(), words);
        }
    }

    #[test]
    fn other_failures_are_logged_in_the_words_of_kopf() {
        let (timeout, retries) = (Limit::Timeout(Duration::from_secs(4)), Limit::Retries(3));
        let cases = [
            (FailureReason::TimedOut(Duration::from_secs(90)), "has timed out after 0:01:30."),
            (FailureReason::RetriesExceeded(2), "has exceeded 2 retries."),
            (FailureReason::Permanent, "failed permanently: no"),
            (
                FailureReason::TemporaryLimited(timeout),
                "failed temporarily but will time out after 4 seconds: no",
            ),
            (FailureReason::TemporaryLimited(retries), "failed temporarily but will exceed 3 retries: no"),
            (FailureReason::Ignored, "failed with an exception and will ignore it: no"),
            (FailureReason::Unretried, "failed with an exception and will stop now: no"),
            (
                FailureReason::Retried(Duration::from_secs(60)),
                "failed with an exception and will try again in 60 seconds: no",
            ),
            (
                FailureReason::Limited(retries),
                "failed with an exception and will stop now (it would exceed 3 retries on the next attempt): no",
            ),
            (
                FailureReason::Limited(timeout),
                "failed with an exception and will stop now (it would time out in 4 seconds on the next attempt): no",
            ),
        ];
        for (reason, words) in cases {
            assert_eq!(AttemptFailure { reason, message: "no".into() }.to_string(), words);
        }
    }
}
