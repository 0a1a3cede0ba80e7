//! Peers: what one operator knows of the others in one peering, and whether it may be at work.
//!
//! No clock of another machine is trusted. A record counts for its lifetime since this operator has seen it change, by the clock
//! of this operator that no correction moves; and it is over only if the API server, asked after that time, still has it
//! unchanged. The times in the records are looked at once: at the first look, for records that are left of operators that have
//! ended long ago.
//!
//! Times are those since any moment, by one clock.

use super::{
    Record, Role,
    order::{Seniority, precedence},
    record::Working,
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::{cmp::Ordering, collections::BTreeMap, time::Duration};

/// This operator, as a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// The name of its record.
    pub identity: String,
    /// The greater one comes first.
    pub priority: i64,
    /// For how long its record counts, in whole seconds.
    pub lifetime: Duration,
    /// What its replicas have in common.
    pub replica_of: Option<String>,
    /// Its number among those with its priority.
    pub order: u64,
}

/// The status of a peering object, as the API server has answered.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The status; null if there is none.
    pub status: &'a Value,
    /// When the question was sent.
    pub sent: Duration,
    /// When the answer came.
    pub received: Duration,
    /// The time on this machine's clock.
    pub wall: Timestamp,
}

/// All that is known of one peering.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    known: BTreeMap<String, Known>,
    /// When the last question was sent.
    sent: Option<Duration>,
    /// Since when the operator's own record has been there.
    stands: Option<Duration>,
    /// When the request was sent by which the operator's own record was written last.
    renewed: Option<Duration>,
}

/// What is known of one peer.
#[derive(Clone, Debug)]
struct Known {
    json: Value,
    record: Record,
    /// When it was seen first as it is.
    since: Duration,
    /// Until when it counts; none if it counts as long as it is there.
    until: Option<Duration>,
}

/// Why another one comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// Its priority is greater.
    Priority,
    /// Its priority is the same, and it has joined before.
    Age,
    /// Somebody has asked for a pause, with this message.
    Frozen(Option<String>),
}

/// Whether the operator may be at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Others don't see its record, or no longer.
    Unseen,
    /// Another one comes first.
    GivesWay {
        /// The other one.
        to: String,
        /// Its priority.
        priority: i64,
        /// Why.
        why: Precedence,
    },
    /// It comes first. But this one, which pauses for it, may not have ended what it had begun.
    Waits(String),
    /// It comes first. This one has the same priority, and pauses for it.
    First(Option<String>),
}

impl Peers {
    /// Takes in a look at the object. Looks come in the order in which they were asked for.
    pub fn see(&mut self, identity: &str, look: Look<'_>) {
        let empty = Map::new();
        let status = look.status.as_object().unwrap_or(&empty);
        let is_first = self.sent.replace(look.sent).is_none();
        let stands = status.get(identity).is_some_and(|record| Record::from_json(record).is_some());
        self.stands = stands.then(|| self.stands.unwrap_or(look.received));
        let mut known = std::mem::take(&mut self.known);
        let others = status.iter().filter(|(name, _)| *name != identity);
        self.known = others
            .filter_map(|(name, json)| {
                let before = known.remove(name).filter(|known| known.json == *json);
                let now = || Known::new(json, &look, is_first);
                Some((name.clone(), before.map_or_else(now, Some)?))
            })
            .collect();
    }

    /// Takes in that the object is gone, or can no longer be read.
    pub fn forget(&mut self) {
        (self.known, self.stands, self.renewed) = (BTreeMap::new(), None, None);
    }

    /// Takes in that the operator's own record was written by a request that was sent then.
    pub fn renew(&mut self, sent: Duration) {
        self.renewed = Some(sent);
    }

    /// When the operator is to take its own record for over, unless it is written before: while others don't yet, so that it has
    /// paused by then.
    pub fn over(&self, me: &Me) -> Option<Duration> {
        Some(self.renewed?.saturating_add(me.lifetime * 5 / 6))
    }

    /// Whether the operator's own record is there.
    pub fn has_own(&self) -> bool {
        self.stands.is_some()
    }

