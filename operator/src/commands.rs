//! Commands of the table operator beside `run`, for people and for pipelines.

mod import;
mod plan;

pub use import::{ImportOptions, import, manifests};
pub use plan::{MISUSED, PlanOptions, plan};

use crate::{
    connection::{Settings, SettingsError},
    pool::{Pool, Pools},
};
use std::{io::Write, path::PathBuf, time::Duration};

/// The time after which somebody wonders what a command does.
const SILENCE: Duration = Duration::from_secs(2);

/// Does something that may take long. If it isn't done soon, this is said on the standard error.
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match tokio::time::timeout(SILENCE, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            let _ = writeln!(std::io::stderr(), "{what} …");
            work.await
        }
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

    /// A pool of one connection, with the database in words.
    ///
    /// # Errors
    ///
    /// [`SettingsError`].
    pub(crate) fn pool(&self) -> Result<(Pool, String), SettingsError> {
        let settings = self.settings()?;
        Ok((Pools::new(1).pool(&settings)?, settings.target()))
    }
}
