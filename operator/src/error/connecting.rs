//! Failures to connect: what they mean, and what to do.

use super::DatabaseError;
use crate::{
    connection::{ConnectError, Failure, FailureReason},
    message::{one_line, with_causes},
    pool::PoolError,
    sqlstate::{ErrorClass, Step},
};
use rustls::CertificateError;
use std::{error::Error, io, iter};

const PASSWORD_MISSING: &str = " (the server asks for a password: put one into the URL, set PGPASSWORD, or see that a line of \
                                the password file fits)";
const CHANNEL_BINDING: &str =
    " (channel_binding=require needs TLS, and a server that offers SCRAM-SHA-256-PLUS)";
/// What tokio-postgres says where a server answers a request for TLS by no, or as no PostgreSQL does.
const SAYS_NO_TLS: &str = "does not support TLS";
const SAYS_NO_POSTGRES: [&str; 2] = ["unexpected message from server", "error parsing response"];
/// What it says where a server takes no writes.
const SAYS_READ_ONLY: &str = "database does not allow writes";
const READ_ONLY: &str =
    "the database is read-only now: it is a standby, or its default_transaction_read_only is on";
const NO_TLS: &str = " (sslmode asks for TLS: switch it on in the server, or set sslmode=disable if the network can be trusted)";
const NO_POSTGRES: &str = " (what answers there doesn't seem to be PostgreSQL: check the host and the port)";

impl DatabaseError {
    /// An error without an answer of the server: of the network, or of this side of the connection.
    pub(super) fn without_answer(error: tokio_postgres::Error) -> Self {
        let hint = hint(&error);
        let message = with_causes(error);
        match hint {
            // It is the same with each attempt, until someone changes the URL or the server.
            Some(hint) => {
                let class = ErrorClass::Environment;
                Self { class, ..Self::temporary(format!("the database can't be used: {message}{hint}")) }
            }
            None if message.contains(SAYS_READ_ONLY) => Self::temporary(READ_ONLY.to_owned()),
            None => Self::temporary(format!("the database is unreachable: {message}")),
        }
    }

    fn of_one(why: FailureReason) -> Self {
        match why {
            FailureReason::Rejected(error) => Self::at(Step::Connect, error),
            FailureReason::Told { code, message } => Self::of_told(&code, &message),
            FailureReason::Changing => {
                Self::temporary("the database is unreachable: it can't be asked for TLS just now".to_owned())
            }
            FailureReason::Lookup(error) => {
                Self::temporary(format!("the database is unreachable: {}", with_causes(error)))
            }
            FailureReason::TimedOut => {
                Self::temporary("the database is unreachable: connecting timed out".to_owned())
            }
        }
    }

    /// An error instead of an answer to the request for TLS. The old form of errors has no code, and is for a server that can't
    /// start a process.
    fn of_told(code: &str, message: &str) -> Self {
        let is_known = !code.is_empty();
        let class = if is_known {
            ErrorClass::of_code(Step::Connect, code, false, message)
        } else {
            ErrorClass::Temporary
        };
        let state = if is_known { format!(" (SQLSTATE {code})") } else { String::new() };
        let message = format!("FATAL: {}{state}", one_line(message));
        Self { class, code: is_known.then(|| code.to_owned()), ..Self::temporary(message) }
    }

    /// Several addresses need a person only if each of them does: one that is merely away may be the one that works.
    fn of_all(failures: Vec<(String, Self)>) -> Self {
        let messages = joined(&failures);
        let mut errors: Vec<_> = failures.into_iter().map(|(_, error)| error).collect();
        let passes = errors.iter().position(|error| error.class == ErrorClass::Temporary).unwrap_or(0);
        Self { message: messages, ..errors.swap_remove(passes) }
    }
}