    /// The number that an operator takes when it joins these peerings: that of its replicas, or else the next one.
    pub fn next_order<'p>(
        peerings: impl Iterator<Item = &'p Self> + Clone,
        replica_of: Option<&'p str>,
    ) -> u64 {
        let replicas = peerings.clone().flat_map(|peers| peers.replicas(replica_of));
        let of_replicas = replicas.map(|working| working.order).min();
        let all = peerings.flat_map(|peers| peers.workings(|_| true));
        of_replicas.unwrap_or_else(|| all.map(|working| working.order).max().unwrap_or(0).saturating_add(1))
    }

    /// Whether the operator may be at work now. `patience` is the time that operators of Kopf are given to see its record, and
    /// to pause; they don't say when they have.
    pub fn verdict(&self, me: &Me, now: Duration, patience: Duration) -> Verdict {
        let mine = self.seniority(me);
        let others = || self.others(me);
        let ahead = others().filter_map(|(name, known)| {
            let why = precedence(name, &known.record, me, &mine)?;
            Some(Verdict::GivesWay { to: name.clone(), priority: known.record.priority, why })
        });
        // The first one of all, so that it is the same one each time.
        let first = ahead.max_by(|one, other| match (one, other) {
            (Verdict::GivesWay { priority, .. }, Verdict::GivesWay { priority: others, .. }) => {
                priority.cmp(others)
            }
            _ => Ordering::Equal,
        });
        if let Some(first) = first {
            return first;
        }
        let Some(stands) = self.stands.filter(|_| self.over(me).is_some_and(|over| now < over)) else {
            return Verdict::Unseen;
        };
        let is_busy = |known: &Known| match &known.record.role {
            Role::Operator(working) => working.at_work,
            Role::Kopf => now < stands + patience,
            Role::Freeze(_) => false,
        };
        if let Some((name, _)) = others().find(|(_, known)| is_busy(known)) {
            return Verdict::Waits(name.clone());
        }
        let same = others().find(|(_, known)| known.record.priority == me.priority);
        Verdict::First(same.map(|(name, _)| name.clone()))
    }

    /// When the verdict may be another one without a change of the object: at the end of a record, or of the patience with
    /// operators of Kopf.
    pub fn next(&self, me: &Me, now: Duration, patience: Duration) -> Option<Duration> {
        let ends = self.others(me).filter_map(|(_, known)| known.until);
        let patience = self.stands.map(|stands| stands + patience).filter(|end| *end > now);
        ends.chain(patience).min()
    }

    /// The records that are over for so long as this operator knows that no clock can be the reason: they can be removed.
    pub fn dead(&self) -> impl Iterator<Item = &str> {
        let sent = self.sent.unwrap_or_default();
        let is_dead = move |known: &Known| {
            known.until.is_some() && sent >= known.since.saturating_add(known.record.lifetime)
        };
        self.known.iter().filter(move |(_, known)| is_dead(known)).map(|(name, _)| &**name)
    }

    /// The living peers that the operator is to be compared with.
    fn others<'p>(&'p self, me: &'p Me) -> impl Iterator<Item = (&'p String, &'p Known)> {
        self.alive().filter(|(_, known)| !known.is_replica_of(me.replica_of.as_deref()))
    }

    /// The peers whose records weren't over when the API server was asked last.
    fn alive(&self) -> impl Iterator<Item = (&String, &Known)> {
        let sent = self.sent.unwrap_or_default();
        self.known.iter().filter(move |(_, known)| known.until.is_none_or(|until| sent < until))
    }

    fn workings<'p>(&'p self, is_meant: impl Fn(&Known) -> bool + 'p) -> impl Iterator<Item = &'p Working> {
        self.alive().filter(move |(_, known)| is_meant(known)).filter_map(|(_, known)| {
            match &known.record.role {
                Role::Operator(working) => Some(working),
                Role::Kopf | Role::Freeze(_) => None,
            }
        })
    }

    fn replicas<'p>(&'p self, replica_of: Option<&'p str>) -> impl Iterator<Item = &'p Working> {
        self.workings(move |known| known.is_replica_of(replica_of))
    }

    /// That of the operator, with all of its replicas.
    fn seniority(&self, me: &Me) -> Seniority {
        let of_replicas = self.replicas(me.replica_of.as_deref()).map(|working| working.order);
        let order = of_replicas.min().map_or(me.order, |order| order.min(me.order));
        let working = Working { order, at_work: false, replica_of: me.replica_of.clone() };
        Seniority::of(&me.identity, &working)
    }
}

impl Known {
    /// None if it is no record.
    fn new(json: &Value, look: &Look<'_>, is_first: bool) -> Option<Self> {
        let record = Record::from_json(json)?;
        let age = match record.seen {
            Some(seen) if is_first => Duration::try_from(look.wall.duration_since(seen)).unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let left = record.lifetime.saturating_sub(age);
        let until = record.seen.map(|_| look.received.saturating_add(left));
        Some(Self { json: json.clone(), record, since: look.received, until })
    }

    fn is_replica_of(&self, name: Option<&str>) -> bool {
        match &self.record.role {
            Role::Operator(working) => name.is_some() && working.replica_of.as_deref() == name,
            Role::Kopf | Role::Freeze(_) => false,
        }
    }
}
