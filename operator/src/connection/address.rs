//! Address of a server, one of those that the settings name.

use super::error::SettingsError;
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
};
use tokio::net::lookup_host;
use tokio_postgres::{Config, config::Host};

const DEFAULT_PORT: u16 = 5432;
/// The folders in which PostgreSQL has its socket by default, and libpq's name for them in a password file.
const SOCKET_FOLDERS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];
const LOCAL: &str = "localhost";

/// An address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The name, or the folder of a socket; none if there is only a number.
    host: Option<Host>,
    number: Option<IpAddr>,
    port: u16,
}

impl Address {
    /// All addresses of a configuration, in their order.
    pub(super) fn all(config: &Config) -> Result<Vec<Self>, SettingsError> {
        let (hosts, numbers, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let count = hosts.len().max(numbers.len());
        let fits = |given: usize| given == count || given == 0;
        if count == 0 {
            return Err(SettingsError::NoDatabase);
        }
        if !fits(hosts.len()) || !fits(numbers.len()) || !(fits(ports.len()) || ports.len() == 1) {
            return Err(SettingsError::AddressCount);
        }
        let port = |place: usize| match ports {
            [all] => *all,
            each => each.get(place).copied().unwrap_or(DEFAULT_PORT),
        };
        let address = |place: usize| Self {
            host: hosts.get(place).cloned(),
            number: numbers.get(place).copied(),
            port: port(place),
        };
        Ok((0..count).map(address).collect())
    }

    pub(super) fn is_socket(&self) -> bool {
        self.number.is_none() && matches!(self.host, Some(Host::Unix(_)))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The name by which a password file knows the host.
    pub(super) fn name(&self) -> String {
        match (&self.host, self.number) {
            (Some(Host::Tcp(name)), _) => name.clone(),
            (_, Some(number)) => number.to_string(),
            (Some(Host::Unix(folder)), None) => match folder.to_string_lossy() {
                folder if SOCKET_FOLDERS.contains(&&*folder) => LOCAL.to_owned(),
                folder => folder.into_owned(),
            },
            (None, None) => LOCAL.to_owned(),
        }
    }

    /// The numbers of a name; none for a socket.
    pub(super) async fn numbers(&self) -> io::Result<Vec<Option<IpAddr>>> {
        match (&self.host, self.number) {
            (_, Some(number)) => Ok(vec![Some(number)]),
            (Some(Host::Tcp(name)), None) => {
                let found: Vec<_> = lookup_host((name.as_str(), self.port))
                    .await?
                    .map(|address| Some(address.ip()))
                    .collect();
                if found.is_empty() { Err(io::Error::other("the name has no address")) } else { Ok(found) }
            }
            _ => Ok(vec![None]),
        }
    }

    /// Sets this address, at one of its numbers, in a configuration without addresses.
    pub(super) fn set(&self, config: &mut Config, number: Option<IpAddr>) {
        match (&self.host, number) {
            (Some(Host::Unix(folder)), None) => {
                config.host_path(folder);
            }
            (_, number) => {
                // TLS needs a name, if only the number's.
                config.host(self.name());
                if let Some(number) = number {
                    config.hostaddr(number);
                }
            }
        }
        config.port(self.port);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.number) {
            (Some(Host::Unix(folder)), None) => write!(f, "{}", folder.display()),
            (Some(Host::Tcp(name)), _) => match name.parse::<IpAddr>() {
                Ok(number) => SocketAddr::new(number, self.port).fmt(f),
                Err(_) => write!(f, "{name}:{}", self.port),
            },
            (_, Some(number)) => SocketAddr::new(number, self.port).fmt(f),
            (_, None) => write!(f, "{LOCAL}:{}", self.port),
        }
    }
}
