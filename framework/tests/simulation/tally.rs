//! Counts of all that happened: a simulation in which nothing goes wrong proves nothing.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// All that has to happen somewhere in many runs: every fault, place to die at, step of a story, kind of meddling, reason
/// for a call, and end of one.
pub const ALL: [&str; 75] = [
    "call: create",
    "call: delete",
    "call: event",
    "call: resume",
    "call: triggered",
    "call: update",
    "death: after a return",
    "death: after a write",
    "death: at an await",
    "death: before a write",
    "death: killed",
    "ending: Arbitrary",
    "ending: Interrupted",
    "ending: Panicked",
    "ending: Permanent",
    "ending: Succeeded",
    "ending: Temporary",
    "ending: Unreadable",
    "event: break",
    "event: delay",
    "event: duplicate",
    "event: end",
    "event: expire",
    "event: hold",
    "event: lose",
    "lease: cut",
    "lease: handed over",
    "lease: jump",
    "lease: killed",
    "lease: stopped",
    "lease: taken",
    "meddling: change",
    "meddling: delete",
    "meddling: flip",
    "meddling: label",
    "meddling: replace",
    "meddling: resize",
    "meddling: revert",
    "meddling: supplant",
    "outage: 403",
    "outage: 409",
    "outage: 413",
    "outage: 422",
    "outage: 500",
    "outage: 503",
    "request: 409",
    "request: 410",
    "request: 422",
    "request: 429",
    "request: 500 after",
    "request: 500 before",
    "request: 503",
    "request: 504 after",
    "request: 504 before",
    "request: reset after",
    "request: reset before",
    "request: silence after",
    "request: rejected",
    "request: silence before",
    "step: change",
    "step: compact",
    "step: create",
    "step: cut",
    "step: delete",
    "step: expire",
    "step: flip",
    "step: kill",
    "step: label",
    "step: replace",
    "step: resize",
    "step: revert",
    "step: start",
    "step: stop",
    "step: supplant",
    "step: vanish",
];

/// Counts by names such as `request: reset after`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally(pub BTreeMap<String, u64>);

impl Tally {
    pub fn count(&mut self, what: impl Into<String>) {
        self.add(what, 1);
    }

    pub fn add(&mut self, what: impl Into<String>, number: u64) {
        *self.0.entry(what.into()).or_default() += number;
    }

    pub fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, number)| self.add(what.clone(), *number));
    }

    /// The names in [`ALL`] that have no count.
    pub fn missing(&self) -> Vec<&'static str> {
        ALL.into_iter().filter(|what| !self.0.contains_key(*what)).collect()
    }
}

/// One line for each group: `event: 12 break, 3 lose`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (what, number) in &self.0 {
            let (group, name) = what.split_once(": ").unwrap_or((what, ""));
            groups.entry(group).or_default().push(format!("{number} {name}").trim_end().to_owned());
        }
        groups.iter().try_for_each(|(group, counts)| writeln!(f, "  {group}: {}", counts.join(", ")))
    }
}

/// A shared tally.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<Mutex<Tally>>);

impl Counter {
    pub fn count(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(what);
    }

    pub fn tally(&self) -> Tally {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
