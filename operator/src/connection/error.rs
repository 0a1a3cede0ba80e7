//! Mistakes in the settings of the connection.

/// Why the database can't even be tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Nothing says where the database is.
    #[error("no database is given: set --database-url, DATABASE_URL or PGHOST")]
    NoDatabase,
    /// The text can't be taken apart.
    #[error(
        "the database URL can't be read: it should look like \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full; characters like @ / ? # % in the \
         password are written as %40 %2F %3F %23 %25"
    )]
    Syntax,
    /// An option that PostgreSQL knows has a value that it hasn't.
    #[error("the database URL has a bad value for the option {0}")]
    OptionValue(&'static str),
    /// A variable has a value that can't be.
    #[error("the variable {0} has a bad value")]
    Variable(&'static str),
    /// An option of libpq that has no counterpart here.
    #[error("the database URL has the option {0}, which isn't supported: remove it")]
    UnsupportedOption(&'static str),
    /// An option that nobody knows. It isn't named, because it may be part of a password.
    #[error(
        "the database URL has an option that PostgreSQL doesn't know (if a ? or & belongs to the password, \
         write it as %3F or %26)"
    )]
    UnknownOption,
    /// `sslmode` has another value.
    #[error("sslmode must be disable, prefer, require, verify-ca or verify-full")]
    SslMode,
    /// The file of `sslrootcert` gives no certificate.
    #[error("no certificates can be read from sslrootcert {path}: {why}")]
    RootCert {
        /// The file.
        path: String,
        /// What went wrong.
        why: String,
    },
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
    /// The pool can't be made.
    #[error("the connection pool can't be set up: {0}")]
    Pool(String),
}
