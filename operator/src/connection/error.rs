//! Mistakes in the settings of a connection.

/// A mistake that makes connecting impossible. No message quotes a value from the URL or a variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No address of the database is set.
    #[error("no database is given: set --database-url, DATABASE_URL or PGHOST")]
    NoDatabase,
    /// The text can't be parsed.
    #[error(
        "the database URL can't be parsed: it should look like \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full; characters like @ / ? # % in the \
         password are written as %40 %2F %3F %23 %25"
    )]
    Syntax,
    /// A known option has an invalid value.
    #[error("the database URL has an invalid value for the option {0}")]
    OptionValue(&'static str),
    /// A variable has an invalid value.
    #[error("the environment variable {0} has an invalid value")]
    Variable(&'static str),
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
    /// The file of `sslrootcert` has no readable certificate.
    #[error("no certificates can be read from sslrootcert {path}: {why}")]
    RootCert {
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
    /// The pool can't be set up.
    #[error("the connection pool can't be set up: {0}")]
    Pool(String),
}
