//! Backlog: the pending states of objects that wait for a worker, within a budget of memory.

use super::config::QueueLimits;
use crate::body::Body;
use serde_json::Value;
use std::collections::HashMap;

/// What is pending of one object.
#[derive(Debug)]
pub enum Pending {
    /// The newest state.
    Body(Body),
    /// It is to be read.
    Fetch,
    /// The last state that the watch has shown.
    Gone(Body),
    /// A state that is news for event handlers alone.
    Echo(Body),
}

/// The pending states, by uid.
#[derive(Debug)]
pub struct Backlog {
    budget: usize,
    pending: HashMap<String, (Pending, usize)>,
    bytes: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Self::new(QueueLimits::default().budget)
    }
}

impl Backlog {
    /// A backlog of at most so many bytes.
    pub fn new(budget: usize) -> Self {
        Self { budget, pending: HashMap::new(), bytes: 0 }
    }

    /// What is pending of an object.
    pub fn get(&self, uid: &str) -> Option<&Pending> {
        self.pending.get(uid).map(|(pending, _)| pending)
    }

    /// Replaces what was pending, whatever the size.
    pub fn put(&mut self, uid: &str, pending: Pending) {
        self.take(uid);
        let bytes = pending.weight();
        self.bytes += bytes;
        self.pending.insert(uid.to_owned(), (pending, bytes));
    }

    /// Replaces what was pending with a state, if the budget has room for it; else the object is to be read.
    pub fn keep(&mut self, uid: &str, state: Pending) {
        self.take(uid);
        let fits = self.bytes + state.weight() <= self.budget;
        self.put(uid, if fits { state } else { Pending::Fetch });
    }

    /// Takes out what was pending.
    pub fn take(&mut self, uid: &str) -> Option<Pending> {
        let (pending, bytes) = self.pending.remove(uid)?;
        self.bytes -= bytes;
        Some(pending)
    }
}

#[cfg(test)]
impl Backlog {
    /// About how many bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The same, counted from the objects.
    pub fn weighed(&self) -> usize {
        self.pending.values().map(|(pending, _)| pending.weight()).sum()
    }

    /// The objects of which something is pending.
    pub fn uids(&self) -> impl Iterator<Item = &String> {
        self.pending.keys()
    }
}

impl Pending {
    fn weight(&self) -> usize {
        match self {
            Self::Body(body) | Self::Gone(body) | Self::Echo(body) => weight(body.value()),
            Self::Fetch => 0,
        }
    }
}

/// About how many bytes a JSON value takes in memory.
fn weight(value: &Value) -> usize {
    let inside = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| 24 + key.len() + weight(value)).sum(),
        _ => 0,
    };
    32 + inside
}
