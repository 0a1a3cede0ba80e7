//! Leases: which replica of an operator has which shard, agreed upon through Leases on the API server.
//!
//! An [`Elector`] is one replica's part in that. It takes in what it sees of the Leases, and the answers to its own requests,
//! each with the time; and returns what is to be done, and when it has to be asked again. It has no clock and sends nothing.
//!
//! Three rules keep a shard from having two holders, whatever is delayed or lost on the way:
//!
//! - A holder's lease is over [`renew_deadline`](LeaseTimes::renew_deadline) after it has begun to send the last renewal that
//!   was answered. Others take it no earlier than [`duration`](LeaseTimes::duration) after they have last seen it change, each
//!   by a clock of its own; no time that is written in a Lease means anything. What isn't answered isn't held.
//! - All writes are guarded by the version and the uid that were seen: what is taken is what was seen.
//! - What was taken isn't held before the Leases were listed once more. That list has to show that the number of shards is
//!   still this replica's, and that no Lease of another number has a holder. Of two replicas with different numbers, the one
//!   that lists last sees the other's Lease, so that no object is in two held shards of different sizes.

mod agreement;
mod answers;
mod elector;
mod name;
mod ownership;
mod presence;
mod shares;
mod sightings;
mod trouble;

pub use elector::{Elector, ElectorConfig};
pub use name::{LeaseName, presence_id};
pub use trouble::{TroubleNews, Troubles};

use crate::shard::{Shard, Shards};
use std::time::Duration;

/// A time, by the clock of leases: since the machine was started.
pub type Time = Duration;

/// How long leases last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// Others take a Lease that hasn't changed for this time.
    pub duration: Duration,
    /// A holder that can't renew its Lease stops after this time.
    pub renew_deadline: Duration,
    /// The time between two renewals, and between two tries.
    pub retry_period: Duration,
}

/// A Lease, as the API server has shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resource version.
    pub version: String,
    /// The operator that it is labelled with.
    pub operator: Option<String>,
    /// The replica that has it.
    pub holder: Option<String>,
    /// How long that one has it, after a renewal.
    pub duration: Duration,
    /// How often it has changed hands.
    pub transitions: u64,
    /// The number of shards, where it says so.
    pub shards: Option<String>,
    /// The kinds that the operator handles, with commas between them.
    pub kinds: Option<String>,
}

/// The version of a Lease that a write is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The Lease's uid.
    pub uid: String,
    /// Its resource version.
    pub version: String,
}

impl From<&Record> for Guard {
    fn from(record: &Record) -> Self {
        Self { uid: record.uid.clone(), version: record.version.clone() }
    }
}

/// The change of a Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What becomes of its holder.
    pub holder: HolderChange,
    /// The number of shards that is written on it.
    pub shards: Option<Shards>,
    /// The kinds that are written on it.
    pub kinds: Option<String>,
}

/// What becomes of a Lease's holder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HolderChange {
    /// Nothing.
    #[default]
    None,
    /// This replica takes it, for the time of this number.
    Take {
        /// How often it has changed hands then.
        epoch: u64,
    },
    /// This replica keeps it.
    Renew,
    /// It is free.
    Release,
}

/// A request for a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Creates it.
    Create(Change),
    /// Changes it, if it still is of this version.
    Patch(Guard, Change),
    /// Deletes it, if it still is of this version.
    Delete(Guard),
    /// Reads it.
    Read,
}

/// The answer to a request for one Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is so now.
    Lease(Record),
    /// It isn't there, or no longer.
    Gone,
    /// It is of another version, or exists already.
    Conflict,
    /// The request has failed; it may have been carried out nevertheless.
    Failed,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a request for the Lease of this name, and take its answer for `Failed` after this time.
    Send {
        /// The Lease.
        name: LeaseName,
        /// What is asked for.
        request: Request,
        /// The longest time to wait for the answer.
        limit: Duration,
    },
    /// List all Leases of the operator, and give that up after this time.
    List(Duration),
    /// The shard is held, until then.
    Hold(Shard, u64, Time),
    /// The shard is still held, until then.
    Extend(Shard, Time),
    /// The shard is to be handed over: say so when it is drained.
    Leave(Shard),
    /// The shard is no longer held.
    Lose(Shard),
    /// Somebody should know.
    Tell(News),
}

/// What people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A shard is held now, in this epoch.
    Holds(Shard, u64),
    /// A shard is about to be handed over.
    Leaves(Shard),
    /// Shards were lost.
    Lost(Vec<Shard>, Loss),
    /// So many shards are held, and there are so many replicas: nothing is under way for now.
    Settled {
        /// The shards that this replica holds.
        held: usize,
        /// The replicas that are known to be alive.
        replicas: usize,
    },
    /// Another replica has the only shard.
    StandsBy(String),
    /// A Lease isn't the operator's.
    Foreign(LeaseName, Foreign),
    /// The replicas have agreed on another number of shards.
    Differs(String),
    /// They have agreed on this replica's number again.
    Agrees,
}

/// How a shard was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// It could not be renewed in time.
    Late,
    /// Somebody else has its Lease.
    Taken,
    /// Its Lease is gone.
    Deleted,
}

/// Why a Lease isn't the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It has another label for the operator, or none.
    Label(Option<String>),
    /// It is that of an operator for these kinds, none of which is this operator's.
    Kinds(String),
}

#[cfg(test)]
mod tests;
