//! Pool of connections to the database.
//!
//! A server admits only so many connections: of a role, to a database, in all. If it admits fewer than the pool may have,
//! callers share those that there are and wait for each other, as they do when the pool has all of its own. They fail only
//! if there is no connection to wait for.

mod limit;

use crate::{
    connection::{ConnectError, Connection, Connector},
    metrics::Metrics,
};
use limit::Limit;
use std::{
    collections::VecDeque,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::Client;

/// The longest wait for a place.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time without use after which a connection is checked before its next one.
const IDLE: Duration = Duration::from_secs(5);
/// The time that the check may take.
const CHECK: Duration = Duration::from_secs(5);

/// A pool of connections. Its clones are the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    connector: Connector,
    places: Arc<Semaphore>,
    state: Mutex<State>,
    metrics: Metrics,
}

/// The connections of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolCounts {
    /// Those that nobody uses.
    pub idle: usize,
    /// Those that somebody uses.
    pub used: usize,
    /// Those that there may be.
    pub limit: usize,
}

struct State {
    limit: Limit,
    /// Connections that nobody uses, and since when.
    idle: VecDeque<(Arc<Connection>, Instant)>,
}

/// A reason why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// Others use all connections, and none has become free in time; with why the server admits no more, if it does not.
    Busy(Option<ConnectError>),
    /// No address of the database can be used.
    Connect(ConnectError),
}

/// A connection of the pool, which goes back there when dropped.
#[derive(Debug)]
pub struct PooledConnection {
    connection: Arc<Connection>,
    is_kept: bool,
    pool: Pool,
    /// Given back after the connection.
    _place: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(connector: Connector, size: usize) -> Self {
        let state = State { limit: Limit::new(size), idle: VecDeque::new() };
        let (places, metrics) = (Arc::new(Semaphore::new(size)), Metrics::default());
        Self(Arc::new(Shared { connector, places, state: Mutex::new(state), metrics }))
    }

    /// What is counted of it, and of its transactions.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Its connections now.
    pub fn counts(&self) -> PoolCounts {
        let state = self.state();
        let idle = state.idle.len();
        PoolCounts { idle, used: state.limit.alive().saturating_sub(idle), limit: state.limit.places() }
    }

    /// A connection that works: an idle one, or a new one. Waits up to 30 s while others use all that there may be.
    ///
    /// # Errors
    ///
    /// [`PoolError`].
    pub async fn get(&self) -> Result<PooledConnection, PoolError> {
        let begun = Instant::now();
        let result = self.get_in_time().await;
        self.0.metrics.note_pool(begun.elapsed(), matches!(result, Err(PoolError::Busy(_))));
        result
    }

    async fn get_in_time(&self) -> Result<PooledConnection, PoolError> {
        let end = Instant::now() + PATIENCE;
        let mut refused = None;
        loop {
            if self.state().limit.grows(Instant::now()) {
                self.0.places.add_permits(1);
            }
            let Ok(Ok(place)) = timeout_at(end, Arc::clone(&self.0.places).acquire_owned()).await else {
                return Err(PoolError::Busy(refused));
            };
            let attempt = match self.next() {
                Next::Idle(connection, since) => {
                    let connection = self.hold(connection, place);
                    if works(&connection, since).await {
                        return Ok(connection);
                    }
                    connection.close();
                    continue;
                }
                Next::Attempt(attempt) => attempt,
            };
            let connected = self.0.connector.connect().await;
            self.0.metrics.note_connect(connected.is_ok());
            match connected {
                Ok(connection) => {
                    attempt.succeed();
                    return Ok(self.hold(Arc::new(connection), place));
                }
                Err(error) if error.is_full() && attempt.wait_instead(place) => refused = Some(error),
                Err(error) => return Err(PoolError::Connect(error)),
            }
        }
    }

    /// The connection that was idle for longest; or else the right to make one.
    fn next(&self) -> Next<'_> {
        let mut state = self.state();
        match state.idle.pop_front() {
            Some((connection, since)) => Next::Idle(connection, since.elapsed()),
            None => {
                state.limit.begins();
                Next::Attempt(Attempt { pool: self, is_over: false })
            }
        }
    }

    fn hold(&self, connection: Arc<Connection>, place: OwnedSemaphorePermit) -> PooledConnection {
        PooledConnection { connection, is_kept: true, pool: self.clone(), _place: place }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Next<'p> {
    /// With the time for which it was idle.
    Idle(Arc<Connection>, Duration),
    Attempt(Attempt<'p>),
}

/// An attempt to connect, which counts until it is over.
struct Attempt<'p> {
    pool: &'p Pool,
    is_over: bool,
}

impl Attempt<'_> {
    fn succeed(mut self) {
        self.is_over = true;
        self.pool.state().limit.succeeds();
    }

    /// Gives up the places that the server has no connections for, and returns whether there are connections to wait for.
    fn wait_instead(mut self, place: OwnedSemaphorePermit) -> bool {
        let mut state = self.pool.state();
        let surplus = state.limit.refused(Instant::now());
        self.is_over = true;
        state.limit.ends();
        let Some(others) = surplus.and_then(|surplus| surplus.checked_sub(1)) else { return false };
        place.forget();
        let gone = 1 + self.pool.0.places.forget_permits(others);
        state.limit.shrinks(gone);
        true
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.pool.state().limit.ends();
        }
    }
}

/// Whether a connection still works. The server may have gone away silently, so it is asked, unless the connection was just
/// used: in a series of transactions, the question would take as long as half of one.
async fn works(client: &Client, since: Duration) -> bool {
    let asked = async { since <= IDLE || matches!(timeout(CHECK, client.simple_query("")).await, Ok(Ok(_))) };
    !client.is_closed() && asked.await
}

impl PooledConnection {
    /// Ends the connection instead of giving it back.
    pub fn close(mut self) {
        self.is_kept = false;
    }
}

impl Deref for PooledConnection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.connection.client
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        if self.is_kept && !self.connection.client.is_closed() {
            state.idle.push_back((Arc::clone(&self.connection), Instant::now()));
        } else {
            state.limit.closes();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
