//! When objects are to be looked at again though nothing happens to them.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

/// When objects are to be looked at again though nothing happens to them, by their uids.
#[derive(Debug, Default)]
pub struct Timers {
    due: HashMap<String, Instant>,
    order: BTreeSet<(Instant, String)>,
}

impl Timers {
    /// Looks at an object again at this time, and no longer at another one.
    pub fn set(&mut self, uid: &str, at: Instant) {
        self.clear(uid);
        self.due.insert(uid.to_owned(), at);
        self.order.insert((at, uid.to_owned()));
    }

    /// Looks at an object again at this time, if not earlier.
    pub fn set_by(&mut self, uid: &str, at: Instant) {
        if self.due.get(uid).is_none_or(|due| at < *due) {
            self.set(uid, at);
        }
    }

    /// No longer looks at an object again; when it would have been due.
    pub fn clear(&mut self, uid: &str) -> Option<Instant> {
        let (uid, at) = self.due.remove_entry(uid)?;
        self.order.remove(&(at, uid));
        Some(at)
    }

    /// Whether an object is to be looked at again.
    pub fn is_set(&self, uid: &str) -> bool {
        self.due.contains_key(uid)
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The object that has been due for longest.
    pub fn pop(&mut self, now: Instant) -> Option<String> {
        self.next().filter(|at| *at <= now)?;
        let (_, uid) = self.order.pop_first()?;
        self.due.remove(&uid);
        Some(uid)
    }
}

#[cfg(test)]
impl Timers {
    /// The objects that are to be looked at again.
    pub fn uids(&self) -> impl Iterator<Item = &String> {
        assert_eq!(self.due.len(), self.order.len());
        self.due.keys()
    }
}
