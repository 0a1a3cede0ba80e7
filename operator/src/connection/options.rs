//! Parser of connection strings.
//!
//! The options that tokio-postgres knows are passed on to it as text; `sslmode` and `sslrootcert` are handled
//! here.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>

use super::{error::SettingsError, source::Source};
use std::{iter::Peekable, str::Chars};
use tokio_postgres::Config;

/// The options of tokio-postgres.
const SUPPORTED: [&str; 17] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// The options that only libpq has. Ignoring them could be unsafe.
const UNSUPPORTED: [&str; 21] = [
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "replication",
    "require_auth",
    "requirepeer",
    "scram_client_key",
    "scram_server_key",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslnegotiation",
    "sslpassword",
];

/// The variables that only libpq obeys, each with the value that asks for something, or with any.
const UNSUPPORTED_VARIABLES: [(&str, Option<&str>); 10] = [
    ("PGGSSENCMODE", Some("require")),
    ("PGHOSTADDR", None),
    ("PGREQUIREAUTH", None),
    ("PGREQUIREPEER", None),
    ("PGREQUIRESSL", Some("1")),
    ("PGSERVICE", None),
    ("PGSSLCRL", None),
    ("PGSSLCRLDIR", None),
    ("PGSSLMAXPROTOCOLVERSION", None),
    ("PGSSLMINPROTOCOLVERSION", None),
];

