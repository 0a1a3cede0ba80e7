//! Changes of the server, which wake its watches in the order in which they began to wait.
//!
//! tokio's own `watch` wakes its receivers in a random order: with two watches, no run would be like the other.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// How often the server has changed, and how often all watches were broken.
#[derive(Debug, Default)]
pub(super) struct Changes {
    changes: AtomicU64,
    breaks: AtomicU64,
    notify: Notify,
}

impl Changes {
    /// Wakes all watches.
    pub fn wake(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.notify.notify_waiters();
    }

    /// Breaks all watches.
    pub fn break_watches(&self) {
        self.breaks.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    /// How often all watches were broken.
    pub fn breaks(&self) -> u64 {
        self.breaks.load(Ordering::SeqCst)
    }

    /// How often the server has changed.
    pub fn count(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Waits until it has changed more often than that.
    pub async fn after(&self, count: u64) {
        loop {
            // It hears of what comes after this line.
            let notified = self.notify.notified();
            if self.count() != count {
                return;
            }
            notified.await;
        }
    }
}
