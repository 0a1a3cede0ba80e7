//! Places of all pools: who may use a connection now, and whose idle connections make room; pure.
//!
//! A place is the right to use a connection: an idle one of the pool, or else a new one. All pools share the places, because
//! the operator may have only so many connections. So that a database that is slow or away doesn't keep the others waiting:
//!
//! - beside others, a pool may use half of what they leave. One that uses all of its own for long leaves the other half, the
//!   next one a quarter, and so on;
//! - until a database has been reached, and again after a failure, one caller of its pool tries to connect, without a place: a server
//!   that swallows packets takes nothing from the others. The connection counts once it is there;
//! - while that one tries after a failure, the others fail at once with what the failure was, instead of waiting for the same;
//! - pools whose last use was a long one have half of the places together;
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
/// No transaction takes longer. What does is work in the background, which says nothing of the database.
const LONGEST: Duration = Duration::from_secs(120);
/// The time without an answer to those who connect after which a pool without a connection counts as silent.
pub(super) const SILENT: Duration = Duration::from_secs(3);

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
    /// Whether it isn't known that the database can be reached: it hasn't been yet, or the last attempt has failed.
    is_doubtful: bool,
    /// The attempts to connect without a place.
    knocks: usize,
    /// Since when somebody has been connecting.
    tried: Option<Instant>,
    /// Whether its last use was a long one.
    was_slow: bool,
}

/// What one may do who has waited, or needn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Use a connection.
    Place,
    /// Connect without a place, and then ask for one.
    Knock,
}

/// What becomes of one who asks for a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<E> {
    /// There is one, or nobody tries yet whether the database can be reached.
    Granted(Turn),
    /// Others use all.
    Wait,
    /// Others do, and have for long, or wait for long: the database is slow, or silent.
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
        let account = Account {
            limit: Limit::new(self.most),
            uses: Vec::new(),
            used: now,
            failure: None,
            is_doubtful: true,
            knocks: 0,
            tried: None,
            was_slow: false,
        };
        self.pools.insert(self.next, account);
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
        if account.is_silent(now) {
            return Entry::Slow;
        }
        if waiting == 0
            && let Some(turn) = self.turn(pool, now)
        {
            self.take(pool, turn, now);
            return Entry::Granted(turn);
        }
        if waiting >= self.most && self.is_slow(pool, now) { Entry::Slow } else { Entry::Wait }
    }

    /// Whether a pool, beside others, has used all of its places for long.
    pub(super) fn is_slow(&self, pool: PoolId, now: Instant) -> bool {
        let share = self.share(pool, now);
        let is_slow = self.pools.get(&pool).is_some_and(|account| account.is_slow(share, now));
        is_slow && self.is_one_of_several(pool, now)
    }

    /// Whether a pool has no connection, and those who connect have had no answer for a while.
    pub(super) fn is_silent(&self, pool: PoolId, now: Instant) -> bool {
        self.pools.get(&pool).is_some_and(|account| account.is_silent(now))
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
    pub(super) fn leave(&mut self, pool: PoolId, since: Instant, now: Instant) {
        let Some(account) = self.pools.get_mut(&pool) else { return };
        account.was_slow = (LONG..=LONGEST).contains(&now.saturating_duration_since(since));
        if let Some(place) = account.uses.iter().position(|use_| *use_ == since) {
            account.uses.swap_remove(place);
        }
    }

    /// Those who have waited and have a turn now.
    pub(super) fn grant(&mut self, now: Instant) -> Vec<(PoolId, W, Turn)> {
        let mut granted = Vec::new();
        let next = |places: &Self| {
            let turns = places.waiting.iter().map(|(pool, _)| places.turn(*pool, now));
            turns.enumerate().find_map(|(place, turn)| turn.map(|turn| (place, turn)))
        };
        while let Some((place, turn)) = next(self) {
            let Some((pool, waiter)) = self.waiting.remove(place) else { break };
            self.take(pool, turn, now);
            granted.push((pool, waiter, turn));
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
    pub(super) fn begin(&mut self, pool: PoolId, now: Instant) -> Vec<C> {
        let closed = self.make_room(1);
        if let Some(account) = self.pools.get_mut(&pool) {
            account.begins(now);
        }
        closed
    }

    /// Takes out idle connections, which are to be closed, until there is room for so many more.
    pub(super) fn make_room(&mut self, more: usize) -> Vec<C> {
        let mut closed = Vec::new();
        while self.pools.values().map(Account::connections).sum::<usize>() + more > self.most {
            let Some((of, connection, _)) = self.idle.pop_front() else { break };
            if let Some(account) = self.pools.get_mut(&of) {
                account.limit.closes();
            }
            closed.push(connection);
        }
        closed
    }

    /// Takes in that an attempt without a place is over, whatever came of it.
    pub(super) fn end_knock(&mut self, pool: PoolId) {
        if let Some(account) = self.pools.get_mut(&pool) {
            account.knocks -= 1;
        }
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
            account.is_doubtful = false;
        }
    }

    /// Takes in that an attempt to connect has failed. Returns whether those who wait are to be turned away: there is no
    /// connection to wait for.
    pub(super) fn fail(&mut self, pool: PoolId, failure: E) -> bool {
        let Some(account) = self.pools.get_mut(&pool) else { return true };
        account.limit.ends();
        let has_none = account.limit.alive() == 0;
        account.failure = has_none.then_some(failure);
        account.is_doubtful |= has_none;
        has_none
    }

    /// Forgets why the last attempt to connect has failed: other settings may do.
    pub(super) fn forget_failure(&mut self, pool: PoolId) {
        if let Some(account) = self.pools.get_mut(&pool) {
            account.failure = None;
            account.is_doubtful = false;
            account.tried = None;
        }
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

    /// What one of a pool may do now.
    fn turn(&self, pool: PoolId, now: Instant) -> Option<Turn> {
        let account = self.pools.get(&pool)?;
        if account.is_doubtful && account.limit.alive() == 0 {
            return (account.knocks == 0).then_some(Turn::Knock);
        }
        self.may_use(account, pool, now).then_some(Turn::Place)
    }

    fn may_use(&self, account: &Account<E>, pool: PoolId, now: Instant) -> bool {
        let used = |is_meant: fn(&Account<E>) -> bool| {
            let meant = self.pools.values().filter(|account| is_meant(account));
            meant.map(|account| account.uses.len()).sum::<usize>()
        };
        let is_held_back = account.was_slow
            && self.is_one_of_several(pool, now)
            && used(|account| account.was_slow) >= self.most.div_ceil(2);
        let share = account.limit.places().min(self.share(pool, now));
        used(|_| true) < self.most && account.uses.len() < share && !is_held_back
    }

    fn take(&mut self, pool: PoolId, turn: Turn, now: Instant) {
        let Some(account) = self.pools.get_mut(&pool) else { return };
        match turn {
            Turn::Place => account.uses.push(now),
            Turn::Knock => {
                account.knocks += 1;
                account.begins(now);
            }
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
    fn begins(&mut self, now: Instant) {
        if self.limit.connecting() == 0 || self.tried.is_none() {
            self.tried = Some(now);
        }
        self.limit.begins();
    }

    /// The connections that it has, or will have: one without a place doesn't count until it is there.
    fn connections(&self) -> usize {
        (self.limit.alive() + self.limit.connecting()).saturating_sub(self.knocks)
    }

    /// Whether those who connect have had no answer for a while.
    fn is_silent(&self, now: Instant) -> bool {
        let lasts = self.tried.map(|since| now.saturating_duration_since(since));
        self.is_tried() && lasts.is_some_and(|lasts| lasts >= SILENT)
    }

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
