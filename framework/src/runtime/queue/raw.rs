//! What handlers of raw events are to be told of an object.

use crate::handler::EventType;
use std::collections::VecDeque;

/// How many versions of one object are remembered. An echo among more than so many versions is told like other news.
const REMEMBERED: usize = 16;

/// What handlers of raw events are to be told of an object. They aren't told of what they have written themselves: they
/// would be called for ever.
#[derive(Debug, Default)]
pub struct Raw {
    event: Option<EventType>,
    /// How much of what the watch has said the event stands for.
    count: usize,
    /// The versions of it.
    heard: VecDeque<String>,
    /// The versions that the handlers have written, and the watch has yet to show.
    silent: VecDeque<String>,
}

impl Raw {
    /// Takes in what the watch says of a version. False where it is the echo of a write of the handlers. What a listing
    /// shows is none: it stands for all that has come before, too.
    pub fn hear(&mut self, event: EventType, version: &str) -> bool {
        let listed = event == EventType::Listed;
        if forget(&mut self.silent, version) && !listed {
            return false;
        }
        if !listed {
            remember(&mut self.heard, version.to_owned());
        }
        self.event = Some(event);
        self.count += 1;
        true
    }

    /// Takes in that the object is gone.
    pub fn hear_of_end(&mut self) {
        self.event = Some(EventType::Deleted);
        self.count += 1;
    }

    /// Whether there is something to tell.
    pub fn has_news(&self) -> bool {
        self.event.is_some()
    }

    /// What is to be told. It is told now, or put back.
    pub fn take(&mut self) -> Option<EventType> {
        self.heard.clear();
        self.count = 0;
        self.event.take()
    }

    /// Takes back what was not told. What has come since stands for it, too.
    pub fn put_back(&mut self, untold: EventType) {
        self.event.get_or_insert(untold);
        self.count += 1;
    }

    /// The handlers have written these versions. The watch may have shown them already.
    pub fn silence(&mut self, written: Vec<String>) {
        for version in written {
            if forget(&mut self.heard, &version) {
                self.count -= 1;
            } else {
                remember(&mut self.silent, version);
            }
        }
        if self.count == 0 {
            self.event = None;
        }
    }
}

fn remember(versions: &mut VecDeque<String>, version: String) {
    versions.push_back(version);
    if versions.len() > REMEMBERED {
        versions.pop_front();
    }
}

/// Whether the version was remembered; it no longer is.
fn forget(versions: &mut VecDeque<String>, version: &str) -> bool {
    let found = versions.iter().position(|known| known == version);
    found.and_then(|at| versions.remove(at)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventType::{Deleted, Listed, Modified};

    #[test]
    fn an_echo_is_not_told_whether_it_comes_before_the_write_is_known_or_after() {
        let mut raw = Raw::default();
        assert!(raw.hear(Modified, "2"));
        raw.silence(vec!["2".into(), "3".into()]);
        assert!(!raw.has_news());
        assert!(!raw.hear(Modified, "3"));
        assert_eq!(raw.take(), None);
        assert!(raw.hear(Modified, "3"), "an echo comes once");
        assert_eq!(raw.take(), Some(Modified));
    }

    #[test]
    fn what_comes_with_an_echo_is_told() {
        for others in [["1", "2"], ["2", "3"]] {
            let mut raw = Raw::default();
            assert!(others.iter().all(|version| raw.hear(Modified, version)));
            raw.silence(vec!["2".into()]);
            assert_eq!(raw.take(), Some(Modified), "{others:?}");
        }
        let mut raw = Raw::default();
        raw.hear(Modified, "2");
        raw.hear_of_end();
        raw.silence(vec!["2".into()]);
        assert_eq!(raw.take(), Some(Deleted));
    }

    #[test]
    fn a_listing_is_told_whatever_it_shows() {
        let mut raw = Raw::default();
        raw.silence(vec!["2".into()]);
        assert!(raw.hear(Listed, "2"), "there may be changes of others below it");
        raw.silence(vec!["2".into()]);
        assert_eq!(raw.take(), Some(Listed));
    }

    #[test]
    fn what_was_not_told_is_told_later_with_what_has_come_since() {
        let mut raw = Raw::default();
        raw.hear(Deleted, "2");
        let untold = raw.take().unwrap();
        raw.put_back(untold);
        raw.silence(vec!["1".into()]);
        assert_eq!(raw.take(), Some(Deleted));
        raw.hear(Modified, "3");
        raw.put_back(untold);
        raw.silence(vec!["3".into()]);
        assert_eq!(raw.take(), Some(Modified), "it is not the echo alone");
    }

    #[test]
    fn of_very_many_versions_the_newest_are_remembered() {
        let mut raw = Raw::default();
        let versions: Vec<_> = (0..100).map(|version| version.to_string()).collect();
        raw.silence(versions.clone());
        let told: Vec<_> = versions.iter().filter(|version| raw.hear(Modified, version)).collect();
        assert_eq!(told, versions[..100 - REMEMBERED].iter().collect::<Vec<_>>());
        assert_eq!(raw.heard.len(), REMEMBERED);
    }
}
