//! Failures of a kind's watches, for the log: the first is told, and the end of the last.
//!
//! An API server that restarts cuts the watches of all namespaces. That is one piece of news, and not one for each.

use std::collections::{BTreeMap, BTreeSet};

/// The most reasons that are told while watches fail.
const REASONS: usize = 10;

/// The failing watches of a kind.
#[derive(Debug, Default)]
pub struct WatchFailures {
    /// Why they fail, by their namespaces.
    failing: BTreeMap<Option<String>, String>,
    /// The reasons that were told since none failed.
    told: BTreeSet<String>,
}

impl WatchFailures {
    /// Takes in that the watch in a namespace fails; returns whether that is news.
    pub fn begin(&mut self, namespace: Option<&str>, why: &str) -> bool {
        self.failing.insert(namespace.map(str::to_owned), why.to_owned());
        self.told.len() < REASONS && self.told.insert(why.to_owned())
    }

    /// Takes in that the watch in a namespace works, or is no more; returns whether it was the last one that failed.
    pub fn end(&mut self, namespace: Option<&str>) -> bool {
        let failed = self.failing.remove(&namespace.map(str::to_owned)).is_some();
        let is_over = failed && self.failing.is_empty();
        if is_over {
            self.told.clear();
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_told_and_the_end_of_the_last() {
        let mut failures = WatchFailures::default();
        assert!(failures.begin(Some("a"), "refused"));
        assert!(!failures.begin(Some("b"), "refused"), "for the same reason");
        assert!(failures.begin(Some("a"), "starting"), "for another reason");
        assert!(!failures.begin(Some("b"), "starting"));
        assert!(!failures.begin(Some("b"), "refused"), "again");
        assert!(!failures.end(Some("a")));
        assert!(!failures.end(Some("c")), "it hasn't failed");
        assert!(failures.end(Some("b")));
        assert!(!failures.end(Some("b")), "once");
        assert!(failures.begin(None, "refused"), "another time");
    }

    #[test]
    fn what_is_told_has_an_end() {
        let mut failures = WatchFailures::default();
        let told = (0..1000).filter(|number| failures.begin(None, &format!("error {number}")));
        assert_eq!(told.count(), REASONS);
    }
}
