//! Places of all pools: who may use a connection now, and whose idle connections make room; pure.
//!
//! A place is the right to use a connection: an idle one of the pool, or else a new one. All pools share the places, because
//! the operator may have only so many connections. So that a database that is slow or away doesn't keep the others waiting:
//!
//! - beside others, a pool may use half of what they leave. One that uses all of its own for long leaves the other half, the
//!   next one a quarter, and so on;
//! - while a pool has no connection and one caller tries to make one after a failure, the others fail at once with what
//!   that failure was, instead of waiting for the same;
//! - where a pool has used all of its places for long, only so many callers wait for them.
//!
//! The one that waits for longest has a place first, unless its pool may use no more.

use super::limit::Limit;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// The time since its last use for which a pool counts as one of several.
const RECENT: Duration = Duration::from_secs(600);
/// The time after which the use of a connection is a long one.
const LONG: Duration = Duration::from_secs(5);

/// Which pool.
pub(super) type PoolId = u64;

/// The places of all pools, and their idle connections.
#[derive(Debug)]
pub(super) struct Places<C, W, E> {
    most: usize,
    next: PoolId,
    pools: BTreeMap<PoolId, Account<E>>,
    /// Those who wait for a place, the first one for longest.
    waiting: VecDeque<(PoolId, W)>,
    /// Connections that nobody uses, and since when; the first one for longest.
    idle: VecDeque<(PoolId, C, Instant)>,
}

/// What a pool has.
#[derive(Debug)]
struct Account<E> {
    limit: Limit,
    /// Since when each of its places is used.
    uses: Vec<Instant>,
    used: Instant,
    /// Why the last attempt to connect has failed, if there was no connection then.
    failure: Option<E>,
}

/// What becomes of one who asks for a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<E> {
    /// There is one.
    Granted,
    /// Others use all.
    Wait,
    /// Others do, and have for long: the database is slow.
    Slow,
    /// There is nothing to wait for.
    Failed(E),
}

/// The connections of some pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolCounts {
    /// Those that nobody uses.
    pub idle: usize,
    /// Those that somebody uses.
    pub used: usize,
    /// Those that there may be.
    pub limit: usize,
}

