//! How often what has happened: a simulation in which nothing goes wrong proves nothing.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// What has to happen somewhere in many runs: all faults, all places to die at, all steps of stories, all reasons for
/// calls, and all of their endings.
pub const ALL: [&str; 48] = [
    "call: create",
    "call: delete",
    "call: event",
    "call: resume",
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
    "request: silence before",
    "step: change",
    "step: compact",
    "step: create",
    "step: cut",
    "step: delete",
    "step: expire",
    "step: kill",
    "step: replace",
    "step: revert",
    "step: start",
    "step: stop",
];

/// Counts by what is counted: `request: reset after`.
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

    /// What has never happened of all that has to.
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

/// A tally that several can add to.
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
