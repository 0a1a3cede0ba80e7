//! Ownership: which objects get turns, as their shards are taken over and left.
//!
//! Of the others, what is known stays small, so that one that a listing no longer shows is noticed, and one that is taken over
//! is known by its name. What they are and what is to be done for them is for whom they belong to.

use super::{
    Queue,
    backlog::Pending,
    entry::{Doubt, Entry, Life},
    outage::Blockings,
    turn::{TurnEnd, WatchEventType},
};
use crate::{
    Uid,
    cause::Resumption,
    shard::{Shard, Shards},
};
use std::{collections::BTreeSet, mem, time::Instant};

/// The shards of which objects get turns.
#[derive(Debug)]
pub(super) struct Ownership {
    shards: Shards,
    served: BTreeSet<Shard>,
}

/// All objects.
impl Default for Ownership {
    fn default() -> Self {
        Self { shards: Shards::default(), served: BTreeSet::from([Shard(0)]) }
    }
}

impl Ownership {
    pub(super) fn has(&self, uid: &Uid) -> bool {
        self.served.contains(&self.shards.of(uid))
    }
}

impl Queue {
    /// The same for objects that are divided so. Those of no shard get turns, until that is served.
    #[must_use]
    pub fn divided(self, shards: Shards) -> Self {
        Self { ownership: Ownership { shards, served: BTreeSet::new() }, ..self }
    }

    /// Whether an object gets turns.
    pub fn serves(&self, uid: &Uid) -> bool {
        self.ownership.has(uid)
    }

    /// Gives turns to the objects of a shard from now on, as at a start: each is to be listed once more, since its last known
    /// state may be older than what another one has written.
    pub fn serve(&mut self, shard: Shard) {
        if self.ownership.served.insert(shard) {
            let shards = self.ownership.shards;
            let taken = self.objects.iter_mut().filter(|(uid, _)| shards.of(uid) == shard);
            for (_, entry) in taken {
                let needs = self.needs.get(entry.source.kind as usize).copied().unwrap_or_default();
                entry.begin_again(needs.events);
            }
        }
    }

    /// Gives no more turns to the objects of a shard. Those that are under way may end.
    pub fn leave(&mut self, shard: Shard, now: Instant) {
        if !self.ownership.served.remove(&shard) {
            return;
        }
        let shards = self.ownership.shards;
        self.turns.retain(|uid| shards.of(uid) != shard);
        let mut left: Vec<_> = self.objects.keys().filter(|uid| shards.of(uid) == shard).cloned().collect();
        // The map has an order of its own in each process; test runs have to be reproducible.
        left.sort_unstable();
        for uid in left {
            self.let_go(&uid, now);
        }
    }

    fn let_go(&mut self, uid: &Uid, now: Instant) {
        let gone = matches!(self.backlog.take(uid), Some(Pending::Gone(_)));
        self.schedule.forget(uid);
        self.paces.forget(uid);
        let Some(entry) = self.objects.get_mut(uid) else { return };
        for blocked in entry.block(Blockings::new()).into_values() {
            self.outages.leave(uid, &blocked.cause, now);
        }
        if entry.let_go(gone) {
            self.forget(uid, now);
        }
    }

    /// Takes in that an object that gets no turns is gone.
    pub(super) fn gone_elsewhere(&mut self, uid: &Uid, now: Instant) {
        if self.objects.get_mut(uid).is_none_or(|entry| entry.let_go(true)) {
            self.forget(uid, now);
        }
    }

    /// Takes in how a turn has ended whose object gets no more of them, or is to begin again. Returns whether that is so.
    pub(super) fn finish_earlier(
        &mut self,
        uid: &Uid,
        end: &TurnEnd,
        undelivered: Option<WatchEventType>,
        now: Instant,
    ) -> bool {
        let Some(entry) = self.objects.get_mut(uid) else { return true };
        if !entry.ours {
            if matches!(end, TurnEnd::Gone) || entry.life != Life::There {
                self.forget(uid, now);
            }
            return true;
        }
        let is_earlier = mem::take(&mut entry.outdated);
        if !is_earlier && !matches!(end, TurnEnd::Lost) {
            return false;
        }
        // What was listed meanwhile may be older than what that turn has written, and newer than the end that it was for.
        if !matches!(self.backlog.get(uid), Some(Pending::Gone(_))) {
            self.backlog.put(uid, Pending::Fetch);
        }
        if let Some(event) = undelivered.filter(|_| !is_earlier) {
            entry.event.get_or_insert(event);
        }
        self.enqueue(uid.clone(), now);
        true
    }
}

impl Entry {
    /// Begins as at a start, with what is listed next. A turn from before may be under way.
    fn begin_again(&mut self, events: bool) {
        self.reset();
        (self.ours, self.outdated) = (true, self.running);
        self.resumption = Some(Resumption::Start);
        self.event = events.then_some(WatchEventType::Listed);
    }

    /// Takes in that it gets no more turns; whether it is gone. Returns whether it is to be forgotten.
    fn let_go(&mut self, gone: bool) -> bool {
        let gone = gone || self.life != Life::There;
        self.reset();
        (self.ours, self.outdated) = (false, false);
        if gone && self.running {
            // The end of its turn is the end of it.
            self.life = Life::Gone;
        }
        gone && !self.running
    }

    fn reset(&mut self) {
        (self.newest, self.doubt, self.generation) = (None, Doubt::None, 0);
        (self.planned, self.stored, self.queued, self.failed) = (false, false, false, false);
        (self.life, self.inferred) = (Life::There, false);
        (self.turn_due, self.tick_due, self.woken) = (false, false, false);
        (self.resumption, self.event, self.rare) = (None, None, None);
    }
}