impl<C, W, E: Clone> Places<C, W, E> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, next: 0, pools: BTreeMap::new(), waiting: VecDeque::new(), idle: VecDeque::new() }
    }

    /// A new pool.
    pub(super) fn open(&mut self, now: Instant) -> PoolId {
        self.next += 1;
        let limit = Limit::new(self.most);
        self.pools.insert(self.next, Account { limit, uses: Vec::new(), used: now, failure: None });
        self.next
    }

    /// A pool that nobody has any more. Returns its idle connections, which are to be closed.
    pub(super) fn close(&mut self, pool: PoolId) -> Vec<C> {
        let idle = self.close_idle(pool);
        self.pools.remove(&pool);
        idle
    }

    /// Takes out the idle connections of a pool, which are to be closed.
    pub(super) fn close_idle(&mut self, pool: PoolId) -> Vec<C> {
        let (own, others) = self.idle.drain(..).partition::<VecDeque<_>, _>(|(of, ..)| *of == pool);
        self.idle = others;
        if let Some(account) = self.pools.get_mut(&pool) {
            own.iter().for_each(|_| account.limit.closes());
        }
        own.into_iter().map(|(_, connection, _)| connection).collect()
    }

    /// Asks for a place.
    pub(super) fn enter(&mut self, pool: PoolId, now: Instant) -> Entry<E> {
        let waiting = self.waiting.iter().filter(|(of, _)| *of == pool).count();
        let Some(account) = self.pools.get_mut(&pool) else { return Entry::Slow };
        account.used = now;
        account.limit.grow(now);
        if let Some(failure) = account.failure.clone().filter(|_| account.is_tried()) {
            return Entry::Failed(failure);
        }
        if waiting == 0 && self.may_use(pool, now) {
            self.take(pool, now);
            return Entry::Granted;
        }
        if waiting >= self.most && self.is_slow(pool, now) { Entry::Slow } else { Entry::Wait }
    }

    /// Whether a pool, beside others, has used all of its places for long.
    pub(super) fn is_slow(&self, pool: PoolId, now: Instant) -> bool {
        let share = self.share(pool, now);
        let is_slow = self.pools.get(&pool).is_some_and(|account| account.is_slow(share, now));
        is_slow && self.is_one_of_several(pool, now)
    }

    /// Forgets those who no longer wait.
    pub(super) fn forget_waiting(&mut self, is_gone: impl Fn(&W) -> bool) {
        self.waiting.retain(|(_, waiter)| !is_gone(waiter));
    }

    /// Waits for a place.
    pub(super) fn wait(&mut self, pool: PoolId, waiter: W) {
        self.waiting.push_back((pool, waiter));
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, pool: PoolId, since: Instant) {
        let Some(account) = self.pools.get_mut(&pool) else { return };
        if let Some(place) = account.uses.iter().position(|use_| *use_ == since) {
            account.uses.swap_remove(place);
        }
    }

    /// Those who have waited and have a place now.
    pub(super) fn grant(&mut self, now: Instant) -> Vec<(PoolId, W)> {
        let mut granted = Vec::new();
        while let Some(place) = self.waiting.iter().position(|(pool, _)| self.may_use(*pool, now)) {
            let Some((pool, waiter)) = self.waiting.remove(place) else { break };
            self.take(pool, now);
            granted.push((pool, waiter));
        }
        granted
    }

    /// Those who wait for a pool that can't have a connection now.
    pub(super) fn turn_away(&mut self, pool: PoolId) -> Vec<W> {
        let (own, others) = self.waiting.drain(..).partition::<VecDeque<_>, _>(|(of, _)| *of == pool);
        self.waiting = others;
        own.into_iter().map(|(_, waiter)| waiter).collect()
    }

    /// The pool's connection that was idle for longest.
    pub(super) fn idle(&mut self, pool: PoolId) -> Option<(C, Instant)> {
        let place = self.idle.iter().position(|(of, ..)| *of == pool)?;
        self.idle.remove(place).map(|(_, connection, since)| (connection, since))
    }

    /// Takes in that a connection is idle.
    pub(super) fn rest(&mut self, pool: PoolId, connection: C, now: Instant) {
        self.idle.push_back((pool, connection, now));
    }

    /// One who has a place makes a connection. Returns the idle ones of other pools which have to be closed for it.
    pub(super) fn begin(&mut self, pool: PoolId) -> Vec<C> {
        let mut closed = Vec::new();
        let count = |places: &Self| {
            let each =
                places.pools.values().map(|account| account.limit.alive() + account.limit.connecting());
            each.sum::<usize>()
        };
        while count(self) >= self.most {
            let Some((of, connection, _)) = self.idle.pop_front() else { break };
            if let Some(account) = self.pools.get_mut(&of) {
                account.limit.closes();
            }
            closed.push(connection);
        }
        if let Some(account) = self.pools.get_mut(&pool) {
            account.limit.begins();
        }
        closed
    }

    /// The limit of a pool.
    pub(super) fn limit(&mut self, pool: PoolId) -> Option<&mut Limit> {
        self.pools.get_mut(&pool).map(|account| &mut account.limit)
    }

    /// Takes in that an attempt to connect has succeeded.
    pub(super) fn succeed(&mut self, pool: PoolId) {
        if let Some(account) = self.pools.get_mut(&pool) {
            account.limit.succeeds();
            account.failure = None;
        }
    }

    /// Takes in that an attempt to connect has failed. Returns whether those who wait are to be turned away: there is no
    /// connection to wait for.
    pub(super) fn fail(&mut self, pool: PoolId, failure: E) -> bool {
        let Some(account) = self.pools.get_mut(&pool) else { return true };
        account.limit.ends();
        let has_none = account.limit.alive() == 0;
        account.failure = has_none.then_some(failure);
        has_none
    }

    /// Forgets why the last attempt to connect has failed: other settings may do.
    pub(super) fn forget_failure(&mut self, pool: PoolId) {
        if let Some(account) = self.pools.get_mut(&pool) {
            account.failure = None;
        }
    }

    /// Whether a pool has a connection.
    pub(super) fn has_connection(&self, pool: PoolId) -> bool {
        self.pools.get(&pool).is_some_and(|account| account.limit.alive() > 0)
    }

    /// The connections of a pool, or of all.
    pub(super) fn counts(&self, pool: Option<PoolId>) -> PoolCounts {
        let is_meant = |of: PoolId| pool.is_none_or(|pool| pool == of);
        let idle = self.idle.iter().filter(|(of, ..)| is_meant(*of)).count();
        let limits = self.pools.iter().filter(|(of, _)| is_meant(**of)).map(|(_, account)| &account.limit);
        let alive: usize = limits.clone().map(Limit::alive).sum();
        let limit = match (pool, self.pools.is_empty()) {
            (None, true) => self.most,
            _ => limits.map(Limit::places).sum::<usize>().min(self.most),
        };
        PoolCounts { idle, used: alive.saturating_sub(idle), limit }
    }

    fn may_use(&self, pool: PoolId, now: Instant) -> bool {
        let used: usize = self.pools.values().map(|account| account.uses.len()).sum();
        let may_use_more =
            |account: &Account<E>| account.uses.len() < account.limit.places().min(self.share(pool, now));
        used < self.most && self.pools.get(&pool).is_some_and(may_use_more)
    }

    fn take(&mut self, pool: PoolId, now: Instant) {
        if let Some(account) = self.pools.get_mut(&pool) {
            account.uses.push(now);
        }
    }

    /// The places that a pool may use: beside others, half of those that they leave.
    fn share(&self, pool: PoolId, now: Instant) -> usize {
        if !self.is_one_of_several(pool, now) {
            return self.most;
        }
        let by_others: usize = self.others(pool).map(|account| account.uses.len()).sum();
        self.most.saturating_sub(by_others).div_ceil(2).max(1)
    }

    fn is_one_of_several(&self, pool: PoolId, now: Instant) -> bool {
        let is_recent = |account: &Account<E>| {
            !account.uses.is_empty() || now.saturating_duration_since(account.used) < RECENT
        };
        self.others(pool).any(is_recent)
    }

    fn others(&self, pool: PoolId) -> impl Iterator<Item = &Account<E>> {
        self.pools.iter().filter(move |(of, _)| **of != pool).map(|(_, account)| account)
    }
}

impl<E> Account<E> {
    /// Whether it has no connection, and one is being made.
    fn is_tried(&self) -> bool {
        self.limit.alive() == 0 && self.limit.connecting() > 0
    }

    /// Whether it has used all of its places for long.
    fn is_slow(&self, share: usize, now: Instant) -> bool {
        let long = self.uses.iter().filter(|since| now.saturating_duration_since(**since) > LONG);
        long.count() >= share.min(self.limit.places())
    }
}

#[cfg(test)]
mod tests;
