//! What a failed handler asks of the framework.

use std::{any::Any, error::Error as StdError, fmt, iter, time::Duration};

/// What a handler returns.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

type BoxError = Box<dyn StdError + Send + Sync>;

/// What a failed handler asks of the framework.
#[derive(Debug)]
pub enum Error {
    /// Give up on this handler until the object changes.
    Permanent(BoxError),
    /// Try again after this delay.
    Temporary {
        /// What went wrong.
        source: BoxError,
        /// The time to the next attempt.
        delay: Duration,
    },
    /// Whatever the handler's `errors` option says; by default, try again with the handler's backoff.
    Unclassified(BoxError),
}

impl Error {
    /// An error that says nothing of other attempts: the same as any error by `?`. For those that have no type.
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

    /// An error that no other attempt can mend.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self::Permanent(error.into())
    }

    /// An error that may be gone after `delay`.
    pub fn temporary(error: impl Into<BoxError>, delay: Duration) -> Self {
        Self::Temporary { source: error.into(), delay }
    }
}

/// The message, and what caused it, in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Permanent(error) | Self::Unclassified(error) | Self::Temporary { source: error, .. }) =
            self;
        f.write_str(&with_causes(&**error))
    }
}

/// The messages of an error and of what caused it, in one line.
pub fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    let mut said = String::new();
    for message in chain(error).map(ToString::to_string) {
        // Many libraries repeat their source in their own message.
        if text.is_empty() {
            text.clone_from(&message);
        } else if !said.contains(&message) {
            text = format!("{text}: {message}");
        }
        said = message;
    }
    text
}

/// The message of the last cause, which says what it was; those above it may only say that something was.
pub fn root_cause(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// An error and what caused it, the last cause last.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// What a panic says of itself, in a sentence.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    format!("it panicked: {}", panic_text(panic))
}

/// What a panic says of itself.
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

/// Says of any error what is to be done about it.
pub trait ResultExt<T> {
    /// No other attempt can mend it.
    ///
    /// # Errors
    /// The same error, as [`Error::Permanent`].
    fn permanent(self) -> Result<T>;

    /// It may be gone after `delay`.
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
