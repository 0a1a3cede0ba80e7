//! Errors that keep a table from matching its spec.

use crate::{
    api::ApiError,
    message::with_causes,
    plan::PlanError,
    spec::SpecError,
    sqlstate::{self, ErrorClass},
    status::ConditionReason,
    types::{RejectedType, ResolveError},
};
use deadpool_postgres::{PoolError, TimeoutType};
use rustls::CertificateError;
use std::{error::Error, io, time::Duration};

/// The usual fix: without `sslrootcert`, only the authorities that the system trusts are known.
const UNKNOWN_ISSUER_HINT: &str =
    " (set sslrootcert to the certificate of the authority that signed the server's certificate)";

/// An error that keeps a table from matching its spec. Its message is a single line and never contains a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The spec describes no table.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The server rejects the type of a column.
    #[error(transparent)]
    Type(#[from] RejectedType),
    /// A person has to resolve a conflict.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No schema in the connection's search path exists.
    #[error(
        "the database has no schema for the table: no schema in the search_path of the operator's user exists"
    )]
    NoSchema,
    /// The cluster's name can't be read.
    #[error(
        "can't read the uid of namespace kube-system, which names this cluster in the comments of its tables \
         ({0}): grant the operator `get` on that namespace, as manifests/rbac.yaml does, or set --cluster-id"
    )]
    ClusterUnknown(ApiError),
    /// The API server can't be asked whether the object still exists.
    #[error(
        "can't check that this object still exists and the table is still its own ({0}): grant the operator \
         `get` on databasetables, as manifests/rbac.yaml does"
    )]
    ObjectUnknown(ApiError),
    /// The object no longer exists, and another one owns the table.
    #[error("the object no longer exists, and table {table} belongs to another object of the same name")]
    ObjectGone {
        /// The table.
        table: String,
    },
    /// The database failed or didn't answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// An error of the connection or the server.
///
/// It doesn't keep its source: only the message has been cleared of secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DatabaseError {
    /// The chances of another attempt.
    pub class: ErrorClass,
    /// The SQLSTATE, if the server sent one.
    pub code: Option<String>,
    /// Whether the catalog has changed since it was read.
    pub stale: bool,
    message: String,
}

impl TableError {
    /// The chances of another attempt.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Spec(_) | Self::Type(_) | Self::ObjectGone { .. } => ErrorClass::Permanent,
            Self::Plan(PlanError::Incompatible { .. } | PlanError::Renamed { .. }) => ErrorClass::Permanent,
            // A conflict ends when the other object is deleted, for example.
            Self::Plan(_) | Self::NoSchema => ErrorClass::Environment,
            // The person who grants the missing permission is waiting for the result.
            Self::ClusterUnknown(_) | Self::ObjectUnknown(_) => ErrorClass::Temporary,
            Self::Database(error) => error.class,
        }
    }

    /// The reason for the conditions.
    pub fn reason(&self) -> ConditionReason {
        match self {
            Self::Spec(_) | Self::Type(_) => ConditionReason::InvalidSpec,
            Self::Plan(PlanError::Incompatible { .. } | PlanError::Renamed { .. }) => {
                ConditionReason::UpdateAborted
            }
            Self::Plan(_) | Self::ObjectGone { .. } => ConditionReason::Conflict,
            Self::NoSchema => ConditionReason::SchemaMissing,
            Self::ClusterUnknown(error) | Self::ObjectUnknown(error) if error.denied => {
                ConditionReason::PermissionDenied
            }
            Self::ClusterUnknown(_) | Self::ObjectUnknown(_) => ConditionReason::ClusterUnavailable,
            Self::Database(error) => error.reason(),
        }
    }

    /// Whether the catalog has changed since it was read, so that another attempt may succeed at once.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Database(error) if error.stale)
    }
}

impl DatabaseError {
    /// The time limit is exceeded.
    pub fn no_answer(limit: Duration) -> Self {
        Self::temporary(format!("the database didn't answer within {} s", limit.as_secs()))
    }

    /// Someone else keeps renaming the table.
    pub fn keeps_moving() -> Self {
        Self::temporary("the object's table keeps being renamed".to_owned())
    }

    /// The first statement on a connection of the pool failed: the server may have closed the connection before, and another
    /// one may do.
    pub fn of_first_statement(error: tokio_postgres::Error) -> Self {
        let stale = error.is_closed();
        let error = Self::from(error);
        Self { stale: stale || error.stale, ..error }
    }

    fn temporary(message: String) -> Self {
        Self { class: ErrorClass::Temporary, code: None, stale: false, message }
    }

    fn reason(&self) -> ConditionReason {
        let code = self.code.as_deref().unwrap_or_default();
        match (self.class, code) {
            (_, "2BP01") => ConditionReason::DependentsExist,
            (_, "42501") => ConditionReason::PermissionDenied,
            (_, "3F000") => ConditionReason::SchemaMissing,
            (_, code) if code.starts_with("28") => ConditionReason::PermissionDenied,
            (ErrorClass::Permanent, _) | (_, "42704") => ConditionReason::InvalidSpec,
            (ErrorClass::Temporary | ErrorClass::Environment, _) => ConditionReason::DatabaseUnavailable,
        }
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(error) => Self {
                class: ErrorClass::of(error),
                code: Some(error.code().code().to_owned()),
                stale: sqlstate::is_stale(error),
                message: sqlstate::describe(error),
            },
            None => {
                let hint = if is_unknown_issuer(&error) { UNKNOWN_ISSUER_HINT } else { "" };
                Self::temporary(format!("the database is unreachable: {}{hint}", with_causes(error)))
            }
        }
    }
}

impl From<PoolError> for DatabaseError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => {
                Self::temporary("all of the operator's database connections are busy".to_owned())
            }
            PoolError::Timeout(_) => {
                Self::temporary("the database is unreachable: connecting timed out".to_owned())
            }
            other => Self::temporary(with_causes(other)),
        }
    }
}

impl From<tokio_postgres::Error> for TableError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<ResolveError> for TableError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Rejected(rejected) => rejected.into(),
            ResolveError::Database(error) => error.into(),
        }
    }
}

impl From<PoolError> for TableError {
    fn from(error: PoolError) -> Self {
        Self::Database(error.into())
    }
}

/// Whether an authority that isn't known here signed the server's certificate.
fn is_unknown_issuer(error: &tokio_postgres::Error) -> bool {
    let wrapped = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let tls_error = wrapped.and_then(|error| error.get_ref()?.downcast_ref());
    matches!(tls_error, Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)))
}

#[cfg(test)]
mod tests;
