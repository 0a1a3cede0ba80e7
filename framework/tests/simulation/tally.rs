//! How often what has happened: a simulation in which nothing goes wrong proves nothing.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts by what is counted: `fault: reset, after`.
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

    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }
}

/// One line for each group: `fault: 12 reset, 3 silence`.
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
