//! Crowds: several replicas of the operator at a time, and an office that gives them the Leases of its shards.
//!
//! A share of the seeds has a second run, with replicas. Their clocks jump, their renewals come late, they are killed, stop, and
//! hand over; and what holds for one operator has to hold for all of them together.

mod office;

pub use office::{Office, Seat, Tenure};

use crate::{history::History, record::Called};
use korf::__private::Shards;

/// The replicas of a world, and its shards.
#[derive(Clone, Debug)]
pub struct Crowd {
    pub replicas: usize,
    pub shards: Shards,
    /// The chance in each second, for each shard, that something happens to its Lease.
    pub unrest: f64,
}

impl Crowd {
    /// The crowd of a seed's second run, which a third of the seeds have.
    pub fn of(seed: u64) -> Option<Self> {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x6372_6f77);
        let shards = ["1", "1", "4"][chance.usize(..3)].parse().ok()?;
        let (replicas, unrest) = (chance.usize(2..=3), [0.02, 0.1, 0.3][chance.usize(..3)]);
        (chance.u8(..3) == 0).then_some(Self { replicas, shards, unrest })
    }
}

/// Something that a replica did though the Lease was another one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stray {
    /// A handler was called.
    Called(String),
    /// A handler has come to an end, and was not dropped.
    Ended(String),
    /// A request was sent.
    Sent(String),
}

/// What is known of a crowd after a run.
#[derive(Clone, Debug, Default)]
pub struct Crowded {
    pub seats: Vec<Seat>,
    /// In the order of their beginnings.
    pub tenures: Vec<Tenure>,
    pub strays: Vec<Stray>,
}

impl Crowded {
    /// Until which change of the server the writes of a call's replica may have recorded it.
    fn recorded_until(&self, call: &Called) -> u64 {
        let Some(tenure) = self.tenures.get(call.life) else { return u64::MAX };
        let Some(seat) = self.seats.get(tenure.seat) else { return u64::MAX };
        let is_next = |other: &&Seat| other.client == seat.client;
        let next = self.seats.iter().skip(tenure.seat + 1).find(is_next).map(|next| next.begun.revision);
        let again = |later: &&Tenure| later.seat == tenure.seat && later.has(call.body.uid());
        let again = self.tenures.iter().skip(call.life + 1).find(again).map(|tenure| tenure.begun.revision);
        next.into_iter().chain(again).min().unwrap_or(u64::MAX)
    }

    /// Whether a call's outcome was written onto the object by the replica that has made it.
    pub fn is_recorded(&self, history: &History, call: &Called) -> bool {
        let in_time = call.ended.revision + 1..=self.recorded_until(call);
        let seat = self.tenures.get(call.life).and_then(|tenure| self.seats.get(tenure.seat));
        let client = seat.map(|seat| &seat.client);
        history.writes.iter().any(|write| {
            let effect = write.effect.as_ref().filter(|_| Some(&write.request.client) == client);
            effect.is_some_and(|effect| {
                in_time.contains(&effect.revision)
                    && crate::history::uid(crate::history::state(effect)) == call.body.uid()
                    && history.keeps(effect)
            })
        })
    }
}
