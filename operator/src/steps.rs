//! Carries out the steps behind a change, one after the other.
//!
//! Each may take long, because all rows are looked at, and none holds others up meanwhile. So a step has no limit but for the
//! wait for a lock. An attempt that ends in between leaves nothing that the next one doesn't find in the catalog.

use crate::{
    catalog::{self, Place},
    error::{DatabaseError, TableError},
    marker::Owner,
    plan::{Obstacle, PlanError, Step, StepKind},
    pool::Pool,
    sqlstate::{self, ErrorClass, Step as Doing},
    transaction::{Transaction, transact},
};
use futures::join;
use std::time::Duration;
use tokio::time::timeout;
use tracing::info;

/// The wait for the end of what frees a full disk.
const UNDOING: Duration = Duration::from_secs(60);

/// Carries out steps on an object's table.
///
/// # Errors
///
/// [`PlanError::Obstructed`] if rows stand in the way of one; then nothing of it is left. Otherwise those of the database.
pub async fn run(pool: &Pool, owner: &Owner, place: &Place, steps: &[Step]) -> Result<(), TableError> {
    for (number, step) in steps.iter().enumerate() {
        if number == 0 || steps[number - 1].what != step.what {
            info!("Table {}: begins with {}.", place.qualified, step.what);
        }
        let work = Work { owner, place, step };
        let attempt = async || transact(pool, async |tx: &Transaction<'_>| work.run(tx).await).await;
        let mut result = attempt().await;
        if step.kind == StepKind::Alone && result.as_ref().is_err_and(is_denied) {
            // Perhaps by what another client of a pooler has left on that connection, which is closed by now.
            result = attempt().await;
        }
        let Err(error) = result else { continue };
        if error.is_stale() {
            // What is left to be done, a new plan says.
            return Ok(());
        }
        let Some(obstacle) = step.obstacle.as_ref().filter(|_| is_of_rows(&error)) else {
            return Err(work.ended(pool, error).await);
        };
        if let Some(undo) = &step.undo {
            transact(pool, async |tx: &Transaction<'_>| work.undo(tx, undo).await).await?;
        }
        return Err(work.obstructed(obstacle, &steps[number..]));
    }
    Ok(())
}

fn is_denied(error: &TableError) -> bool {
    matches!(error, TableError::Database(error) if error.code.as_deref() == Some(sqlstate::DENIED))
}

fn is_of_rows(error: &TableError) -> bool {
    match error {
        TableError::Database(DatabaseError { code: Some(code), stale: false, .. }) => {
            sqlstate::is_of_rows(code)
        }
        TableError::Plan(PlanError::Obstructed { .. }) => true,
        _ => false,
    }
}

/// A step on a table.
struct Work<'a> {
    owner: &'a Owner,
    place: &'a Place,
    step: &'a Step,
}

impl Work<'_> {
    async fn run(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        match self.step.kind {
            StepKind::Transaction => {
                self.begin(tx).await?;
                self.ask(tx).await?;
                Ok(tx.commit(Doing::Change, &self.step.statements).await?)
            }
            StepKind::Alone => {
                // What comes by itself is no part of a transaction; what is asked before it is, for the search path.
                let (begun, asked, ended) = join!(self.begin(tx), self.ask(tx), tx.commit(Doing::Read, &[]));
                begun?;
                asked?;
                ended?;
                self.alone(tx, &self.step.statements).await
            }
        }
    }

    /// Asks the step's query.
    async fn ask(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        match &self.step.query {
            Some(query) if !tx.query_typed(query, &[]).await?.is_empty() => Err(match &self.step.obstacle {
                Some(obstacle) => self.obstructed(obstacle, std::slice::from_ref(self.step)),
                None => DatabaseError::outdated().into(),
            }),
            _ => Ok(()),
        }
    }

    async fn undo(&self, tx: &Transaction<'_>, statement: &String) -> Result<(), TableError> {
        let statements = std::slice::from_ref(statement);
        match self.step.kind {
            StepKind::Transaction => {
                self.begin(tx).await?;
                Ok(tx.commit(Doing::Change, statements).await?)
            }
            StepKind::Alone => self.alone(tx, statements).await,
        }
    }

    async fn begin(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        let (begun, checked) = join!(tx.begin_long(), self.check(tx));
        begun.map_err(DatabaseError::of_first_statement)?;
        checked
    }

    /// Checks that the table is the object's still: since the changes, others may have had it.
    async fn check(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        let head = catalog::head(tx, Some(&self.place.schema), &self.place.name).await?;
        if head.is_some_and(|head| head.is_owned_by(self.owner)) {
            return Ok(());
        }
        let (table, what) = (self.place.qualified.clone(), self.step.what.clone());
        Err(PlanError::Lost { table, what }.into())
    }

    /// Executes statements outside of a transaction. They wait for locks that readers and writers don't mind.
    async fn alone(&self, tx: &Transaction<'_>, statements: &[String]) -> Result<(), TableError> {
        for statement in statements {
            tx.metrics.note_statements([statement.as_str()]);
            tx.execute_typed(statement, &[]).await.map_err(DatabaseError::of_bare_statement)?;
        }
        Ok(())
    }

    /// The error that has ended it. What it has left on a full disk is dropped, because others need the room; and so is what will never
    /// be whole, such as an index for which values are too long.
    async fn ended(&self, pool: &Pool, error: TableError) -> TableError {
        let TableError::Database(error) = error else { return error };
        let ends = |of: fn(&str) -> bool| error.code.as_deref().is_some_and(of);
        let is_hopeless = error.class == ErrorClass::Permanent && !error.stale;
        if let Some(undo) = self.step.undo.as_ref().filter(|_| ends(sqlstate::has_no_room) || is_hopeless) {
            // The next attempt does it, if not this one: it waits for those who use the table, and needs room itself.
            let undone = transact(pool, async |tx: &Transaction<'_>| self.undo(tx, undo).await);
            drop(timeout(UNDOING, undone).await);
        }
        match ends(sqlstate::ends_long_work) {
            true => error.of_long_work(&self.step.what, &self.place.qualified).into(),
            false if is_hopeless => {
                TableError::from(error).map_message(|message| format!("{}: {message}", self.step.what))
            }
            false => error.into(),
        }
    }

    /// The error with what is left to be done.
    fn obstructed(&self, obstacle: &Obstacle, left: &[Step]) -> TableError {
        let same = left.iter().take_while(|step| step.what == self.step.what);
        PlanError::Obstructed {
            table: self.place.qualified.clone(),
            obstacle: obstacle.clone(),
            pending: same.flat_map(|step| step.statements.iter().cloned()).collect(),
        }
        .into()
    }
}
