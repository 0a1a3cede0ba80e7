//! Pace of triggered turns: an object that is triggered again and again is delayed.
//!
//! Handlers that trigger each other, or themselves, would have their turns without end.

use super::event::Source;
use crate::{Uid, body::Body};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// How many triggered turns an object may have, and what follows if it has more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaceLimits {
    /// So many of them within the window.
    pub turns: usize,
    /// See `turns`. An object that isn't triggered for this long after a turn is no longer delayed.
    pub window: Duration,
    /// The delays of the turns that follow; the last one repeats.
    pub delays: Vec<Duration>,
}

impl Default for PaceLimits {
    fn default() -> Self {
        let seconds = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55];
        Self { turns: 100, window: Duration::from_secs(5), delays: seconds.map(Duration::from_secs).to_vec() }
    }
}

/// An object that is triggered too often, told once until that ceases.
#[derive(Clone, Debug)]
pub struct TriggeredTooOften {
    /// The watch that brought it.
    pub source: Source,
    /// Its name, namespace and uid.
    pub object: Body,
    /// Who has given the last trigger.
    pub by: Arc<str>,
    /// The time to its next turn. Later ones come after longer times.
    pub delay: Duration,
}

/// The least number of paces with which those that are over are dropped.
const SWEEP: usize = 1024;

/// The paces of the objects that have been triggered lately.
#[derive(Debug, Default)]
pub struct Paces {
    paces: HashMap<Uid, Pace>,
    /// The number with which those that are over are dropped next.
    sweep_at: usize,
}

#[derive(Debug)]
struct Pace {
    by: Arc<str>,
    /// The beginning of the window, and the turns in it.
    since: Instant,
    turns: usize,
    /// The number of delays in a row.
    delays: usize,
    /// Until when it counts.
    until: Instant,
}

/// When an object has the turn that a trigger asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Now,
    /// After this time, and whether that is the first delay in a row.
    After(Duration, bool),
}

impl Paces {
    /// Takes in that an object is triggered.
    pub fn note(&mut self, uid: &Uid, by: &Arc<str>, limits: &PaceLimits, now: Instant) {
        let new = |by: &Arc<str>| Pace {
            by: Arc::clone(by),
            since: now,
            turns: 0,
            delays: 0,
            until: now + limits.window,
        };
        match self.paces.get_mut(uid) {
            Some(pace) if now < pace.until => pace.by = Arc::clone(by),
            Some(pace) => *pace = new(by),
            None => {
                self.sweep(now);
                self.paces.insert(uid.clone(), new(by));
            }
        }
    }

    fn sweep(&mut self, now: Instant) {
        if self.paces.len() >= self.sweep_at.max(SWEEP) {
            self.paces.retain(|_, pace| now < pace.until);
            self.sweep_at = self.paces.len() * 2;
        }
    }

    /// Takes in that an object is to have a triggered turn.
    pub fn begin(&mut self, uid: &Uid, limits: &PaceLimits, now: Instant) -> Turn {
        let Some(pace) = self.paces.get_mut(uid) else { return Turn::Now };
        if pace.delays == 0 {
            if now >= pace.since + limits.window {
                (pace.since, pace.turns) = (now, 0);
            }
            pace.turns += 1;
            pace.until = now + limits.window;
            if pace.turns <= limits.turns {
                return Turn::Now;
            }
        }
        let delay = limits.delays.get(pace.delays).or(limits.delays.last()).copied().unwrap_or(limits.window);
        pace.delays += 1;
        pace.until = now + delay + limits.window;
        Turn::After(delay, pace.delays == 1)
    }

    /// Who has triggered an object last.
    pub fn by(&self, uid: &Uid) -> Option<&Arc<str>> {
        self.paces.get(uid).map(|pace| &pace.by)
    }

    /// Forgets an object.
    pub fn forget(&mut self, uid: &Uid) {
        self.paces.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> PaceLimits {
        PaceLimits { delays: vec![SECOND, 3 * SECOND], ..PaceLimits::default() }
    }

    #[test]
    fn an_object_that_is_triggered_at_each_turn_is_delayed_ever_longer_until_that_ceases() {
        let (mut paces, mut now, uid) = (Paces::default(), Instant::now(), Uid::from("a"));
        let mut trigger = |now: Instant| {
            paces.note(&uid, &"handler".into(), &limits(), now);
            paces.begin(&uid, &limits(), now)
        };
        for _ in 0..100 {
            assert_eq!(trigger(now), Turn::Now);
        }
        for (delay, first) in [(SECOND, true), (3 * SECOND, false), (3 * SECOND, false)] {
            assert_eq!(trigger(now), Turn::After(delay, first));
            // The delayed turn triggers it once more.
            now += delay;
        }
        now += 5 * SECOND;
        assert_eq!(trigger(now), Turn::Now, "it was left in peace");
    }

    #[test]
    fn one_that_is_triggered_often_and_rightly_is_not_delayed() {
        let (mut paces, begun, uid) = (Paces::default(), Instant::now(), Uid::from("a"));
        for number in 0..10_000 {
            let now = begun + number * SECOND / 10;
            paces.note(&uid, &"handler".into(), &limits(), now);
            assert_eq!(paces.begin(&uid, &limits(), now), Turn::Now);
        }
    }

    #[test]
    fn paces_that_are_over_take_no_memory() {
        let (mut paces, mut now) = (Paces::default(), Instant::now());
        for number in 0..100_000 {
            now += SECOND / 100;
            paces.note(&format!("{number}").as_str().into(), &"handler".into(), &limits(), now);
        }
        assert!(paces.paces.len() <= 2 * SWEEP, "{}", paces.paces.len());
    }
}
