//! Unmet triggers: for objects that aren't there, as far as the log tells of them.

use super::triggers::{Giver, Target};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Instant,
};

/// The most targets that are remembered.
const MOST: usize = 1000;

/// The triggers for objects that aren't there.
#[derive(Debug, Default)]
pub struct UnmetTriggers {
    /// Of the kinds that aren't listed, by their numbers.
    awaited: BTreeMap<u32, Awaited>,
    /// Those that the log has told of.
    told: BTreeSet<Target>,
    /// The handlers with the kinds of objects that aren't this replica's, as far as the log has told of them.
    strays: BTreeSet<(u32, String)>,
}

/// The triggers for objects of a kind that isn't listed.
#[derive(Debug)]
struct Awaited {
    /// When the log tells that they wait; none once it has.
    tell: Option<Instant>,
    targets: BTreeMap<Target, Giver>,
}

impl UnmetTriggers {
    /// Whether the log is to tell of a trigger for what isn't there: once, until it is.
    pub fn is_news(&mut self, target: Target) -> bool {
        if self.told.len() >= MOST {
            self.told.clear();
        }
        self.told.insert(target)
    }

    /// Whether the log is to tell that a handler triggers objects of a kind that aren't this replica's: once.
    pub fn is_stray_news(&mut self, kind: u32, handler: &str) -> bool {
        if self.strays.len() >= MOST {
            self.strays.clear();
        }
        self.strays.insert((kind, handler.to_owned()))
    }

    /// Takes in a trigger for an object that is there.
    pub fn met(&mut self, target: &Target) {
        self.told.remove(target);
    }

    /// Takes in a trigger for an object of a kind that isn't listed: it may still come, and sees everything in its first
    /// turn.
    pub fn wait(&mut self, kind: u32, target: Target, by: Giver, tell: Instant) {
        let awaited =
            self.awaited.entry(kind).or_insert(Awaited { tell: Some(tell), targets: BTreeMap::new() });
        if awaited.targets.len() < MOST {
            awaited.targets.insert(target, by);
        }
    }

    /// Takes out the triggers for objects of a kind that is listed now.
    pub fn listed(&mut self, kind: u32) -> BTreeMap<Target, Giver> {
        self.awaited.remove(&kind).map(|awaited| awaited.targets).unwrap_or_default()
    }

    /// When the log is to tell that triggers wait.
    pub fn next_due(&self) -> Option<Instant> {
        self.awaited.values().filter_map(|awaited| awaited.tell).min()
    }

    /// The kinds for which triggers have waited for so long that the log tells of it, once, with one of the triggers each.
    pub fn expire(&mut self, now: Instant) -> Vec<(u32, Target)> {
        let due = |awaited: &&mut Awaited| awaited.tell.is_some_and(|tell| tell <= now);
        let mut kinds = Vec::new();
        for (kind, awaited) in &mut self.awaited {
            let Some(awaited) = Some(awaited).filter(due) else { continue };
            mem::take(&mut awaited.tell);
            kinds.extend(awaited.targets.keys().next().map(|target| (*kind, target.clone())));
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::{ApiResource, GroupVersionKind};
    use std::time::Duration;

    fn target(name: &str) -> Target {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("korf.dev", "v1", "Light"));
        Target::new(&kind, Some((None, name.into())))
    }

    #[test]
    fn a_trigger_in_vain_is_news_once_until_its_object_was_there() {
        let mut unmet = UnmetTriggers::default();
        assert!(unmet.is_news(target("a")) && !unmet.is_news(target("a")) && unmet.is_news(target("b")));
        unmet.met(&target("a"));
        assert!(unmet.is_news(target("a")) && !unmet.is_news(target("b")));
    }

    #[test]
    fn any_number_of_them_takes_little_memory() {
        let (mut unmet, now) = (UnmetTriggers::default(), Instant::now());
        for number in 0..10 * MOST {
            unmet.is_news(target(&number.to_string()));
            unmet.is_stray_news(0, &number.to_string());
            unmet.wait(0, target(&number.to_string()), Giver::here("handler"), now);
        }
        assert!(unmet.told.len() <= MOST && unmet.strays.len() <= MOST);
        assert!(unmet.listed(0).len() <= MOST);
    }

    #[test]
    fn a_long_wait_for_a_listing_is_told_once() {
        let (mut unmet, now) = (UnmetTriggers::default(), Instant::now());
        let tell = now + Duration::from_secs(10);
        unmet.wait(7, target("a"), Giver::here("handler"), tell);
        assert_eq!((unmet.next_due(), unmet.expire(now)), (Some(tell), Vec::new()));
        assert_eq!((unmet.expire(tell), unmet.next_due()), (vec![(7, target("a"))], None));
        unmet.wait(7, target("b"), Giver::here("handler"), tell);
        assert_eq!(unmet.expire(tell), Vec::new());
        assert_eq!(unmet.listed(7).into_keys().collect::<Vec<_>>(), [target("a"), target("b")]);
        assert!(unmet.listed(7).is_empty());
    }
}
