//! Errors of handlers, and what they ask of the framework.

use std::{any::Any, error::Error as StdError, fmt, iter, sync::Arc, time::Duration};

/// The result of a handler.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The error of a handler, with what it asks of the framework.
#[derive(Debug)]
pub enum Error {
    /// The handler fails permanently: it isn't called again until the object changes.
    Permanent(BoxError),
    /// The handler is retried after this delay.
    Temporary {
        /// The error.
        source: BoxError,
        /// The time to the next attempt.
        delay: Duration,
    },
    /// Something is away that the handler needs: see [`outage`](Self::outage).
    Outage {
        /// The error.
        source: BoxError,
        /// What is away. Handlers with the same cause are helped by the same event.
        cause: Arc<str>,
        /// The longest time between two tries by one of the objects that wait for it.
        delay: Duration,
    },
    /// Nothing is wrong, but the handler isn't done: see [`waiting`](Self::waiting).
    Waiting {
        /// What it waits for, in words.
        source: BoxError,
        /// The time to the next call.
        delay: Duration,
    },
    /// The handler's `errors` option decides; by default, it is retried with its backoff.
    Unclassified(BoxError),
}

impl Error {
    /// An ad-hoc error, retried with the handler's backoff, as any error by `?`.
    ///
    /// ```
    /// use korf_core::error::{Error, Result};
    ///
    /// fn check(size: u32) -> Result {
    ///     if size > 9 {
    ///         return Err(Error::new(format!("{size} is too much for now")));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self::Unclassified(error.into())
    }

    /// An error that no retry can resolve.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self::Permanent(error.into())
    }

    /// An error that a retry after `delay` may resolve.
    pub fn temporary(error: impl Into<BoxError>, delay: Duration) -> Self {
        Self::Temporary { source: error.into(), delay }
    }

    /// An error whose cause is outside the object: a database that is away, a password that is no longer accepted.
    ///
    /// While handlers of any objects fail for this cause, one of the objects is tried after a second, two seconds, and so on
    /// up to every `delay`: each in its turn. Once one gets through, the handlers of all are called at once. Besides, each is
    /// retried after its own backoff, or after `delay` if that is longer. The log tells of the outage's
    /// beginning and end, and after 1, 3, 7, … minutes that it lasts (the intervals double up to an hour), but not of each
    /// attempt.
    ///
    /// Tries on behalf of all count as attempts: a handler with few `retries` may have none left after the outage.
    ///
    /// The cause is the same text for all that the same event helps, and says what is away: `the database at db:5432`.
    /// Only a hundred causes are kept apart at a time.
    ///
    /// ```
    /// use korf_core::error::{Error, Result};
    /// use std::{io, time::Duration};
    ///
    /// fn connect() -> io::Result<()> {
    ///     Err(io::ErrorKind::ConnectionRefused.into())
    /// }
    ///
    /// fn handler() -> Result {
    ///     connect().map_err(|error| Error::outage("the database", error, Duration::from_secs(3)))
    /// }
    ///
    /// assert!(matches!(handler(), Err(Error::Outage { cause, .. }) if &*cause == "the database"));
    /// ```
    pub fn outage(cause: impl Into<Arc<str>>, error: impl Into<BoxError>, delay: Duration) -> Self {
        Self::Outage { source: error.into(), cause: cause.into(), delay }
    }

    /// No failure: the handler waits for something that takes its time and goes well, and is called again after `delay`, or at
    /// once when the object changes or is triggered.
    ///
    /// The log has what it waits for at INFO when that is news, and at DEBUG from then on. No Kubernetes Event tells of it, it
    /// counts as no failure and no outage, and the object is `waiting` in the metrics.
    ///
    /// Each call counts as an attempt, as a call for a sub-handler does: `timeout` limits the wait, and so does `retries`, which a
    /// handler that waits shouldn't have. An event handler or an index function is called once for each state of its object, so
    /// there it is an error like any other.
    ///
    /// ```
    /// use korf_core::error::{Error, Result};
    /// use std::time::Duration;
    ///
    /// fn attach(is_formatted: bool) -> Result {
    ///     if !is_formatted {
    ///         return Err(Error::waiting("the volume is being formatted", Duration::from_secs(10)));
    ///     }
    ///     Ok(())
    /// }
    ///
    /// assert_eq!(attach(false).unwrap_err().to_string(), "the volume is being formatted");
    /// ```
    pub fn waiting(what: impl Into<BoxError>, delay: Duration) -> Self {
        Self::Waiting { source: what.into(), delay }
    }
}

