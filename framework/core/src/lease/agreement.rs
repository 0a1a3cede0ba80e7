//! Agreement on the number of shards: the Lease of the operator says it.
//!
//! A replica with another number writes its own at its start, and then no more: so the replicas of a new version win over those
//! of an old one, which hand their shards over and stand by. Only where nobody has held any shard for the duration of a lease,
//! those that stand by write their number again: the others are gone.

use super::{
    Change, Foreign, LeaseName, News, Record, Request, Time,
    elector::{Elector, Purpose},
};
use std::collections::BTreeSet;

/// What is known of the agreement.
#[derive(Debug)]
pub struct Agreement {
    /// This replica has not seen its own number there: it may write it.
    may_write: bool,
    /// Nobody has held a shard since then.
    quiet: Option<Time>,
    /// Another number that was told.
    told: Option<String>,
    /// Leases of others that were told.
    foreign: BTreeSet<LeaseName>,
}

impl Default for Agreement {
    fn default() -> Self {
        Self { may_write: true, quiet: None, told: None, foreign: BTreeSet::new() }
    }
}

/// Whether the replicas agree with this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreed {
    Yes,
    /// Nobody has said so, or this replica is about to.
    Unknown,
    No,
}

impl Elector {
    /// Whether the replicas agree on this one's number of shards. Makes them, if that is up to it.
    pub(super) fn agree(&mut self, now: Time) -> Agreed {
        let name = LeaseName::Operator;
        let Some(record) = self.sightings.get(&name).cloned() else {
            self.is_no_longer_foreign(&name);
            return self.found(now);
        };
        if self.is_foreign(&name, &record, now) {
            return Agreed::No;
        }
        let own = self.config.shards.to_string();
        if record.shards.as_ref() == Some(&own) {
            self.say_kinds(&record, now);
            if self.agreement.told.take().is_some() {
                self.tell_now(News::Agrees);
            }
            return Agreed::Yes;
        }
        if self.may_write(now) {
            if !self.stopping && self.can_send(&name, now) {
                self.write(name, self.agreement_change(), Purpose::Other, now);
            }
            return Agreed::Unknown;
        }
        let other = record.shards.unwrap_or_else(|| "no".into());
        if self.agreement.told.as_ref() != Some(&other) {
            self.agreement.told = Some(other.clone());
            self.tell_now(News::Differs(other));
        }
        Agreed::No
    }

    /// Creates the Lease that says how many shards there are. The only shard's holder creates it when it takes it.
    fn found(&mut self, now: Time) -> Agreed {
        let name = LeaseName::Operator;
        if self.is_single() {
            return Agreed::Yes;
        }
        if let Some(end) = self.sightings.end(&name).filter(|end| now < *end) {
            // It was the only shard's, and its holder doesn't know that it is gone.
            self.wait(end);
        } else if !self.stopping && self.can_send(&name, now) {
            self.write(name, self.agreement_change(), Purpose::Other, now);
        }
        Agreed::Unknown
    }

    fn agreement_change(&self) -> Change {
        Change {
            shards: Some(self.config.shards),
            kinds: Some(self.config.kinds.clone()),
            ..Change::default()
        }
    }

    /// Writes the kinds, if this replica has others: once, at its start.
    fn say_kinds(&mut self, record: &Record, now: Time) {
        let name = LeaseName::Operator;
        if !self.agreement.may_write || !self.can_send(&name, now) {
            return;
        }
        self.agreement.may_write = false;
        if record.kinds.as_ref() != Some(&self.config.kinds) && !self.stopping {
            let change = Change { kinds: Some(self.config.kinds.clone()), ..Change::default() };
            self.write(name, change, Purpose::Other, now);
        }
    }

    fn may_write(&mut self, now: Time) -> bool {
        if self.agreement.may_write {
            return true;
        }
        if !self.mine.is_empty() || self.sightings.all().any(|(name, _)| self.is_held(name, now)) {
            self.agreement.quiet = None;
            // What is held then ends, or changes.
            let ends = self.sightings.all().filter_map(|(name, _)| self.sightings.end(name));
            if let Some(end) = ends.filter(|end| *end > now).min() {
                self.wait(end);
            }
            return false;
        }
        let end = *self.agreement.quiet.get_or_insert(now) + self.config.times.duration;
        if now < end {
            self.wait(end);
        }
        now >= end
    }

    fn is_held(&self, name: &LeaseName, now: Time) -> bool {
        name.is_of_shard() && self.sightings.holder(name, now).is_some()
    }

    /// Whether no replica has a shard of another number of shards. If not, something is due when that may end.
    pub(super) fn is_alone(&mut self, now: Time) -> bool {
        let shards = self.config.shards;
        let others = self.sightings.all().map(|(name, _)| name).filter(|name| name.shard(shards).is_none());
        let held = others.filter(|name| self.is_held(name, now));
        let end = held.filter_map(|name| self.sightings.end(name)).max();
        if let Some(end) = end {
            self.wait(end);
        }
        end.is_none()
    }

    /// Whether a Lease is another operator's. Then it isn't touched, and is read again after a while.
    pub(super) fn is_foreign(&mut self, name: &LeaseName, record: &Record, now: Time) -> bool {
        let Some(foreign) = self.why_foreign(record) else {
            self.agreement.foreign.remove(name);
            return false;
        };
        if self.agreement.foreign.insert(name.clone()) {
            self.tell_now(News::Foreign(name.clone(), foreign));
        } else if self.can_send(name, now) {
            self.send(name.clone(), Request::Read, Purpose::Other, now);
        } else {
            return true;
        }
        let next = now + self.config.times.duration;
        self.delays.insert(Some(name.clone()), next);
        self.wait(next);
        true
    }

    /// Takes in that a Lease isn't another operator's any longer.
    pub(super) fn is_no_longer_foreign(&mut self, name: &LeaseName) {
        self.agreement.foreign.remove(name);
    }

    /// Whether a Lease that it needs is another operator's.
    pub fn is_barred(&self) -> bool {
        !self.agreement.foreign.is_empty()
    }

    fn why_foreign(&self, record: &Record) -> Option<Foreign> {
        if record.operator.as_ref() != Some(&self.config.operator) {
            return Some(Foreign::Label(record.operator.clone()));
        }
        let theirs = record.kinds.as_ref().filter(|kinds| !kinds.is_empty())?;
        let own = &self.config.kinds;
        let kinds = |text: &str| text.split(',').map(str::to_owned).collect::<BTreeSet<_>>();
        let (own, others) = (kinds(own), kinds(theirs));
        let is_any = |kinds: &BTreeSet<String>| kinds.contains("*") || kinds.contains("");
        let shares_none = !is_any(&own) && !is_any(&others) && own.is_disjoint(&others);
        shares_none.then(|| Foreign::Kinds(theirs.clone()))
    }
}
