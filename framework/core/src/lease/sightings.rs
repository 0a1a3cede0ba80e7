//! Sightings: the Leases, as they were seen last, and since when they haven't changed.

use super::{LeaseName, Record, Time};
use std::{collections::BTreeMap, time::Duration};

/// The Leases of one operator.
#[derive(Clone, Debug)]
pub struct Sightings {
    /// The operator whose Leases are listed and watched.
    operator: String,
    /// Nobody's lease is shorter.
    least: Duration,
    known: BTreeMap<LeaseName, Sighting>,
}

/// One Lease, as it was seen last.
#[derive(Clone, Debug)]
pub struct Sighting {
    pub record: Record,
    /// When it was seen first as it is.
    pub since: Time,
    /// It was deleted. Its holder may not know that yet.
    pub is_gone: bool,
}

impl Sightings {
    /// None. Other replicas of the operator count on their leases for this time, or for longer.
    pub fn new(operator: String, least: Duration) -> Self {
        Self { operator, least, known: BTreeMap::new() }
    }

    /// Takes in all Leases, as the API server has listed them in answer to a request of this time.
    pub fn list(&mut self, records: Vec<(LeaseName, Record)>, begun: Time, now: Time) {
        let is_older = |sighting: &Sighting| sighting.since <= begun;
        for (name, sighting) in &mut self.known {
            let is_listed = records.iter().any(|(listed, _)| listed == name);
            // Those of other operators aren't in the list.
            let is_ours = sighting.record.operator.as_ref() == Some(&self.operator);
            if !is_listed && is_ours && is_older(sighting) && !sighting.is_gone {
                (sighting.is_gone, sighting.since) = (true, now);
            }
        }
        for (name, record) in records {
            // After a restore of etcd, versions may count from an older number again.
            if self.known.get(&name).is_some_and(is_older) {
                self.know(name, record, now);
            } else {
                self.see(name, record, now);
            }
        }
    }

    /// Takes in what the watch shows, which may be older than what is known.
    pub fn see(&mut self, name: LeaseName, record: Record, now: Time) {
        if !self.is_outdated(&name, &record.version) {
            self.know(name, record, now);
        }
    }

    /// Takes in the answer to a request.
    pub fn know(&mut self, name: LeaseName, record: Record, now: Time) {
        let since = match self.known.get(&name) {
            Some(Sighting { record: known, since, is_gone: false }) if *known == record => *since,
            _ => now,
        };
        self.known.insert(name, Sighting { record, since, is_gone: false });
    }

    /// Takes in that a Lease is gone, as of this version if that is known.
    pub fn gone(&mut self, name: &LeaseName, version: Option<&str>, now: Time) {
        if version.is_some_and(|version| self.is_outdated(name, version)) {
            return;
        }
        if let Some(sighting) = self.known.get_mut(name).filter(|sighting| !sighting.is_gone) {
            (sighting.is_gone, sighting.since) = (true, now);
        }
    }

    fn is_outdated(&self, name: &LeaseName, version: &str) -> bool {
        self.known.get(name).is_some_and(|known| is_older(version, &known.record.version))
    }

    /// A Lease that there is.
    pub fn get(&self, name: &LeaseName) -> Option<&Record> {
        self.known.get(name).filter(|known| !known.is_gone).map(|known| &known.record)
    }

    /// The replica that may still count on having it.
    pub fn holder(&self, name: &LeaseName, now: Time) -> Option<&str> {
        let holder = self.known.get(name)?.record.holder.as_deref()?;
        (now < self.end(name)?).then_some(holder)
    }

    /// When nobody may count on having it any longer, unless it changes.
    pub fn end(&self, name: &LeaseName) -> Option<Time> {
        let Sighting { record, since, .. } = self.known.get(name)?;
        record.holder.as_ref()?;
        Some(since.saturating_add(record.duration.max(self.least)))
    }

    /// All that there are, and those that are gone and may have a holder.
    pub fn all(&self) -> impl Iterator<Item = (&LeaseName, &Sighting)> {
        self.known.iter()
    }

    /// Forgets what is gone and has no holder.
    pub fn forget(&mut self, now: Time) {
        let least = self.least;
        self.known.retain(|_, Sighting { record, since, is_gone }| {
            let end = since.saturating_add(record.duration.max(least));
            !*is_gone || (record.holder.is_some() && now < end)
        });
    }
}

/// Whether one version is older than another, as far as they can be compared.
pub fn is_older(one: &str, other: &str) -> bool {
    matches!((one.parse::<u64>(), other.parse::<u64>()), (Ok(one), Ok(other)) if one < other)
}
