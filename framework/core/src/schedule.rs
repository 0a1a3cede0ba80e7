//! Schedule of later turns: when objects are due though nothing happens to them.

use crate::Uid;
use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

/// A century is as good as never, where a time can't be computed.
pub(crate) fn later(time: Instant, after: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(3_155_760_000);
    time.checked_add(after).unwrap_or_else(|| time + CENTURY)
}

/// The reasons for which an object is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alarm {
    /// Its next turn: a retry of its change handlers, or the end of a delay.
    Turn,
    /// The next call of one of its timers.
    Tick,
    /// The next resync.
    Resync,
    /// The end of a delay of its triggers.
    Trigger,
}

impl Alarm {
    const COUNT: usize = 4;
    const ALL: [Self; Self::COUNT] = [Self::Turn, Self::Tick, Self::Resync, Self::Trigger];
}

/// When objects are due, by uid and alarm: at one time for each alarm.
#[derive(Debug, Default)]
pub struct Schedule {
    due: HashMap<Uid, [Option<Instant>; Alarm::COUNT]>,
    order: BTreeSet<(Instant, Uid, Alarm)>,
}

impl Schedule {
    /// Makes an object due at this time, and no longer at another one.
    pub fn set(&mut self, uid: &Uid, alarm: Alarm, at: Instant) {
        self.clear(uid, alarm);
        self.due.entry(uid.clone()).or_default()[alarm as usize] = Some(at);
        self.order.insert((at, uid.clone(), alarm));
    }

    /// Makes an object due at this time, unless it is due earlier.
    pub fn set_by(&mut self, uid: &Uid, alarm: Alarm, at: Instant) {
        if self.get(uid, alarm).is_none_or(|due| at < due) {
            self.set(uid, alarm, at);
        }
    }

    /// When an object is due.
    pub fn get(&self, uid: &Uid, alarm: Alarm) -> Option<Instant> {
        self.due.get(uid)?[alarm as usize]
    }

    /// Makes an object no longer due; returns when it would have been.
    pub fn clear(&mut self, uid: &Uid, alarm: Alarm) -> Option<Instant> {
        let alarms = self.due.get_mut(uid)?;
        let at = alarms[alarm as usize].take()?;
        if alarms.iter().all(Option::is_none) {
            self.due.remove(uid);
        }
        self.order.remove(&(at, uid.clone(), alarm));
        Some(at)
    }

    /// Makes an object no longer due for anything.
    pub fn forget(&mut self, uid: &Uid) {
        for alarm in Alarm::ALL {
            self.clear(uid, alarm);
        }
    }

    /// When the next object is due.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, ..)| *at)
    }

    /// The object that has been due for longest.
    pub fn pop(&mut self, now: Instant) -> Option<(Uid, Alarm)> {
        let (_, uid, alarm) = self.order.first().filter(|(at, ..)| *at <= now)?.clone();
        self.clear(&uid, alarm);
        Some((uid, alarm))
    }

    /// The objects that are due at some time.
    #[cfg(test)]
    pub fn uids(&self) -> impl Iterator<Item = &Uid> {
        assert_eq!(self.due.values().flatten().flatten().count(), self.order.len());
        self.due.keys()
    }
}
