//! What an error of the API server means for the request that met it, in one line for people.

use kube::{Error, core::Status, runtime::watcher};
use std::error::Error as _;

/// What to do about a request that failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// Send it again after a while: the server is away, busy, or refuses for a reason that may pass.
    Passing,
    /// The object has changed meanwhile (409).
    Conflict,
    /// There is no such object (404).
    Missing,
    /// The server will not take this content (400, 413, 422): another uid, or a schema that it breaks.
    Refused,
}

impl Fault {
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Api(status) => match status.code {
                404 => Self::Missing,
                409 => Self::Conflict,
                400 | 413 | 422 => Self::Refused,
                _ => Self::Passing,
            },
            _ => Self::Passing,
        }
    }
}

/// What happened, in one line.
pub fn explain(error: &Error) -> String {
    match error {
        Error::Api(status) => explain_status(status),
        error => innermost(error),
    }
}

fn explain_status(status: &Status) -> String {
    let message = status.message.trim();
    match (message, status.code) {
        ("", code) => format!("the API server answered {code} {}", status.reason),
        (message, 401) => format!("{message} (401): the credentials are not valid, or no longer"),
        (message, code) => format!("{message} ({code})"),
    }
}

/// The last cause says what it was; those above it only that something was.
fn innermost(error: &Error) -> String {
    let mut last = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        last = error.to_string();
        cause = error.source();
    }
    last
}

/// What happened to a watch, in one line.
pub fn explain_watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => explain(error),
        watcher::Error::WatchError(status) => explain_status(status),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// The code that the API server gave, if it was the one who refused.
pub fn watch_code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(Error::Api(status))
        | watcher::Error::WatchStartFailed(Error::Api(status))
        | watcher::Error::WatchFailed(Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}
