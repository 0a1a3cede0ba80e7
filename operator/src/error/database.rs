//! Errors of the connection and of the server.

use crate::{
    sqlstate::{self, ErrorClass, Step},
    status::ConditionReason,
};
use std::time::Duration;

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
    /// Whether another attempt may succeed at once: the catalog has changed since it was read, or another connection may do.
    pub stale: bool,
    /// Whether the connection is of no use any more.
    pub spoiled: bool,
    /// Whether it is an error of the server as a whole, which meets other objects, too.
    pub of_the_server: bool,
    /// Whether it has ended what takes long, and would again.
    pub of_long_work: bool,
    pub(super) reason: ConditionReason,
    pub(super) message: String,
}

impl DatabaseError {
    /// The time limit is exceeded.
    pub fn no_answer(limit: Duration) -> Self {
        Self::of_the_object(format!("the database didn't answer within {} s", limit.as_secs()))
    }

    /// A plan is out of date before it is carried out.
    pub fn outdated() -> Self {
        let message = "the table was changed meanwhile".to_owned();
        Self { stale: true, ..Self::of_the_object(message) }
    }

    /// What was being done has ended in the middle.
    pub fn interrupted() -> Self {
        Self::of_the_object("the work at the table was interrupted".to_owned())
    }

    /// The same error, of work that takes long and is to be tried again after a while, not at once: what the work is, in words.
    #[must_use]
    pub fn of_long_work(self, what: &str, table: &str) -> Self {
        let message = format!(
            "{what} of table {table} is tried again after five minutes, then ever more seldom, because all rows are read each time: {}",
            self.message
        );
        Self { of_long_work: true, of_the_server: false, message, ..self }
    }

    /// What is done to the table never makes it as the spec asks.
    pub fn never_settles() -> Self {
        Self::of_the_object(
            "the table isn't as the spec asks, although it was changed several times: somebody else may be changing it"
                .to_owned(),
        )
    }

    /// Someone else keeps renaming the table.
    pub fn keeps_moving() -> Self {
        Self::of_the_object("the object's table keeps being renamed".to_owned())
    }

    /// The first statement on a connection of the pool failed: the server may have closed the connection before, and another
    /// one may do.
    pub fn of_first_statement(error: tokio_postgres::Error) -> Self {
        let stale = error.is_closed();
        let error = Self::at(Step::Begin, error);
        Self { stale: stale || error.stale, ..error }
    }

    /// A statement outside of a transaction failed. It can't say by which role it is executed: if a right is missing, that may be
    /// one that another client of a pooler has set on the connection.
    pub fn of_bare_statement(error: tokio_postgres::Error) -> Self {
        let error = Self::at(Step::Change, error);
        let spoiled = error.spoiled || error.code.as_deref() == Some(sqlstate::DENIED);
        Self { spoiled, ..error }
    }

    /// An error that another attempt at once may not meet.
    pub fn worth_another(step: Step, error: tokio_postgres::Error) -> Self {
        Self { stale: true, ..Self::at(step, error) }
    }

    /// An error of a step.
    pub fn at(step: Step, error: tokio_postgres::Error) -> Self {
        let Some(error) = error.as_db_error() else { return Self::without_answer(error) };
        let code = error.code().code();
        let class = ErrorClass::of(step, error);
        Self {
            class,
            stale: sqlstate::is_stale(error),
            spoiled: sqlstate::spoils(code),
            of_the_server: sqlstate::is_of_the_server(step, code),
            of_long_work: false,
            reason: match code {
                "2BP01" => ConditionReason::DependentsExist,
                // A column of another table has the table's row type.
                "0A000" if step == Step::Change => ConditionReason::DependentsExist,
                // P0001: an event trigger forbids it.
                "42501" | "P0001" => ConditionReason::PermissionDenied,
                _ if sqlstate::rejects_login(step, error) => ConditionReason::PermissionDenied,
                "3F000" => ConditionReason::SchemaMissing,
                "42710" if step == Step::Change => ConditionReason::Conflict,
                "42704" if matches!(step, Step::Resolve | Step::Change) => ConditionReason::InvalidSpec,
                _ if class == ErrorClass::Permanent => ConditionReason::InvalidSpec,
                _ => ConditionReason::DatabaseUnavailable,
            },
            message: sqlstate::describe(error),
            code: Some(code.to_owned()),
        }
    }

    pub(super) fn temporary(message: String) -> Self {
        let (class, reason) = (ErrorClass::Temporary, ConditionReason::DatabaseUnavailable);
        Self {
            class,
            code: None,
            stale: false,
            spoiled: false,
            of_the_server: true,
            of_long_work: false,
            reason,
            message,
        }
    }

    /// One that other objects don't meet.
    pub(super) fn of_the_object(message: String) -> Self {
        Self { of_the_server: false, ..Self::temporary(message) }
    }
}
