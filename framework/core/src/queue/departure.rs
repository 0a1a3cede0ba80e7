//! Departures: how objects leave the queue, and how one comes back that only seemed to be gone.
//!
//! The watch shows a deletion, a worker finds an object gone, or a deletion is inferred: a listing doesn't show the object, or
//! its place or its kind is withdrawn. What is inferred may be wrong. A kind that is away for a while keeps its objects if
//! it is only the API server that didn't know it; so what the watch shows later of such an object brings it back.

use super::{
    Listing, Queue, Shown, WatchEventType,
    backlog::Pending,
    config::KindNeeds,
    entry::{Doubt, Entry, Life},
    event::Source,
    outage::Blockings,
};
use crate::{Uid, body::Body, cause::Resumption};
use std::{collections::HashSet, mem, time::Instant};

/// What a deletion is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The watch has shown it.
    Shown,
    /// The object, or its place, is missing.
    Inferred,
}

impl Queue {
    /// Begins a listing.
    pub(super) fn list(&mut self, source: Source, shown: Shown) {
        self.begun += 1;
        self.listings.insert(source, Listing { number: self.begun, shown, seen: HashSet::new() });
    }

    /// Takes in the end of a listing: known objects that it hasn't shown were deleted meanwhile. Returns them.
    pub(super) fn bury_unlisted(&mut self, source: Source, now: Instant) -> Vec<Body> {
        match self.listings.remove(&source) {
            Some(Listing { seen, .. }) => self.bury_all_but(&seen, source, now),
            None => Vec::new(),
        }
    }

    /// Takes in that a place is gone, or its kind, with all objects. Returns them.
    pub(super) fn withdraw(&mut self, source: Source, now: Instant) -> Vec<Body> {
        self.listings.remove(&source);
        self.bury_all_but(&HashSet::new(), source, now)
    }

    fn bury_all_but(&mut self, seen: &HashSet<Uid>, source: Source, now: Instant) -> Vec<Body> {
        let known = self.sources.get(&source).into_iter().flatten();
        // More is known of a deletion that the watch has shown.
        let shown = |uid: &Uid| matches!(self.backlog.get(uid), Some(Pending::Gone(_)));
        let mut missing: Vec<_> = known.filter(|uid| !seen.contains(*uid) && !shown(uid)).cloned().collect();
        // The set has an order of its own in each process; test runs have to be reproducible.
        missing.sort_unstable();
        let identity = |uid: &Uid| self.objects.get(uid).map(|entry| entry.identity(uid));
        let missing: Vec<_> = missing.iter().filter_map(identity).collect();
        for identity in &missing {
            self.gone(identity, Evidence::Inferred, now);
        }
        missing
    }

    /// Takes in that an object is gone.
    pub(super) fn gone(&mut self, body: &Body, evidence: Evidence, now: Instant) {
        let uid = &Uid::from(body.uid());
        let Some(source) = self.objects.get(uid).map(|entry| entry.source) else { return };
        let KindNeeds { events, turnless, .. } = self.needs(source);
        if turnless {
            return self.forget(uid, now);
        }
        let Some(entry) = self.objects.get_mut(uid) else { return };
        if !entry.ours {
            return self.gone_elsewhere(uid, now);
        }
        entry.leave(evidence == Evidence::Inferred);
        let is_news = match entry.life {
            Life::There => true,
            // A worker found it gone: event handlers don't know yet.
            Life::Buried => events,
            Life::Gone => false,
        };
        if !is_news && entry.event.is_none() && !entry.queued && !entry.running {
            return self.forget(uid, now);
        }
        if events && is_news {
            entry.event = Some(WatchEventType::Deleted);
        }
        if entry.life == Life::Buried {
            entry.life = Life::Gone;
        }
        let last = if events { body.clone() } else { entry.identity(uid) };
        self.backlog.put(uid, Pending::Gone(last));
        self.enqueue(uid.clone(), now);
    }