/// The message and those of its causes, in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Permanent(error)
        | Self::Unclassified(error)
        | Self::Temporary { source: error, .. }
        | Self::Waiting { source: error, .. }
        | Self::Outage { source: error, .. }) = self;
        f.write_str(&with_causes(&**error))
    }
}

/// The messages of an error and of its causes, in one line, and each of them once.
pub fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    let mut previous = String::new();
    for error in chain(error) {
        let message = own_message(error);
        // Many libraries repeat the message of their source in their own.
        let told = previous.contains(&message) || format!(": {text}: ").contains(&format!(": {message}: "));
        if text.is_empty() {
            text.clone_from(&message);
        } else if !told {
            text = format!("{text}: {message}");
        }
        previous = message;
    }
    text
}

/// The message of an error without its source as Rust code, which some libraries append: for an answer of the API server,
/// `kube` does.
fn own_message(error: &(dyn StdError + 'static)) -> String {
    let message = error.to_string();
    match error.source() {
        Some(source) if message.ends_with(')') => {
            let code = format!(" ({source:?})");
            message.strip_suffix(&code).map(str::to_owned).unwrap_or(message)
        }
        _ => message,
    }
}

/// The message of the last cause, which is the most specific one.
pub fn root_cause(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// An error and its causes, the last cause last.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// The message of a panic, in a sentence.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    format!("it panicked: {}", panic_text(panic))
}

/// The message of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

// As in `anyhow`: `Error` is not itself a `std::error::Error`, so that `?` takes any other one.
impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Unclassified(Box::new(error))
    }
}

/// Classifies any error as permanent or temporary.
pub trait ResultExt<T> {
    /// No retry can resolve it.
    ///
    /// # Errors
    /// The same error, as [`Error::Permanent`].
    fn permanent(self) -> Result<T>;

    /// A retry after `delay` may resolve it.
    ///
    /// # Errors
    /// The same error, as [`Error::Temporary`].
    fn retry_in(self, delay: Duration) -> Result<T>;
}

impl<T, E: Into<BoxError>> ResultExt<T> for std::result::Result<T, E> {
    fn permanent(self) -> Result<T> {
        self.map_err(Error::permanent)
    }

    fn retry_in(self, delay: Duration) -> Result<T> {
        self.map_err(|error| Error::temporary(error, delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error with its message and its cause.
    #[derive(Debug)]
    struct Told(&'static str, Option<Box<Told>>);

    impl fmt::Display for Told {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Told {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    fn told(messages: &[&'static str]) -> String {
        let error = messages.iter().rev().fold(None, |cause, message| Some(Box::new(Told(message, cause))));
        error.map(|error| with_causes(&*error)).unwrap_or_default()
    }

    #[test]
    fn each_message_of_a_chain_of_errors_is_told_once() {
        let cases: [(&[&str], &str); 7] = [
            (&["a"], "a"),
            (&["a", "b", "c"], "a: b: c"),
            // As many libraries do.
            (&["a: b: c", "b: c", "c"], "a: b: c"),
            (&["a: c", "b", "c"], "a: c: b"),
            (&["a", "b", "a"], "a: b"),
            (&["outer", "outer"], "outer"),
            (&["an idea", "id"], "an idea"),
        ];
        for (messages, expected) in cases {
            assert_eq!(told(messages), expected, "{messages:?}");
        }
    }

    /// An error that appends its source as code, as that of `kube` for an answer of the API server does.
    #[derive(Debug)]
    struct Coded(Told);

    impl fmt::Display for Coded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "ApiError: {0} ({0:?})", self.0)
        }
    }

    impl StdError for Coded {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn the_code_of_a_source_is_left_out() {
        assert_eq!(Error::new(Coded(Told("forbidden (403)", None))).to_string(), "ApiError: forbidden (403)");
    }
}
