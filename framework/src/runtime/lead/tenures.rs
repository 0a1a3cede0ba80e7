//! Tenures: the shards that the reactor serves, as it has taken that in.
//!
//! [`Holdings`] may change at any time and from any thread. The reactor looks when it is about to do something next, and all that
//! it starts gets the fence of the tenure that it knows.

use super::{Fence, Holdings, holdings::Served};
use korf_core::shard::Shard;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Shards that come within this time are taken over together: that is one listing for all of them.
const GATHER: Duration = Duration::from_millis(50);

/// What has changed since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turnover {
    /// Shards that are no longer this replica's: nothing of their objects goes on.
    pub lost: Vec<Shard>,
    /// Shards whose objects get no more turns. What is under way may end.
    pub left: Vec<Shard>,
    /// Shards whose objects get turns from now on.
    pub taken: Vec<Shard>,
}

/// The shards that the reactor serves, and those that it has left and has not drained.
#[derive(Debug)]
pub struct Tenures {
    holdings: Holdings,
    served: watch::Receiver<Served>,
    serving: BTreeMap<Shard, Fence>,
    leaving: BTreeMap<Shard, Fence>,
    /// When those are taken over that have come.
    take_at: Option<Instant>,
    /// When it is to be looked though nothing is told: a fence may fall.
    look_at: Option<Instant>,
}

impl Tenures {
    /// Those of the present holdings.
    pub fn new(holdings: Holdings, now: Instant) -> Self {
        let served = holdings.served();
        let (serving, leaving) = (BTreeMap::new(), BTreeMap::new());
        let mut tenures = Self { holdings, served, serving, leaving, take_at: Some(now), look_at: None };
        tenures.look(now);
        tenures
    }

    /// The shards that are served.
    pub fn serving(&self) -> impl Iterator<Item = Shard> {
        self.serving.keys().copied()
    }

    /// The shards that were left, and of which something may be under way.
    pub fn leaving(&self) -> impl Iterator<Item = Shard> {
        self.leaving.keys().copied()
    }

    /// The shards of which something is to be done, in their order.
    pub fn needed(&self) -> BTreeSet<Shard> {
        self.serving().chain(self.leaving()).collect()
    }

    /// The fence of what begins now for the objects of a shard; none if that is another replica's.
    pub fn fence(&self, shard: Shard) -> Option<&Fence> {
        self.serving.get(&shard).or_else(|| self.leaving.get(&shard))
    }

    /// Takes in that nothing of a shard that was left is under way.
    pub fn drained(&mut self, shard: Shard) {
        if self.leaving.remove(&shard).is_some() {
            self.holdings.has_drained(shard);
        }
    }

    /// Waits until the holdings change.
    pub async fn changed(&mut self) {
        // They live as long as this.
        let _ = self.served.changed().await;
        self.served.mark_changed();
    }

    /// Whether it is time to look.
    pub fn is_news(&self, now: Instant) -> bool {
        self.served.has_changed().unwrap_or(false) || self.next_due().is_some_and(|due| due <= now)
    }

    /// When it is to be looked though nothing is told.
    pub fn next_due(&self) -> Option<Instant> {
        self.take_at.into_iter().chain(self.look_at).min()
    }

    /// Takes in what is held now.
    pub fn look(&mut self, now: Instant) -> Turnover {
        let served = self.served.borrow_and_update().0.clone();
        let lost = [&mut self.serving, &mut self.leaving].into_iter().flat_map(lost).collect();
        let left: Vec<_> = self.serving.keys().filter(|shard| !served.contains_key(shard)).copied().collect();
        for shard in &left {
            self.leaving.extend(self.serving.remove_entry(shard));
        }
        let taken = self.take(&served, now);
        for shard in self.holdings.shards().all() {
            if !served.contains_key(&shard) && !self.leaving.contains_key(&shard) {
                self.holdings.has_drained(shard);
            }
        }
        let fences = self.serving.values().chain(self.leaving.values());
        self.look_at = fences.filter_map(Fence::left).min().map(|left| now + left);
        Turnover { lost, left, taken }
    }

    fn take(&mut self, served: &BTreeMap<Shard, u64>, now: Instant) -> Vec<Shard> {
        let new = served.keys().filter(|shard| !self.serving.contains_key(shard));
        let new = new.map(|shard| (*shard, self.holdings.fence(*shard)));
        let new: Vec<_> = new.filter(|(_, fence)| fence.holds()).collect();
        if new.is_empty() || *self.take_at.get_or_insert(now + GATHER) > now {
            self.take_at = self.take_at.filter(|_| !new.is_empty());
            return Vec::new();
        }
        self.take_at = None;
        for (shard, fence) in &new {
            self.leaving.remove(shard);
            self.serving.insert(*shard, fence.clone());
        }
        new.into_iter().map(|(shard, _)| shard).collect()
    }
}

