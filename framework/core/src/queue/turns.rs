//! Turns: the objects that wait for a worker, in their order, and since when.

use crate::Uid;
use std::{collections::VecDeque, time::Instant};

/// The objects that wait for a worker. The first one has waited longest.
#[derive(Debug, Default)]
pub struct Turns(VecDeque<(Uid, Option<Instant>)>);

impl Turns {
    /// Adds an object.
    pub fn push(&mut self, uid: Uid) {
        self.0.push_back((uid, None));
    }

    /// Takes out the first object.
    pub fn pop(&mut self) -> Option<Uid> {
        self.0.pop_front().map(|(uid, _)| uid)
    }

    /// Keeps these objects alone.
    pub fn retain(&mut self, these: impl Fn(&Uid) -> bool) {
        self.0.retain(|(uid, _)| these(uid));
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes in that no worker is free for what has come since the last call: it waits from now on.
    pub fn mark(&mut self, now: Instant) {
        let new = self.0.iter_mut().rev().take_while(|(_, since)| since.is_none());
        new.for_each(|(_, since)| *since = Some(now));
    }

    /// Since when the first of these objects waits; none if no object has to.
    pub fn oldest(&self, counts: impl Fn(&Uid) -> bool) -> Option<Instant> {
        self.0.iter().find(|(uid, _)| counts(uid)).and_then(|(_, since)| *since)
    }

    /// All objects, in their order.
    #[cfg(test)]
    pub fn uids(&self) -> impl Iterator<Item = &Uid> {
        self.0.iter().map(|(uid, _)| uid)
    }
}
