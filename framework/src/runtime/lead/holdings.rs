//! Holdings: the shards that are this replica's, and until when: what the elector and peering say, and all others ask.

use super::{Moment, fence::Fence};
use korf_core::shard::{Shard, Shards};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::watch;

/// The shards of which objects get turns, each with the epoch of its Lease: the number of times that it has changed hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served(pub BTreeMap<Shard, u64>);

/// What this replica holds.
#[derive(Clone, Debug)]
pub struct Holdings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shards: Shards,
    /// There are no leases: all is this replica's, for as long as it lives.
    lasting: bool,
    /// By their numbers.
    leases: Vec<Lease>,
    served: watch::Sender<Served>,
    state: Mutex<State>,
    /// A shard has been drained, or the end of a lease has changed.
    news: watch::Sender<()>,
}

/// One shard's lease, as workers see it.
#[derive(Debug, Default)]
struct Lease {
    /// Until when, in milliseconds by the clock of leases.
    until: AtomicU64,
    epoch: AtomicU64,
    /// How often this replica has begun to hold it: also where no other one has held it meanwhile.
    term: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Held, and not about to be handed over.
    held: BTreeMap<Shard, u64>,
    /// The operator is paused: it holds what it holds, and serves none of it.
    paused: bool,
    /// No turn, no handler and no daemon of these is left.
    drained: BTreeSet<Shard>,
    /// The reactor has ended.
    ended: bool,
}

impl Holdings {
    /// All objects, for as long as the operator lives: it has no leases.
    pub fn everything() -> Self {
        let holdings = Self::new(Shards::default(), true);
        holdings.hold(Shard(0), 0, Moment::NEVER);
        holdings
    }

    /// None of these shards.
    pub fn nothing(shards: Shards) -> Self {
        Self::new(shards, false)
    }

    fn new(shards: Shards, lasting: bool) -> Self {
        Self(Arc::new(Inner {
            shards,
            lasting,
            leases: shards.all().map(|_| Lease::default()).collect(),
            served: watch::Sender::default(),
            state: Mutex::default(),
            news: watch::Sender::default(),
        }))
    }

    /// Whether there are leases: what is held may be lost, and is another replica's then.
    pub fn are_leased(&self) -> bool {
        !self.0.lasting
    }

    /// How the objects are divided.
    pub fn shards(&self) -> Shards {
        self.0.shards
    }

    /// The shard is this replica's, until then. Its objects get turns.
    pub fn hold(&self, shard: Shard, epoch: u64, until: Moment) {
        self.begin_term(shard, epoch, until);
        self.change(|state| {
            state.drained.remove(&shard);
            state.held.insert(shard, epoch);
        });
        self.has_begun();
    }

    /// Tells of a new term, also where the shards are the same as before.
    fn has_begun(&self) {
        self.0.served.send_modify(|_| {});
    }

    /// What was begun under an earlier term isn't under this one.
    fn begin_term(&self, shard: Shard, epoch: u64, until: Moment) {
        let lease = self.lease(shard);
        lease.until.store(0, Ordering::Release);
        lease.epoch.store(epoch, Ordering::Release);
        lease.term.fetch_add(1, Ordering::AcqRel);
        lease.until.store(until.milliseconds(), Ordering::Release);
    }

    /// The lease of a shard that is held was renewed. If that was too late, it begins once more: what was under way has been
    /// dropped.
    pub fn extend(&self, shard: Shard, until: Moment) {
        let lease = self.lease(shard);
        if Moment::now() < Moment::from_milliseconds(lease.until.load(Ordering::Acquire)) {
            lease.until.store(until.milliseconds(), Ordering::Release);
        } else {
            self.begin_term(shard, lease.epoch.load(Ordering::Acquire), until);
            self.has_begun();
        }
        self.0.news.send_replace(());
    }

    /// The shard is about to be handed over: its objects get no more turns, and those that are under way may end.
    pub fn leave(&self, shard: Shard) {
        self.change(|state| {
            state.held.remove(&shard);
        });
    }

    /// The shard is no longer this replica's: nothing of its objects may go on.
    pub fn lose(&self, shard: Shard) {
        self.lease(shard).until.store(0, Ordering::Release);
        self.leave(shard);
    }

    /// The clock of leases has jumped, and nobody has noticed that yet: the lease of a shard is over. For tests.
    #[doc(hidden)]
    pub fn lapse(&self, shard: Shard) {
        self.lease(shard).until.store(0, Ordering::Release);
    }

