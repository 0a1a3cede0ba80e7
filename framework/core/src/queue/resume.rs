//! Resumptions of objects to which nothing has happened: by triggers, and after an interval.

use super::{
    Queue,
    backlog::Pending,
    entry::{Entry, Life},
};
use crate::{Uid, body::Body, cause::Resumption, schedule::Alarm};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

/// The uids of objects by their kinds, namespaces and names.
#[derive(Debug, Default)]
pub struct Names(HashMap<(u32, Box<str>), Uid>);

impl Names {
    fn key(kind: u32, namespace: Option<&str>, name: &str) -> (u32, Box<str>) {
        // Neither has a slash in it.
        (kind, format!("{}/{name}", namespace.unwrap_or_default()).into())
    }

    /// Takes in an object. Another one of its name is older.
    pub fn insert(&mut self, kind: u32, body: &Body, uid: &Uid) {
        self.0.insert(Self::key(kind, body.namespace(), body.name()), uid.clone());
    }

    /// Forgets an object, unless another one has its name by now.
    pub fn remove(&mut self, kind: u32, body: &Body, uid: &Uid) {
        let key = Self::key(kind, body.namespace(), body.name());
        if self.0.get(&key) == Some(uid) {
            self.0.remove(&key);
        }
    }

    fn find(&self, kind: u32, namespace: Option<&str>, name: &str) -> Option<&Uid> {
        self.0.get(&Self::key(kind, namespace, name))
    }

    fn of_kind(&self, kind: u32) -> Vec<Uid> {
        let of_kind = self.0.iter().filter(|((known, _), _)| *known == kind);
        let mut uids: Vec<_> = of_kind.map(|(_, uid)| uid.clone()).collect();
        // The map has an order of its own in each process; test runs have to be reproducible.
        uids.sort_unstable();
        uids
    }
}

impl Queue {
    /// Gives an object a turn now, as soon as it may have one; returns whether it is known. The kind has to be one of
    /// those that are triggered.
    ///
    /// One that is to be resumed after a start, and hasn't had its first turn, sees everything in that one.
    pub fn trigger(&mut self, kind: u32, namespace: Option<&str>, name: &str) -> bool {
        match self.names.find(kind, namespace, name).cloned() {
            Some(uid) => self.resume(&uid, Resumption::Trigger),
            None => false,
        }
    }

    /// Gives all objects of a kind a turn now, as [`trigger`](Self::trigger) does.
    pub fn trigger_all(&mut self, kind: u32) {
        for uid in self.names.of_kind(kind) {
            self.resume(&uid, Resumption::Trigger);
        }
    }

    /// Lets an object be resumed when nothing else is to be done for it; returns whether it is there.
    pub(super) fn resume(&mut self, uid: &Uid, why: Resumption) -> bool {
        let gone = matches!(self.backlog.get(uid), Some(Pending::Gone(_)));
        let Some(entry) = self.objects.get_mut(uid).filter(|entry| entry.life == Life::There && !gone) else {
            return false;
        };
        entry.resume(why);
        self.give_resumption(uid);
        true
    }

    /// Gives an object the turn for what it is to be resumed for. That comes later while it is at work or
    /// throttled; and a resync waits for a retry.
    pub(super) fn give_resumption(&mut self, uid: &Uid) {
        let Some(entry) = self.objects.get(uid) else { return };
        let is_retried = self.schedule.get(uid, Alarm::Turn).is_some();
        let waits = entry.running || is_retried && !entry.is_prompt();
        if waits || !entry.is_resumed_next() || self.is_throttled(uid) {
            return;
        }
        // What is news for event handlers alone may be older than the newest state.
        if matches!(self.backlog.get(uid), Some(Pending::Echo(_))) {
            self.backlog.put(uid, Pending::Fetch);
        }
        self.take_turn(uid.clone());
    }

    /// Plans the next resync of an object that was handled completely, unless one is planned.
    pub(super) fn plan_resync(&mut self, uid: &Uid, interval: Option<Duration>, first: bool, now: Instant) {
        let Some(interval) = interval.filter(|_| self.schedule.get(uid, Alarm::Resync).is_none()) else {
            return;
        };
        if let Some(at) = now.checked_add(spread(interval, uid, first)) {
            self.schedule.set(uid, Alarm::Resync, at);
        }
    }
}

/// The interval of one object: from 90 % to 110 % of the kind's. The first one after a listing is from half of it on, since
/// all objects are handled at about the same time then.
fn spread(interval: Duration, uid: &Uid, first: bool) -> Duration {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    // From 0 to 1.
    let place = f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or_default()) / f64::from(u32::MAX);
    let factor = if first { 0.5 + 0.5 * place } else { 0.9 + 0.2 * place };
    Duration::try_from_secs_f64(interval.as_secs_f64() * factor).unwrap_or(interval)
}

impl Entry {
    /// Whether its first turn is still to come, in which all resume handlers are called.
    pub(super) fn awaits_start(&self) -> bool {
        let first = !self.planned && !self.running && self.errors() == 0;
        first && self.resumption == Some(Resumption::Start)
    }
}
