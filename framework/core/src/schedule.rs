//! Schedule of later turns: when objects are due though nothing happens to them.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

/// What an object is due for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Its next turn: a retry of its change handlers, or the end of a delay.
    Turn,
    /// The next call of one of its timers.
    Tick,
}

/// When objects are due, by uid and slot: at one time for each slot.
#[derive(Debug, Default)]
pub struct Schedule {
    due: HashMap<String, [Option<Instant>; 2]>,
    order: BTreeSet<(Instant, String, Slot)>,
}

impl Schedule {
    /// Makes an object due at this time, and no longer at another one.
    pub fn set(&mut self, uid: &str, slot: Slot, at: Instant) {
        self.clear(uid, slot);
        self.due.entry(uid.to_owned()).or_default()[slot as usize] = Some(at);
        self.order.insert((at, uid.to_owned(), slot));
    }

    /// Makes an object due at this time, unless it is due earlier.
    pub fn set_by(&mut self, uid: &str, slot: Slot, at: Instant) {
        if self.get(uid, slot).is_none_or(|due| at < due) {
            self.set(uid, slot, at);
        }
    }

    /// When an object is due.
    pub fn get(&self, uid: &str, slot: Slot) -> Option<Instant> {
        self.due.get(uid)?[slot as usize]
    }

    /// Makes an object no longer due; returns when it would have been.
    pub fn clear(&mut self, uid: &str, slot: Slot) -> Option<Instant> {
        let slots = self.due.get_mut(uid)?;
        let at = slots[slot as usize].take()?;
        if slots.iter().all(Option::is_none) {
            self.due.remove(uid);
        }
        self.order.remove(&(at, uid.to_owned(), slot));
        Some(at)
    }

    /// When the next object is due.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, ..)| *at)
    }

    /// The object that has been due for longest.
    pub fn pop(&mut self, now: Instant) -> Option<(String, Slot)> {
        let (_, uid, slot) = self.order.first().filter(|(at, ..)| *at <= now)?.clone();
        self.clear(&uid, slot);
        Some((uid, slot))
    }

    /// The objects that are due at some time.
    #[cfg(test)]
    pub fn uids(&self) -> impl Iterator<Item = &String> {
        assert_eq!(self.due.values().flatten().flatten().count(), self.order.len());
        self.due.keys()
    }
}