    /// The operator is paused, or goes on: while it is paused, no object gets a turn, and those that are under way may end.
    pub fn pause(&self, paused: bool) {
        self.change(|state| state.paused = paused);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let served = Served(if state.paused { BTreeMap::new() } else { state.held.clone() });
        for shard in served.0.keys() {
            state.drained.remove(shard);
        }
        self.0.served.send_if_modified(|before| {
            let changed = *before != served;
            *before = served;
            changed
        });
        drop(state);
        self.0.news.send_replace(());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shards whose objects get turns, now and whenever that changes.
    pub fn served(&self) -> watch::Receiver<Served> {
        let mut served = self.0.served.subscribe();
        served.mark_changed();
        served
    }

    /// Nothing of a shard that isn't served is left to end: no turn, no daemon.
    pub fn has_drained(&self, shard: Shard) {
        let mut state = self.state();
        let is_served = !state.paused && state.held.contains_key(&shard);
        let is_news = !is_served && state.drained.insert(shard);
        drop(state);
        if is_news {
            self.0.news.send_replace(());
        }
    }

    /// Waits until nothing of a shard that was left is under way.
    pub async fn drained(&self, shard: Shard) {
        let mut news = self.0.news.subscribe();
        loop {
            news.mark_unchanged();
            let is_drained = {
                let state = self.state();
                state.ended || state.drained.contains(&shard)
            };
            if is_drained || news.changed().await.is_err() {
                return;
            }
        }
    }

    /// The reactor has ended: nothing of any shard is left to end.
    pub fn have_ended(&self) {
        self.state().ended = true;
        self.0.news.send_replace(());
    }

    /// The fence of a shard's objects, for all that begins under the present term of its lease. One that has fallen stays so.
    pub fn fence(&self, shard: Shard) -> Fence {
        if self.0.lasting {
            return Fence::default();
        }
        let lease = self.lease(shard);
        let term = lease.term.load(Ordering::Acquire);
        let epoch = lease.epoch.load(Ordering::Acquire);
        Fence::of(self.clone(), shard, epoch, term)
    }

    /// Until when this term of a shard's lease lasts.
    pub(super) fn until(&self, shard: Shard, term: u64) -> Moment {
        let lease = self.lease(shard);
        let until = Moment::from_milliseconds(lease.until.load(Ordering::Acquire));
        // The shard may have been lost, and taken once more.
        if lease.term.load(Ordering::Acquire) == term { until } else { Moment::EVER }
    }

    /// Wakes when a shard is drained, or the end of a lease has changed.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.0.news.subscribe()
    }

    fn lease(&self, shard: Shard) -> &Lease {
        &self.0.leases[usize::from(shard.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn served(holdings: &Holdings) -> Vec<u16> {
        holdings.served().borrow().0.keys().map(|shard| shard.0).collect()
    }

    #[test]
    fn an_operator_without_leases_holds_all_objects() {
        let holdings = Holdings::everything();
        assert_eq!(served(&holdings), [0]);
        let fence = holdings.fence(Shard(0));
        assert_eq!((fence.holds(), fence.epoch()), (true, None));
        assert!(fence.lost().now_or_never().is_none());
    }

    #[tokio::test]
    async fn what_is_left_ends_before_it_is_drained_and_what_is_lost_ends_at_once() {
        let holdings = Holdings::nothing("2".parse().unwrap());
        for shard in holdings.shards().all() {
            holdings.hold(shard, 1, Moment::NEVER);
        }
        let fences = [Shard(0), Shard(1)].map(|shard| holdings.fence(shard));
        holdings.leave(Shard(0));
        assert_eq!((served(&holdings), fences[0].holds()), (vec![1], true));
        assert!(holdings.drained(Shard(0)).now_or_never().is_none());
        holdings.has_drained(Shard(0));
        holdings.drained(Shard(0)).await;
        holdings.lose(Shard(1));
        assert_eq!((served(&holdings), fences[1].holds()), (vec![], false));
        fences[1].lost().await;
    }

    #[test]
    fn a_pause_serves_nothing_and_ends_with_what_is_held_then() {
        let holdings = Holdings::nothing("2".parse().unwrap());
        holdings.hold(Shard(0), 1, Moment::NEVER);
        holdings.pause(true);
        assert_eq!(served(&holdings), [0; 0]);
        holdings.hold(Shard(1), 1, Moment::NEVER);
        assert_eq!(served(&holdings), [0; 0]);
        holdings.has_drained(Shard(0));
        assert!(holdings.drained(Shard(0)).now_or_never().is_some());
        holdings.pause(false);
        assert_eq!(served(&holdings), [0, 1]);
        assert!(holdings.drained(Shard(0)).now_or_never().is_none(), "it is served again");
    }

    #[tokio::test]
    async fn an_operator_that_has_ended_has_drained() {
        let holdings = Holdings::nothing("2".parse().unwrap());
        holdings.hold(Shard(0), 1, Moment::NEVER);
        assert!(holdings.drained(Shard(0)).now_or_never().is_none());
        holdings.have_ended();
        holdings.drained(Shard(0)).await;
    }
}
