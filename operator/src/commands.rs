//! Commands of the table operator beside `run`, for people and for pipelines.

mod import;
mod plan;

pub use import::{ImportOptions, import, manifests};
pub use plan::{MISUSED, PlanOptions, plan};

use crate::{
    connection::{Settings, SettingsError},
    error::DatabaseError,
    pool::{Pool, Pools},
};
use korf::Error;
use std::{
    io::{self, ErrorKind, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// The time after which somebody wonders what a command does.
const SILENCE: Duration = Duration::from_secs(2);

/// Does something that may take long. If it isn't done soon, this is said on the standard error.
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match tokio::time::timeout(SILENCE, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            let _ = writeln!(io::stderr(), "{what} …");
            work.await
        }
    }
}

/// The standard output of a command.
struct Output {
    to: io::Stdout,
    /// Why it can't be written.
    failed: Option<ErrorKind>,
}

impl Output {
    fn new() -> Self {
        Self { to: io::stdout(), failed: None }
    }

    /// Says why the command has failed, unless nobody reads its output any more (`| head`).
    fn fail(&self, error: &Error) -> ExitCode {
        let of_output = if self.failed.is_some() { "the output can't be written: " } else { "" };
        if self.failed != Some(ErrorKind::BrokenPipe) {
            let _ = writeln!(io::stderr(), "error: {of_output}{error}");
        }
        ExitCode::FAILURE
    }
}

impl Write for Output {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.to.write(text).inspect_err(|error| self.failed = Some(error.kind()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush().inspect_err(|error| self.failed = Some(error.kind()))
    }
}

/// Where the database is.
#[derive(Debug, clap::Args)]
pub struct DatabaseOptions {
    /// The database for the tables: postgres://user:password@host/name?sslmode=verify-full, or
    /// "host=… user=…". The usual PG* variables (PGHOST, PGUSER, PGPASSWORD, …) fill in what it leaves out.
    /// Prefer DATABASE_URL or a file: command lines are visible to other users of the machine.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// A file with the database URL, instead of the URL itself, such as a mounted Secret. It is read again for each new
    /// connection, so a new user or password in it needs no restart
    #[arg(long, value_name = "PATH", env = "DATABASE_URL_FILE", hide_env_values = true)]
    pub database_url_file: Option<PathBuf>,
}

impl DatabaseOptions {
    /// The settings of the connection.
    ///
    /// # Errors
    ///
    /// [`SettingsError`].
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        Settings::from_env(self.database_url.as_deref(), self.database_url_file.as_deref())
    }

    /// The settings of the operator's own database; `None` if it is to have none.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], also if a database is given that there isn't to be.
    pub fn settings_unless(&self, has_none: bool) -> Result<Option<Settings>, SettingsError> {
        if !has_none {
            return self.settings().map(Some);
        }
        let url = self.database_url.as_ref().is_some_and(|url| !url.trim().is_empty());
        let file = self.database_url_file.as_ref().is_some_and(|file| !file.as_os_str().is_empty());
        if url || file { Err(SettingsError::NotWanted) } else { Ok(None) }
    }

    /// A pool of one connection, which has been made, with the database in words.
    ///
    /// # Errors
    ///
    /// Mistakes in the settings, and a database that can't be reached.
    pub(crate) async fn pool(&self) -> Result<(Pool, String), Error> {
        let settings = self.settings()?;
        let (pool, target) = (Pools::new(1).pool(&settings)?, settings.target());
        match patiently(&format!("Connecting to {target}"), pool.get()).await {
            Ok(_) => Ok((pool, target)),
            Err(error) => Err(Error::new(format!(
                "can't connect to {target}: {}. Check DATABASE_URL (or --database-url, DATABASE_URL_FILE, or PG*)",
                DatabaseError::from(error)
            ))),
        }
    }
}