    /// Takes in that the watch shows an object, which may count as gone. Returns whether it is to be taken in now, and not
    /// after its last turn.
    pub(super) fn readmit(&mut self, source: Source, body: &Body, shown: Shown) -> bool {
        let uid = Uid::from(body.uid());
        let Some(entry) = self.objects.get_mut(&uid) else { return true };
        // It is no longer the place where it was that can tell of its end.
        let before = mem::replace(&mut entry.source, source);
        if before != source {
            self.drop_of_source(before, &uid);
            self.sources.entry(source).or_default().insert(uid.clone());
        }
        let listing = self.listings.get(&source).filter(|_| shown != Shown::Changed);
        let Some(entry) = self.objects.get_mut(&uid) else { return true };
        match entry.life {
            // Events may be older than what the worker has found. A listing that began later hardly is.
            Life::Buried if listing.is_some_and(|listing| entry.was_buried_before(listing.number)) => {
                entry.revive();
                entry.doubt = Doubt::Open;
            }
            Life::Gone if entry.inferred && entry.running => {
                entry.comes_back(body.clone());
                self.backlog.take(&uid);
                return false;
            }
            // Its last turn has failed.
            Life::Gone if entry.inferred => {
                entry.revive();
                self.backlog.put(&uid, Pending::Fetch);
            }
            Life::There if mem::take(&mut entry.inferred) => self.backlog.put(&uid, Pending::Fetch),
            Life::Buried | Life::Gone | Life::There => {}
        }
        true
    }

    /// Takes an object in as a new one that has come back before its last turn has ended; returns whether that is so.
    pub(super) fn take_back(&mut self, uid: &Uid, now: Instant) -> bool {
        let Some(entry) = self.objects.get_mut(uid) else { return false };
        let source = entry.source;
        let Some(body) = entry.take_back() else { return false };
        self.forget(uid, now);
        self.applied(source, body, Shown::Listed, now);
        true
    }

    /// Forgets an object that is gone.
    ///
    /// Where a worker found that out, older events of the object may still come: its grave is kept until the watch shows
    /// its deletion, and event handlers are called for that.
    pub(super) fn bury(&mut self, uid: &Uid, now: Instant) {
        self.schedule.forget(uid);
        let Some(source) = self.objects.get(uid).map(|entry| entry.source) else { return };
        let needs = self.needs(source);
        let Some(entry) = self.objects.get_mut(uid) else { return };
        (entry.turn_due, entry.tick_due) = (false, false);
        for blocked in entry.block(Blockings::new()).into_values() {
            self.outages.leave(uid, &blocked.cause, now);
        }
        entry.retain(None);
        let pending = self.backlog.get(uid);
        let confirmed = matches!(pending, Some(Pending::Gone(_)));
        match entry.life {
            Life::There if confirmed && needs.events => {
                // If that was inferred, the worker has found the same.
                entry.inferred = false;
                self.take_turn(uid.clone());
            }
            // A selector shows it again.
            Life::There if needs.selected && pending.is_some() && !confirmed => self.take_turn(uid.clone()),
            Life::There if !confirmed => {
                entry.bury(self.begun);
                self.backlog.take(uid);
            }
            _ => self.forget(uid, now),
        }
    }

    pub(super) fn forget(&mut self, uid: &Uid, now: Instant) {
        let Some(mut entry) = self.objects.remove(uid) else { return };
        self.drop_of_source(entry.source, uid);
        self.names.remove(&entry, uid);
        self.paces.forget(uid);
        for blocked in entry.block(Blockings::new()).into_values() {
            self.outages.leave(uid, &blocked.cause, now);
        }
        self.backlog.take(uid);
        self.schedule.forget(uid);
        self.forgotten.push(uid.clone());
    }

    fn drop_of_source(&mut self, source: Source, uid: &Uid) {
        if let Some(uids) = self.sources.get_mut(&source) {
            uids.remove(uid);
            if uids.is_empty() {
                self.sources.remove(&source);
            }
        }
    }
}

impl Entry {
    /// Takes in that it is gone, by what is inferred or shown.
    fn leave(&mut self, inferred: bool) {
        // More is known of a deletion that the watch has shown.
        self.inferred = inferred && (self.inferred || self.life != Life::Gone);
        self.take_back();
    }

    /// Takes in that a worker found it gone, when so many listings had begun.
    fn bury(&mut self, begun: u64) {
        self.life = Life::Buried;
        self.rare().buried = begun;
    }

    /// Takes in that it is there after all. Some of what hangs on it may have ended.
    fn revive(&mut self) {
        (self.life, self.inferred, self.resumption) = (Life::There, false, Some(Resumption::Start));
    }

    fn was_buried_before(&self, listing: u64) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.buried < listing)
    }

    /// Takes in that it is shown in its last turn.
    fn comes_back(&mut self, body: Body) {
        self.rare().back = Some(body);
    }

    fn take_back(&mut self) -> Option<Body> {
        self.rare.as_mut().and_then(|rare| rare.back.take())
    }
}
