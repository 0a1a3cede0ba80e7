//! Connection pool, made from `--database-url`, `DATABASE_URL` or the `PG*` variables.
//!
//! The text is parsed here before tokio-postgres sees it, for two reasons: tokio-postgres knows neither
//! `sslmode=verify-full` nor `sslrootcert`, and its messages may quote parts of a password. No message of
//! this module quotes any part of the text.

mod error;
mod options;
mod tls;

pub use error::SettingsError;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Metrics, Pool, RecyclingMethod, Runtime, Timeouts,
};
use options::Options;
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use tokio_postgres::{
    Config,
    config::{Host, SslMode as PgSslMode, TargetSessionAttrs},
};

const DEFAULT_PORT: u16 = 5432;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time without use after which a connection is checked before its next one.
const IDLE: Duration = Duration::from_secs(5);

/// Settings of the connection. Their `Debug` shows no password.
#[derive(Clone, Debug)]
pub struct Settings {
    config: Config,
    ssl_mode: SslMode,
    root_cert: Option<PathBuf>,
}

/// The `sslmode` of libpq.
///
/// <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server supports it; nothing is verified.
    #[default]
    Prefer,
    /// TLS; the chain is verified only if `sslrootcert` is set.
    Require,
    /// TLS; a known authority must have signed the certificate.
    VerifyCa,
    /// Like `VerifyCa`, and the certificate must be for this host.
    VerifyFull,
}

impl Settings {
    /// Reads a URL or `key=value` text. The `PG*` environment variables fill in what it leaves out.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which never quotes the text.
    pub fn from_env(url: Option<&str>) -> Result<Self, SettingsError> {
        Self::read(url, |name| std::env::var(name).ok())
    }

    /// Like [`Settings::from_env`], with variables from anywhere.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which never quotes the text.
    pub fn read(url: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let options = Options::parse(url.unwrap_or_default())?;
        let mut config = options.config()?;
        fill_in(&mut config, &variable)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(SettingsError::NoDatabase);
        }
        let ssl_mode = options.ssl_mode.clone().or_else(|| variable("PGSSLMODE"));
        let root_cert = options.root_cert.clone().or_else(|| variable("PGSSLROOTCERT"));
        let mut settings = Self {
            config,
            ssl_mode: ssl_mode.as_deref().map_or(Ok(SslMode::default()), SslMode::parse)?,
            // libpq's "system" means the authorities that the system trusts, which are the default here.
            root_cert: root_cert.filter(|path| path != "system").map(PathBuf::from),
        };
        settings.set_defaults(&options);
        Ok(settings)
    }

    /// Makes a pool, which connects when its first connection is used.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if the certificates can't be read.
    pub fn pool(&self, size: usize) -> Result<Pool, SettingsError> {
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let config = self.config.clone();
        let manager = match self.verification() {
            None => Manager::from_config(config, tokio_postgres::NoTls, manager_config),
            Some(verify) => Manager::from_config(
                config,
                tls::connector(verify, self.root_cert.as_deref())?,
                manager_config,
            ),
        };
        let timeouts = Timeouts {
            wait: Some(Duration::from_secs(30)),
            create: Some(Duration::from_secs(15)),
            recycle: Some(Duration::from_secs(5)),
        };
        let builder = Pool::builder(manager).max_size(size).timeouts(timeouts).runtime(Runtime::Tokio1);
        let builder = builder.pre_recycle(Hook::async_fn(|client, metrics| Box::pin(check(client, metrics))));
        builder.build().map_err(|error| SettingsError::Pool(error.to_string()))
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
        format!("database {name} at {}{user}, sslmode {}", self.addresses(), self.ssl_mode.name())
    }

    fn addresses(&self) -> String {
        let port = |number: usize| match self.config.get_ports() {
            [] => DEFAULT_PORT,
            [all] => *all,
            each => each.get(number).copied().unwrap_or(DEFAULT_PORT),
        };
        let by_name = self.config.get_hosts().iter().enumerate().map(|(number, host)| match host {
            Host::Tcp(name) => format!("{name}:{}", port(number)),
            Host::Unix(path) => path.display().to_string(),
        });
        let addresses = self.config.get_hostaddrs().iter().enumerate();
        let by_address =
            addresses.map(|(number, &address)| SocketAddr::new(address, port(number)).to_string());
        let all: Vec<_> = match self.config.get_hosts() {
            [] => by_address.collect(),
            _ => by_name.collect(),
        };
        all.join(",")
    }

    fn verification(&self) -> Option<tls::Verify> {
        let over_socket = self.config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        match self.ssl_mode {
            SslMode::Disable => None,
            _ if over_socket && self.config.get_hostaddrs().is_empty() => None,
            SslMode::VerifyFull => Some(tls::Verify::Full),
            SslMode::VerifyCa => Some(tls::Verify::Chain),
            // As in libpq: a configured authority is meant to be used.
            SslMode::Require if self.root_cert.is_some() => Some(tls::Verify::Chain),
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

/// Asks the server whether a connection still works, if it was not used for a while: the server may have gone away
/// silently. In a series of transactions, the question would take as long as half of one.
async fn check(client: &ClientWrapper, metrics: &Metrics) -> Result<(), HookError> {
    if metrics.last_used() > IDLE {
        client.simple_query("").await.map_err(HookError::Backend)?;
    }
    Ok(())
}

impl SslMode {
    fn parse(text: &str) -> Result<Self, SettingsError> {
        [Self::Disable, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull]
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or(SettingsError::SslMode)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Fills in from the variables what the text leaves out, as libpq does.
fn fill_in(config: &mut Config, variable: &impl Fn(&str) -> Option<String>) -> Result<(), SettingsError> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        for host in variable("PGHOST").iter().flat_map(|hosts| hosts.split(',')) {
            config.host(host);
        }
    }
    if config.get_ports().is_empty() {
        for port in variable("PGPORT").iter().flat_map(|ports| ports.split(',')) {
            config.port(port.parse().map_err(|_| SettingsError::Variable("PGPORT"))?);
        }
    }
    if let (None, Some(user)) = (config.get_user(), variable("PGUSER")) {
        config.user(user);
    }
    if let (None, Some(password)) = (config.get_password(), variable("PGPASSWORD")) {
        config.password(password);
    }
    if let (None, Some(name)) = (config.get_dbname(), variable("PGDATABASE")) {
        config.dbname(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
