//! Answers: what the answer to each of its requests means for an elector.

use super::{
    Action, Answer, Guard, LeaseName, Loss, Record, Time,
    elector::{Elector, Mine, Purpose, Sent, Stage},
    sightings::is_older,
};
use crate::shard::Shard;

impl Elector {
    /// Takes in the answer to a request for this Lease.
    pub fn answered(&mut self, name: &LeaseName, answer: Answer, now: Time) {
        // An answer that comes too late extends nothing.
        self.expire(now);
        let Some(Sent { at, purpose }) = self.sent.remove(name) else { return };
        match answer {
            Answer::Lease(record) => {
                self.note_epoch(name, &record);
                self.succeeded(name, &record, purpose, (at, now));
                self.sightings.know(name.clone(), record, now);
            }
            Answer::Gone => {
                self.sightings.gone(name, None, now);
                if let Some(shard) = name.shard(self.config.shards) {
                    self.lose(shard, Loss::Deleted);
                }
            }
            Answer::Conflict => {
                self.unread.insert(name.clone());
            }
            Answer::Failed => self.failed(name, purpose, now),
        }
    }

    fn succeeded(&mut self, name: &LeaseName, record: &Record, purpose: Purpose, (at, now): (Time, Time)) {
        let until = at + self.config.times.renew_deadline;
        let renewal = at + self.period();
        match purpose {
            Purpose::Take(shard, epoch) if now < until => {
                let stage = Stage::Taken(now);
                self.mine.insert(shard, Mine { epoch, until, guard: record.into(), renewal, stage });
            }
            Purpose::Renew(shard) => {
                let Some(mine) = self.mine.get_mut(&shard) else { return };
                (mine.until, mine.renewal, mine.guard) = (until, renewal, record.into());
                if matches!(mine.stage, Stage::Held | Stage::Leaving) {
                    self.actions.push(Action::Extend(shard, until));
                }
            }
            Purpose::Release(shard) => {
                self.mine.remove(&shard);
            }
            Purpose::Take(..) | Purpose::Other => self.check(name, record, now),
        }
    }

    /// Compares a Lease that was read with what this replica believes to have.
    fn check(&mut self, name: &LeaseName, record: &Record, now: Time) {
        let Some(shard) = name.shard(self.config.shards) else { return };
        let is_mine = self.is_mine(shard, record);
        match self.mine.get_mut(&shard) {
            Some(mine) if is_mine => (mine.guard, mine.renewal) = (record.into(), now),
            Some(_) => self.lose(shard, Loss::Taken),
            None => {}
        }
    }

    fn is_mine(&self, shard: Shard, record: &Record) -> bool {
        let epoch = self.mine.get(&shard).map(|mine| mine.epoch);
        self.is_me(record.holder.as_deref()) && epoch == Some(record.transitions)
    }

    fn failed(&mut self, name: &LeaseName, purpose: Purpose, now: Time) {
        let next = now + self.period();
        match purpose {
            Purpose::Renew(shard) => {
                if let Some(mine) = self.mine.get_mut(&shard) {
                    mine.renewal = next;
                }
            }
            Purpose::Take(..) | Purpose::Release(_) | Purpose::Other => {
                self.delays.insert(Some(name.clone()), next);
            }
        }
    }

    /// Takes in what the watch shows of a Lease, which may be older than what is known. If it isn't this replica's any longer,
    /// the next renewal tells, which is due now.
    pub(super) fn notice(&mut self, name: &LeaseName, record: Option<&Record>, now: Time) {
        let Some(shard) = name.shard(self.config.shards) else { return };
        let is_mine = record.is_some_and(|record| self.is_mine(shard, record));
        let Some(mine) = self.mine.get_mut(&shard) else { return };
        match record {
            Some(record) if is_older(&record.version, &mine.guard.version) => {}
            Some(record) if is_mine => mine.guard = Guard::from(record),
            _ => mine.renewal = now,
        }
    }

    /// Ends what is over. It may be taken again, for another epoch.
    pub(super) fn expire(&mut self, now: Time) {
        let over = self.mine.iter().filter(|(_, mine)| mine.until <= now);
        for shard in over.map(|(shard, _)| *shard).collect::<Vec<_>>() {
            self.lose(shard, Loss::Late);
        }
        if let Some(end) = self.mine.values().map(|mine| mine.until).min() {
            self.wait(end);
        }
    }

    fn lose(&mut self, shard: Shard, loss: Loss) {
        let Some(mine) = self.mine.remove(&shard) else { return };
        if matches!(mine.stage, Stage::Held | Stage::Leaving) {
            self.actions.push(Action::Lose(shard));
            self.lost.entry(loss).or_default().push(shard);
        }
    }
}
