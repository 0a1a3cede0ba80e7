//! Pools of connections to databases, one for each way to log in.
//!
//! All pools share the connections that the operator may have. A server admits only so many, too: of a role, to a database, in
//! all. If it admits fewer than a pool may have, callers share those that there are and wait for each other, as they do when
//! the pool has all of its own. They fail only if there is no connection to wait for.

mod attempt;
mod limit;
mod places;

pub use places::PoolCounts;

use crate::{
    connection::{Connection, Connector, Settings, SettingsError},
    error::DatabaseError,
    metrics::Metrics,
};
use attempt::Attempt;
use places::{Entry, Places, PoolId, SILENT, Turn};
use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::Client;

/// The longest wait for a place.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time without use after which a connection is checked before its next one.
const IDLE: Duration = Duration::from_secs(5);
/// The time that the check may take.
const CHECK: Duration = Duration::from_secs(5);

/// All pools of the operator, which share its connections. Its clones are the same.
#[derive(Clone)]
pub struct Pools(Arc<Shared>);

struct Shared {
    places: Mutex<Places<Kept, Waiter, DatabaseError>>,
    metrics: Metrics,
}

/// A connection that nobody uses, and the version of the settings that it was made by.
type Kept = (Arc<Connection>, u64);
type Waiter = oneshot::Sender<Result<Way, PoolError>>;

/// A pool of connections. Its clones are the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Own>);

struct Own {
    pools: Pools,
    id: PoolId,
    connector: Connector,
    /// The version of the settings: a connection by others isn't used again.
    version: AtomicU64,
}

/// A reason why there is no connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// Others use all connections, and none has become free in time; with why the server admits no more, if it does not.
    Busy(Option<DatabaseError>),
    /// The database doesn't answer those who ask it, or who connect, and others don't wait for that.
    Silent,
    /// The database, or a pooler before it, doesn't answer on a connection that was there.
    Unanswered,
    /// No address of the database can be used.
    Connect(DatabaseError),
}

/// A connection of the pool, which goes back there when dropped.
#[derive(Debug)]
pub struct PooledConnection {
    connection: Arc<Connection>,
    version: u64,
    is_kept: bool,
    pool: Pool,
    /// Given back after the connection.
    _place: Place,
}

/// What one may do who wants a connection.
#[derive(Debug)]
enum Way {
    /// Use one.
    In(Place),
    /// Find out whether there can be one.
    Knock(Attempt),
}

/// The right to use a connection.
struct Place {
    pools: Pools,
    pool: PoolId,
    since: Instant,
}

impl Pools {
    /// Pools that have at most so many connections together.
    pub fn new(most: usize) -> Self {
        let places = Mutex::new(Places::new(most));
        Self(Arc::new(Shared { places, metrics: Metrics::default() }))
    }

    /// A pool by these settings, which connects when its first connection is used.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if a file that the settings name can't be read.
    pub fn pool(&self, settings: &Settings) -> Result<Pool, SettingsError> {
        let connector = Connector::new(settings)?;
        let id = self.places().open(Instant::now());
        Ok(Pool(Arc::new(Own { pools: self.clone(), id, connector, version: AtomicU64::new(0) })))
    }

    /// What is counted of them, and of their transactions.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The connections of all.
    pub fn counts(&self) -> PoolCounts {
        self.places().counts(None)
    }

    fn places(&self) -> MutexGuard<'_, Places<Kept, Waiter, DatabaseError>> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands places that are free to those who wait for them.
    fn grant(&self) {
        let now = Instant::now();
        // One after the other, without the lock: a place that nobody waits for any more comes back at once.
        let granted = self.places().grant(now);
        for (pool, waiter, turn) in granted {
            drop(waiter.send(Ok(self.way(pool, turn, now))));
        }
    }

