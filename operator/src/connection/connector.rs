//! Connector: makes one connection, by settings that it reads again each time.

use super::{
    Settings,
    address::Address,
    error::{ConnectError, Failure, FailureReason, SettingsError},
    password_file::PasswordFile,
    probe::{self, Answer, Told},
    tls,
};
use crate::error::is_about_first_byte;
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout},
};
use tokio_postgres::{
    Client, Config, NoTls, Socket,
    config::LoadBalanceHosts,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::{debug, warn};

/// The time that TLS and the login may take, after the time for the connection itself.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The time between two warnings about the same cause.
const QUIET: Duration = Duration::from_secs(60);

/// Makes connections.
pub(crate) struct Connector {
    /// The newest that could be read, which are used while newer ones can't: what has worked goes on working.
    newest: Mutex<Prepared>,
    /// The warnings of the last minute.
    warned: Mutex<Vec<(SettingsError, Instant)>>,
}

/// Settings, with the content of the files that they name.
#[derive(Clone)]
struct Prepared {
    settings: Settings,
    tls: Option<MakeRustlsConnect>,
    passwords: Option<PasswordFile>,
}

/// A connection, which ends when dropped, also in the middle of a statement: the server rolls back what is under way.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Prepared {
    fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let verify = settings.verification();
        Ok(Self {
            tls: verify.map(|verify| tls::connector(verify, &settings.tls)).transpose()?,
            passwords: settings.passwords.read()?,
            settings: settings.clone(),
        })
    }

    /// What takes the place of these settings.
    fn again(&self) -> Result<Self, SettingsError> {
        if self.settings.source.is_fixed() {
            return Self::new(&self.settings);
        }
        let settings = self.settings.source.settings()?;
        if self.settings.is_same_place(&settings) {
            Self::new(&settings)
        } else {
            Err(SettingsError::Elsewhere)
        }
    }

    /// What tokio-postgres needs for one address.
    fn config(&self, address: &Address, number: Option<IpAddr>) -> Config {
        let mut config = self.settings.config.clone();
        address.set(&mut config, number);
        let password = self.passwords.as_ref().and_then(|file| self.settings.password(file, address));
        if let Some(password) = password {
            config.password(password);
        }
        config
    }

    fn limit(&self) -> Duration {
        self.settings.config.get_connect_timeout().copied().unwrap_or_default() + LOGIN_TIMEOUT
    }

    fn addresses(&self) -> Vec<&Address> {
        let mut addresses: Vec<_> = self.settings.addresses.iter().collect();
        if self.settings.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            addresses.sort_by_cached_key(|_| RandomState::new().hash_one(0));
        }
        addresses
    }

    /// Tries all addresses in turn.
    async fn connect(&self) -> Result<Connection, ConnectError> {
        let mut failures = Vec::new();
        for address in self.addresses() {
            let numbers = match timeout(self.limit(), address.numbers()).await {
                Ok(Ok(numbers)) => numbers,
                failed => {
                    let why = failed.map_or(FailureReason::TimedOut, |found| match found {
                        Err(error) => FailureReason::Lookup(error),
                        Ok(_) => FailureReason::TimedOut,
                    });
                    failures.push(Failure { address: address.to_string(), why });
                    continue;
                }
            };
            for &number in &numbers {
                match self.connect_to(address, number).await {
                    Ok(connection) => return Ok(connection),
                    Err(why) => failures.push(Failure { address: named(address, number, &numbers), why }),
                }
            }
        }
        Err(ConnectError { failures })
    }

    async fn connect_to(
        &self,
        address: &Address,
        number: Option<IpAddr>,
    ) -> Result<Connection, FailureReason> {
        let config = self.config(address, number);
        let connecting = async {
            match &self.tls {
                Some(tls) => log_in(&config, tls.clone()).await,
                None => log_in(&config, NoTls).await,
            }
        };
        let connected = timeout(self.limit(), connecting).await;
        match (connected.map_err(|_| FailureReason::TimedOut)?, number) {
            (Ok(connection), _) => Ok(connection),
            (Err(error), Some(number)) if self.tls.is_some() && may_hide_an_answer(&error) => {
                match timeout(LOGIN_TIMEOUT, probe::ask(number, address.port())).await {
                    Ok(Answer::Error(Told { code, message })) => Err(FailureReason::Told { code, message }),
                    Ok(Answer::No) => Err(FailureReason::Rejected(error)),
                    // The same server says otherwise now, or nothing.
                    _ if is_about_first_byte(&error) => Err(FailureReason::Changing),
                    _ => Err(FailureReason::Rejected(error)),
                }
            }
            (Err(error), _) => Err(FailureReason::Rejected(error)),
        }
    }
}

/// Whether the server may have said something that the library hasn't understood.
fn may_hide_an_answer(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_none() && !error.to_string().starts_with("error connecting to server")
}

/// The address, with its number if it has several.
fn named(address: &Address, number: Option<IpAddr>, all: &[Option<IpAddr>]) -> String {
    match number {
        Some(number) if all.len() > 1 => format!("{address} ({number})"),
        _ => address.to_string(),
    }
}

async fn log_in<T>(config: &Config, tls: T) -> Result<Connection, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, connection) = config.connect(tls).await?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!("A connection to the database has ended: {error}.");
        }
    });
    Ok(Connection { client, task })
}

impl Connector {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self { newest: Mutex::new(Prepared::new(settings)?), warned: Mutex::default() })
    }

    /// Connects by other settings from now on.
    pub(crate) fn replace(&self, settings: &Settings) -> Result<(), SettingsError> {
        let prepared = Prepared::new(settings)?;
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = prepared;
        Ok(())
    }

    /// Connects to the first address that can be used.
    pub(crate) async fn connect(&self) -> Result<Connection, ConnectError> {
        self.prepared().await.connect().await
    }

    /// What can be read now; or else, with a warning, what was read before.
    async fn prepared(&self) -> Prepared {
        let known = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = known.clone();
        match spawn_blocking(move || before.again()).await {
            Ok(Ok(prepared)) => {
                let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
                // Fixed ones may have been replaced meanwhile.
                if !prepared.settings.source.is_fixed() {
                    *newest = prepared.clone();
                }
                drop(newest);
                prepared
            }
            Ok(Err(error)) => {
                self.warn(error);
                known
            }
            // The process is about to end.
            Err(_) => known,
        }
    }

    fn warn(&self, error: SettingsError) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.retain(|(_, at)| at.elapsed() < QUIET);
        if warned.iter().all(|(known, _)| *known != error) {
            warn!(
                target: "root",
                "The settings of the database can't be read again, so new connections use those from before: {error}."
            );
            warned.push((error, Instant::now()));
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
