//! Errors of requests in a test.

use serde_json::Value;
use std::{error, fmt};

/// The error of a request in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The API server rejects the request, with this status code and message.
    Rejected {
        /// 404, 409, 422, …
        code: u16,
        /// The message.
        message: String,
    },
    /// The object doesn't fit the type.
    Decode(String),
}

impl Error {
    pub(super) fn rejected(status: &Value) -> Self {
        let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default();
        Self::Rejected { code, message: status["message"].as_str().unwrap_or_default().to_owned() }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Decode(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { code, message } => {
                write!(f, "the API server rejects the request: {message} ({code})")
            }
            Self::Decode(why) => write!(f, "the object doesn't fit its type: {why}"),
        }
    }
}

impl error::Error for Error {}
