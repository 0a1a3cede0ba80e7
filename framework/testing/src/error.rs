//! What a test asks for and doesn't get.

use serde_json::Value;
use std::{error, fmt};

/// What a test asks of the cluster and doesn't get.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The API server refuses, with this status code and message.
    Refused {
        /// 404, 409, 422, …
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The object doesn't fit the type.
    Unreadable(String),
}

impl Error {
    pub(super) fn refused(status: &Value) -> Self {
        let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default();
        Self::Refused { code, message: status["message"].as_str().unwrap_or_default().to_owned() }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } => write!(f, "the API server refuses: {message} ({code})"),
            Self::Unreadable(why) => write!(f, "the object doesn't fit its type: {why}"),
        }
    }
}

impl error::Error for Error {}
