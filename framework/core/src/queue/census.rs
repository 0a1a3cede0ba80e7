//! Census of the queue: how many objects there are of each kind, in which state, and how long they wait for a worker.

use super::{Queue, entry::Life};
use crate::{Uid, schedule::Alarm};
use std::{collections::BTreeMap, time::Instant};

/// What there is in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The objects, by the numbers of their kinds.
    pub objects: BTreeMap<u32, ObjectCounts>,
    /// The objects that wait for a worker.
    pub queued: usize,
    /// Since when the first of these waits.
    pub oldest: Option<Instant>,
    /// What is away that handlers need: the number of causes.
    pub outages: usize,
}

/// The objects of a kind. Each is in one of these states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Nothing is to be done for them, or they have their turn.
    pub served: usize,
    /// They are handled again after a while: handlers wait for something that takes its time.
    pub waiting: usize,
    /// They are handled again after a while, because a handler has failed, or something else went wrong.
    pub retried: usize,
    /// A handler has failed permanently, and they have not changed since.
    pub failed: usize,
    /// Another replica handles them.
    pub foreign: usize,
}

impl ObjectCounts {
    /// Adds those of another kind.
    pub fn add(&mut self, other: &Self) {
        self.served += other.served;
        self.waiting += other.waiting;
        self.retried += other.retried;
        self.failed += other.failed;
        self.foreign += other.foreign;
    }
}

impl Queue {
    /// Counts the objects. Those of which `is_ours` says no are another replica's.
    pub fn census(&self, is_ours: impl Fn(&Uid) -> bool) -> Census {
        let mut objects = BTreeMap::<u32, ObjectCounts>::new();
        for (uid, entry) in self.objects.iter().filter(|(_, entry)| entry.life == Life::There) {
            let counts = objects.entry(entry.source.kind).or_default();
            let state = match () {
                () if !is_ours(uid) => &mut counts.foreign,
                () if self.schedule.get(uid, Alarm::Turn).is_some() && entry.patient => &mut counts.waiting,
                () if self.schedule.get(uid, Alarm::Turn).is_some() => &mut counts.retried,
                () if entry.failed => &mut counts.failed,
                () => &mut counts.served,
            };
            *state += 1;
        }
        let is_queued = |uid: &Uid| self.objects.get(uid).is_some_and(|entry| entry.queued);
        Census {
            objects,
            queued: self.turns.len(),
            oldest: self.turns.oldest(is_queued),
            outages: self.outages.len(),
        }
    }
}
