//! Relisting: the watches begin again with a listing, since the replica has taken over objects whose states it doesn't hold.
//!
//! A watch looks before each event, so that none comes from before: what an earlier holder has written last may have been on its
//! way then. Where the API server helps, a watch asks for the replica's share alone.

use korf_core::shard::{Shard, Shards};
use std::{
    future, mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};
use tokio::sync::watch;

/// Tells all watches to begin again, and what to ask for.
#[derive(Debug, Default)]
pub struct Relisting {
    rounds: watch::Sender<()>,
    share: Mutex<Share>,
}

#[derive(Debug, Default)]
struct Share {
    /// What the API server is asked with for the replica's objects; none if these are all, or none of them.
    selector: Option<Arc<str>>,
    /// The API server sends a share alone.
    helped: bool,
}

/// Whether a watch is to begin again.
#[derive(Debug)]
pub struct Relisted(watch::Receiver<()>);

impl Relisting {
    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in the shards of which the replica needs the objects.
    pub fn share_is(&self, shards: Shards, needed: impl IntoIterator<Item = Shard>) {
        self.share().selector = shards.selector(needed).map(Arc::from);
    }

    /// Tells all watches to begin again.
    pub fn begin(&self) {
        self.rounds.send_replace(());
    }

    /// Takes in whether the API server sends a share alone.
    pub fn set_helped(&self, helped: bool) {
        let mut share = self.share();
        let was = mem::replace(&mut share.helped, helped);
        let matters = share.selector.is_some();
        drop(share);
        if matters && helped && !was {
            self.begin();
        }
    }

    /// What a watch asks for; none for all objects.
    pub fn selector(&self) -> Option<Arc<str>> {
        let share = self.share();
        share.selector.clone().filter(|_| share.helped)
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
