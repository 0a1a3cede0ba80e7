//! Settings of the connection, from a URL, a file with one, and the `PG*` variables; and the connections made by them.
//!
//! The text is parsed here before tokio-postgres sees it, for two reasons: tokio-postgres knows neither
//! `sslmode=verify-full` nor `sslrootcert`, and its messages may quote parts of a password. No message of
//! this module quotes any part of the text.

mod address;
mod connector;
mod error;
mod names;
mod options;
mod password_file;
mod pem;
mod probe;
mod secret;
mod source;
mod ssl_mode;
mod tls;

pub(crate) use connector::{Connection, Connector};
pub use error::{ConnectError, Failure, FailureReason, SettingsError};
pub(crate) use names::Names;
pub use secret::{SecretData, SecretFault};

use crate::pool::{Pool, Pools};
use address::Address;
use options::Options;
use password_file::{Login, PasswordFile};
use pem::Pem;
use source::Source;
use ssl_mode::{SYSTEM, SslMode};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_postgres::{
    Config,
    config::{SslMode as PgSslMode, TargetSessionAttrs},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of the connection, as they were when they were read. Their `Debug` shows no password.
#[derive(Clone, Debug)]
pub struct Settings {
    source: Source,
    /// All but the addresses.
    config: Config,
    addresses: Vec<Address>,
    ssl_mode: SslMode,
    tls: tls::Files,
    passwords: Passwords,
}

/// The password file, which is read if there is no other password.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Passwords {
    None,
    /// Somebody has named it, so it has to be there.
    Named(PathBuf),
    /// libpq's default, which need not be there.
    Default(PathBuf),
}

impl Settings {
    /// Reads a URL or `key=value` text, or a file with one. The `PG*` environment variables fill in what it leaves out.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which never quotes the text.
    pub fn from_env(url: Option<&str>, file: Option<&Path>) -> Result<Self, SettingsError> {
        let variable = |name: &str| std::env::var(name).ok();
        match (url.filter(|url| !url.trim().is_empty()), file.filter(|file| !file.as_os_str().is_empty())) {
            (Some(_), Some(_)) => Err(SettingsError::TwoUrls),
            (None, Some(file)) => Self::read_file(file, variable),
            (url, None) => Self::read(url, variable),
        }
    }

    /// Like [`Settings::from_env`], with variables from anywhere.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which never quotes the text.
    pub fn read(url: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        Source::given(url.unwrap_or_default(), variable).settings()
    }

    /// Like [`Settings::read`], with the text in a file.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which never quotes the text.
    pub fn read_file(path: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        Source::file(path, variable).settings()
    }

