//! Ownership of shards: which ones are taken, renewed, left and released.

use super::{
    Action, Change, HolderChange, LeaseName, News, Request, Time,
    agreement::Agreed,
    elector::{Elector, Purpose, Stage},
};
use crate::shard::{Shard, hash};

impl Elector {
    /// Leaves shards: all, or those that are more than this replica's share. While there are free ones, others take these.
    pub(super) fn leave(&mut self, agreed: Agreed, now: Time) {
        // Others see what is left until it is released.
        let surplus = self.kept().saturating_sub(self.share(self.mine.len(), now));
        let surplus = match agreed {
            _ if self.stopping => usize::MAX,
            Agreed::No => usize::MAX,
            Agreed::Yes | Agreed::Unknown if surplus == 0 => return,
            Agreed::Yes | Agreed::Unknown => surplus.saturating_sub(self.free(now).len()),
        };
        let mut left = Vec::new();
        for (shard, mine) in self.mine.iter_mut().rev() {
            match mine.stage {
                Stage::Held if left.len() < surplus => mine.stage = Stage::Leaving,
                Stage::Taken(_) if left.len() < surplus => mine.stage = Stage::Releasing,
                _ => continue,
            }
            left.push((*shard, mine.stage));
        }
        for (shard, stage) in left {
            if stage == Stage::Leaving {
                self.actions.push(Action::Leave(shard));
                self.tell_now(News::Leaves(shard));
            }
        }
    }

    /// Renews what is due, and releases what was drained.
    pub(super) fn renew(&mut self, now: Time) {
        let shards: Vec<_> = self.mine.iter().map(|(shard, mine)| (*shard, mine.clone())).collect();
        for (shard, mine) in shards {
            let (holder, purpose) = match mine.stage {
                Stage::Releasing => (HolderChange::Release, Purpose::Release(shard)),
                _ if mine.renewal <= now => (HolderChange::Renew, Purpose::Renew(shard)),
                _ => {
                    self.wait(mine.renewal);
                    continue;
                }
            };
            let name = LeaseName::of(shard, self.config.shards);
            if self.can_send(&name, now) {
                let change = Change { holder, ..Change::default() };
                self.send(name, Request::Patch(mine.guard, change), purpose, now);
            }
        }
    }

    /// Holds what was taken, if a list from after that shows that no replica has a shard of another size.
    pub(super) fn confirm(&mut self, agreed: Agreed, now: Time) {
        let taken = self.mine.iter().filter_map(|(shard, mine)| match mine.stage {
            Stage::Taken(since) => Some((*shard, since)),
            _ => None,
        });
        let taken: Vec<_> = taken.collect();
        if taken.is_empty() {
            return;
        }
        let is_alone = self.is_alone(now);
        for (shard, since) in &taken {
            let Some(mine) = self.mine.get_mut(shard) else { continue };
            if Some(*since) > self.listed {
                continue;
            }
            if agreed == Agreed::Yes && is_alone {
                mine.stage = Stage::Held;
                let (epoch, until) = (mine.epoch, mine.until);
                self.actions.push(Action::Hold(*shard, epoch, until));
                self.tell_now(News::Holds(*shard, epoch));
            } else if agreed == Agreed::Yes {
                mine.stage = Stage::Releasing;
                self.wait(now);
            }
        }
        let is_unseen = |since| Some(since) > self.listed || agreed == Agreed::Unknown;
        if self.listing.is_none() && taken.into_iter().any(|(_, since)| is_unseen(since)) {
            match self.delays.get(&None).copied() {
                Some(delay) => self.wait(delay),
                None => {
                    self.listing = Some(now);
                    self.actions.push(Action::List(self.limit()));
                }
            }
        }
    }

    /// Takes free shards, up to this replica's share.
    pub(super) fn take(&mut self, agreed: Agreed, now: Time) {
        let wanted = self.wanted(now);
        if self.stopping || agreed != Agreed::Yes || wanted == 0 || !self.is_alone(now) {
            return;
        }
        let mut left = wanted;
        for shard in self.free(now) {
            let name = LeaseName::of(shard, self.config.shards);
            if left == 0 {
                return;
            }
            let record = self.sightings.get(&name).cloned();
            match record {
                Some(record) if self.is_foreign(&name, &record, now) => continue,
                Some(_) => {}
                None => self.is_no_longer_foreign(&name),
            }
            if self.can_send(&name, now) {
                let epoch = self.epochs.get(&shard).copied().unwrap_or_default() + 1;
                let mut change = Self::taking(epoch);
                if self.is_single() {
                    (change.shards, change.kinds) =
                        (Some(self.config.shards), Some(self.config.kinds.clone()));
                }
                self.write(name, change, Purpose::Take(shard, epoch), now);
                left -= 1;
            }
        }
    }

    /// The number of shards that this replica should have besides those that it keeps, or is about to take.
    fn wanted(&self, now: Time) -> usize {
        let takes = self.sent.values().filter(|sent| matches!(sent.purpose, Purpose::Take(..)));
        let kept = self.kept();
        self.share(kept, now).saturating_sub(kept + takes.count())
    }

    /// The number of shards that it has and doesn't leave.
    fn kept(&self) -> usize {
        self.mine.values().filter(|mine| matches!(mine.stage, Stage::Held | Stage::Taken(_))).count()
    }

    /// The shards that no replica has. Each replica begins elsewhere, so that they don't meet at the same ones.
    fn free(&mut self, now: Time) -> Vec<Shard> {
        let shards = self.config.shards;
        let mut all: Vec<_> = shards.all().collect();
        let first = hash(&self.config.identity) % u64::from(shards.number());
        all.rotate_left(usize::try_from(first).unwrap_or_default());
        let mut free = Vec::new();
        for shard in all {
            let name = LeaseName::of(shard, shards);
            let holder = self.sightings.holder(&name, now);
            let is_free = holder.is_none() || self.is_me(holder);
            if self.mine.contains_key(&shard) {
                continue;
            }
            if is_free {
                free.push(shard);
            } else if let Some(end) = self.sightings.end(&name) {
                self.wait(end);
            }
        }
        free
    }
}
