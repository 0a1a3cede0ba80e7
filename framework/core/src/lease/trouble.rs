//! Troubles: what can't be done with Leases, since when, and when that is worth a line.

use super::Time;
use std::{collections::BTreeMap, time::Duration};

/// An API server that has just started denies everything until it has read its Roles.
const DENIED_PATIENCE: Duration = Duration::from_secs(5);

/// The verbs that fail.
#[derive(Clone, Debug)]
pub struct Troubles {
    /// A failure that passes sooner isn't told.
    patience: Duration,
    /// The time between two lines.
    reminder: Duration,
    failing: BTreeMap<&'static str, Trouble>,
    told: Option<Time>,
}

#[derive(Clone, Debug)]
struct Trouble {
    since: Time,
    why: String,
    is_denied: bool,
}

/// What is worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TroubleNews {
    /// This can't be done.
    Fails {
        /// The verbs.
        verbs: Vec<&'static str>,
        /// What the API server has said of one of them.
        why: String,
        /// The operator has no right to do so.
        is_denied: bool,
    },
    /// Everything works again.
    Over,
}

impl Troubles {
    /// None so far. What passes within `patience` isn't told; what lasts is told again after `reminder`.
    pub fn new(patience: Duration, reminder: Duration) -> Self {
        Self { patience, reminder, failing: BTreeMap::new(), told: None }
    }

    /// A request has failed.
    pub fn fails(&mut self, verb: &'static str, why: String, is_denied: bool, now: Time) {
        let since = self.failing.get(verb).map_or(now, |known| known.since);
        self.failing.insert(verb, Trouble { since, why, is_denied });
    }

    /// A request was answered.
    pub fn works(&mut self, verb: &'static str) {
        self.failing.remove(verb);
    }

    /// What is to be told now.
    pub fn news(&mut self, now: Time) -> Option<TroubleNews> {
        if self.failing.is_empty() {
            return self.told.take().map(|_| TroubleNews::Over);
        }
        if self.next_due()? > now {
            return None;
        }
        self.told = Some(now);
        let is_denied = self.failing.values().any(|trouble| trouble.is_denied);
        let why = self.failing.values().find(|trouble| trouble.is_denied == is_denied)?.why.clone();
        Some(TroubleNews::Fails { verbs: self.failing.keys().copied().collect(), why, is_denied })
    }

    /// When there will be news, if nothing happens.
    pub fn next_due(&self) -> Option<Time> {
        if let Some(told) = self.told {
            return (!self.failing.is_empty()).then_some(told + self.reminder);
        }
        let due = |trouble: &Trouble| {
            let denied = self.patience.min(DENIED_PATIENCE);
            trouble.since + if trouble.is_denied { denied } else { self.patience }
        };
        self.failing.values().map(due).min()
    }

    /// Since when something has failed, and what.
    pub fn oldest(&self) -> Option<(Time, &str)> {
        self.failing.values().map(|trouble| (trouble.since, &*trouble.why)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_missing_permission_is_told_when_the_api_server_has_read_its_roles_and_then_every_so_often_and_its_end_too()
     {
        let mut troubles = Troubles::new(at(10), at(300));
        assert_eq!((troubles.news(at(0)), troubles.next_due()), (None, None));
        troubles.fails("list", "forbidden".into(), true, at(1));
        let fails = TroubleNews::Fails { verbs: vec!["list"], why: "forbidden".into(), is_denied: true };
        assert_eq!((troubles.news(at(5)), troubles.next_due()), (None, Some(at(6))));
        assert_eq!(troubles.news(at(6)), Some(fails.clone()));
        troubles.fails("list", "forbidden".into(), true, at(8));
        assert_eq!((troubles.news(at(8)), troubles.next_due()), (None, Some(at(306))));
        assert_eq!(troubles.news(at(306)), Some(fails));
        troubles.works("list");
        assert_eq!(troubles.news(at(307)), Some(TroubleNews::Over));
        assert_eq!(troubles.news(at(308)), None);
    }

    #[test]
    fn what_passes_soon_is_not_told() {
        let mut troubles = Troubles::new(at(10), at(300));
        troubles.fails("patch", "no answer".into(), false, at(1));
        assert_eq!((troubles.news(at(10)), troubles.next_due()), (None, Some(at(11))));
        troubles.works("patch");
        assert_eq!(troubles.news(at(20)), None);
        troubles.fails("patch", "no answer".into(), false, at(21));
        assert_eq!(troubles.oldest(), Some((at(21), "no answer")));
        assert!(troubles.news(at(31)).is_some());
    }
}