    fn of(source: &Source) -> Result<Self, SettingsError> {
        let variable = |name: &str| source.variable(name).map(str::to_owned);
        let mut options = Options::parse(&source.text()?)?;
        options.fill_in(source)?;
        let mut whole = options.config()?;
        fill_in_addresses(&mut whole, source)?;
        let mut config = options.without_addresses()?;
        fill_in_login(&mut config, source);
        let root_cert = options.root_cert.clone().or_else(|| variable("PGSSLROOTCERT"));
        let cert = options.client_cert.clone().or_else(|| variable("PGSSLCERT"));
        let key = options.client_key.clone().or_else(|| variable("PGSSLKEY"));
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((file("sslcert", cert), file("sslkey", key))),
            (None, None) => None,
            _ => return Err(SettingsError::HalfIdentity),
        };
        let ssl_mode = options.ssl_mode.clone().or_else(|| variable("PGSSLMODE"));
        let mut settings = Self {
            source: source.clone(),
            addresses: Address::all(&whole)?,
            ssl_mode: SslMode::of(ssl_mode.as_deref(), root_cert.as_deref())?,
            // libpq's "system" means the authorities that the system trusts, which are the default here.
            tls: tls::Files {
                root_cert: root_cert.filter(|path| path != SYSTEM).map(|path| file("sslrootcert", path)),
                identity,
            },
            passwords: Passwords::of(&config, options.password_file.as_deref(), source),
            config,
        };
        settings.set_defaults(&options);
        Ok(settings)
    }

    /// Makes the only pool of so many connections, which connects when its first connection is used. Each connection reads the
    /// settings again.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if a file that the settings name can't be read.
    pub fn pool(&self, size: usize) -> Result<Pool, SettingsError> {
        Pools::new(size).pool(self)
    }

    /// The database in words: its name, address, user and `sslmode`.
    pub fn target(&self) -> String {
        let (name, user) = match (self.config.get_dbname(), self.config.get_user()) {
            (Some(name), Some(user)) => (name, format!(" as {user}")),
            (Some(name), None) => (name, " as the current user".to_owned()),
            // PostgreSQL's default database has the user's name.
            (None, Some(user)) => (user, format!(" as {user}")),
            (None, None) => ("of the current user", String::new()),
        };
        format!("database {name} at {}{user}, sslmode {}", self.addresses_in_words(), self.ssl_mode.name())
    }

    /// The same without what a file may change while the operator runs.
    pub fn place(&self) -> String {
        match self.config.get_dbname().or(self.config.get_user()) {
            Some(name) => format!("database {name} at {}", self.addresses_in_words()),
            None => format!("the database at {}", self.addresses_in_words()),
        }
    }

    fn addresses_in_words(&self) -> String {
        self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// Whether other settings differ in nothing but the user and the password. A file that is only half written may name
    /// another database, or ask for less of TLS; and objects' tables are in one database.
    fn is_same_place(&self, other: &Self) -> bool {
        let place = |settings: &Self| {
            let mut config = settings.config.clone();
            config.user("").password("").dbname(settings.database().unwrap_or_default());
            config
        };
        place(self) == place(other)
            && self.addresses == other.addresses
            && self.ssl_mode == other.ssl_mode
            && self.tls == other.tls
    }

    fn user(&self) -> Option<&str> {
        self.config.get_user().or_else(|| self.source.variable("USER"))
    }

    fn database(&self) -> Option<&str> {
        self.config.get_dbname().or_else(|| self.user())
    }

    /// What the password file says of an address.
    fn password(&self, file: &PasswordFile, address: &Address) -> Option<Vec<u8>> {
        let (host, port) = (address.name(), address.port());
        file.password(Login { host: &host, port, database: self.database()?, user: self.user()? })
    }

    fn verification(&self) -> Option<tls::Verify> {
        match self.ssl_mode {
            SslMode::Disable => None,
            _ if self.addresses.iter().all(Address::is_socket) => None,
            SslMode::VerifyFull => Some(tls::Verify::Full),
            SslMode::VerifyCa => Some(tls::Verify::Chain),
            // As in libpq: a configured authority is meant to be used.
            SslMode::Require if self.tls.root_cert.is_some() => Some(tls::Verify::Chain),
            SslMode::Require | SslMode::Prefer => Some(tls::Verify::Nothing),
        }
    }

    fn set_defaults(&mut self, options: &Options) {
        let offer = match (self.verification(), self.ssl_mode) {
            (None, _) => PgSslMode::Disable,
            (Some(_), SslMode::Prefer) => PgSslMode::Prefer,
            (Some(_), _) => PgSslMode::Require,
        };
        let config = &mut self.config;
        config.ssl_mode(offer);
        if config.get_application_name().is_none() {
            config.application_name("database-table-operator");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if !options.has("target_session_attrs") {
            // A replica would reject every change, and only after the transaction has begun.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if !options.has("tcp_user_timeout") {
            config.tcp_user_timeout(Duration::from_secs(30));
        }
        if !options.has("keepalives_idle") {
            config.keepalives_idle(Duration::from_secs(30)).keepalives_interval(Duration::from_secs(10));
        }
    }
}

impl Passwords {
    fn of(config: &Config, named: Option<&str>, source: &Source) -> Self {
        let named = named.filter(|path| !path.is_empty()).or_else(|| source.variable("PGPASSFILE"));
        match (config.get_password(), named, source.variable("HOME")) {
            (Some(_), ..) | (None, None, None) => Self::None,
            (None, Some(path), _) => Self::Named(path.into()),
            (None, None, Some(home)) => Self::Default(Path::new(home).join(".pgpass")),
        }
    }

    /// The content of the file. Its permissions don't matter: a mounted Secret is readable for all of its container, and
    /// what others could read is no safer for being refused here.
    fn read(&self) -> Result<Option<PasswordFile>, SettingsError> {
        match self {
            Self::None => Ok(None),
            Self::Default(path) => Ok(source::read(path).ok().map(PasswordFile::new)),
            Self::Named(path) => {
                let content = source::read(path);
                let failed =
                    |error: std::io::Error| source::file_error("the password file", path, &error.to_string());
                Ok(Some(PasswordFile::new(content.map_err(failed)?)))
            }
        }
    }
}

fn file(option: &'static str, path: String) -> Pem {
    Pem::File { option, path: path.into() }
}

/// Fills in from the variables the addresses that the text leaves out, as libpq does.
fn fill_in_addresses(config: &mut Config, source: &Source) -> Result<(), SettingsError> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        for host in source.variable("PGHOST").iter().flat_map(|hosts| hosts.split(',')) {
            config.host(host);
        }
    }
    if config.get_ports().is_empty() {
        for port in source.variable("PGPORT").iter().flat_map(|ports| ports.split(',')) {
            config.port(port.parse().map_err(|_| SettingsError::Variable("PGPORT"))?);
        }
    }
    Ok(())
}

/// The same for the user, the password and the database.
fn fill_in_login(config: &mut Config, source: &Source) {
    if let (None, Some(user)) = (config.get_user(), source.variable("PGUSER")) {
        config.user(user);
    }
    if let (None, Some(password)) = (config.get_password(), source.variable("PGPASSWORD")) {
        config.password(password);
    }
    if let (None, Some(name)) = (config.get_dbname(), source.variable("PGDATABASE")) {
        config.dbname(name);
    }
}

#[cfg(test)]
mod tests;