/// The variables that stand for options of tokio-postgres. Those for the address and the login come later: a URL has them
/// elsewhere.
const BY_VARIABLE: [(&str, &str); 6] = [
    ("PGAPPNAME", "application_name"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGOPTIONS", "options"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
];

/// Keys and values of options.
type Pairs = Vec<(String, String)>;

/// A connection string, parsed.
pub(super) struct Options {
    /// The parts of a URL: `postgres://USER:PASSWORD@`, the hosts, and `/DATABASE`; all empty for the `key=value` form.
    login: String,
    hosts: String,
    path: String,
    rest: Vec<(&'static str, String)>,
    pub(super) ssl_mode: Option<String>,
    pub(super) root_cert: Option<String>,
    pub(super) client_cert: Option<String>,
    pub(super) client_key: Option<String>,
    pub(super) password_file: Option<String>,
}

impl Options {
    pub(super) fn parse(text: &str) -> Result<Self, SettingsError> {
        let text = text.trim();
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let (url, pairs) = if is_url { split_url(text)? } else { (Default::default(), key_values(text)?) };
        let [login, hosts, path] = url;
        let (ssl_mode, root_cert, client_cert, client_key, password_file) = (None, None, None, None, None);
        let mut options = Self {
            login,
            hosts,
            path,
            rest: Vec::new(),
            ssl_mode,
            root_cert,
            client_cert,
            client_key,
            password_file,
        };
        for (key, value) in pairs {
            match key.as_str() {
                "sslmode" => options.ssl_mode = Some(value),
                "sslrootcert" => options.root_cert = Some(value),
                "sslcert" => options.client_cert = Some(value),
                "sslkey" => options.client_key = Some(value),
                "passfile" => options.password_file = Some(value),
                _ => options.rest.push((supported(&key)?, value)),
            }
        }
        Ok(options)
    }

    /// Adds what variables say of options that the text leaves out.
    pub(super) fn fill_in(&mut self, source: &Source) -> Result<(), SettingsError> {
        for (name, asking) in UNSUPPORTED_VARIABLES {
            if source.variable(name).is_some_and(|value| asking.is_none_or(|asking| value == asking)) {
                return Err(SettingsError::UnsupportedVariable(name));
            }
        }
        for (name, key) in BY_VARIABLE {
            if let Some(value) = source.variable(name).filter(|_| !self.has(key)) {
                assignment(key, value).parse::<Config>().map_err(|_| SettingsError::Variable(name))?;
                self.rest.push((key, value.to_owned()));
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.rest.iter().any(|(known, _)| *known == key)
    }

    /// The options as tokio-postgres reads them.
    pub(super) fn config(&self) -> Result<Config, SettingsError> {
        // One by one first, so that the message can name the bad option without quoting the text.
        for (key, value) in &self.rest {
            assignment(key, value).parse::<Config>().map_err(|_| SettingsError::OptionValue(key))?;
        }
        self.of(&self.hosts, |_| true)
    }

    /// The same without the addresses.
    pub(super) fn without_addresses(&self) -> Result<Config, SettingsError> {
        self.of("", |key| !["host", "hostaddr", "port"].contains(&key))
    }

    fn of(&self, hosts: &str, has: impl Fn(&str) -> bool) -> Result<Config, SettingsError> {
        let rest = self.rest.iter().filter(|(key, _)| has(key));
        let text = if self.login.is_empty() {
            rest.map(|(key, value)| assignment(key, value)).collect::<Vec<_>>().join(" ")
        } else {
            let query = rest.map(|(key, value)| format!("{key}={}", encode(value)));
            format!("{}{hosts}{}?{}", self.login, self.path, query.collect::<Vec<_>>().join("&"))
        };
        text.parse().map_err(|_| SettingsError::Syntax)
    }
}

fn supported(key: &str) -> Result<&'static str, SettingsError> {
    if let Some(known) = SUPPORTED.into_iter().find(|known| *known == key) {
        return Ok(known);
    }
    match UNSUPPORTED.into_iter().find(|known| *known == key) {
        Some(known) => Err(SettingsError::UnsupportedOption(known)),
        None => Err(SettingsError::UnknownOption),
    }
}

/// The parts of a URL: its login, its hosts, its path; and the options.
fn split_url(url: &str) -> Result<([String; 3], Pairs), SettingsError> {
    let scheme = url.find("//").map_or(0, |at| at + 2);
    let (scheme, rest) = url.split_at(scheme);
    // As in libpq: a login ends with the first @ before the first slash, and may have question marks.
    let slash = rest.find('/').unwrap_or(rest.len());
    let login = rest.find('@').filter(|at| *at < slash).map_or(0, |at| at + 1);
    let (login, rest) = rest.split_at(login);
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    // What follows an unescaped @ of a password would be taken for a host or a database, which are logged.
    if address.contains('@') || login.contains("?password=") || login.contains("&password=") {
        return Err(SettingsError::AtSign);
    }
    for part in [login, address] {
        unescape(part)?;
    }
    let (hosts, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    if hosts.split(',').any(|host| !host.starts_with('[') && host.matches(':').count() > 1) {
        return Err(SettingsError::Brackets);
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').ok_or(SettingsError::Syntax)?;
        Ok((decode(key)?, decode(value)?))
    });
    let parts = [format!("{scheme}{login}"), hosts.to_owned(), path.to_owned()];
    Ok((parts, pairs.collect::<Result<_, _>>()?))
}

fn decode(text: &str) -> Result<String, SettingsError> {
    String::from_utf8(unescape(text)?).map_err(|_| SettingsError::Syntax)
}

/// The bytes that a text with percent escapes means. A zero byte can't be sent to PostgreSQL.
fn unescape(text: &str) -> Result<Vec<u8>, SettingsError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let (hex, tail) = tail.split_at_checked(2).ok_or(SettingsError::PercentEscape)?;
        let digits = hex.iter().all(u8::is_ascii_hexdigit);
        let hex = std::str::from_utf8(hex).ok().filter(|_| digits);
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|byte| *byte != 0);
        bytes.push(byte.ok_or(SettingsError::PercentEscape)?);
        rest = tail;
    }
    Ok(bytes)
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// `key = value` pairs. A value in single quotes may contain blanks, and a backslash escapes the next
/// character.
fn key_values(text: &str) -> Result<Pairs, SettingsError> {
    let mut chars = text.chars().peekable();
    let mut pairs = Vec::new();
    loop {
        skip_blanks(&mut chars);
        if chars.peek().is_none() {
            return Ok(pairs);
        }
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_whitespace()) {
            key.push(c);
        }
        skip_blanks(&mut chars);
        if chars.next() != Some('=') {
            return Err(SettingsError::Syntax);
        }
        skip_blanks(&mut chars);
        pairs.push((key, value(&mut chars)?));
    }
}

fn value(chars: &mut Peekable<Chars<'_>>) -> Result<String, SettingsError> {
    let quoted = chars.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        match chars.next() {
            Some('\\') => value.push(chars.next().ok_or(SettingsError::Syntax)?),
            Some('\'') if quoted => return Ok(value),
            Some(c) if !quoted && c.is_whitespace() => return Ok(value),
            Some(c) => value.push(c),
            None if quoted => return Err(SettingsError::Syntax),
            None => return Ok(value),
        }
    }
}

fn skip_blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

fn assignment(key: &str, value: &str) -> String {
    format!("{key}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
