//! Fence: whether what was begun for an object may go on: its shard is this replica's, by the very lease.

use super::{Holdings, Moment};
use korf_core::shard::Shard;
use std::{future, pin::pin, sync::Arc, task::Poll, time::Duration};
use tokio::time::sleep;

/// The clock of leases may run ahead of tokio's, which stands still while the machine sleeps: it is looked at so often at least.
const LOOK: Duration = Duration::from_secs(1);

/// Whether an object is still this replica's, under the lease of when the fence was made. One that has fallen never holds again.
///
/// The default is that of an operator without leases, which holds for as long as it lives.
#[derive(Clone, Debug, Default)]
pub struct Fence(Option<Arc<Leased>>);

#[derive(Clone, Debug)]
struct Leased {
    holdings: Holdings,
    shard: Shard,
    /// How often the lease has changed hands.
    epoch: u64,
    /// How often this replica has begun to hold it.
    term: u64,
}

impl Fence {
    pub(super) fn of(holdings: Holdings, shard: Shard, epoch: u64, term: u64) -> Self {
        Self(Some(Arc::new(Leased { holdings, shard, epoch, term })))
    }

    /// The number of times that the object's lease has changed hands; none where there are no leases.
    pub fn epoch(&self) -> Option<u64> {
        self.0.as_ref().map(|leased| leased.epoch)
    }

    /// Whether a handler or a request may begin now.
    pub fn holds(&self) -> bool {
        match self.until() {
            Moment::NEVER => true,
            until => Moment::now() < until,
        }
    }

    /// The time that is left until it falls, unless the lease is renewed; none if there is no end.
    pub fn left(&self) -> Option<Duration> {
        match self.until() {
            Moment::NEVER => None,
            until => Some(Moment::now().until(until).min(LOOK)),
        }
    }

    fn until(&self) -> Moment {
        self.0.as_ref().map_or(Moment::NEVER, |leased| leased.holdings.until(leased.shard, leased.term))
    }

    /// Waits until the object is no longer this replica's.
    pub async fn lost(&self) {
        let Some(leased) = &self.0 else { return future::pending().await };
        let mut news = leased.holdings.news();
        loop {
            news.mark_unchanged();
            if !self.holds() {
                return;
            }
            let Some(left) = self.left() else {
                let _ = news.changed().await;
                continue;
            };
            tokio::select! {
                biased;
                _ = news.changed() => {}
                () = sleep(left) => {}
            }
        }
    }

    /// Goes on at once while it holds. Once it has fallen, never: what waits for this is dropped by [`guard`](Self::guard), or by
    /// its owner.
    pub fn pass(&self) -> impl Future<Output = ()> + '_ {
        // Small, since each daemon has a place for it.
        future::poll_fn(|_| if self.holds() { Poll::Ready(()) } else { Poll::Pending })
    }

    /// Does some work for as long as it holds; none where it has fallen before the end: the work is dropped.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.0.is_none() {
            return Some(work.await);
        }
        let (mut work, mut lost) = (Box::pin(work), pin!(self.lost()));
        future::poll_fn(|context| {
            // The clock is asked before each step, since a process that was stopped goes on anywhere.
            if lost.as_mut().poll(context).is_ready() || !self.holds() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::control;
    use futures::FutureExt;
    use jiff::Timestamp;
    use std::cell::Cell;
    use tokio::time::{Instant, advance};

    const SECOND: Duration = Duration::from_secs(1);
    const SHARD: Shard = Shard(2);

    fn held(seconds: u32) -> (Holdings, Fence) {
        let holdings = Holdings::nothing("4".parse().unwrap());
        assert!(!holdings.fence(SHARD).holds());
        holdings.hold(SHARD, 7, Moment::now() + seconds * SECOND);
        let fence = holdings.fence(SHARD);
        (holdings, fence)
    }

    #[tokio::test(start_paused = true)]
    async fn a_fence_falls_when_the_lease_is_over_and_a_renewal_moves_that() {
        let _clock = control(Timestamp::UNIX_EPOCH, Instant::now());
        let (holdings, fence) = held(10);
        assert_eq!((fence.holds(), fence.epoch()), (true, Some(7)));
        advance(9 * SECOND).await;
        holdings.extend(SHARD, Moment::now() + 10 * SECOND);
        advance(9 * SECOND).await;
        assert!(fence.holds());
        let begun = Instant::now();
        fence.lost().await;
        assert_eq!((begun.elapsed(), fence.holds()), (SECOND, false));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_fallen_never_holds_again() {
        let _clock = control(Timestamp::UNIX_EPOCH, Instant::now());
        for late in [true, false] {
            let (holdings, fence) = held(10);
            let mut served = holdings.served();
            served.mark_unchanged();
            if late {
                advance(11 * SECOND).await;
                holdings.extend(SHARD, Moment::now() + 10 * SECOND);
            } else {
                holdings.lose(SHARD);
                holdings.hold(SHARD, 7, Moment::now() + 10 * SECOND);
            }
            assert_eq!((fence.holds(), holdings.fence(SHARD).holds()), (false, true), "late: {late}");
            assert!(served.has_changed().unwrap(), "its objects are to begin again");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_guarded_is_dropped_when_the_fence_falls_and_takes_no_step_after_that() {
        let _clock = control(Timestamp::UNIX_EPOCH, Instant::now());
        let steps = Cell::new(0);
        let work = async |fence: &Fence| {
            loop {
                fence.pass().await;
                steps.set(steps.get() + 1);
                sleep(3 * SECOND).await;
            }
        };
        let (_holdings, fence) = held(10);
        let begun = Instant::now();
        let ended: Option<()> = fence.guard(work(&fence)).await;
        assert_eq!((ended, begun.elapsed(), steps.get()), (None, 10 * SECOND, 4));
        assert_eq!(fence.guard(work(&fence)).now_or_never(), Some(None));
        assert_eq!(steps.get(), 4);
        assert_eq!(Fence::default().guard(async { 5 }).await, Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_lets_no_other_task_run_meanwhile_stops_at_the_next_question() {
        let _clock = control(Timestamp::UNIX_EPOCH, Instant::now());
        let (holdings, fence) = held(10);
        let work = async {
            fence.pass().await;
            holdings.lose(SHARD);
            fence.pass().await;
            unreachable!("a request after the loss");
        };
        assert_eq!(fence.guard(work).await, None);
    }
}
