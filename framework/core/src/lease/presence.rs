//! Presence of replicas: each has a Lease of its own, by which the others count it. And what there is to tell of them.

use super::{
    Action, Change, HolderChange, LeaseName, News, Request, Time,
    agreement::Agreed,
    elector::{Elector, Purpose, Stage},
    shares::share,
    sightings::Sighting,
};
use std::{collections::BTreeMap, mem};

/// A Lease that nobody has renewed for so many durations is removed.
const STALE: u32 = 10;

/// What was told last.
#[derive(Debug, Default)]
pub struct Told {
    settled: Option<(usize, usize)>,
    leader: Option<String>,
}

impl Elector {
    /// This replica's share of the shards, if it has so many of them.
    pub(super) fn share(&self, has: usize, now: Time) -> usize {
        let shards = usize::from(self.config.shards.number());
        if self.is_single() {
            return shards;
        }
        let mut replicas = self.replicas(now);
        replicas.insert(&self.config.identity, has);
        share(&self.config.identity, &replicas, shards)
    }

    /// The replicas that are alive and divide the objects as this one does, with the number of shards that each has.
    fn replicas(&self, now: Time) -> BTreeMap<&str, usize> {
        let holders = self.sightings.all().filter_map(|(name, sighting)| {
            let holder = self.sightings.holder(name, now)?;
            Some((name, holder, sighting))
        });
        let (shards, presences): (Vec<_>, Vec<_>) = holders.partition(|(name, ..)| name.is_of_shard());
        let own = self.config.shards.to_string();
        let shares = |sighting: &Sighting| !sighting.is_gone && sighting.record.shards.as_ref() == Some(&own);
        let present = presences.iter().filter(|(.., sighting)| shares(sighting));
        let mut replicas: BTreeMap<_, _> = present.map(|(_, replica, _)| (*replica, 0)).collect();
        for (name, holder, _) in shards {
            if let Some(held) = replicas.get_mut(holder).filter(|_| name.shard(self.config.shards).is_some())
            {
                *held += 1;
            }
        }
        replicas.insert(&self.config.identity, self.mine.len());
        replicas
    }

    /// Shows that this replica is alive, until it stops. One that shares nothing doesn't need to.
    pub(super) fn attend(&mut self, now: Time) {
        if self.is_single() {
            return;
        }
        let name = self.presence();
        let record = self.sightings.get(&name).cloned();
        let request = match record {
            Some(record) if self.stopping => Request::Delete((&record).into()),
            None if self.stopping => return,
            Some(_) if now < self.presence_due => return self.wait(self.presence_due),
            Some(record) => {
                let change = Change { holder: HolderChange::Renew, ..Change::default() };
                Request::Patch((&record).into(), change)
            }
            None => Request::Create(Change { shards: Some(self.config.shards), ..Self::taking(1) }),
        };
        if self.can_send(&name, now) {
            self.presence_due = now + self.config.times.duration / 3;
            self.send(name, request, Purpose::Other, now);
        }
    }

    /// Removes Leases that nobody needs: of replicas that are long gone, and of other numbers of shards. The first replica
    /// does.
    pub(super) fn sweep(&mut self, now: Time) {
        let is_first = self.replicas(now).keys().next() == Some(&&*self.config.identity);
        if self.is_single() || !is_first || self.stopping {
            return;
        }
        let (shards, own) = (self.config.shards, self.presence());
        let all = self.sightings.all().filter(|(name, sighting)| {
            let is_left = name.shard(shards).is_none() && **name != LeaseName::Operator && **name != own;
            is_left && !sighting.is_gone && sighting.record.operator.as_ref() == Some(&self.config.operator)
        });
        let all: Vec<_> = all.map(|(name, sighting)| (name.clone(), sighting.clone())).collect();
        for (name, sighting) in all {
            let age = sighting.record.duration.max(self.config.times.duration).saturating_mul(STALE);
            let end = sighting.since.saturating_add(age);
            if now < end {
                self.wait(end);
            } else if self.can_send(&name, now) {
                self.send(name, Request::Delete((&sighting.record).into()), Purpose::Other, now);
            }
        }
    }

    pub(super) fn tell_now(&mut self, news: News) {
        self.actions.push(Action::Tell(news));
    }

    /// Comes back when a replica is no longer counted.
    fn await_ends(&mut self, now: Time) {
        let replicas = self.sightings.all().filter(|(name, _)| !name.is_of_shard());
        let ends = replicas.filter_map(|(name, _)| self.sightings.end(name));
        if let Some(end) = ends.filter(|end| *end > now).min() {
            self.wait(end);
        }
    }

    /// Tells what has changed.
    pub(super) fn tell(&mut self, agreed: Agreed, now: Time) {
        for (loss, shards) in mem::take(&mut self.lost) {
            self.tell_now(News::Lost(shards, loss));
        }
        if self.is_single() {
            // The holder of another operator's Lease leads none of these replicas.
            if !self.is_barred() {
                self.tell_leader(now);
            }
            return;
        }
        self.await_ends(now);
        let held = self.mine.values().filter(|mine| mine.stage == Stage::Held).count();
        let is_settled = held == self.mine.len()
            && !self.stopping
            && agreed == Agreed::Yes
            && !self.sent.values().any(|sent| matches!(sent.purpose, Purpose::Take(..)));
        let state = (held, self.replicas(now).len());
        if is_settled && self.told.settled != Some(state) {
            self.told.settled = Some(state);
            self.tell_now(News::Settled { held: state.0, replicas: state.1 });
        }
    }

    fn tell_leader(&mut self, now: Time) {
        let holder = self.sightings.holder(&LeaseName::Operator, now);
        let leader = holder.filter(|holder| !self.is_me(Some(holder))).map(str::to_owned);
        if leader.is_some() && leader != self.told.leader {
            self.told.leader.clone_from(&leader);
            self.actions.extend(leader.map(|leader| Action::Tell(News::StandsBy(leader))));
        } else if leader.is_none() {
            self.told.leader = None;
        }
    }
}
