//! Errors that keep a table from matching its spec.

mod connecting;
mod database;

pub(crate) use connecting::is_about_first_byte;
pub use database::DatabaseError;

use crate::{
    api::ApiError,
    forms::{FormError, MissingPart, RejectedColumn},
    plan::{self, Difference, DriftHint, IndexConflict, PlanError},
    pool::PoolError,
    secrets::SecretError,
    spec::SpecError,
    sqlstate::{self, ErrorClass, Step},
    status::{ConditionReason, Failure},
    transaction::{STATEMENT_LIMIT, Spoils},
    types::{MissingType, RejectedType, ResolveError},
};
use std::{sync::Arc, time::Duration};

/// The time for which nobody is called: what the database lacks is often applied together with the object.
const DEFERRED: Duration = Duration::from_secs(120);

const WAY_OUT: &str = ". To let the object go and keep the table, set deletionPolicy: Retain";

const LOGIN_HINT: &str = " (check the user and the password that the operator has been given)";

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
    /// The Secret by which the database is reached can't be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The server rejects what else the spec says of a column.
    #[error(transparent)]
    Column(#[from] RejectedColumn),
    /// The database lacks the type of a column.
    #[error(transparent)]
    TypeMissing(#[from] MissingType),
    /// The database lacks a function, an operator or a collation that a column needs.
    #[error(transparent)]
    PartMissing(#[from] MissingPart),
    /// A person has to resolve a conflict.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No schema in the connection's search path exists.
    #[error(
        "the database has no schema for the table: no schema in the search_path of the operator's user exists"
    )]
    NoSchema,
    /// Nothing says in which database the table is to be.
    #[error(
        "spec.connectionSecretRef is missing, and the operator has no database of its own (--no-own-database): name the Secret of \
         the database that is to have the table, or start the operator with a database"
    )]
    NoDatabase,
    /// The cluster's name can't be read.
    #[error(
        "can't read the uid of namespace kube-system, which names this cluster in the comments of its tables \
         ({0}): grant the operator `get` on that namespace, as `manifests` does, or set --cluster-id"
    )]
    ClusterUnknown(ApiError),
    /// The API server can't be asked whether the object still exists.
    #[error(
        "can't check that this object still exists and the table is still its own ({0}): grant the operator \
         `get` on databasetables, as `manifests` does"
    )]
    ObjectUnknown(ApiError),
    /// What becomes of the table isn't known, because the policy is none that there is.
    #[error("nothing is dropped as long as it isn't known whether it should be: {0}")]
    DeletionUnclear(SpecError),
    /// The object no longer exists, and the table isn't its own, but that of another object of its name, or nobody's.
    #[error("the object no longer exists, so it can't take over table {table}")]
    ObjectGone {
        /// The table.
        table: String,
    },
    /// Something is being done that may take hours.
    #[error("{0}")]
    Working(Arc<str>),
    /// The database failed or didn't answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What the next attempt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A lock, say, which others hold for a moment: the handler's backoff will do.
    ForBackoff,
    /// The database, which is away for all objects.
    ForDatabase,
    /// The API server's answer, which all objects need.
    ForApiServer,
    /// Someone who changes something outside the object. All with the same message wait for the same change.
    ForSomeone,
    /// Someone who changes rows. Whether it was done takes long to find out.
    ForRows,
    /// Room on the server's disk, or the end of a limit there. Whether that has come takes long to find out.
    ForRoom,
    /// The end of what is being done, which takes its time and goes well.
    ForWork,
    /// Another spec.
    ForSpec,
}

