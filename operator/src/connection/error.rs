//! Mistakes in the settings of a connection, and failures to connect.

use crate::sqlstate::is_full;
use std::io;

/// A mistake that makes connecting impossible. No message quotes a value from the URL, a variable or a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No address of the database is set.
    #[error("no database is given: set --database-url, DATABASE_URL, DATABASE_URL_FILE or PGHOST")]
    NoDatabase,
    /// Both a URL and a file with one are given.
    #[error(
        "both a database URL and a file with one are given: use either DATABASE_URL (or --database-url) or \
         DATABASE_URL_FILE (or --database-url-file)"
    )]
    TwoUrls,
    /// A database is given where there is to be none.
    #[error(
        "both a database and --no-own-database (NO_OWN_DATABASE) are given: leave out the one, or the other (DATABASE_URL or \
         --database-url, DATABASE_URL_FILE or --database-url-file)"
    )]
    NotWanted,
    /// The text can't be parsed.
    #[error(
        "the database URL can't be parsed: it should look like \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full; characters like @ / ? # % in the \
         password are written as %40 %2F %3F %23 %25"
    )]
    Syntax,
    /// A `%` begins no escape.
    #[error(
        "the database URL has a % that isn't followed by two hexadecimal digits other than 00: write a % that is part \
         of the user, the password or another value as %25"
    )]
    PercentEscape,
    /// An `@` is where none can be.
    #[error(
        "the database URL has an @ too many: write an @ that is part of the user or the password as %40, and a / before it \
         as %2F"
    )]
    AtSign,
    /// An IPv6 address has no brackets.
    #[error(
        "the database URL has a host with several colons: write an IPv6 address in brackets, as in [::1]:5432"
    )]
    Brackets,
    /// There are more or fewer ports or addresses than hosts.
    #[error(
        "the numbers of hosts, hostaddrs and ports differ: give one port for all hosts, or one of each for each host"
    )]
    AddressCount,
    /// A known option has an invalid value.
    #[error("the database URL has an invalid value for the option {0}")]
    OptionValue(&'static str),
    /// A variable has an invalid value.
    #[error("the environment variable {0} has an invalid value")]
    Variable(&'static str),
    /// A variable of libpq that isn't supported here.
    #[error("the environment variable {0} is set, which isn't supported: unset it")]
    UnsupportedVariable(&'static str),
    /// An option of libpq that isn't supported here.
    #[error("the database URL has the option {0}, which isn't supported: remove it")]
    UnsupportedOption(&'static str),
    /// An unknown option. It isn't named, because it may be part of a password.
    #[error(
        "the database URL has an option that PostgreSQL doesn't know (if a ? or & is part of the password, \
         write it as %3F or %26)"
    )]
    UnknownOption,
    /// `sslmode` has an invalid value.
    #[error("sslmode must be disable, prefer, require, verify-ca or verify-full")]
    SslMode,
    /// The system's authorities sign certificates for anyone, so they prove nothing but the host's name.
    #[error("sslrootcert=system needs sslmode=verify-full: set it, or remove sslmode")]
    WeakSslMode,
    /// A certificate without its key, or a key without its certificate.
    #[error("sslcert and sslkey (or PGSSLCERT and PGSSLKEY) are of use only together: set both")]
    HalfIdentity,
    /// A file can't be used.
    #[error("{what}{path} can't be used: {why}")]
    File {
        /// The file's purpose.
        what: &'static str,
        /// A blank and the path, or nothing: what doesn't look like a path may be a password.
        path: String,
        /// The reason.
        why: String,
    },
    /// The file of `sslrootcert` has no readable certificate.
    #[error("no certificates can be read from sslrootcert {path}: {why}")]
    RootCert {
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
    /// The value of a key of a Secret can't be used.
    #[error("its {key} can't be used: {why}")]
    Value {
        /// The key.
        key: &'static str,
        /// The reason.
        why: String,
    },
    /// What is set now is for another database, host or way to connect.
    #[error(
        "it names another host, database or option now, and only another user and password can be taken over: restart \
         the operator"
    )]
    Elsewhere,
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
}

/// A failure to connect: none of the addresses could be used.
#[derive(Debug)]
pub struct ConnectError {
    /// The failures in the order of the attempts, at least one.
    pub failures: Vec<Failure>,
}

/// A failure to connect to one address.
#[derive(Debug)]
pub struct Failure {
    /// The address, for people.
    pub address: String,
    /// The reason.
    pub why: FailureReason,
}

/// A reason for a failure to connect.
#[derive(Debug)]
pub enum FailureReason {
    /// The host's name can't be resolved.
    Lookup(io::Error),
    /// The server didn't answer in time.
    TimedOut,
    /// The server, or the library, rejects the connection.
    Rejected(tokio_postgres::Error),
    /// The server has answered the request for TLS in one way, and a moment later in another, or not at all.
    Changing,
    /// The server, or a pooler before it, answers the request for TLS with an error.
    Told {
        /// The SQLSTATE, or nothing.
        code: String,
        /// The message.
        message: String,
    },
}

impl ConnectError {
    /// Whether a server has admitted as many connections as it does for now.
    pub(crate) fn is_full(&self) -> bool {
        self.failures.iter().any(|failure| match &failure.why {
            FailureReason::Rejected(error) => {
                error.as_db_error().is_some_and(|error| is_full(error.code().code(), error.message()))
            }
            FailureReason::Told { code, message } => is_full(code, message),
            FailureReason::Lookup(_) | FailureReason::TimedOut | FailureReason::Changing => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_server_is_told_from_one_that_rejects_the_login() {
        for (code, message, full) in [
            ("53300", "too many connections for role \"demo\"", true),
            ("53300", "too many connections for database \"demo\"", true),
            ("53300", "sorry, too many clients already", true),
            ("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute", true),
            (
                "53300",
                "remaining connection slots are reserved for roles with privileges of \"pg_use_reserved_connections\"",
                true,
            ),
            ("08P01", "no more connections allowed (max_client_conn)", true),
            ("08P01", "no more connections allowed (max_user_client_connections)", true),
            ("XX000", "Max client connections reached", true),
            ("28P01", "password authentication failed for user \"demo\"", false),
            ("57P03", "the database system is starting up", false),
            ("08P01", "query_wait_timeout", false),
            ("53200", "out of memory", false),
        ] {
            assert_eq!(is_full(code, message), full, "{message}");
        }
    }
}
