//! Configuration of a queue: what the handlers of each kind need, and its limits.

use super::pace::PaceLimits;
use crate::version::Trust;
use std::time::Duration;

/// What the handlers of a kind need of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindNeeds {
    /// There are event handlers, for which echoes of our own writes are news.
    pub events: bool,
    /// There are timers: the newest state of each object is retained for them.
    pub bodies: bool,
    /// The watch shows only objects that match a selector: one whose deletion it shows may be shown again.
    pub selected: bool,
    /// Its objects are resumed after each such time.
    pub resync: Option<Duration>,
    /// No handler is called in a turn: the objects have none. They are known, so that one that a listing no longer shows is
    /// noticed.
    pub turnless: bool,
}

/// The limits of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// The bytes of pending states that are held in memory.
    pub budget: usize,
    /// How long own writes are believed to be the newest versions.
    pub trust: Trust,
    /// How many turns the triggers of an object give it.
    pub pace: PaceLimits,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { budget: 8 << 20, trust: Trust::default(), pace: PaceLimits::default() }
    }
}