/// The messages, with the addresses that they are about unless all say the same.
fn joined(failures: &[(String, DatabaseError)]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (address, error) in failures {
        match groups.iter_mut().find(|(message, _)| *message == error.message) {
            Some((_, addresses)) => addresses.push(address),
            None => groups.push((&error.message, vec![address])),
        }
    }
    match &groups[..] {
        [(only, _)] => (*only).to_owned(),
        several => {
            let each =
                several.iter().map(|(message, addresses)| format!("{}: {message}", addresses.join(", ")));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

impl From<PoolError> for DatabaseError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Busy(refused) => {
                let busy = "all of the operator's database connections are busy";
                let refused = refused.map(|error| format!(", and there can't be more now: {error}"));
                Self::of_the_object(format!("{busy}{}", refused.unwrap_or_default()))
            }
            PoolError::Silent => {
                Self::temporary("the database doesn't answer: others wait for that already".to_owned())
            }
            PoolError::Unanswered => Self::temporary("the database doesn't answer".to_owned()),
            PoolError::Connect(error) => error,
        }
    }
}

impl From<ConnectError> for DatabaseError {
    fn from(ConnectError { failures }: ConnectError) -> Self {
        let each = failures.into_iter().map(|Failure { address, why }| (address, Self::of_one(why)));
        Self::of_all(each.collect())
    }
}

/// What to do about a mistake; none if the error is no mistake.
fn hint(error: &tokio_postgres::Error) -> Option<&'static str> {
    if let Some(error) = tls_error(error) {
        return tls_hint(error);
    }
    let message = with_causes_of(error);
    // tokio-postgres tells kinds of errors by their texts alone.
    let says = |text: &str| message.contains(text);
    match () {
        () if says("password missing") => Some(PASSWORD_MISSING),
        () if says("channel binding") || says("unsupported SASL mechanism") => Some(CHANNEL_BINDING),
        () if says(SAYS_NO_TLS) => Some(NO_TLS),
        () if SAYS_NO_POSTGRES.iter().any(|text| says(text)) => Some(NO_POSTGRES),
        () if says("invalid configuration") || says("authentication error") => Some(""),
        () if says("error performing TLS handshake") && !is_cut(error) => Some(""),
        () => None,
    }
}

/// Whether an error says what the first byte of an answer to a request for TLS was taken for.
pub(crate) fn is_about_first_byte(error: &tokio_postgres::Error) -> bool {
    let message = with_causes_of(error);
    SAYS_NO_POSTGRES.iter().chain([&SAYS_NO_TLS]).any(|text| message.contains(text))
}

fn with_causes_of(error: &tokio_postgres::Error) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn causes(error: &tokio_postgres::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(error.source(), |cause| (*cause).source())
}

/// What TLS says, wherever it is among the causes.
fn tls_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    causes(error).find_map(|cause| {
        let wrapped = cause.downcast_ref::<io::Error>().and_then(|error| error.get_ref()?.downcast_ref());
        wrapped.or_else(|| cause.downcast_ref())
    })
}

/// Whether the connection broke, as it does if the server ends.
fn is_cut(error: &tokio_postgres::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, TimedOut, UnexpectedEof,
    };
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let cuts = [BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, TimedOut, UnexpectedEof];
    cause.is_some_and(|error| cuts.contains(&error.kind()))
}

