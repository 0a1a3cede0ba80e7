//! Settings from the keys of a Secret, by the names that operators of databases write.
//!
//! The writer of a Secret says with it where the operator connects, and as whom. So nothing of the operator's own login goes
//! there: no user, no password, no certificate, no file and no socket of its pod, and none of its `PG*` variables.

use super::{
    Passwords, Settings,
    address::Address,
    error::SettingsError,
    names::Names,
    options::Options,
    pem::Pem,
    source::Source,
    ssl_mode::{SYSTEM, SslMode},
    tls,
};
use crate::hash::fnv1a;
use std::{collections::BTreeMap, fmt, time::Duration};
use tokio_postgres::Config;

const URI: &str = "uri";
const USER: [&str; 2] = ["username", "user"];
const PASSWORD: &str = "password";
const HOST: [&str; 2] = ["host", "endpoint"];
const PORT: &str = "port";
const DATABASE: [&str; 2] = ["dbname", "database"];
const SSL_MODE: &str = "sslmode";
const AUTHORITY: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// All of them.
const KEYS: [&str; 13] = [
    URI,
    USER[0],
    USER[1],
    PASSWORD,
    HOST[0],
    HOST[1],
    PORT,
    DATABASE[0],
    DATABASE[1],
    SSL_MODE,
    AUTHORITY,
    CERTIFICATE,
    KEY,
];

/// The longest time that a Secret may ask for to connect: others wait meanwhile.
const LONGEST: Duration = Duration::from_secs(30);

/// The values of a Secret that matter for a connection. Its `Debug` shows none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData {
    /// The key of the URL.
    url: Option<String>,
    values: BTreeMap<String, Vec<u8>>,
}

/// Why a Secret can't be used. No message quotes a value of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFault {
    /// A key isn't there, or is empty.
    #[error("has no key {0}")]
    Missing(String),
    /// A key isn't there, and the operator has no database of its own.
    #[error(
        "has no key {0}, and the operator has no database of its own (--no-own-database), which would say it"
    )]
    NotGiven(&'static str),
    /// A value isn't a text.
    #[error("has a value of {0} that isn't UTF-8")]
    NotText(String),
    /// The port isn't one.
    #[error("has a value of port that is no number from 1 to 65535")]
    Port,
    /// The URL is for Java.
    #[error(
        "has a JDBC URL: let connectionSecretRef.key name the key of a URL that begins with postgresql://"
    )]
    Jdbc,
    /// The URL names a file of the operator's.
    #[error(
        "has a URL with the option {0}, which names a file of the operator: put the certificates into the keys ca.crt, tls.crt and \
         tls.key, and the password into password"
    )]
    File(&'static str),
    /// The address is a socket in the operator's pod.
    #[error("names a socket as the host, which only the operator's own database can have")]
    Socket,
    /// A certificate has no key, or a key no certificate.
    #[error("has only one of tls.crt and tls.key: they are of use only together")]
    HalfIdentity,
    /// The settings that it leads to can't be used.
    #[error("can't be used: {0}")]
    Settings(#[from] SettingsError),
}

impl SecretFault {
    /// Whether something isn't there, which may come yet.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::NotGiven(_))
    }
}

impl SecretData {
    /// Of all values of a Secret, those that matter. `url` is the key of the URL, if it isn't `uri`.
    pub fn new(values: impl IntoIterator<Item = (String, Vec<u8>)>, url: Option<&str>) -> Self {
        let is_known = |key: &str| KEYS.contains(&key) && (key != URI || url.is_none());
        let matters = |key: &str| is_known(key) || url == Some(key);
        let values = values.into_iter().filter(|(key, _)| matters(key)).collect();
        Self { url: url.map(str::to_owned), values }
    }

