//! Elector: one replica's part in the election: what it knows, and what it has asked for.

use super::{
    Action, Change, Guard, HolderChange, LeaseName, LeaseTimes, Loss, Record, Request, Time,
    agreement::Agreement, presence::Told, presence_id, sightings::Sightings,
};
use crate::shard::{Shard, Shards};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

/// The most requests at one time: each is a connection.
const MOST_SENT: usize = 16;

/// Who takes part in the election.
#[derive(Clone, Debug)]
pub struct ElectorConfig {
    /// The operator's name.
    pub operator: String,
    /// The replica's own name, which no other one has or had.
    pub identity: String,
    /// How the objects are divided.
    pub shards: Shards,
    /// The kinds that the operator handles, with commas between them.
    pub kinds: String,
    /// How long leases last.
    pub times: LeaseTimes,
    /// Spreads what replicas do over time; any number.
    pub seed: u64,
}

/// One replica's part in the election.
#[derive(Debug)]
pub struct Elector {
    pub(super) config: ElectorConfig,
    pub(super) sightings: Sightings,
    /// When the last list was asked for.
    pub(super) listed: Option<Time>,
    /// When the one was asked for that is awaited.
    pub(super) listing: Option<Time>,
    pub(super) mine: BTreeMap<Shard, Mine>,
    /// The highest epochs that were seen: they go on where a Lease is created once more.
    pub(super) epochs: BTreeMap<Shard, u64>,
    pub(super) sent: BTreeMap<LeaseName, Sent>,
    /// What is to be read, because a request has met another version than the known one.
    pub(super) unread: BTreeSet<LeaseName>,
    /// When a Lease may be asked for again, or listed, where that has failed.
    pub(super) delays: BTreeMap<Option<LeaseName>, Time>,
    pub(super) agreement: Agreement,
    pub(super) presence_due: Time,
    pub(super) lost: BTreeMap<Loss, Vec<Shard>>,
    pub(super) told: Told,
    pub(super) stopping: bool,
    pub(super) actions: Vec<Action>,
    pub(super) due: Time,
    random: u64,
}

/// A shard whose Lease this replica has.
#[derive(Clone, Debug)]
pub(super) struct Mine {
    pub epoch: u64,
    pub until: Time,
    pub guard: Guard,
    pub renewal: Time,
    pub stage: Stage,
}

/// How far a shard is this replica's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its Lease was taken by then, and has to be seen in a list.
    Taken(Time),
    /// It is held.
    Held,
    /// It is held until it is drained.
    Leaving,
    /// Its Lease is being released.
    Releasing,
}

/// A request that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub at: Time,
    pub purpose: Purpose,
}

/// What a request is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Take(Shard, u64),
    Renew(Shard),
    Release(Shard),
    /// All others: their answers are sightings.
    Other,
}

impl Elector {
    /// A replica that has seen nothing yet.
    pub fn new(config: ElectorConfig) -> Self {
        Self {
            sightings: Sightings::new(config.operator.clone(), config.times.duration),
            listed: None,
            listing: None,
            mine: BTreeMap::new(),
            epochs: BTreeMap::new(),
            sent: BTreeMap::new(),
            unread: BTreeSet::new(),
            delays: BTreeMap::new(),
            agreement: Agreement::default(),
            presence_due: Time::ZERO,
            lost: BTreeMap::new(),
            told: Told::default(),
            stopping: false,
            actions: Vec::new(),
            due: Time::MAX,
            random: config.seed,
            config,
        }
    }

    /// Takes in all Leases with the operator's label, as they were listed in answer to a request that was sent at `begun`. Until
    /// the first list, nothing is done.
    pub fn listed(&mut self, records: Vec<Record>, begun: Time, now: Time) {
        let named = |record: Record| Some((self.name_of(&record)?, record));
        let records: Vec<_> = records.into_iter().filter_map(named).collect();
        records.iter().for_each(|(name, record)| self.note_epoch(name, record));
        self.sightings.list(records, begun, now);
        self.listed = self.listed.max(Some(begun));
        self.listing = self.listing.filter(|listing| *listing > begun);
    }

    /// Takes in that a list has failed.
    pub fn list_failed(&mut self, now: Time) {
        self.listing = None;
        let delay = now + self.period();
        self.delays.insert(None, delay);
    }

    /// Takes in a Lease that the watch shows.
    pub fn saw(&mut self, record: Record, now: Time) {
        let Some(name) = self.name_of(&record) else { return };
        self.note_epoch(&name, &record);
        self.notice(&name, Some(&record), now);
        self.sightings.see(name, record, now);
    }

