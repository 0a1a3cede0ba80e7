//! Source of the settings, which is read again for each new connection.
//!
//! A Secret that is mounted as a file changes while the operator runs, and so do certificates and password files. What was
//! read when a connection was made says nothing of the next one.

use super::{Settings, error::SettingsError};
use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// The variables that are read, which are libpq's.
const VARIABLES: [&str; 28] = [
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
    "PGDATABASE",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGPASSFILE",
    "PGOPTIONS",
    "PGAPPNAME",
    "PGCONNECT_TIMEOUT",
    "PGTARGETSESSIONATTRS",
    "PGCHANNELBINDING",
    "PGLOADBALANCEHOSTS",
    // Where the default password file is, and whose.
    "HOME",
    "USER",
    // Those that are refused: see `options`.
    "PGGSSENCMODE",
    "PGHOSTADDR",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSERVICE",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
];

/// The largest file that is read, in bytes. None of these files is near it, but a device has no end.
const LARGEST: u64 = 4 << 20;

/// Where the settings come from. Its `Debug` shows no values.
#[derive(Clone)]
pub(super) struct Source {
    text: Text,
    variables: BTreeMap<&'static str, String>,
}

#[derive(Clone)]
enum Text {
    Given(String),
    File(PathBuf),
}

impl Source {
    /// A URL or `key=value` text, with variables.
    pub(super) fn given(text: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        Self::new(Text::Given(text.to_owned()), variable)
    }

    /// A file with such a text.
    pub(super) fn file(path: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        Self::new(Text::File(path.to_owned()), variable)
    }

    fn new(text: Text, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &&'static str| Some((*name, variable(name).filter(|value| !value.is_empty())?));
        Self { text, variables: VARIABLES.iter().filter_map(set).collect() }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The text as it is now.
    pub(super) fn text(&self) -> Result<String, SettingsError> {
        let path = match &self.text {
            Text::Given(text) => return Ok(text.clone()),
            Text::File(path) => path,
        };
        let failed = |why: &str| file_error("the database URL's file", path, why);
        let text = String::from_utf8(read(path).map_err(|error| failed(&error.to_string()))?);
        let text = text.map_err(|_| failed("it isn't UTF-8"))?;
        // Without a text, the variables would lead to another database.
        if text.trim().is_empty() { Err(failed("it is empty")) } else { Ok(text) }
    }

    /// The settings as they are now.
    pub(super) fn settings(&self) -> Result<Settings, SettingsError> {
        Settings::of(self)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Text::Given(_) => f.write_str("Given(_)"),
            Text::File(_) => f.write_str("File(_)"),
        }
    }
}

/// The content of a file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut content = Vec::new();
    fs::File::open(path)?.take(LARGEST).read_to_end(&mut content)?;
    Ok(content)
}

/// An error about a file. It names the path only if it can't be mistaken for a URL or a password.
pub(super) fn file_error(what: &'static str, path: &Path, why: &str) -> SettingsError {
    let shown = path.display().to_string();
    let is_path =
        shown.contains('/') && !shown.contains("://") && !shown.contains('@') && !shown.contains('=');
    let (path, why) = if is_path {
        (format!(" {shown}"), why.to_owned())
    } else {
        (String::new(), format!("{why} (the path isn't shown, because it looks like a URL or a password)"))
    };
    SettingsError::File { what, path, why }
}
