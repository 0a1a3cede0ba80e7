//! Holdings: the shards that are this replica's, and until when: what the elector and peering say, and all others ask.

use super::Moment;
use korf_core::{
    Uid,
    shard::{Shard, Shards},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::sleep};

/// The clock of leases may run ahead of tokio's, which stands still while the machine sleeps: it is looked at so often at least.
const LOOK: Duration = Duration::from_secs(1);

/// The shards of which objects get turns, each with the epoch of its Lease: the number of times that it has changed hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served(pub BTreeMap<Shard, u64>);

/// What this replica holds.
#[derive(Clone, Debug)]
pub struct Holdings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shards: Shards,
    /// By their numbers.
    leases: Vec<Lease>,
    served: watch::Sender<Served>,
    state: Mutex<State>,
    /// A shard has been drained, or the end of a lease has changed.
    news: watch::Sender<()>,
}

/// One shard's lease, as workers see it.
#[derive(Debug)]
struct Lease {
    /// Until when, in milliseconds by the clock of leases.
    until: AtomicU64,
    epoch: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Held, and not about to be handed over.
    held: BTreeMap<Shard, u64>,
    /// The operator is paused: it holds what it holds, and serves none of it.
    paused: bool,
    /// No turn, no handler and no daemon of these is left.
    drained: BTreeSet<Shard>,
}

impl Holdings {
    /// All objects, for as long as the operator lives: it has no leases.
    pub fn everything() -> Self {
        let holdings = Self::nothing(Shards::default());
        holdings.hold(Shard(0), 0, Moment::NEVER);
        holdings
    }

    /// None of these shards.
    pub fn nothing(shards: Shards) -> Self {
        let lease = |_| Lease { until: AtomicU64::new(0), epoch: AtomicU64::new(0) };
        Self(Arc::new(Inner {
            shards,
            leases: shards.all().map(lease).collect(),
            served: watch::Sender::default(),
            state: Mutex::default(),
            news: watch::Sender::default(),
        }))
    }

    /// How the objects are divided.
    pub fn shards(&self) -> Shards {
        self.0.shards
    }

    /// The shard is this replica's, until then. Its objects get turns.
    pub fn hold(&self, shard: Shard, epoch: u64, until: Moment) {
        let lease = &self.0.leases[usize::from(shard.0)];
        lease.epoch.store(epoch, Ordering::Release);
        lease.until.store(until.milliseconds(), Ordering::Release);
        self.change(|state| {
            state.drained.remove(&shard);
            state.held.insert(shard, epoch);
        });
    }

    /// The lease of a shard that is held was renewed.
    pub fn extend(&self, shard: Shard, until: Moment) {
        self.0.leases[usize::from(shard.0)].until.store(until.milliseconds(), Ordering::Release);
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
        self.0.leases[usize::from(shard.0)].until.store(0, Ordering::Release);
        self.leave(shard);
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
        if state.paused || !state.held.contains_key(&shard) {
            state.drained.insert(shard);
        }
        drop(state);
        self.0.news.send_replace(());
    }

    /// Waits until nothing of a shard that was left is under way.
    pub async fn drained(&self, shard: Shard) {
        let mut news = self.0.news.subscribe();
        loop {
            news.mark_unchanged();
            if self.state().drained.contains(&shard) || news.changed().await.is_err() {
                return;
            }
        }
    }

    /// The fence of an object, for all that begins now.
    pub fn fence(&self, uid: &Uid) -> Fence {
        let shard = self.0.shards.of(uid);
        let epoch = self.0.leases[usize::from(shard.0)].epoch.load(Ordering::Acquire);
        Fence { holdings: self.clone(), shard, epoch }
    }
}

/// Whether an object is still this replica's, under the lease of when the fence was made.
#[derive(Clone, Debug)]
pub struct Fence {
    holdings: Holdings,
    /// The object's shard.
    pub shard: Shard,
    /// How often its lease has changed hands.
    pub epoch: u64,
}

impl Fence {
    /// Whether a handler or a request may begin now.
    pub fn holds(&self) -> bool {
        Moment::now() < self.until()
    }

    fn until(&self) -> Moment {
        let lease = &self.holdings.0.leases[usize::from(self.shard.0)];
        let until = Moment::from_milliseconds(lease.until.load(Ordering::Acquire));
        // The shard may have been lost, and taken once more.
        if lease.epoch.load(Ordering::Acquire) == self.epoch { until } else { Moment::EVER }
    }

    /// Waits until the object is no longer this replica's.
    pub async fn lost(&self) {
        let mut news = self.holdings.0.news.subscribe();
        loop {
            news.mark_unchanged();
            let until = self.until();
            let left = Moment::now().until(until);
            if left.is_zero() {
                return;
            }
            if until == Moment::NEVER {
                let _ = news.changed().await;
                continue;
            }
            tokio::select! {
                biased;
                _ = news.changed() => {}
                () = sleep(left.min(LOOK)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::control;
    use futures::FutureExt;
    use tokio::time::{Instant, advance};

    const SECOND: Duration = Duration::from_secs(1);

    fn served(holdings: &Holdings) -> Vec<u16> {
        holdings.served().borrow().0.keys().map(|shard| shard.0).collect()
    }

    #[test]
    fn an_operator_without_leases_holds_all_objects() {
        let holdings = Holdings::everything();
        assert_eq!(served(&holdings), [0]);
        let fence = holdings.fence(&"a".into());
        assert!(fence.holds());
        assert!(fence.lost().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fence_falls_when_the_lease_is_over_and_a_renewal_moves_that() {
        let _clock = control(jiff::Timestamp::UNIX_EPOCH, Instant::now());
        let holdings = Holdings::nothing("4".parse().unwrap());
        let uid = Uid::from("a");
        let shard = holdings.shards().of(&uid);
        assert!(!holdings.fence(&uid).holds());
        holdings.hold(shard, 7, Moment::now() + 10 * SECOND);
        let fence = holdings.fence(&uid);
        assert_eq!((fence.holds(), fence.epoch), (true, 7));
        advance(9 * SECOND).await;
        holdings.extend(shard, Moment::now() + 10 * SECOND);
        advance(9 * SECOND).await;
        assert!(fence.holds());
        let begun = Instant::now();
        fence.lost().await;
        assert_eq!(begun.elapsed(), SECOND);
        assert!(!fence.holds());
        // Taken once more, it is the lease of other turns.
        holdings.hold(shard, 9, Moment::now() + 10 * SECOND);
        assert_eq!((fence.holds(), holdings.fence(&uid).holds()), (false, true));
    }

    #[tokio::test]
    async fn what_is_left_ends_before_it_is_drained_and_what_is_lost_ends_at_once() {
        let holdings = Holdings::nothing("2".parse().unwrap());
        for shard in holdings.shards().all() {
            holdings.hold(shard, 1, Moment::NEVER);
        }
        let uids = || (0..100).map(|number| Uid::from(&*format!("{number}-object-{number}")));
        let of = |shard| uids().find(|uid| holdings.shards().of(uid) == shard);
        let fences = [Shard(0), Shard(1)].map(|shard| holdings.fence(&of(shard).unwrap()));
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
}
