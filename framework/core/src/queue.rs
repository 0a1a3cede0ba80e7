//! Queue of objects: the newest state of each, and the objects whose turn it is.
//!
//! Synchronous and free of I/O: the reactor puts events in as they come, so that the watch never waits, and takes jobs
//! out as workers are free. An object has at most one job at a time.

mod backlog;
mod census;
mod config;
mod departure;
mod entry;
mod event;
mod outage;
mod ownership;
mod pace;
mod resume;
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
    body::Body,
    cause::Resumption,
    schedule::{Alarm, Schedule},
    version::{Newest, News},
};
use backlog::{Backlog, Pending};
use departure::Evidence;
use entry::{Entry, Life};
use outage::Outages;
use ownership::Ownership;
use pace::Paces;
use resume::Names;
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
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

/// How a watch shows a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// By an event of its own.
    Changed,
    /// By a listing.
    Listed,
    /// By a listing that may show another state of the same version.
    Revised,
    /// By a listing that was asked for because of other objects.
    Again,
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

    /// Takes in an event of a watch. Returns the objects that it shows to be gone though no event of their own has: their
    /// names, namespaces and uids; and their labels, where event handlers may ask for them.
    pub fn observe(&mut self, source: Source, event: Event, now: Instant) -> Vec<Body> {
        if let Event::Listed(body) | Event::Applied(body) | Event::Deleted(body) = &event
            && self.is_of_another(source, body)
        {
            return Vec::new();
        }
        match event {
            Event::Listing => self.list(source, Shown::Listed),
            Event::ListingRevised => self.list(source, Shown::Revised),
            Event::ListingAgain => self.list(source, Shown::Again),
            Event::Listed(body) => {
                let mut shown = Shown::Listed;
                if let Some(listing) = self.listings.get_mut(&source) {
                    listing.seen.insert(body.uid().into());
                    shown = listing.shown;
                }
                self.applied(source, body, shown, now);
            }
            Event::ListingDone => return self.bury_unlisted(source, now),
            Event::Applied(body) => self.applied(source, body, Shown::Changed, now),
            Event::Deleted(body) => self.gone(&body, Evidence::Shown, now),
            Event::Withdrawn => return self.withdraw(source, now),
        }
        Vec::new()
    }

    /// Whether an object is known as one of another kind. Some APIs show the objects of others, under the same uids: each is
    /// an object of the kind that has shown it first.
    fn is_of_another(&self, source: Source, body: &Body) -> bool {
        self.objects.get(&Uid::from(body.uid())).is_some_and(|entry| entry.source.kind != source.kind)
    }

    fn applied(&mut self, source: Source, body: Body, shown: Shown, now: Instant) {
        let (uid, needs) = (Uid::from(body.uid()), self.needs(source));
        if !self.readmit(source, &body, shown) {
            return;
        }
        let listed = shown != Shown::Changed;
        let event = match self.objects.contains_key(&uid) {
            _ if listed => WatchEventType::Listed,
            true => WatchEventType::Modified,
            false => WatchEventType::Added,
        };
        let entry = self.objects.entry(uid.clone()).or_insert_with(|| {
            self.sources.entry(source).or_default().insert(uid.clone());
            let entry = Entry::new(source, &body, listed).of(self.ownership.has(&uid));
            self.names.insert(&entry, &uid);
            entry
        });
        if needs.turnless || !entry.ours {
            return;
        }
        let gone = entry.life == Life::Gone || matches!(self.backlog.get(&uid), Some(Pending::Gone(_)));
        if entry.life == Life::Buried || gone && !needs.selected {
            return;
        }
        let news = entry.show(&body, needs, self.limits.trust, now);
        // Event handlers have been called for it.
        let is_known = shown == Shown::Again && news == News::None && !gone;
        if needs.events && !is_known {
            entry.event = Some(event);
        }
        match news {
            News::Newer => self.backlog.keep(&uid, Pending::Body(body.into())),
            // One that is being deleted may be gone by our own write, which leaves its last version as it was.
            News::None
                if shown == Shown::Revised && entry.is_newest(&body) && !gone && !body.is_deleting() =>
            {
                self.backlog.keep(&uid, Pending::Body(body.into()));
            }
            News::None if is_known => return,
            News::None if !gone && needs.events => return self.echo(uid, body),
            News::None if !gone => return,
            // One that a selector shows again is to be handled, whatever its version.
            News::None | News::Doubtful => self.backlog.put(&uid, Pending::Fetch),
        }
        self.enqueue(uid, now);
    }

    /// Takes in a state that is news for event handlers alone.
    fn echo(&mut self, uid: Uid, body: Body) {
        match self.backlog.get(&uid) {
            // It is due, and waits for its turn.
            None if self
                .objects
                .get(&uid)
                .is_some_and(|entry| entry.queued && (entry.turn_due || entry.is_resumed_next())) =>
            {
                self.backlog.put(&uid, Pending::Fetch);
            }
            None | Some(Pending::Echo(_)) => {
                self.backlog.keep(&uid, Pending::Echo(body));
                self.take_turn(uid);
            }
            // It is handled anyway.
            Some(_) => {}
        }
    }

    /// Gives a turn to an object, unless it is throttled; that ends its wait.
    fn enqueue(&mut self, uid: Uid, now: Instant) {
        if self.is_throttled(&uid) {
            return;
        }
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        if let Some(due) = self.schedule.clear(&uid, Alarm::Turn) {
            entry.rare().unslept = Some(due.saturating_duration_since(now));
        }
        self.take_turn(uid);
    }

    /// Whether the framework has failed over an object, and its delay isn't over. Where the object could not be read, only
    /// reads are delayed.
    fn is_throttled(&self, uid: &Uid) -> bool {
        let Some(entry) = self.objects.get(uid) else { return false };
        let to_read = !matches!(self.backlog.get(uid), Some(Pending::Body(_) | Pending::Gone(_)));
        entry.errors() > 0 && self.schedule.get(uid, Alarm::Turn).is_some() && (to_read || !entry.is_unread())
    }

    fn take_turn(&mut self, uid: Uid) {
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        if entry.ours && !entry.queued && !entry.running {
            entry.queued = true;
            self.turns.push(uid);
        }
    }

    /// Takes out the turn of the object that has waited longest.
    pub fn next_job(&mut self) -> Option<Job> {
        while let Some(uid) = self.turns.pop() {
            // One that has had a turn before its time waits no longer.
            if let Some(entry) = self.objects.get_mut(&uid).filter(|entry| entry.queued) {
                return Some(entry.job(&uid, self.backlog.take(&uid)));
            }
        }
        None
    }

    /// Takes in how a turn has ended.
    pub fn finish(&mut self, report: TurnReport, now: Instant) {
        let TurnReport { uid, end, undelivered, tick, body, failed, patient } = report;
        let Some(source) = self.objects.get(&uid).map(|entry| entry.source) else { return };
        let needs = self.needs(source);
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        entry.running = false;
        if self.take_back(&uid, now) || self.finish_earlier(&uid, &end, undelivered, now) {
            return;
        }
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        entry.has_called(matches!(end, TurnEnd::Seen { planned: true, called: true, .. }));
        entry.failed = failed.unwrap_or(entry.failed);
        entry.patient = patient.unwrap_or(entry.patient);
        if let Some(event) = undelivered {
            // Later events stand for it, too.
            entry.event.get_or_insert(event);
        }
        if let Some(body) = body.filter(|_| needs.bodies) {
            entry.rare().retained = Some(body);
        }
        match tick {
            NextTick::AsBefore => {}
            NextTick::At(at) => self.schedule.set(&uid, Alarm::Tick, at),
            NextTick::Never => drop(self.schedule.clear(&uid, Alarm::Tick)),
        }
        match end {
            TurnEnd::Gone => return self.bury(&uid, now),
            TurnEnd::Partial { due: None } | TurnEnd::Lost => {}
            TurnEnd::Partial { due: Some(due) } => self.schedule.set_by(&uid, Alarm::Turn, now + due),
            TurnEnd::Unread { delay } => {
                entry.failed(true);
                self.schedule.set(&uid, Alarm::Turn, now + delay);
            }
            TurnEnd::Failed { delay, newest } => return self.throttle(&uid, newest, now + delay),
            TurnEnd::Seen {
                newest,
                due,
                settled,
                resumed,
                planned,
                called: _,
                waiting,
                blocked,
                got_past,
                stored,
                generation,
            } => {
                entry.stored |= stored;
                entry.generation = generation.unwrap_or(entry.generation);
                let first = entry.resumption == Some(Resumption::Start);
                entry.rest(resumed, planned, waiting);
                let before = entry.block(blocked.clone());
                self.rest(&uid, newest, due.map(|due| now + due));
                self.plan_resync(&uid, needs.resync.filter(|_| settled), first, now);
                self.blocked(&uid, before, blocked, &got_past, now);
            }
        }
        let due = self.objects.get(&uid).is_some_and(|entry| entry.tick_due);
        match self.backlog.get(&uid) {
            Some(Pending::Echo(_)) => self.take_turn(uid.clone()),
            Some(_) => self.enqueue(uid.clone(), now),
            None if due => self.give_tick(&uid),
            None => {}
        }
        self.give_woken(&uid);
        self.give_resumption(&uid, now);
    }

    /// Takes in what an object's handlers waited for before its turn and after it, and what they have got past.
    fn blocked(
        &mut self,
        uid: &Uid,
        before: Blockings,
        after: Blockings,
        got_past: &[Arc<str>],
        now: Instant,
    ) {
        for cause in got_past {
            for other in self.outages.end(uid, cause, now) {
                self.call_early(other, cause);
            }
        }
        for Blocked { cause, .. } in before.into_values() {
            if !after.values().any(|blocked| blocked.cause == cause) {
                self.outages.leave(uid, &cause, now);
            }
        }
        for blocked in after.into_values() {
            self.outages.wait(uid, blocked, now);
        }
    }

    /// Gives a turn to an object whose handlers wait for a cause: they are called though they aren't due.
    fn call_early(&mut self, uid: Uid, cause: &Arc<str>) {
        let throttled = self.is_throttled(&uid);
        let Some(entry) = self.objects.get_mut(&uid).filter(|entry| entry.life == Life::There) else {
            return;
        };
        entry.rare().early.insert(Arc::clone(cause));
        // The end of a turn covers what came meanwhile.
        entry.woken |= entry.running;
        if throttled || entry.running {
            return;
        }
        self.schedule.clear(&uid, Alarm::Turn);
        self.turn_is_due(uid);
    }

    /// Gives an object the turn that was to come later.
    fn turn_is_due(&mut self, uid: Uid) {
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        entry.turn_due = true;
        // A worker has it, or is about to, for event handlers alone: it is to be handled, too.
        match self.backlog.get(&uid) {
            Some(Pending::Gone(_)) => {}
            Some(Pending::Echo(_)) => self.backlog.put(&uid, Pending::Fetch),
            _ if entry.running => self.backlog.put(&uid, Pending::Fetch),
            _ => {}
        }
        self.take_turn(uid);
    }

    /// Gives a turn to an object for its daemons, unless it is throttled: with all that belongs to a turn, or to write
    /// what they ask for and to start them.
    pub fn wake(&mut self, uid: &Uid, extent: Extent) {
        if !self.is_there(uid) || !self.serves(uid) {
            return;
        }
        match extent {
            Extent::Whole => {
                if let Some(entry) = self.objects.get_mut(uid) {
                    entry.woken = true;
                }
                self.give_woken(uid);
            }
            Extent::Partial => {
                if let Some(entry) = self.objects.get_mut(uid) {
                    entry.tick_due = true;
                }
                self.give_tick(uid);
            }
            Extent::Edits => {}
        }
    }

    /// Gives a turn to an object for its timers and daemons. One that could not be read for its handlers doesn't wait for
    /// that, if its newest state is retained.
    fn give_tick(&mut self, uid: &Uid) {
        let Some(entry) = self.objects.get(uid) else { return };
        let partial = self.backlog.get(uid).is_none() && !entry.turn_due && !entry.is_resumed_next();
        if !self.is_throttled(uid) || partial && entry.is_unread() && entry.newest_retained().is_some() {
            self.take_turn(uid.clone());
        }
    }

    /// Gives an object the turn that it was woken for, once no worker has it. One that is throttled gets a whole turn anyway.
    fn give_woken(&mut self, uid: &Uid) {
        let throttled = self.is_throttled(uid);
        let Some(entry) = self.objects.get_mut(uid).filter(|entry| !entry.running) else { return };
        if mem::take(&mut entry.woken) && !throttled {
            self.turn_is_due(uid.clone());
        }
    }

    /// Whether an object is there, as far as the watch has shown.
    pub fn is_there(&self, uid: &Uid) -> bool {
        let gone = matches!(self.backlog.get(uid), Some(Pending::Gone(_)));
        !gone && self.objects.get(uid).is_some_and(|entry| entry.life == Life::There)
    }

    /// Gives this object a turn before its time, though it may be throttled; none if it is gone, or a worker has it. One that gets
    /// no other turns has it for what its daemons ask for.
    pub fn job_of(&mut self, uid: &Uid) -> Option<Job> {
        if !self.is_there(uid) || self.is_at_work(uid) {
            return None;
        }
        Some(self.objects.get_mut(uid)?.job(uid, self.backlog.take(uid)))
    }

    /// Whether a worker has this object.
    pub fn is_at_work(&self, uid: &Uid) -> bool {
        self.objects.get(uid).is_some_and(|entry| entry.running)
    }

    /// When this object has its next turn, if it waits for one.
    pub fn turn_at(&self, uid: &Uid) -> Option<Instant> {
        self.schedule.get(uid, Alarm::Turn)
    }

    /// Takes out what is to be told of outages.
    pub fn take_outage_news(&mut self) -> Vec<OutageNews> {
        self.outages.take_news()
    }

    /// Delays the next turn of an object that the framework has failed over.
    fn throttle(&mut self, uid: &Uid, newest: Option<Newest>, until: Instant) {
        let Some(entry) = self.objects.get_mut(uid) else { return };
        entry.failed(false);
        // One that never converges was planned for again and again.
        entry.planned |= newest.is_some();
        if let Some(newest) = newest {
            self.outdate(uid, newest);
        }
        self.schedule.set(uid, Alarm::Turn, until);
    }

    /// Lets an object rest until its next turn.
    fn rest(&mut self, uid: &Uid, newest: Newest, until: Option<Instant>) {
        self.outdate(uid, newest);
        self.schedule.clear(uid, Alarm::Turn);
        if let Some(until) = until {
            self.schedule.set(uid, Alarm::Turn, until);
        }
    }

    /// Drops what came while the worker was busy, if it is an echo of the worker's own writes.
    fn outdate(&mut self, uid: &Uid, newest: Newest) {
        let Some(entry) = self.objects.get_mut(uid) else { return };
        let covered = entry.catch_up(newest);
        // Event handlers are called for it all the same.
        let undelivered = entry.event.is_some();
        match (covered, self.backlog.take(uid)) {
            (Some(true), Some(Pending::Body(state))) if undelivered => {
                self.backlog.put(uid, state.body().map_or(Pending::Fetch, Pending::Echo));
            }
            (Some(true), Some(Pending::Fetch)) if undelivered => self.backlog.put(uid, Pending::Fetch),
            (Some(true), Some(Pending::Body(_) | Pending::Fetch)) | (_, None) => {}
            // Versions that can't be compared: only the API server knows.
            (None, Some(Pending::Body(_))) => self.backlog.put(uid, Pending::Fetch),
            (_, Some(other)) => self.backlog.put(uid, other),
        }
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
