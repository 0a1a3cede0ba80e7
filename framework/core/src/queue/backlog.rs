//! Backlog: the pending states of objects that wait for a worker, within a budget of memory.
//!
//! States stay as they are while all take less than an eighth of the budget. One that comes when they take more is written as
//! text, which takes a fraction of the memory, and is read again for its turn.

use super::config::QueueLimits;
use crate::{Uid, body::Body};
use serde_json::Value;
use std::collections::HashMap;

/// What is pending of one object.
#[derive(Debug)]
pub enum Pending {
    /// The newest state.
    Body(State),
    /// It is to be read.
    Fetch,
    /// The last state that the watch has shown.
    Gone(Body),
    /// A state that is news for event handlers alone.
    Echo(Body),
}

/// A state of an object.
#[derive(Debug)]
pub enum State {
    /// As it came.
    Whole(Body),
    /// Its JSON.
    Text(Box<str>),
}

impl From<Body> for State {
    fn from(body: Body) -> Self {
        Self::Whole(body)
    }
}

impl State {
    /// The state as it came; none if it can't be read again.
    pub fn body(self) -> Option<Body> {
        match self {
            Self::Whole(body) => Some(body),
            Self::Text(text) => serde_json::from_str::<Value>(&text).ok().map(Body::from),
        }
    }

    fn as_text(&self) -> Self {
        match self {
            Self::Whole(body) => Self::Text(body.value().to_string().into()),
            Self::Text(text) => Self::Text(text.clone()),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Whole(body) => weight(body.value()),
            Self::Text(text) => text.len(),
        }
    }
}

/// The share of the budget for states that stay as they are.
const WHOLE: usize = 8;

/// The pending states, by uid.
#[derive(Debug)]
pub struct Backlog {
    budget: usize,
    pending: HashMap<Uid, (Pending, usize)>,
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
    pub fn get(&self, uid: &Uid) -> Option<&Pending> {
        self.pending.get(uid).map(|(pending, _)| pending)
    }

    /// Replaces what was pending, whatever the size.
    pub fn put(&mut self, uid: &Uid, pending: Pending) {
        self.take(uid);
        let bytes = pending.weight();
        self.insert(uid, pending, bytes);
    }

    fn insert(&mut self, uid: &Uid, pending: Pending, bytes: usize) {
        self.bytes += bytes;
        self.pending.insert(uid.clone(), (pending, bytes));
    }

    /// Replaces what was pending with a state, if the budget has room for it; else the object is to be read.
    pub fn keep(&mut self, uid: &Uid, mut state: Pending) {
        self.take(uid);
        let mut bytes = state.weight();
        if let Pending::Body(whole) = &mut state
            && self.bytes + bytes > self.budget / WHOLE
        {
            *whole = whole.as_text();
            bytes = whole.weight();
        }
        if self.bytes + bytes > self.budget {
            (state, bytes) = (Pending::Fetch, 0);
        }
        self.insert(uid, state, bytes);
    }

    /// Takes out what was pending.
    pub fn take(&mut self, uid: &Uid) -> Option<Pending> {
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
    pub fn uids(&self) -> impl Iterator<Item = &Uid> {
        self.pending.keys()
    }
}

impl Pending {
    fn weight(&self) -> usize {
        match self {
            Self::Body(state) => state.weight(),
            Self::Gone(body) | Self::Echo(body) => weight(body.value()),
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
