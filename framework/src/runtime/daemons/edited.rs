//! Objects with changes that their daemons have asked for: as long as no turn has taken these up.
//!
//! While the operator serves, the queue gives such an object its turn. When it stops, the queue gives turns no longer, and
//! these objects get one each until that is written.

use korf_core::{Uid, queue::Queue};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// An operator that stops has no time for the usual delays.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// The objects.
#[derive(Debug, Default)]
pub struct Edited {
    now: BTreeSet<Uid>,
    /// Those whose last write has failed, with the time of the next try.
    later: BTreeSet<(Instant, Uid)>,
}

impl Edited {
    /// Takes in an object; with the time of the next try, if there was one that has failed.
    pub fn insert(&mut self, uid: Uid, again: Option<Instant>) {
        match again {
            Some(again) => drop(self.later.insert((again, uid))),
            None => drop(self.now.insert(uid)),
        }
    }

    /// Takes in an object whose write has failed, and that gets no other turn.
    pub fn insert_left(&mut self, uid: Uid, now: Instant) {
        self.insert(uid, Some(now + LONGEST_DELAY));
    }

    /// Whether there is one of these.
    pub fn has(&self, these: impl Fn(&Uid) -> bool) -> bool {
        self.now.iter().chain(self.later.iter().map(|(_, uid)| uid)).any(these)
    }

    /// Forgets these.
    pub fn forget_all(&mut self, these: impl Fn(&Uid) -> bool) {
        self.now.retain(|uid| !these(uid));
        self.later.retain(|(_, uid)| !these(uid));
    }

    /// Takes in that a turn takes up what was asked for.
    pub fn remove(&mut self, uid: &Uid) {
        self.now.remove(uid);
    }

    /// Takes in an object whose turn has left something to be written, while the operator stops.
    pub fn insert_failed(&mut self, uid: Uid, queue: &Queue, now: Instant) {
        let again = queue.turn_at(&uid).filter(|at| *at > now);
        self.insert(uid, again.map(|at| at.min(now + LONGEST_DELAY)));
    }

    /// Takes out an object that is due, of these, and that no worker has.
    pub fn next_of(&mut self, queue: &Queue, now: Instant, these: impl Fn(&Uid) -> bool) -> Option<Uid> {
        while self.next_due().is_some_and(|at| at <= now) {
            self.now.extend(self.later.pop_first().map(|(_, uid)| uid));
        }
        // No more than there are workers are skipped, and some of other shards while one is left.
        let uid = self.now.iter().find(|uid| these(uid) && !queue.is_at_work(uid))?.clone();
        self.now.remove(&uid);
        Some(uid)
    }

    /// When the next of them is due, of those that wait for a time.
    pub fn next_due(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.now.is_empty() && self.later.is_empty()
    }

    /// The number of those that no worker has.
    pub fn waiting(&self, queue: &Queue) -> usize {
        self.now.iter().filter(|uid| !queue.is_at_work(uid)).count() + self.later.len()
    }
}
