//! Carries out the steps behind a change, one after the other.
//!
//! Each may take long, because all rows are looked at, and none holds others up meanwhile. So a step has no limit but for the
//! wait for a lock. An attempt that ends in between leaves nothing that the next one doesn't find in the catalog.
//!
//! Steps may wait for their turn, and meanwhile the object may be another replica's, or another one of its name may have taken its
//! place. So the plan that they belong to puts a [number](Task::number) into the table's comment, and each later plan another one, or
//! none: a step is done only if its own is still there. Where a transaction does it, the comment is locked meanwhile; where none can, there
//! is a moment between the question and the statement.

use crate::{
    catalog::{self, Place},
    ddl,
    drift::Held,
    error::{DatabaseError, TableError},
    marker::{self, Owner, Standing},
    plan::{Obstacle, PlanError, Step, StepKind},
    pool::Pool,
    sqlstate::{self, ErrorClass, Step as Doing},
    transaction::{Transaction, transact},
};
use futures::join;
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};
use tokio::time::timeout;
use tracing::info;

/// The wait for the end of what frees a full disk.
const UNDOING: Duration = Duration::from_secs(60);

/// What the steps of a plan are done for.
#[derive(Clone, Debug)]
pub struct Task {
    /// The object.
    pub owner: Owner,
    /// The number that the table's comment has for as long as they are to be done.
    pub number: String,
    /// The table.
    pub place: Place,
    /// Whether the object is still this process's.
    pub held: Held,
    /// Whether rows that are the same are looked for before an index is built that they would be in the way of. It takes as long as
    /// reading all of them, but leaves nothing behind, and waits for nobody.
    pub asks_first: bool,
}

/// A number for the steps of a plan, unlike all others.
pub fn number() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Carries out steps on an object's table, as long as no later plan counts.
///
/// # Errors
///
/// [`PlanError::Obstructed`] if rows stand in the way of one; then nothing of it is left. Otherwise those of the database.
pub async fn run(pool: &Pool, task: &Task, steps: &[Step]) -> Result<(), TableError> {
    match run_all(pool, task, steps).await {
        // What is left to be done, a new plan says.
        Err(error) if error.is_stale() => Ok(()),
        result => result,
    }
}

async fn run_all(pool: &Pool, task: &Task, steps: &[Step]) -> Result<(), TableError> {
    for (number, step) in steps.iter().enumerate() {
        if task.held.is_lost() {
            info!("Table {}: leaves {} to the next replica.", task.place.qualified, step.what);
            return Ok(());
        }
        if number == 0 || steps[number - 1].what != step.what {
            info!("Table {}: begins with {}.", task.place.qualified, step.what);
        }
        let work = Work { task, step };
        let attempt = async || transact(pool, async |tx: &Transaction<'_>| work.run(tx).await).await;
        let mut result = attempt().await;
        if step.kind == StepKind::Alone && result.as_ref().is_err_and(is_denied) {
            // Perhaps by what another client of a pooler has left on that connection, which is closed by now.
            result = attempt().await;
        }
        let Err(error) = result else { continue };
        if error.is_stale() {
            return Err(error);
        }
        let Some(obstacle) = step.obstacle.as_ref().filter(|_| is_of_rows(&error)) else {
            return Err(work.ended(pool, error).await);
        };
        // Where rows were seen before it began, what has its name now is somebody else's.
        let has_begun = !matches!(error, TableError::Plan(_));
        if let Some(undo) = step.undo.as_ref().filter(|_| has_begun) {
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
    task: &'a Task,
    step: &'a Step,
}

impl Work<'_> {
    async fn run(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        match self.step.kind {
            StepKind::Transaction => {
                match self.step.query {
                    Some(_) => self.begin_with_question(tx).await?,
                    None => self.begin(tx).await?,
                }
                Ok(tx.commit(Doing::Change, &self.step.statements).await?)
            }
            StepKind::Alone => {
                self.look(tx, true).await?;
                self.alone(tx, &self.step.statements).await
            }
        }
    }

    /// Asks the step's query.
    async fn ask(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        let before_build = self.step.obstacle.as_ref().filter(|_| {
            self.task.asks_first && self.step.kind == StepKind::Alone && self.step.query.is_none()
        });
        let duplicates = before_build.and_then(Obstacle::duplicates).map(|query| format!("{query} LIMIT 1"));
        match self.step.query.as_ref().or(duplicates.as_ref()) {
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
            StepKind::Alone => {
                self.look(tx, false).await?;
                self.alone(tx, statements).await
            }
        }
    }

    /// Begins, with the comment locked.
    async fn begin(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        let (begun, locked) = join!(tx.begin_long(), self.lock(tx));
        begun.map_err(DatabaseError::of_first_statement)?;
        locked
    }

    /// Begins, asks the step's query, and locks the comment.
    async fn begin_with_question(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        // Who has the lock for hours would have all rows read again and again; so it is had, and given back: the query may take long,
        // and a change of the spec would wait.
        let (begun, saved, locked, released) = join!(
            tx.begin_long(),
            tx.batch_execute("SAVEPOINT korf_lock"),
            self.lock(tx),
            tx.batch_execute("ROLLBACK TO SAVEPOINT korf_lock")
        );
        begun.map_err(DatabaseError::of_first_statement)?;
        saved?;
        locked?;
        released?;
        self.ask(tx).await?;
        self.lock(tx).await
    }

    /// Locks the comment.
    async fn lock(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        let lock = ddl::lock_against_changes(&self.task.place);
        let (before, locked, checked) =
            join!(self.check(tx), tx.metrics.locked(tx.execute_typed(&lock, &[])), self.check(tx));
        // Of a table that isn't there, or isn't one, the lock says less.
        before?;
        locked.map_err(|error| (Doing::Change, error))?;
        checked
    }

    /// Asks the step's query, or not, and checks, for what is done outside of a transaction. The questions are in one, for the search
    /// path.
    async fn look(&self, tx: &Transaction<'_>, asks: bool) -> Result<(), TableError> {
        let asked = async { if asks { self.ask(tx).await } else { Ok(()) } };
        // The check is the last, because the query may take long.
        let (begun, asked, checked, ended) =
            join!(tx.begin_long(), asked, self.check(tx), tx.commit(Doing::Read, &[]));
        begun.map_err(DatabaseError::of_first_statement)?;
        asked?;
        checked?;
        Ok(ended?)
    }

    /// Checks that the table is still this very object's, and that no later plan counts: since the changes, others may have had it.
    async fn check(&self, tx: &Transaction<'_>) -> Result<(), TableError> {
        let Task { owner, number, place, .. } = self.task;
        let head = catalog::head(tx, Some(&place.schema), &place.name).await?;
        let Some(comment) = head.filter(|head| head.is_owned_by(owner)).and_then(|head| head.comment) else {
            let (table, what) = (place.qualified.clone(), self.step.what.clone());
            return Err(PlanError::Lost { table, what }.into());
        };
        let is_own = owner.standing(&comment) == Some(Standing::Own);
        let work = marker::from_spec_in(&comment).and_then(|from_spec| from_spec.work);
        if is_own && work.as_ref() == Some(number) {
            return Ok(());
        }
        Err(DatabaseError::outdated().into())
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
            true => error.of_long_work(&self.step.what, &self.task.place.qualified).into(),
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
            table: self.task.place.qualified.clone(),
            obstacle: obstacle.clone(),
            pending: same.flat_map(|step| step.statements.iter().cloned()).collect(),
        }
        .into()
    }
}