/// Takes out the shards whose fences have fallen.
fn lost(fences: &mut BTreeMap<Shard, Fence>) -> Vec<Shard> {
    let (held, lost): (_, BTreeMap<_, _>) =
        mem::take(fences).into_iter().partition(|(_, fence)| fence.holds());
    *fences = held;
    lost.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{clock::control, lead::Moment};
    use futures::FutureExt;
    use tokio::time;

    const SECOND: Duration = Duration::from_secs(1);

    fn now() -> Instant {
        time::Instant::now().into_std()
    }

    fn turnover(lost: &[u16], left: &[u16], taken: &[u16]) -> Turnover {
        let [lost, left, taken] =
            [lost, left, taken].map(|shards| shards.iter().copied().map(Shard).collect());
        Turnover { lost, left, taken }
    }

    /// What comes, one after the other, until nothing does for now.
    async fn all(tenures: &mut Tenures) -> Vec<Turnover> {
        let mut seen = Vec::new();
        time::advance(GATHER).await;
        while tenures.is_news(now()) {
            seen.push(tenures.look(now()));
            time::advance(GATHER).await;
        }
        seen.retain(|turnover| *turnover != Turnover::default());
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn shards_that_come_at_about_the_same_time_are_taken_over_together() {
        let _clock = control(jiff::Timestamp::UNIX_EPOCH, time::Instant::now());
        let holdings = Holdings::nothing("4".parse().unwrap());
        let mut tenures = Tenures::new(holdings.clone(), now());
        tenures.look(now());
        for shard in [Shard(1), Shard(3)] {
            holdings.hold(shard, 1, Moment::NEVER);
            assert_eq!(tenures.look(now()), Turnover::default());
            time::advance(GATHER / 5).await;
        }
        assert_eq!(all(&mut tenures).await, [turnover(&[], &[], &[1, 3])]);
    }

    #[test]
    fn what_is_held_at_the_start_is_served_at_once() {
        assert_eq!(
            Tenures::new(Holdings::everything(), Instant::now()).serving().collect::<Vec<_>>(),
            [Shard(0)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_is_left_has_its_fence_until_it_is_drained() {
        let _clock = control(jiff::Timestamp::UNIX_EPOCH, time::Instant::now());
        let holdings = Holdings::nothing("2".parse().unwrap());
        holdings.hold(Shard(1), 1, Moment::now() + 100 * SECOND);
        let mut tenures = Tenures::new(holdings.clone(), now());
        holdings.leave(Shard(1));
        assert_eq!(all(&mut tenures).await, [turnover(&[], &[1], &[])]);
        assert!(tenures.fence(Shard(1)).is_some() && holdings.drained(Shard(1)).now_or_never().is_none());
        tenures.drained(Shard(1));
        assert!(tenures.fence(Shard(1)).is_none() && holdings.drained(Shard(1)).now_or_never().is_some());
        // One that was never served has nothing to drain.
        assert!(holdings.drained(Shard(0)).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_is_lost_when_its_lease_is_over_though_nobody_says_so_and_begins_again_after_a_late_renewal()
     {
        let _clock = control(jiff::Timestamp::UNIX_EPOCH, time::Instant::now());
        let holdings = Holdings::nothing("2".parse().unwrap());
        holdings.hold(Shard(0), 1, Moment::now() + 10 * SECOND);
        let mut tenures = Tenures::new(holdings.clone(), now());
        time::advance(9 * SECOND).await;
        assert_eq!(all(&mut tenures).await, []);
        time::advance(SECOND).await;
        assert_eq!(all(&mut tenures).await, [turnover(&[0], &[], &[])]);
        holdings.extend(Shard(0), Moment::now() + 10 * SECOND);
        assert_eq!(all(&mut tenures).await, [turnover(&[], &[], &[0])]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_lost_and_taken_again_between_two_looks_is_lost_first() {
        let _clock = control(jiff::Timestamp::UNIX_EPOCH, time::Instant::now());
        let holdings = Holdings::nothing("2".parse().unwrap());
        holdings.hold(Shard(0), 1, Moment::NEVER);
        let mut tenures = Tenures::new(holdings.clone(), now());
        holdings.lose(Shard(0));
        holdings.hold(Shard(0), 3, Moment::NEVER);
        assert_eq!(all(&mut tenures).await, [turnover(&[0], &[], &[]), turnover(&[], &[], &[0])]);
        assert_eq!(tenures.fence(Shard(0)).and_then(Fence::epoch), Some(3));
    }
}
