//! PEM files, and texts in their place.

use super::{error::SettingsError, source};
use std::{borrow::Cow, fmt, path::PathBuf};

/// Certificates, or a key. Its `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Pem {
    /// A file, which is read again for each connection.
    File {
        /// The option that names it.
        option: &'static str,
        path: PathBuf,
    },
    /// The value of a key of a Secret.
    Value { key: &'static str, content: Vec<u8> },
}

impl Pem {
    /// The content as it is now.
    pub(super) fn read(&self) -> Result<Cow<'_, [u8]>, SettingsError> {
        match self {
            Self::File { path, .. } => {
                source::read(path).map(Cow::Owned).map_err(|error| self.error(&error.to_string()))
            }
            Self::Value { content, .. } => Ok(Cow::Borrowed(content)),
        }
    }

    /// The name of the option, or of the key.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::File { option, .. } => option,
            Self::Value { key, .. } => key,
        }
    }

    /// Why it can't be used.
    pub(super) fn error(&self, why: &str) -> SettingsError {
        match self {
            Self::File { option: "sslrootcert", path } => {
                SettingsError::RootCert { path: path.display().to_string(), why: why.to_owned() }
            }
            Self::File { option, path } => source::file_error(option, path, why),
            Self::Value { key, .. } => SettingsError::Value { key, why: why.to_owned() },
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => path.fmt(f),
            Self::Value { key, .. } => f.write_str(key),
        }
    }
}
