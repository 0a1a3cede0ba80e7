//! Source of the settings, which is read again for each new connection.
//!
//! A Secret that is mounted as a file changes while the operator runs, and so do certificates and password files. What was
//! read when a connection was made says nothing of the next one.

use super::{Settings, error::SettingsError};
use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
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
/// The time that reading one file may take.
const LONGEST: Duration = Duration::from_secs(5);
/// The files that are read at a time. Each new connection reads one after the other.
const MOST_READS: usize = 64;

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
    /// The maker of the settings replaces them.
    Fixed,
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

    /// No text and no variables: the settings stay as they were made.
    pub(super) fn fixed() -> Self {
        Self::new(Text::Fixed, |_| None)
    }

    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.text, Text::Fixed)
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
            Text::Fixed => return Err(SettingsError::NoDatabase),
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
            Text::Fixed => f.write_str("Fixed"),
        }
    }
}

/// The content of a file. To open a pipe may take forever, and so may a file of a server that doesn't answer.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    within(LONGEST, move || {
        // The usual name for no password file.
        if !fs::metadata(&path)?.is_file() && path != Path::new("/dev/null") {
            return Err(io::Error::other("it isn't a regular file"));
        }
        let mut content = Vec::new();
        fs::File::open(path)?.take(LARGEST).read_to_end(&mut content)?;
        Ok(content)
    })
}

/// What a function returns within a time limit. Its thread goes on after that, since nothing ends a call of the system.
fn within<T: Send + 'static>(
    limit: Duration,
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = mpsc::channel();
    let place = Place::take()?;
    thread::Builder::new().name("file".to_owned()).spawn(move || {
        let _place = place;
        // Nobody waits any more, if it fails.
        let _ = sender.send(read());
    })?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("it can't be read within {limit:?}"));
    receiver.recv_timeout(limit).map_err(late)?
}

/// A place for a thread that reads a file: those that never end must not become ever more.
struct Place;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

impl Place {
    fn take() -> io::Result<Self> {
        let more = |taken| (taken < MOST_READS).then_some(taken + 1);
        match TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Self),
            Err(_) => Err(io::Error::other("files that were to be read before still can't be")),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_can_not_be_read_in_time_is_an_error() {
        let (end, wait) = mpsc::channel::<()>();
        let hangs = move || {
            // Until the other end is dropped.
            let _ = wait.recv();
            Ok(())
        };
        let error = within(Duration::from_millis(20), hangs).unwrap_err();
        assert_eq!(error.to_string(), "it can't be read within 20ms");
        drop(end);
        assert_eq!(within(LONGEST, || Ok(5)).unwrap(), 5);
    }
}
