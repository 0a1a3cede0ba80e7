//! Turnover: what the reactor does as shards are taken over, left and lost.

use super::{Reactor, now};
use crate::runtime::lead::Turnover;
use korf_core::{Uid, shard::Shard};

impl Reactor {
    /// Takes in what is held now.
    pub(super) fn turn_over(&mut self) {
        let now = now();
        let Turnover { lost, left, taken } = self.tenures.look(now);
        for shard in lost {
            self.queue.leave(shard, now);
            self.daemons.lose(self.of(shard), now);
            self.drop_memories(shard);
        }
        for shard in left {
            self.queue.leave(shard, now);
            self.daemons.leave(self.of(shard), now);
        }
        for shard in &taken {
            self.queue.serve(*shard);
        }
        self.operator.relisting.share_is(self.operator.holdings.shards(), self.tenures.needed());
        if !taken.is_empty() {
            self.operator.relisting.begin();
        }
        self.forget();
        self.note_drained();
    }

    /// Whether an object is of a shard.
    fn of(&self, shard: Shard) -> impl Fn(&Uid) -> bool + use<> {
        let shards = self.operator.holdings.shards();
        move |uid| shards.of(uid) == shard
    }

    fn drop_memories(&mut self, shard: Shard) {
        let is_of = self.of(shard);
        self.memories.forget_all(is_of);
    }

    /// Takes in which of the shards that were left have nothing under way.
    pub(super) fn note_drained(&mut self) {
        let left: Vec<_> = self.tenures.leaving().collect();
        for shard in left {
            let is_of = self.of(shard);
            let is_busy = self.at_work.values().any(&is_of) || self.daemons.are_busy(&is_of);
            if !is_busy {
                self.daemons.forget_all(&is_of, now());
                self.drop_memories(shard);
                self.tenures.drained(shard);
                self.shrink_share();
            }
        }
    }

    /// Lets the watches ask for no more than is needed, once nothing is under way of what was left.
    fn shrink_share(&mut self) {
        let relisting = &self.operator.relisting;
        if self.tenures.leaving().next().is_none() && self.tenures.serving().next().is_some() {
            relisting.share_is(self.operator.holdings.shards(), self.tenures.needed());
            if relisting.selector().is_some() {
                relisting.begin();
            }
        }
    }

    /// Gives the objects of shards that were left a turn whose daemons have asked for a write in the end.
    pub(super) fn write_for_left(&mut self) {
        if self.tenures.leaving().next().is_none() {
            return;
        }
        while self.workers.len() < self.concurrency() {
            let is_left = |uid: &Uid| !self.queue.serves(uid);
            let Some(uid) = self.daemons.edited().next_of(&self.queue, now(), is_left) else { return };
            if let Some(job) = self.queue.job_of(&uid) {
                self.start_worker(job);
            }
        }
    }
}
