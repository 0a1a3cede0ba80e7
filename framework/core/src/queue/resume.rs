//! Resumptions of objects to which nothing has happened: by triggers, and after an interval.

use super::{
    Queue,
    backlog::Pending,
    entry::{Entry, Life, full_name},
    pace::{TriggeredTooOften, Turn},
};
use crate::{Uid, cause::Resumption, schedule::Alarm};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// The uids of objects by their names, for the kinds that have been triggered. Others pay nothing.
#[derive(Debug, Default)]
pub struct Names(HashMap<u32, HashMap<Box<str>, Uid>>);

impl Names {
    /// Takes in an object. Another one of its name is older.
    pub fn insert(&mut self, entry: &Entry, uid: &Uid) {
        if let Some(names) = self.0.get_mut(&entry.source.kind) {
            names.insert(entry.name().into(), uid.clone());
        }
    }

    /// Forgets an object, unless another one has its name by now.
    pub fn remove(&mut self, entry: &Entry, uid: &Uid) {
        if let Some(names) = self.0.get_mut(&entry.source.kind)
            && names.get(entry.name()) == Some(uid)
        {
            names.remove(entry.name());
        }
    }

    fn find(&self, kind: u32, namespace: Option<&str>, name: &str) -> Option<&Uid> {
        self.0.get(&kind)?.get(&*full_name(namespace, name))
    }

    fn of_kind(&self, kind: u32) -> Vec<Uid> {
        let mut uids: Vec<_> = self.0.get(&kind).into_iter().flat_map(HashMap::values).cloned().collect();
        // The map has an order of its own in each process; test runs have to be reproducible.
        uids.sort_unstable();
        uids
    }
}

impl Queue {
    /// Gives an object a turn now, as soon as it may have one; returns whether it is known. `by` tells people who asks
    /// for that.
    ///
    /// One that is to be resumed after a start, and hasn't had its first turn, sees everything in that one.
    pub fn trigger(
        &mut self,
        kind: u32,
        namespace: Option<&str>,
        name: &str,
        by: &Arc<str>,
        now: Instant,
    ) -> bool {
        self.know_names(kind);
        match self.names.find(kind, namespace, name).cloned() {
            Some(uid) => self.trigger_one(&uid, by, now),
            None => false,
        }
    }

    /// Gives all objects of a kind a turn now, as [`trigger`](Self::trigger) does.
    pub fn trigger_all(&mut self, kind: u32, by: &Arc<str>, now: Instant) {
        self.know_names(kind);
        for uid in self.names.of_kind(kind) {
            self.trigger_one(&uid, by, now);
        }
    }

    /// Whether an object is there, as far as the watch has shown.
    pub fn knows(&mut self, kind: u32, namespace: Option<&str>, name: &str) -> bool {
        self.know_names(kind);
        self.names.find(kind, namespace, name).is_some_and(|uid| self.is_there(uid))
    }

    /// An object that is there, as far as the watch has shown, and gets no turns here.
    pub fn elsewhere(&mut self, kind: u32, namespace: Option<&str>, name: &str) -> Option<&Uid> {
        self.know_names(kind);
        self.names.find(kind, namespace, name).filter(|uid| !self.serves(uid) && self.is_there(uid))
    }

    /// Takes out the objects that are triggered too often.
    pub fn take_too_often(&mut self) -> Vec<TriggeredTooOften> {
        mem::take(&mut self.too_often)
    }

    /// Looks up the names of a kind's objects, which are kept from then on.
    fn know_names(&mut self, kind: u32) {
        if self.names.0.contains_key(&kind) {
            return;
        }
        let mut names: HashMap<Box<str>, Uid> = HashMap::new();
        for (uid, entry) in self.objects.iter().filter(|(_, entry)| entry.source.kind == kind) {
            let is_newer = |other: &Uid| {
                (self.is_there(uid), self.version(uid)) > (self.is_there(other), self.version(other))
            };
            if names.get(entry.name()).is_none_or(is_newer) {
                names.insert(entry.name().into(), uid.clone());
            }
        }
        self.names.0.insert(kind, names);
    }

    /// The number of the newest version of an object that is known.
    fn version(&self, uid: &Uid) -> Option<u64> {
        self.objects.get(uid)?.newest.as_ref()?.number()
    }

    fn trigger_one(&mut self, uid: &Uid, by: &Arc<str>, now: Instant) -> bool {
        if !self.serves(uid) {
            return self.is_there(uid);
        }
        self.paces.note(uid, by, &self.limits.pace, now);
        self.resume(uid, Resumption::Trigger, now)
    }

    /// Lets an object be resumed when nothing else is to be done for it; returns whether it is there.
    pub(super) fn resume(&mut self, uid: &Uid, why: Resumption, now: Instant) -> bool {
        let gone = matches!(self.backlog.get(uid), Some(Pending::Gone(_)));
        let Some(entry) = self.objects.get_mut(uid).filter(|entry| entry.life == Life::There && !gone) else {
            return false;
        };
        entry.resume(why);
        self.give_resumption(uid, now);
        true
    }

    /// Gives an object the turn for what it is to be resumed for. That comes later while it is at work or
    /// throttled, or triggered too often; and a resync waits for a retry.
    pub(super) fn give_resumption(&mut self, uid: &Uid, now: Instant) {
        let Some(entry) = self.objects.get(uid).filter(|entry| !entry.running) else { return };
        let (is_prompt, is_queued) = (entry.is_prompt(), entry.queued);
        let is_retried = self.schedule.get(uid, Alarm::Turn).is_some();
        if is_retried && !is_prompt || !entry.is_resumed_next() || self.is_throttled(uid) {
            return;
        }
        if is_prompt && !is_queued && self.is_delayed(uid, now) {
            return;
        }
        self.give_delayed(uid);
    }

    /// Gives an object the turn for what it is to be resumed for, unless it had that meanwhile.
    pub(super) fn give_delayed(&mut self, uid: &Uid) {
        let Some(entry) = self.objects.get(uid) else { return };
        if entry.running || !entry.is_resumed_next() || self.is_throttled(uid) {
            return;
        }
        // What is news for event handlers alone may be older than the newest state.
        if matches!(self.backlog.get(uid), Some(Pending::Echo(_))) {
            self.backlog.put(uid, Pending::Fetch);
        }
        self.take_turn(uid.clone());
    }

    /// Whether an object is triggered too often: it has its turn after a delay.
    fn is_delayed(&mut self, uid: &Uid, now: Instant) -> bool {
        if self.schedule.get(uid, Alarm::Trigger).is_some() {
            return true;
        }
        let Turn::After(delay, first) = self.paces.begin(uid, &self.limits.pace, now) else { return false };
        self.schedule.set(uid, Alarm::Trigger, now + delay);
        if let (true, Some(entry), Some(by)) = (first, self.objects.get(uid), self.paces.by(uid)) {
            let (source, object, by) = (entry.source, entry.identity(uid), Arc::clone(by));
            self.too_often.push(TriggeredTooOften { source, object, by, delay });
        }
        true
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
