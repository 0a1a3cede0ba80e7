//! Parser of connection strings.
//!
//! The options that tokio-postgres knows are passed on to it as text; `sslmode` and `sslrootcert` are handled
//! here.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>

use super::error::SettingsError;
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
const UNSUPPORTED: [&str; 24] = [
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "scram_client_key",
    "scram_server_key",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslnegotiation",
    "sslpassword",
];

/// A connection string, parsed.
pub(super) struct Options {
    /// The URL without its options; empty for the `key=value` form.
    base: String,
    rest: Vec<(&'static str, String)>,
    pub(super) ssl_mode: Option<String>,
    pub(super) root_cert: Option<String>,
}

impl Options {
    pub(super) fn parse(text: &str) -> Result<Self, SettingsError> {
        let text = text.trim();
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let (base, pairs) = if is_url { split_url(text)? } else { (String::new(), key_values(text)?) };
        let mut options = Self { base, rest: Vec::new(), ssl_mode: None, root_cert: None };
        for (key, value) in pairs {
            match key.as_str() {
                "sslmode" => options.ssl_mode = Some(value),
                "sslrootcert" => options.root_cert = Some(value),
                _ => options.rest.push((supported(&key)?, value)),
            }
        }
        Ok(options)
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
        let text = if self.base.is_empty() {
            self.rest.iter().map(|(key, value)| assignment(key, value)).collect::<Vec<_>>().join(" ")
        } else {
            let query = self.rest.iter().map(|(key, value)| format!("{key}={}", encode(value)));
            format!("{}?{}", self.base, query.collect::<Vec<_>>().join("&"))
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

/// The URL without its options, and the options.
fn split_url(url: &str) -> Result<(String, Vec<(String, String)>), SettingsError> {
    // To tokio-postgres, everything before the first @ is user and password, including question marks.
    let after_user = url.find('@').map_or(0, |at| at + 1);
    let rest = &url[after_user..];
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    if address.contains('@') && after_user > 0 {
        // An unescaped @ in the password: the rest would be taken for a host, and hosts are logged.
        return Err(SettingsError::Syntax);
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').ok_or(SettingsError::Syntax)?;
        Ok((decode(key)?, decode(value)?))
    });
    Ok((format!("{}{address}", &url[..after_user]), pairs.collect::<Result<_, _>>()?))
}

fn decode(text: &str) -> Result<String, SettingsError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let (hex, tail) = tail.split_at_checked(2).ok_or(SettingsError::Syntax)?;
        let hex = std::str::from_utf8(hex).map_err(|_| SettingsError::Syntax)?;
        bytes.push(u8::from_str_radix(hex, 16).map_err(|_| SettingsError::Syntax)?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| SettingsError::Syntax)
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// `key = value` pairs. A value in single quotes may contain blanks, and a backslash escapes the next
/// character.
fn key_values(text: &str) -> Result<Vec<(String, String)>, SettingsError> {
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
