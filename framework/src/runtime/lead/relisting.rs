//! Relisting: the watches begin again with a listing, since the replica has taken over objects whose states it doesn't hold.
//!
//! A watch looks before each event, so that none comes from before: what an earlier holder has written last may have been on its
//! way then.

use std::{future, pin::pin, task::Poll};
use tokio::sync::watch;

/// Tells all watches to begin again.
#[derive(Debug, Default)]
pub struct Relisting(watch::Sender<()>);

/// Whether a watch is to begin again.
#[derive(Debug)]
pub struct Relisted(watch::Receiver<()>);

impl Relisting {
    /// Tells all watches to begin again.
    pub fn begin(&self) {
        self.0.send_replace(());
    }

    /// For a watch that begins now.
    pub fn follow(&self) -> Relisted {
        Relisted(self.0.subscribe())
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
