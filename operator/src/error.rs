//! Everything that can keep a table from being as its object wants it.

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

/// What most often helps. Without `sslrootcert`, the authorities are those that the system trusts.
const UNKNOWN_ISSUER: &str =
    " (set sslrootcert to the certificate of the authority that signed the server's)";

/// Why a table isn't as its object wants it. Its text is one line for people and never contains a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The spec describes no table.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The server doesn't take the type of a column.
    #[error(transparent)]
    Type(#[from] RejectedType),
    /// The change is one that isn't made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The search path of the connection names no schema that exists.
    #[error(
        "the database has no schema for the table: the search_path of the operator's user names none that \
         exists"
    )]
    NoSchema,
    /// The cluster's name can't be had.
    #[error(
        "the uid of namespace kube-system, which names this cluster in the comments of its tables, can't be \
         read ({0}): grant the operator `get` on it, as manifests/rbac.yaml does, or give a name with \
         --cluster-id"
    )]
    ClusterUnknown(ApiError),
    /// It can't be told whether the object is still there.
    #[error(
        "whether the table still belongs to this object can't be told, because the object can't be read \
         ({0}): grant the operator `get` on databasetables, as manifests/rbac.yaml does"
    )]
    ObjectUnknown(ApiError),
    /// The object is not there any more, and the table is another's.
    #[error("the object is gone, and table {table} belongs to another one of the same name")]
    ObjectGone {
        /// The table.
        table: String,
    },
    /// The database said no, or nothing.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// An error of the connection or the server, sorted and put into words.
///
/// It doesn't keep its source: what was looked through for secrets is the text, and only the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DatabaseError {
    /// What it means for the next attempt.
    pub class: ErrorClass,
    /// The SQLSTATE, if the server sent one.
    pub code: Option<String>,
    /// Whether it says that the catalog has changed since it was read.
    pub stale: bool,
    message: String,
}

impl TableError {
    /// What the error means for the next attempt.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Spec(_) | Self::Type(_) | Self::ObjectGone { .. } => ErrorClass::Permanent,
            Self::Plan(PlanError::Incompatible { .. } | PlanError::Renamed { .. }) => ErrorClass::Permanent,
            // Another object's table goes when that object does.
            Self::Plan(_) | Self::NoSchema => ErrorClass::Environment,
            // A right that is missing is granted while somebody waits for it to work.
            Self::ClusterUnknown(_) | Self::ObjectUnknown(_) => ErrorClass::Temporary,
            Self::Database(error) => error.class,
        }
    }

    /// The reason that goes into the conditions.
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

    /// Whether the catalog has to be read again before anything can be said.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Database(error) if error.stale)
    }
}

impl DatabaseError {
    /// No answer came in time.
    pub fn no_answer(limit: Duration) -> Self {
        Self::temporary(format!("the database gave no answer within {} s", limit.as_secs()))
    }

    /// Somebody else keeps changing the tables.
    pub fn keeps_moving() -> Self {
        Self::temporary("the object's table changes its name again and again".to_owned())
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
                let hint = if is_of_unknown_issuer(&error) { UNKNOWN_ISSUER } else { "" };
                Self::temporary(format!("the database can't be reached: {}{hint}", with_causes(error)))
            }
        }
    }
}

impl From<PoolError> for DatabaseError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => {
                Self::temporary("all connections of the operator to the database are busy".to_owned())
            }
            PoolError::Timeout(_) => {
                Self::temporary("the database can't be reached: no connection in time".to_owned())
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

/// Whether the server's certificate is of an authority that is not known here.
fn is_of_unknown_issuer(error: &tokio_postgres::Error) -> bool {
    let wrapped = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let of_tls = wrapped.and_then(|error| error.get_ref()?.downcast_ref());
    matches!(of_tls, Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)))
}

#[cfg(test)]
mod tests;