impl TableError {
    /// The chances of another attempt.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Spec(_)
            | Self::DeletionUnclear(_)
            | Self::Type(_)
            | Self::Column(_)
            | Self::NoDatabase
            | Self::ObjectGone { .. } => ErrorClass::Permanent,
            Self::Plan(PlanError::Lost { .. }) => ErrorClass::Temporary,
            Self::Plan(PlanError::Drifted { hint, .. }) if hint.is_tried_again() => ErrorClass::Environment,
            // Each further attempt would hold the table's users up as long.
            Self::Plan(
                PlanError::Incompatible { .. } | PlanError::Renamed { .. } | PlanError::TooSlow { .. },
            ) => ErrorClass::Permanent,
            Self::Plan(PlanError::Drifted { .. }) => ErrorClass::Permanent,
            Self::Working(_)
            | Self::Plan(PlanError::Busy { .. } | PlanError::Index(IndexConflict::BeingBuilt { .. })) => {
                ErrorClass::Temporary
            }
            Self::TypeMissing(_) | Self::PartMissing(_) => ErrorClass::Environment,
            // A conflict ends when the other object is deleted, for example.
            Self::Plan(_) | Self::NoSchema => ErrorClass::Environment,
            // The person who grants the missing permission is waiting for the result.
            Self::ClusterUnknown(_) | Self::ObjectUnknown(_) => ErrorClass::Temporary,
            Self::Secret(SecretError::NotAllowed(_)) => ErrorClass::Permanent,
            Self::Secret(SecretError::Missing(_) | SecretError::Unusable { .. }) => ErrorClass::Environment,
            Self::Secret(SecretError::Unreadable { .. }) => ErrorClass::Temporary,
            Self::Database(error) => error.class,
        }
    }

    /// What the next attempt waits for.
    pub fn wait(&self) -> Wait {
        match self {
            Self::ClusterUnknown(_) | Self::ObjectUnknown(_) => Wait::ForApiServer,
            Self::Secret(error) if error.is_of_api_server() => Wait::ForApiServer,
            Self::Secret(SecretError::NotAllowed(_)) => Wait::ForSpec,
            Self::Secret(_) => Wait::ForSomeone,
            Self::Working(_)
            | Self::Plan(PlanError::Busy { .. } | PlanError::Index(IndexConflict::BeingBuilt { .. })) => {
                Wait::ForWork
            }
            Self::Plan(PlanError::Obstructed { .. } | PlanError::Drifted { hint: DriftHint::Rows, .. }) => {
                Wait::ForRows
            }
            Self::Database(DatabaseError { of_long_work: true, .. }) => Wait::ForRoom,
            Self::Database(DatabaseError { class: ErrorClass::Temporary, of_the_server, .. }) => {
                if *of_the_server {
                    Wait::ForDatabase
                } else {
                    Wait::ForBackoff
                }
            }
            error => match error.class() {
                ErrorClass::Temporary => Wait::ForBackoff,
                ErrorClass::Environment => Wait::ForSomeone,
                ErrorClass::Permanent => Wait::ForSpec,
            },
        }
    }

    /// The same, which names the database where it is the database that is meant.
    #[must_use]
    pub fn naming(self, target: &str) -> Self {
        match self {
            Self::Database(error) if error.of_the_server => {
                let denied = error.reason == ConditionReason::PermissionDenied;
                let hint = if denied { LOGIN_HINT } else { "" };
                Self::Database(DatabaseError {
                    message: format!("{target}: {}{hint}", error.message),
                    ..error
                })
            }
            other => other,
        }
    }

    /// The same, which names the table where the server rejects what the spec asks for.
    #[must_use]
    pub fn of_table(self, name: &str) -> Self {
        if !matches!(&self, Self::Database(error) if error.reason == ConditionReason::InvalidSpec) {
            return self;
        }
        self.map_message(|message| {
            format!("the server rejects what the spec asks of table {name}: {message}. Change the spec")
        })
    }

    /// The reason for the conditions.
    pub fn reason(&self) -> ConditionReason {
        match self {
            Self::Spec(_) | Self::DeletionUnclear(_) | Self::Type(_) | Self::Column(_) | Self::NoDatabase => {
                ConditionReason::InvalidSpec
            }
            Self::Plan(
                PlanError::Incompatible { .. }
                | PlanError::Obstructed { .. }
                | PlanError::Renamed { .. }
                | PlanError::TooSlow { .. },
            ) => ConditionReason::UpdateAborted,
            Self::Plan(PlanError::Drifted { .. }) => ConditionReason::Drifted,
            Self::Plan(PlanError::SchemaMissing { .. } | PlanError::SchemaOfRole { .. }) => {
                ConditionReason::SchemaMissing
            }
            Self::Working(_)
            | Self::Plan(PlanError::Busy { .. } | PlanError::Index(IndexConflict::BeingBuilt { .. })) => {
                ConditionReason::InProgress
            }
            Self::Plan(PlanError::Elsewhere { .. }) => ConditionReason::DatabaseChanged,
            Self::Plan(_) | Self::ObjectGone { .. } => ConditionReason::Conflict,
            Self::Secret(error) => match error {
                SecretError::NotAllowed(_) => ConditionReason::InvalidSpec,
                SecretError::Missing(_) => ConditionReason::SecretMissing,
                SecretError::Unusable { fault, .. } if fault.is_missing() => ConditionReason::SecretMissing,
                SecretError::Unusable { .. } => ConditionReason::SecretInvalid,
                SecretError::Unreadable { error, .. } if error.denied => ConditionReason::PermissionDenied,
                SecretError::Unreadable { .. } => ConditionReason::ClusterUnavailable,
            },
            Self::TypeMissing(_) | Self::PartMissing(_) => ConditionReason::TypeMissing,
            Self::NoSchema => ConditionReason::SchemaMissing,
            Self::ClusterUnknown(error) | Self::ObjectUnknown(error) if error.denied => {
                ConditionReason::PermissionDenied
            }
            Self::ClusterUnknown(_) | Self::ObjectUnknown(_) => ConditionReason::ClusterUnavailable,
            Self::Database(error) => error.reason,
        }
    }

    /// What all have in common that wait for the same.
    pub fn cause(&self) -> String {
        match self {
            // Whatever the column is.
            Self::TypeMissing(MissingType { type_, .. }) => format!("the database has no type {type_}"),
            Self::PartMissing(MissingPart { why, .. }) => format!("the database lacks something: {why}"),
            // All tables of both, as a rule.
            Self::Plan(PlanError::Disputed { dispute, .. }) => {
                format!("another operator has the cluster id {:?}", dispute.owner.cluster)
            }
            // Nor how many are missing by now, which changes as they come back.
            Self::Plan(PlanError::Drifted { hint: DriftHint::Most(..), .. }) => {
                "most of the operator's tables in a database are missing".to_owned()
            }
            Self::Plan(PlanError::Elsewhere { .. }) => {
                "tables are in another database than the operator is led to".to_owned()
            }
            error => error.to_string(),
        }
    }

    /// What happened, to what, and what to do. Where it keeps an object from going, that has the way out.
    pub fn message(&self, deleting: bool) -> String {
        let is_helped = matches!(
            self.reason(),
            ConditionReason::DatabaseUnavailable
                | ConditionReason::PermissionDenied
                | ConditionReason::DependentsExist
                | ConditionReason::Conflict
                | ConditionReason::SecretMissing
                | ConditionReason::SecretInvalid
                | ConditionReason::DatabaseChanged
        );
        if deleting && (is_helped || *self == Self::NoDatabase) {
            format!("{self}{WAY_OUT}")
        } else {
            self.to_string()
        }
    }

    /// What the status says of it, in its own words, `message`, where attempts have failed for this long.
    pub fn as_failure<'a>(&'a self, message: &'a str, deleting: bool, lasts: Duration) -> Failure<'a> {
        let may_come = self.reason().may_come() && lasts < DEFERRED;
        let needs_person = self.class() != ErrorClass::Temporary && !may_come;
        let is_too_slow = matches!(
            self,
            Self::Plan(PlanError::TooSlow { .. } | PlanError::Drifted { hint: DriftHint::Slow, .. })
        );
        let pending = self.pending();
        Failure { reason: self.reason(), message, needs_person, deleting, pending, is_too_slow }
    }

    /// The statements that would do what is held back.
    pub fn pending(&self) -> &[String] {
        if let Self::Plan(error) = self { error.pending() } else { &[] }
    }

    /// Whether it is an error of the server as a whole, or of the way there.
    pub fn is_of_the_server(&self) -> bool {
        matches!(self, Self::Database(error) if error.of_the_server)
    }

    /// Whether nothing leads to a database.
    pub(crate) fn is_of_no_database(&self) -> bool {
        match self {
            Self::NoDatabase => true,
            Self::Secret(error) => !error.is_of_api_server(),
            _ => false,
        }
    }

    /// The same with another message, if it is the server's.
    #[must_use]
    pub(crate) fn map_message(self, map: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Database(error) => {
                Self::Database(DatabaseError { message: map(error.message.clone()), ..error })
            }
            other => other,
        }
    }

    /// Whether the server has ended a statement after this time, because it reached its limit.
    pub(crate) fn is_of_statement_limit(&self, elapsed: Duration) -> bool {
        // The code is also that of a statement that somebody has cancelled; texts depend on the server's language.
        matches!(self, Self::Database(error) if error.code.as_deref() == Some("57014"))
            && elapsed >= STATEMENT_LIMIT
    }

    /// An error that the second attempt has met: what has the name that is wanted wasn't just about to be seen.
    pub(crate) fn again(self) -> Self {
        match self {
            Self::Database(error) if error.code.as_deref() == Some("42P07") => {
                Self::Database(DatabaseError {
                    class: ErrorClass::Environment,
                    reason: ConditionReason::Conflict,
                    stale: false,
                    ..error
                })
            }
            other => other,
        }
    }

    /// The same of what was to put right how somebody has changed a table: no other spec is needed for what this one had before.
    pub(crate) fn of_repair(self, table: &str, difference: &Difference, hint: DriftHint) -> Self {
        match self {
            Self::Plan(error) => Self::Plan(plan::obstructed(difference, error)),
            Self::Database(error) if error.class == ErrorClass::Permanent && !error.stale => {
                Self::Plan(plan::rejected(difference, table, &error.to_string(), hint))
            }
            other => other,
        }
    }

    /// Whether another session has a lock for longer than this one waits.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Database(error) if error.code.as_deref() == Some(sqlstate::LOCK_TIMEOUT))
    }

    /// Whether another attempt may succeed at once.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Database(error) if error.stale)
    }
}

impl Spoils for TableError {
    fn spoils_connection(&self) -> bool {
        matches!(self, Self::Database(error) if error.spoiled)
    }
}

/// An error of which nothing else is said is one of reading the catalog.
impl From<tokio_postgres::Error> for TableError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(DatabaseError::at(Step::Read, error))
    }
}

impl From<(Step, tokio_postgres::Error)> for TableError {
    fn from((step, error): (Step, tokio_postgres::Error)) -> Self {
        Self::Database(DatabaseError::at(step, error))
    }
}

impl From<ResolveError> for TableError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Rejected(rejected) => rejected.into(),
            ResolveError::Missing(missing) => missing.into(),
            ResolveError::Database(error) => Self::from((Step::Resolve, error)),
        }
    }
}

impl From<FormError> for TableError {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Rejected(rejected) => rejected.into(),
            FormError::Missing(missing) => missing.into(),
            FormError::Database(error) => Self::from((Step::Resolve, error)),
        }
    }
}

impl From<PoolError> for TableError {
    fn from(error: PoolError) -> Self {
        Self::Database(error.into())
    }
}

#[cfg(test)]
mod tests;
