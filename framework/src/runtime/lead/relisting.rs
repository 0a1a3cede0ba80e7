//! Relisting: the watches begin again with a listing, since the replica has taken over objects whose states it doesn't hold.
//!
//! A watch looks before each event, so that none comes from before: what an earlier holder has written last may have been on its
//! way then. Where the API server helps, a watch asks for the replica's share alone.

use korf_core::shard::{Shard, Shards};
use std::{future, pin::pin, sync::Arc, task::Poll, time::Duration};
use tokio::{
    sync::{OnceCell, watch},
    time::timeout,
};

/// The longest time that first lists wait for the replica's share.
const PATIENCE: Duration = Duration::from_secs(5);
/// Replicas that are started together find each other within this time. A share that doesn't change for so long is what to ask for.
const CALM: Duration = Duration::from_secs(1);

/// Tells all watches to begin again, and what to ask for.
#[derive(Debug, Default)]
pub struct Relisting {
    rounds: watch::Sender<()>,
    share: watch::Sender<Share>,
    settled: OnceCell<()>,
}

#[derive(Debug, Default)]
struct Share {
    /// What the API server is asked with for the replica's objects; none if these are all, or none of them.
    selector: Option<Arc<str>>,
    /// There are objects of the replica's.
    has_some: bool,
    /// The API server sends a share alone; none as long as it wasn't asked.
    helped: Option<bool>,
}

/// Whether a watch is to begin again.
#[derive(Debug)]
pub struct Relisted(watch::Receiver<()>);

impl Relisting {
    /// Takes in the shards of which the replica needs the objects.
    pub fn share_is(&self, shards: Shards, needed: impl IntoIterator<Item = Shard>) {
        let needed: Vec<_> = needed.into_iter().collect();
        let has_some = !needed.is_empty();
        let selector = shards.selector(needed).map(Arc::from);
        self.share.send_if_modified(|share| {
            let is_news = (share.has_some, &share.selector) != (has_some, &selector);
            (share.has_some, share.selector) = (has_some, selector);
            is_news
        });
    }

    /// Tells all watches to begin again.
    pub fn begin(&self) {
        self.rounds.send_replace(());
    }

    /// Takes in whether the API server sends a share alone.
    pub fn set_helped(&self, helped: bool) {
        let mut is_now = false;
        self.share.send_modify(|share| {
            is_now = helped && share.helped != Some(true) && share.selector.is_some();
            share.helped = Some(helped);
        });
        if is_now {
            self.begin();
        }
    }

    /// Waits until it is clear what first lists have to ask for: where the API server sends a share alone, a replica that was just
    /// started would list everything, and its share a moment later.
    pub async fn settled(&self) {
        // Some replicas never have a share, and some API servers don't answer.
        let patient = async || drop(timeout(PATIENCE, self.settle()).await);
        self.settled.get_or_init(patient).await;
    }

    async fn settle(&self) {
        let mut share = self.share.subscribe();
        let helped = share
            .wait_for(|share| share.helped.is_some())
            .await
            .is_ok_and(|share| share.helped == Some(true));
        if helped && share.wait_for(|share| share.has_some).await.is_ok() {
            while timeout(CALM, share.changed()).await.is_ok() {}
        }
    }

    /// What a watch asks for; none for all objects.
    pub fn selector(&self) -> Option<Arc<str>> {
        let share = self.share.borrow();
        share.selector.clone().filter(|_| share.helped == Some(true))
    }

    /// For a watch that begins now.
    pub fn follow(&self) -> Relisted {
        Relisted(self.rounds.subscribe())
    }
}

impl Relisted {
    /// Takes in that the watch begins now.
    pub fn begins(&mut self) {
        self.0.mark_unchanged();
    }

    /// Waits until the watch is to begin again.
    pub async fn asked(&self) {
        let mut news = self.0.clone();
        let mut changed = pin!(news.changed());
        // tokio may let a future wait that is ready, so that others have their turn. No event may come meanwhile.
        let asked = future::poll_fn(|context| {
            let waits = !self.0.has_changed().unwrap_or(false) && changed.as_mut().poll(context).is_pending();
            if waits { Poll::Pending } else { Poll::Ready(()) }
        });
        asked.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const SECOND: Duration = Duration::from_secs(1);

    fn shards() -> Shards {
        "4".parse().unwrap()
    }

    /// How long first lists wait, while this happens.
    async fn waited(happens: impl AsyncFnOnce(&Relisting)) -> (Duration, Option<Arc<str>>) {
        let (relisting, begun) = (Relisting::default(), Instant::now());
        let settled = async {
            relisting.settled().await;
            begun.elapsed()
        };
        let (waited, ()) = tokio::join!(settled, happens(&relisting));
        (waited, relisting.selector())
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_list_waits_for_the_share_where_the_api_server_sends_one_alone() {
        let own = shards().selector([Shard(2)]).map(Arc::from);
        let joins = async |relisting: &Relisting| {
            tokio::time::sleep(SECOND / 2).await;
            relisting.set_helped(true);
            // It is the first one, and another one comes.
            relisting.share_is(shards(), shards().all());
            tokio::time::sleep(SECOND / 2).await;
            relisting.share_is(shards(), [Shard(2)]);
        };
        assert_eq!(waited(joins).await, (2 * SECOND, own));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_list_does_not_wait_where_the_api_server_sends_everything() {
        assert_eq!(waited(async |relisting| relisting.set_helped(false)).await, (Duration::ZERO, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_list_does_not_wait_long_for_a_share_or_an_answer_that_does_not_come() {
        assert_eq!(waited(async |relisting| relisting.set_helped(true)).await, (PATIENCE, None));
        assert_eq!(
            waited(async |relisting| relisting.share_is(shards(), [Shard(1)])).await,
            (PATIENCE, None)
        );
    }
}
