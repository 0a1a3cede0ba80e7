//! The `sslmode` of libpq.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>

use super::error::SettingsError;

/// The `sslrootcert` that means what the system trusts.
pub(super) const SYSTEM: &str = "system";

/// How much of TLS is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum SslMode {
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

impl SslMode {
    /// The mode that is asked for. As in libpq, the system's authorities go with nothing less than the whole verification.
    pub(super) fn of(text: Option<&str>, root_cert: Option<&str>) -> Result<Self, SettingsError> {
        let by_system = root_cert == Some(SYSTEM);
        match text.map(Self::parse).transpose()? {
            None if by_system => Ok(Self::VerifyFull),
            Some(mode) if by_system && mode != Self::VerifyFull => Err(SettingsError::WeakSslMode),
            mode => Ok(mode.unwrap_or_default()),
        }
    }

    fn parse(text: &str) -> Result<Self, SettingsError> {
        [Self::Disable, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull]
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or(SettingsError::SslMode)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}