/// What to do about an error of TLS. Nearly all of them stay until someone changes a certificate or a setting.
fn tls_hint(error: &rustls::Error) -> Option<&'static str> {
    use CertificateError as Bad;
    use rustls::Error::{
        AlertReceived, InappropriateHandshakeMessage, InappropriateMessage, InvalidCertificate,
        InvalidMessage, NoCertificatesPresented, PeerIncompatible, PeerMisbehaved,
    };
    Some(match error {
        // An authority of the same name with another key has signed it.
        InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            " (set sslrootcert to the certificate of the authority that signed the server's certificate)"
        }
        InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            " (the server's certificate has expired: renew it, and let the server read it again)"
        }
        InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            " (the server's certificate isn't valid yet: check the clocks of both machines)"
        }
        InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            " (the server's certificate is for other names: use one of them as the host, or sslmode=verify-ca if any server \
             of its authority will do)"
        }
        InvalidCertificate(_) => {
            " (the server needs a certificate of version 3 that its authority has signed for servers, and for this host)"
        }
        AlertReceived(_) => {
            " (the server ends the handshake: check sslcert and sslkey, and the TLS versions that the server accepts)"
        }
        PeerIncompatible(_) => " (TLS 1.2 or 1.3 is needed: check the server's ssl_max_protocol_version)",
        InvalidMessage(_)
        | InappropriateMessage { .. }
        | InappropriateHandshakeMessage { .. }
        | PeerMisbehaved(_)
        | NoCertificatesPresented => NO_POSTGRES,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, OtherError, PeerIncompatible, pki_types::UnixTime};

    #[test]
    fn each_mistake_in_certificates_has_its_hint_and_no_outage_has_one() {
        use CertificateError as Bad;
        let time = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        let bad = rustls::Error::InvalidCertificate;
        for (error, expected) in [
            (bad(Bad::UnknownIssuer), Some("set sslrootcert")),
            (bad(Bad::Expired), Some("has expired: renew")),
            (bad(Bad::ExpiredContext { time, not_after: time }), Some("has expired: renew")),
            (bad(Bad::NotValidYet), Some("check the clocks")),
            (bad(Bad::NotValidYetContext { time, not_before: time }), Some("check the clocks")),
            (bad(Bad::NotValidForName), Some("is for other names")),
            (bad(Bad::BadEncoding), Some("of version 3")),
            (bad(Bad::BadSignature), Some("set sslrootcert")),
            (bad(Bad::InvalidPurpose), Some("of version 3")),
            (bad(Bad::Other(OtherError(std::sync::Arc::new(io::Error::other("x"))))), Some("of version 3")),
            (rustls::Error::AlertReceived(AlertDescription::UnknownCA), Some("sslcert and sslkey")),
            (rustls::Error::AlertReceived(AlertDescription::CertificateRequired), Some("sslcert and sslkey")),
            (rustls::Error::AlertReceived(AlertDescription::ProtocolVersion), Some("TLS versions")),
            (rustls::Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered), Some("TLS 1.2 or 1.3")),
            (rustls::Error::FailedToGetCurrentTime, None),
            (rustls::Error::General("x".to_owned()), None),
        ] {
            let hint = tls_hint(&error);
            assert_eq!(hint.is_some(), expected.is_some(), "{error}");
            assert!(hint.unwrap_or_default().contains(expected.unwrap_or_default()), "{error}: {hint:?}");
        }
    }

    #[test]
    fn several_addresses_need_a_person_only_if_each_of_them_does() {
        let away = || DatabaseError::temporary("away".to_owned());
        let wrong = |message: &str| DatabaseError {
            class: ErrorClass::Environment,
            ..DatabaseError::temporary(message.to_owned())
        };
        for (errors, class, message) in [
            (vec![away()], ErrorClass::Temporary, "away"),
            (vec![wrong("no")], ErrorClass::Environment, "no"),
            (vec![away(), away()], ErrorClass::Temporary, "away"),
            (vec![wrong("no"), wrong("no")], ErrorClass::Environment, "no"),
            (vec![away(), wrong("no")], ErrorClass::Temporary, "a:1: away; b:2: no"),
            (vec![wrong("no"), away()], ErrorClass::Temporary, "a:1: no; b:2: away"),
            (vec![wrong("no"), away(), wrong("no")], ErrorClass::Temporary, "a:1, c:3: no; b:2: away"),
            (vec![wrong("no"), wrong("never")], ErrorClass::Environment, "a:1: no; b:2: never"),
        ] {
            let addresses = ["a:1", "b:2", "c:3"].map(str::to_owned);
            let error = DatabaseError::of_all(addresses.into_iter().zip(errors).collect());
            assert_eq!((error.class, error.to_string()), (class, message.to_owned()));
        }
    }
}
