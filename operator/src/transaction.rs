//! Transaction on a connection of the pool, whose statements are sent together.
//!
//! Statements that don't depend on each other's answers are polled at once: the server works on them one after the other,
//! and the operator waits once. Even BEGIN is sent with others. If it fails, they have read, and have locked nothing that
//! lasts. `tokio_postgres::Transaction` waits for BEGIN and for COMMIT alone.

use crate::{
    metrics::Metrics,
    pool::{Pool, PoolError, PooledConnection},
    search_path,
    sqlstate::Step,
};
use futures::{
    future::{join_all, pending},
    join,
};
use std::{
    ops::Deref,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use tokio::{select, sync::Notify, time::timeout};
use tokio_postgres::{Client, Error};

/// READ COMMITTED, to read under the lock what its last holder has written. Whether it may write is for the database's
/// owner to say (`default_transaction_read_only`).
///
/// All is LOCAL: a pooler in transaction mode passes other settings on to other clients. For the same reason, what such a
/// client may have left on the connection is as the server has it by default: where a table is created, and whose it is. Names
/// are printed, and locked, in one spelling.
const BEGIN: &str = concat!(
    "BEGIN ISOLATION LEVEL READ COMMITTED; \
     SET LOCAL role TO DEFAULT; ",
    search_path::noted!(),
    "; SET LOCAL default_tablespace TO DEFAULT; \
     SET LOCAL default_table_access_method TO DEFAULT; \
     SET LOCAL quote_all_identifiers = off; \
     SET LOCAL lock_timeout = '3s'; \
     SET LOCAL statement_timeout = '60s'; \
     SET LOCAL idle_in_transaction_session_timeout = '60s'"
);

/// To read what all tables are at one point in time. What the server prints is as in the other transactions.
const BEGIN_LOOK: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL role TO DEFAULT; ",
    search_path::noted!(),
    "; SET LOCAL quote_all_identifiers = off; \
     SET LOCAL lock_timeout = '1s'; \
     SET LOCAL statement_timeout = '30s'; \
     SET LOCAL idle_in_transaction_session_timeout = '60s'"
);

/// The time that a statement of a transaction may take, as `BEGIN` says.
pub const STATEMENT_LIMIT: Duration = Duration::from_secs(60);

/// The longest wait for the answer to BEGIN, which waits for no lock. A pooler whose server is away holds it up for as long as it
/// likes.
const SILENCE: Duration = Duration::from_secs(15);

/// Runs a transaction. What it doesn't [commit](Transaction::commit) is rolled back.
///
/// # Errors
///
/// Those of the transaction, and of the pool.
pub async fn transact<T, E: From<PoolError> + Spoils>(
    pool: &Pool,
    work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let mut connection = Connection(Some(pool.get().await?));
    let Some(client) = &connection.0 else { return Err(PoolError::Busy(None).into()) };
    let transaction = Transaction {
        client,
        is_open: AtomicBool::new(true),
        metrics: pool.metrics(),
        asked: Notify::new(),
        answered: Notify::new(),
    };
    let result = select! {
        result = work(&transaction) => result,
        () = transaction.silence() => return Err(PoolError::Unanswered.into()),
    };
    let closed = !transaction.is_open.load(Relaxed) || client.batch_execute("ROLLBACK").await.is_ok();
    if closed && !result.as_ref().is_err_and(Spoils::spoils_connection) {
        connection.0.take();
    }
    result
}

/// Sends something between two statements that set something in the transaction, and take it back; all at once. The error is that
/// of the first that fails.
pub(crate) async fn between<T>(
    sql: &Client,
    (first, last): (&str, &str),
    sent: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let (begun, answer, ended) = join!(sql.batch_execute(first), sent, sql.batch_execute(last));
    begun?;
    let answer = answer?;
    ended?;
    Ok(answer)
}

/// An error that knows what it says of the connection.
pub trait Spoils {
    /// Whether the connection is of no use any more.
    fn spoils_connection(&self) -> bool;
}

/// A transaction on a connection.
#[derive(Debug)]
pub struct Transaction<'c> {
    client: &'c Client,
    is_open: AtomicBool,
    pub(crate) metrics: &'c Metrics,
    /// Notified when BEGIN is sent.
    asked: Notify,
    /// Notified when it is answered.
    answered: Notify,
}

impl Transaction<'_> {
    /// Begins; to be polled before the first statements.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub async fn begin(&self) -> Result<(), Error> {
        self.ask_to_begin(BEGIN).await
    }

    /// Begins what may take as long as it does, other than waiting for a lock; to be polled before the first statements.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub async fn begin_long(&self) -> Result<(), Error> {
        self.ask_to_begin(&format!("{BEGIN}; SET LOCAL statement_timeout = 0")).await
    }

    async fn ask_to_begin(&self, statements: &str) -> Result<(), Error> {
        self.asked.notify_one();
        let begun = self.batch_execute(statements).await;
        self.answered.notify_one();
        begun
    }

    /// Ends when BEGIN isn't answered in time.
    async fn silence(&self) {
        self.asked.notified().await;
        if timeout(SILENCE, self.answered.notified()).await.is_ok() {
            pending::<()>().await;
        }
    }

    /// Begins to read the catalog, and nothing else; to be polled before the first statements.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub async fn begin_look(&self) -> Result<(), Error> {
        self.batch_execute(BEGIN_LOOK).await
    }

    /// Executes statements, which are of one step, by the database's own [search path](crate::search_path), and commits, all at
    /// once. If one fails, the server executes none of those behind it, and COMMIT rolls back.
    ///
    /// # Errors
    ///
    /// The first one of a statement, or that of the commit, with its step.
    pub async fn commit(&self, step: Step, statements: &[String]) -> Result<(), (Step, Error)> {
        self.metrics.note_statements(statements.iter().map(String::as_str));
        let path = (!statements.is_empty()).then_some(search_path::OF_DATABASE);
        let all = path.into_iter().chain(statements.iter().map(String::as_str));
        let executed = join_all(all.map(|statement| self.execute_typed(statement, &[])));
        let (executed, committed) = join!(executed, self.batch_execute("COMMIT"));
        self.is_open.store(committed.is_err(), Relaxed);
        executed.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| (step, error))?;
        committed.map_err(|error| (Step::Commit, error))
    }
}

impl Deref for Transaction<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client
    }
}

/// A connection that is closed when dropped, so that the server rolls back what is under way; unless it was taken out, and
/// goes back to the pool.
struct Connection(Option<PooledConnection>);

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.close();
        }
    }
}