    fn way(&self, pool: PoolId, turn: Turn, now: Instant) -> Way {
        match turn {
            Turn::Place => Way::In(Place { pools: self.clone(), pool, since: now }),
            Turn::Knock => Way::Knock(Attempt::new(self.clone(), pool, true)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pools.places().leave(self.pool, self.since, Instant::now());
        self.pools.grant();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let closed = self.pools.places().close(self.id);
        drop(closed);
        // The others may use more now.
        self.pools.grant();
    }
}

impl Pool {
    /// What is counted of all pools, and of their transactions.
    pub fn metrics(&self) -> &Metrics {
        self.0.pools.metrics()
    }

    /// Its connections now.
    pub fn counts(&self) -> PoolCounts {
        self.0.pools.places().counts(Some(self.0.id))
    }

    /// Connects by other settings from now on: connections by those of before are closed once nobody uses them.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if the settings can't be used: those of before are.
    pub fn replace(&self, settings: &Settings) -> Result<(), SettingsError> {
        self.0.connector.replace(settings)?;
        self.0.version.fetch_add(1, Ordering::SeqCst);
        self.0.pools.places().forget_failure(self.0.id);
        self.close_idle();
        Ok(())
    }

    /// Closes the connections that nobody uses.
    pub fn close_idle(&self) {
        let closed = self.0.pools.places().close_idle(self.0.id);
        drop(closed);
    }

    /// A connection that works: an idle one, or a new one. Waits up to 30 s while others use all that there may be.
    ///
    /// # Errors
    ///
    /// [`PoolError`].
    pub async fn get(&self) -> Result<PooledConnection, PoolError> {
        let begun = Instant::now();
        let result = self.get_in_time().await;
        self.metrics().note_pool(begun.elapsed(), matches!(result, Err(PoolError::Busy(_))));
        result
    }

    async fn get_in_time(&self) -> Result<PooledConnection, PoolError> {
        let end = Instant::now() + PATIENCE;
        let mut refused = None;
        loop {
            let (place, attempt) = match self.way_in(end).await {
                Ok(Way::Knock(attempt)) => (None, attempt),
                Ok(Way::In(place)) => match self.next() {
                    Next::Idle(kept, since) => {
                        let connection = self.hold(kept, place);
                        if works(&connection, since).await {
                            return Ok(connection);
                        }
                        connection.close();
                        continue;
                    }
                    Next::Attempt(attempt) => (Some(place), attempt),
                },
                Err(PoolError::Busy(None)) => return Err(PoolError::Busy(refused)),
                Err(error) => return Err(error),
            };
            let version = self.version();
            let connected = self.0.connector.connect().await;
            self.metrics().note_connect(connected.is_ok());
            match connected {
                Ok(connection) => {
                    let kept = (Arc::new(connection), version);
                    attempt.succeed();
                    match place {
                        Some(place) => return Ok(self.hold(kept, place)),
                        None => {
                            self.give_back(kept, true);
                            // All who waited for what comes of it, this one too, wait for places now.
                            self.0.pools.grant();
                        }
                    }
                }
                Err(error) if error.is_full() => {
                    let error = DatabaseError::from(error);
                    if !attempt.wait_instead() {
                        return Err(PoolError::Connect(error));
                    }
                    refused = Some(error);
                }
                Err(error) => return Err(PoolError::Connect(attempt.fail(error.into()))),
            }
        }
    }

    /// A place, as soon as there is one; or an attempt, if nobody tries yet whether the database can be reached.
    async fn way_in(&self, end: Instant) -> Result<Way, PoolError> {
        let Own { pools, id, .. } = &*self.0;
        let now = Instant::now();
        let mut granted = {
            let mut places = pools.places();
            places.forget_waiting(oneshot::Sender::is_closed);
            match places.enter(*id, now) {
                Entry::Granted(turn) => return Ok(pools.way(*id, turn, now)),
                Entry::Slow => return Err(PoolError::Silent),
                Entry::Failed(error) => return Err(PoolError::Connect(error)),
                Entry::Wait => {}
            }
            let (waiter, granted) = oneshot::channel();
            places.wait(*id, waiter);
            granted
        };
        loop {
            match timeout_at(end.min(Instant::now() + SILENT), &mut granted).await {
                Ok(way) => return way.unwrap_or(Err(PoolError::Busy(None))),
                Err(_) if pools.places().is_silent(*id, Instant::now()) => return Err(PoolError::Silent),
                Err(_) if Instant::now() < end => {}
                Err(_) if pools.places().is_slow(*id, Instant::now()) => return Err(PoolError::Silent),
                Err(_) => return Err(PoolError::Busy(None)),
            }
        }
    }

    /// The connection that was idle for longest; or else the right to make one.
    fn next(&self) -> Next {
        let mut places = self.0.pools.places();
        let (next, closed) = match places.idle(self.0.id) {
            Some((kept, since)) => (Next::Idle(kept, since.elapsed()), Vec::new()),
            None => {
                let closed = places.begin(self.0.id, Instant::now());
                (Next::Attempt(Attempt::new(self.0.pools.clone(), self.0.id, false)), closed)
            }
        };
        drop(places);
        drop(closed);
        next
    }

    fn hold(&self, (connection, version): Kept, place: Place) -> PooledConnection {
        PooledConnection { connection, version, is_kept: true, pool: self.clone(), _place: place }
    }

    /// Keeps a connection that nobody uses, if it can be.
    fn give_back(&self, kept: Kept, is_kept: bool) {
        let id = self.0.id;
        let mut places = self.0.pools.places();
        // Under the lock: one who replaces the settings closes idle connections afterwards.
        let is_current = kept.1 == self.version();
        if is_kept && is_current && !kept.0.client.is_closed() {
            places.rest(id, kept, Instant::now());
        } else if let Some(limit) = places.limit(id) {
            limit.closes();
        }
        // One that came without a place may be one too many.
        let closed = places.make_room(0);
        drop(places);
        drop(closed);
    }

    fn version(&self) -> u64 {
        self.0.version.load(Ordering::SeqCst)
    }
}

enum Next {
    /// With the time for which it was idle.
    Idle(Kept, Duration),
    Attempt(Attempt),
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
        self.pool.give_back((Arc::clone(&self.connection), self.version), self.is_kept);
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pools")
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}
