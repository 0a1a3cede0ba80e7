//! Queue of objects: the newest state of each, and the objects whose turn it is.
//!
//! Synchronous and free of I/O: the reactor puts events in as they come, so that the watch never waits, and takes jobs
//! out as workers are free. An object has at most one job at a time.

mod backlog;
mod census;
mod config;
mod departure;
mod end;
mod entry;
mod event;
mod giving;
mod outage;
mod ownership;
mod pace;
mod resume;
mod shown;
#[cfg(test)]
mod tests;
mod turn;
mod turns;

pub use census::{Census, ObjectCounts};
pub use config::{KindNeeds, QueueLimits};
pub use event::{Event, Source};
pub use outage::{Blocked, Blockings, OutageNews};
pub use pace::{PaceLimits, TriggeredTooOften};
pub use turn::{Extent, Fingerprint, Job, NextTick, TurnEnd, TurnReport, WatchEventType};

use crate::{
    Uid,
    cause::Resumption,
    schedule::{Alarm, Schedule},
};
use backlog::{Backlog, Pending};
use entry::{Entry, Life};
use outage::Outages;
use ownership::Ownership;
use pace::Paces;
use resume::Names;
use shown::Shown;
use std::{
    collections::{HashMap, HashSet},
    mem,
    time::Instant,
};
use turns::Turns;

/// A listing that is under way.
#[derive(Debug)]
struct Listing {
    /// Among all listings, in the order in which they have begun; from 1.
    number: u64,
    /// What it has shown.
    seen: HashSet<Uid>,
    /// How it shows states.
    shown: Shown,
}

/// The objects of all watches.
#[derive(Debug, Default)]
pub struct Queue {
    objects: HashMap<Uid, Entry>,
    /// Their uids, by the watches that show them.
    sources: HashMap<Source, HashSet<Uid>>,
    backlog: Backlog,
    turns: Turns,
    schedule: Schedule,
    outages: Outages,
    ownership: Ownership,
    listings: HashMap<Source, Listing>,
    /// The number of listings that have begun.
    begun: u64,
    /// By the numbers of the kinds.
    needs: Vec<KindNeeds>,
    limits: QueueLimits,
    forgotten: Vec<Uid>,
    names: Names,
    paces: Paces,
    too_often: Vec<TriggeredTooOften>,
}

impl Queue {
    /// A queue for kinds with these needs, by their numbers.
    pub fn new(needs: impl IntoIterator<Item = KindNeeds>) -> Self {
        Self { needs: needs.into_iter().collect(), ..Self::default() }
    }

    /// The same with these limits.
    #[must_use]
    pub fn with_limits(self, limits: QueueLimits) -> Self {
        Self { backlog: Backlog::new(limits.budget), limits, ..self }
    }

    /// Takes in what the handlers of a kind need that has come, or has come in place of another one.
    pub fn set_kind(&mut self, kind: u32, needs: KindNeeds) {
        let at = kind as usize;
        if self.needs.len() <= at {
            self.needs.resize(at + 1, KindNeeds::default());
        }
        self.needs[at] = needs;
    }

    /// Whether there are objects of a kind, or some of whose end not all is told.
    pub fn has_kind(&self, kind: u32) -> bool {
        self.sources.keys().any(|source| source.kind == kind)
    }

    fn needs(&self, source: Source) -> KindNeeds {
        self.needs.get(source.kind as usize).copied().unwrap_or_default()
    }

    /// Whether an object is there, as far as the watch has shown.
    pub fn is_there(&self, uid: &Uid) -> bool {
        let gone = matches!(self.backlog.get(uid), Some(Pending::Gone(_)));
        !gone && self.objects.get(uid).is_some_and(|entry| entry.life == Life::There)
    }

    /// Takes out what is to be told of outages.
    pub fn take_outage_news(&mut self) -> Vec<OutageNews> {
        self.outages.take_news()
    }

    /// Takes out the uids of the objects that were forgotten since the last call.
    pub fn take_forgotten(&mut self) -> Vec<Uid> {
        mem::take(&mut self.forgotten)
    }

    /// When the next object is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.schedule.next().into_iter().chain(self.outages.next_due()).min()
    }

    /// Gives a turn to each object that is due.
    pub fn expire(&mut self, now: Instant) {
        for (cause, uid) in self.outages.due(now) {
            self.call_early(uid, &cause);
        }
        while let Some((uid, alarm)) = self.schedule.pop(now) {
            let Some(entry) = self.objects.get_mut(&uid) else { continue };
            match alarm {
                Alarm::Tick => {
                    entry.tick_due = true;
                    self.give_tick(&uid);
                }
                Alarm::Turn => self.turn_is_due(uid),
                Alarm::Resync => drop(self.resume(&uid, Resumption::Resync, now)),
                Alarm::Trigger => self.give_delayed(&uid),
            }
        }
    }

    /// Takes in that no worker is free for the objects that wait for one.
    pub fn mark_waiting(&mut self, now: Instant) {
        self.turns.mark(now);
    }

    /// The number of objects that wait for a worker.
    pub fn waiting(&self) -> usize {
        self.turns.len()
    }
}
