//! What is to be looked at of the objects that wait for a worker, within a budget of memory.

use crate::core::body::Body;
use serde_json::Value;
use std::collections::HashMap;

/// How much is kept in memory of objects that wait for a worker. Above it only their names are kept, and
/// the worker reads the object when its turn comes.
pub const BUDGET: usize = 8 << 20;

/// What is to be looked at of one object.
#[derive(Debug)]
pub enum Pending {
    /// The newest state.
    Body(Body),
    /// It is to be read.
    Fetch,
    /// The last state that the watch has shown.
    Gone(Body),
    /// No news, but for handlers of raw events.
    Echo(Body),
}

/// What is to be looked at of the objects that wait for a worker, by their uids.
#[derive(Debug, Default)]
pub struct Backlog {
    pending: HashMap<String, (Pending, usize)>,
    bytes: usize,
}

impl Backlog {
    /// What is to be looked at of an object.
    pub fn get(&self, uid: &str) -> Option<&Pending> {
        self.pending.get(uid).map(|(pending, _)| pending)
    }

    /// Puts something into the place of what was pending, whatever it weighs.
    pub fn put(&mut self, uid: &str, pending: Pending) {
        self.take(uid);
        let bytes = pending.weight();
        self.bytes += bytes;
        self.pending.insert(uid.to_owned(), (pending, bytes));
    }

    /// Puts a state into the place of what was pending, if there is room for it; else it is to be read.
    pub fn keep(&mut self, uid: &str, state: Pending) {
        self.take(uid);
        let fits = self.bytes + state.weight() <= BUDGET;
        self.put(uid, if fits { state } else { Pending::Fetch });
    }

    /// What was to be looked at; it no longer is.
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

    /// The same, counted anew.
    pub fn weighed(&self) -> usize {
        self.pending.values().map(|(pending, _)| pending.weight()).sum()
    }

    /// The objects of which there is something to be looked at.
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