    /// The value of the first of these keys that has one, without the blanks around it. An editor, or `echo`, puts a line's end
    /// there.
    fn text(&self, keys: &[&str]) -> Result<Option<&str>, SecretFault> {
        for key in keys {
            let Some(value) = self.values.get(*key) else { continue };
            let text =
                std::str::from_utf8(value).map_err(|_| SecretFault::NotText((*key).to_owned()))?.trim();
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn url(&self) -> Result<Option<&str>, SecretFault> {
        let url = match &self.url {
            Some(key) => Some(self.text(&[key.as_str()])?.ok_or_else(|| SecretFault::Missing(key.clone()))?),
            None => self.text(&[URI])?,
        };
        if url.is_some_and(|url| url.starts_with("jdbc:")) { Err(SecretFault::Jdbc) } else { Ok(url) }
    }

    /// The password, without a line's end.
    fn password(&self) -> Option<&[u8]> {
        let value = self.values.get(PASSWORD)?.as_slice();
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        Some(value.strip_suffix(b"\r").unwrap_or(value)).filter(|value| !value.is_empty())
    }

    fn pem(&self, key: &'static str) -> Option<Pem> {
        let content = self.values.get(key).filter(|value| !value.trim_ascii().is_empty())?;
        Some(Pem::Value { key, content: content.clone() })
    }

    fn identity(&self) -> Result<Option<(Pem, Pem)>, SecretFault> {
        match (self.pem(CERTIFICATE), self.pem(KEY)) {
            (Some(cert), Some(key)) => Ok(Some((cert, key))),
            (None, None) => Ok(None),
            _ => Err(SecretFault::HalfIdentity),
        }
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Settings {
    /// The settings that a Secret leads to. The operator's `own` ones, if there are, fill in the name of the database, and the
    /// address: with it, how its server is verified.
    ///
    /// # Errors
    ///
    /// [`SecretFault`], which never quotes a value.
    pub fn of_secret(data: &SecretData, own: Option<&Self>) -> Result<Self, SecretFault> {
        let mut options = Options::parse(data.url()?.unwrap_or_default())?;
        check_files(&options)?;
        let (mut whole, mut config) = (options.config()?, options.without_addresses()?);
        let identity = data.identity()?;
        fill_in_login(&mut config, data, identity.is_some())?;
        let has_address = fill_in_address(&mut whole, data)?;
        // The one whose server it is, if the Secret doesn't say which.
        let host = match (has_address, own) {
            (true, _) => None,
            (false, Some(own)) => Some(own),
            (false, None) => return Err(SecretFault::NotGiven(HOST[0])),
        };
        let addresses = host.map_or_else(|| Address::all(&whole), |own| Ok(own.addresses.clone()))?;
        if has_address && addresses.iter().any(Address::is_socket) {
            return Err(SecretFault::Socket);
        }
        let authority = data.pem(AUTHORITY);
        let root_cert = options.root_cert.take();
        let ssl_mode = match options.ssl_mode.take() {
            Some(mode) => Some(mode),
            None => data.text(&[SSL_MODE])?.map(str::to_owned),
        };
        // `system` is what is trusted without a file.
        let inherited = host.filter(|_| root_cert.is_none());
        let ssl_mode = match (ssl_mode, &authority, inherited) {
            (None, Some(_), _) => SslMode::VerifyFull,
            (None, None, Some(own)) => own.ssl_mode,
            (mode, ..) => SslMode::of(mode.as_deref(), root_cert.as_deref())?,
        };
        let root_cert = authority.or_else(|| inherited.and_then(|own| own.tls.root_cert.clone()));
        if let Some(own) = host.filter(|_| !options.has("channel_binding")) {
            config.channel_binding(own.config.get_channel_binding());
        }
        if config.get_dbname().is_none() {
            match data.text(&DATABASE)?.or_else(|| own.and_then(Self::database)) {
                Some(name) => config.dbname(name),
                None if own.is_none() => return Err(SecretFault::NotGiven(DATABASE[0])),
                None => &mut config,
            };
        }
        let mut settings = Self {
            source: Source::fixed(),
            config,
            addresses,
            ssl_mode,
            tls: tls::Files { root_cert, identity },
            passwords: Passwords::None,
        };
        settings.set_defaults(&options);
        let timeout = settings.config.get_connect_timeout().copied().unwrap_or(LONGEST).min(LONGEST);
        settings.config.connect_timeout(timeout);
        Ok(settings)
    }

    /// A number for the database that these settings lead to: for its addresses and its name, and nothing else.
    pub fn fingerprint(&self) -> String {
        let mut addresses: Vec<_> =
            self.addresses.iter().map(|address| address.to_string().to_lowercase()).collect();
        addresses.sort_unstable();
        let text = format!("{}/{}", addresses.join(","), self.database().unwrap_or_default());
        format!("{:016x}", fnv1a(&text))
    }

    /// What a message may repeat of them: the user, the database, the hosts and the addresses.
    pub(crate) fn names(&self) -> Names {
        let login = [self.user(), self.database()].into_iter().flatten().map(str::to_owned);
        Names {
            names: login.chain(self.addresses.iter().map(Address::name)).collect(),
            addresses: self.addresses.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A Secret must not make the operator read, or send, what its pod has.
fn check_files(options: &Options) -> Result<(), SecretFault> {
    let root_cert = options.root_cert.as_ref().filter(|path| *path != SYSTEM);
    for (option, is_set) in [
        ("sslrootcert", root_cert.is_some()),
        ("sslcert", options.client_cert.is_some()),
        ("sslkey", options.client_key.is_some()),
        ("passfile", options.password_file.is_some()),
    ] {
        if is_set {
            return Err(SecretFault::File(option));
        }
    }
    Ok(())
}

/// Fills in the user and the password that the URL lacks. A login by certificate needs none.
fn fill_in_login(config: &mut Config, data: &SecretData, has_identity: bool) -> Result<(), SecretFault> {
    if config.get_user().is_none() {
        let user = data.text(&USER)?.ok_or_else(|| SecretFault::Missing(USER[0].to_owned()))?;
        config.user(user);
    }
    if config.get_password().is_none() {
        if let Some(password) = data.password() {
            config.password(password);
        } else if !has_identity {
            return Err(SecretFault::Missing(PASSWORD.to_owned()));
        }
    }
    Ok(())
}

/// Fills in the address that the URL lacks; whether there is one then.
fn fill_in_address(config: &mut Config, data: &SecretData) -> Result<bool, SecretFault> {
    if !config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty() {
        return Ok(true);
    }
    let Some(hosts) = data.text(&HOST)? else { return Ok(false) };
    for host in hosts.split(',') {
        config.host(host.trim());
    }
    if config.get_ports().is_empty() {
        for port in data.text(&[PORT])?.into_iter().flat_map(|ports| ports.split(',')) {
            let port = port.trim().parse().ok().filter(|port| *port != 0).ok_or(SecretFault::Port)?;
            config.port(port);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