    /// Takes in that the watch shows the end of a Lease.
    pub fn saw_gone(&mut self, record: &Record, now: Time) {
        let Some(name) = self.name_of(record) else { return };
        self.notice(&name, None, now);
        self.sightings.gone(&name, Some(&record.version), now);
    }

    /// Takes in that nothing of a shard that was left goes on.
    pub fn drained(&mut self, shard: Shard) {
        if let Some(mine) = self.mine.get_mut(&shard).filter(|mine| mine.stage == Stage::Leaving) {
            mine.stage = Stage::Releasing;
            self.actions.push(Action::Lose(shard));
        }
    }

    /// Hands all over, and takes nothing any more.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether it has stopped, and nothing is left to release.
    pub fn is_done(&self) -> bool {
        let is_present = self.sightings.get(&self.presence()).is_some();
        self.stopping && self.mine.is_empty() && self.sent.is_empty() && !is_present
    }

    /// What is to be done now. To be asked after each input, and at [`next_due`](Self::next_due).
    pub fn step(&mut self, now: Time) -> Vec<Action> {
        self.due = Time::MAX;
        self.delays.retain(|_, delay| *delay > now);
        self.expire(now);
        if self.listed.is_some() {
            self.read(now);
            let agreed = self.agree(now);
            self.leave(agreed, now);
            self.renew(now);
            self.confirm(agreed, now);
            self.take(agreed, now);
            self.attend(now);
            self.sweep(now);
            self.tell(agreed, now);
            self.sightings.forget(now);
        }
        mem::take(&mut self.actions)
    }

    /// When there is something to do, if nothing happens.
    pub fn next_due(&self) -> Time {
        self.due
    }

    pub(super) fn is_single(&self) -> bool {
        self.config.shards.number() == 1
    }

    pub(super) fn presence(&self) -> LeaseName {
        LeaseName::Replica(presence_id(&self.config.identity))
    }

    pub(super) fn is_me(&self, holder: Option<&str>) -> bool {
        holder == Some(&*self.config.identity)
    }

    fn name_of(&self, record: &Record) -> Option<LeaseName> {
        LeaseName::parse(&self.config.operator, &record.name)
    }

    pub(super) fn note_epoch(&mut self, name: &LeaseName, record: &Record) {
        if let Some(shard) = name.shard(self.config.shards) {
            let highest = self.epochs.entry(shard).or_default();
            *highest = record.transitions.max(*highest);
        }
    }

    /// The time until the next renewal, or the next try. It is never the same for two replicas.
    pub(super) fn period(&mut self) -> Duration {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = u32::try_from((mixed ^ (mixed >> 31)) % 200).unwrap_or_default();
        let period = self.config.times.retry_period;
        period + period * part / 1000
    }

    /// Something is due then.
    pub(super) fn wait(&mut self, until: Time) {
        self.due = self.due.min(until);
    }

    /// Whether a request for a Lease can be sent now. If not, its time comes, or an answer.
    pub(super) fn can_send(&mut self, name: &LeaseName, now: Time) -> bool {
        if let Some(delay) = self.delays.get(&Some(name.clone())).copied().filter(|delay| *delay > now) {
            self.wait(delay);
            return false;
        }
        !self.sent.contains_key(name) && !self.unread.contains(name) && self.sent.len() < MOST_SENT
    }

    /// The longest time for a request: half of the deadline leaves time for another one.
    pub(super) fn limit(&self) -> Duration {
        self.config.times.renew_deadline / 2
    }

    pub(super) fn send(&mut self, name: LeaseName, request: Request, purpose: Purpose, now: Time) {
        let left = match purpose {
            Purpose::Renew(shard) => self.mine.get(&shard).map(|mine| mine.until.saturating_sub(now)),
            _ => None,
        };
        let limit = left.map_or(self.limit(), |left| left.min(self.limit()));
        self.sent.insert(name.clone(), Sent { at: now, purpose });
        self.actions.push(Action::Send { name, request, limit });
    }

    /// Writes a Lease: creates it, if there is none.
    pub(super) fn write(&mut self, name: LeaseName, change: Change, purpose: Purpose, now: Time) {
        let request = match self.sightings.get(&name) {
            Some(record) => Request::Patch(record.into(), change),
            None => Request::Create(change),
        };
        self.send(name, request, purpose, now);
    }

    /// Reads what has turned out to be of another version.
    fn read(&mut self, now: Time) {
        for name in mem::take(&mut self.unread) {
            if self.can_send(&name, now) {
                self.send(name, Request::Read, Purpose::Other, now);
            } else {
                self.unread.insert(name);
            }
        }
    }

    /// A change by which this replica gets a Lease.
    pub(super) fn taking(epoch: u64) -> Change {
        Change { holder: HolderChange::Take { epoch }, ..Change::default() }
    }
}
