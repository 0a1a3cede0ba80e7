//! What is to be looked at next: the newest state of each object, and the objects whose turn it is.
//!
//! Synchronous, and free of I/O: the reactor puts events in as they come, so that the watch never waits, and
//! takes jobs out as workers are free. One object has at most one job at a time.

mod backlog;
mod entry;
mod event;
mod job;
mod raw;
#[cfg(test)]
mod tests;
mod timers;

pub use event::{Event, Source};
pub use job::{Done, Fingerprint, Finish, Job, Told};

use crate::{
    core::{
        body::Body,
        version::{Newest, News},
    },
    handler::EventType,
};
use backlog::{Backlog, Pending};
use entry::{Entry, Life};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Instant,
};
use timers::Timers;

/// The objects of all watches.
#[derive(Debug, Default)]
pub struct Queue {
    objects: HashMap<String, Entry>,
    backlog: Backlog,
    turns: VecDeque<String>,
    timers: Timers,
    listings: HashMap<Source, HashSet<String>>,
    /// The kinds that have handlers of raw events.
    spied: HashSet<usize>,
    /// The kinds of which the watch shows some objects only.
    narrow: HashSet<usize>,
}

impl Queue {
    /// A queue; the kinds of these numbers have handlers of raw events, for whom echoes are news.
    pub fn new(spied: impl IntoIterator<Item = usize>) -> Self {
        Self { spied: spied.into_iter().collect(), ..Self::default() }
    }

    /// The same, with a watch that shows only some objects of the kinds of these numbers.
    #[must_use]
    pub fn narrowed(mut self, narrow: impl IntoIterator<Item = usize>) -> Self {
        self.narrow.extend(narrow);
        self
    }

    /// Takes in what a watch says.
    pub fn observe(&mut self, source: Source, event: Event, now: Instant) {
        match event {
            Event::Listing => {
                self.listings.insert(source, HashSet::new());
            }
            Event::Listed(body) => {
                if let Some(seen) = self.listings.get_mut(&source) {
                    seen.insert(body.uid().to_owned());
                }
                self.applied(source, body, true, now);
            }
            Event::ListingDone => self.bury_unlisted(source, now),
            Event::Applied(body) => self.applied(source, body, false, now),
            Event::Deleted(body) => self.gone(&body, now),
        }
    }

    fn applied(&mut self, source: Source, body: Body, listed: bool, now: Instant) {
        let (uid, spied) = (body.uid().to_owned(), self.spied.contains(&source.kind));
        let event = match self.objects.contains_key(&uid) {
            _ if listed => EventType::Listed,
            true => EventType::Modified,
            false => EventType::Added,
        };
        let entry = self.objects.entry(uid.clone()).or_insert_with(|| Entry::new(source, &body, listed));
        let gone = entry.life == Life::Gone || matches!(self.backlog.get(&uid), Some(Pending::Gone(_)));
        if entry.life == Life::Buried || gone && !self.narrow.contains(&source.kind) {
            return;
        }
        let heard = spied && entry.raw.hear(event, body.version());
        match entry.show(&body, spied, now) {
            News::Newer => self.backlog.keep(&uid, Pending::Body(body)),
            News::None if !gone && heard => return self.echo(uid, body),
            News::None if !gone => return,
            // What was out of sight is to be looked at, whatever its version.
            News::None | News::Doubtful => self.backlog.put(&uid, Pending::Fetch),
        }
        self.enqueue(uid, now);
    }

    /// Takes in what is no news but for handlers of raw events.
    fn echo(&mut self, uid: String, body: Body) {
        match self.backlog.get(&uid) {
            // Its time has come, and it waits for its turn.
            None if self.objects.get(&uid).is_some_and(|entry| entry.queued) => {
                self.backlog.put(&uid, Pending::Fetch);
            }
            None | Some(Pending::Echo(_)) => {
                self.backlog.keep(&uid, Pending::Echo(body));
                self.take_turn(uid);
            }
            // It is looked at anyway.
            Some(_) => {}
        }
    }

    /// A listing shows what is there; what was there before, and isn't shown, was deleted meanwhile.
    fn bury_unlisted(&mut self, source: Source, now: Instant) {
        let Some(seen) = self.listings.remove(&source) else { return };
        let known = self.objects.iter().filter(|(_, entry)| entry.source == source);
        // Of a deletion that is to be told already, more is known.
        let shown = |uid: &str| matches!(self.backlog.get(uid), Some(Pending::Gone(_)));
        let missing = known.filter(|(uid, _)| !seen.contains(*uid) && !shown(uid));
        let mut missing: Vec<_> = missing.map(|(uid, entry)| (uid.clone(), entry.identity.clone())).collect();
        // The map has an order of its own in each process; runs of a test are to be alike.
        missing.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (_, identity) in missing {
            self.gone(&identity, now);
        }
    }

    fn gone(&mut self, body: &Body, now: Instant) {
        let uid = body.uid();
        let Some(entry) = self.objects.get_mut(uid) else { return };
        let spied = self.spied.contains(&entry.source.kind);
        let is_news = match entry.life {
            Life::There => true,
            // It was a worker that found out: handlers of raw events don't know yet.
            Life::Buried => spied,
            Life::Gone => false,
        };
        if !is_news && !entry.raw.has_news() && !entry.queued && !entry.running {
            return self.forget(uid);
        }
        if spied && is_news {
            entry.raw.hear_of_end();
        }
        if entry.life == Life::Buried {
            entry.life = Life::Gone;
        }
        let last = if spied { body } else { &entry.identity };
        self.backlog.put(uid, Pending::Gone(last.clone()));
        self.enqueue(uid.to_owned(), now);
    }

    /// Gives a turn to an object, unless it is left alone for now; what it waited for is settled by that.
    fn enqueue(&mut self, uid: String, now: Instant) {
        if self.is_left_alone(&uid) {
            return;
        }
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        if let Some(due) = self.timers.clear(&uid) {
            entry.unslept = Some(due.saturating_duration_since(now));
        }
        self.take_turn(uid);
    }

    /// Whether the framework has broken down over an object, and its time is not over. Where the object could not be read,
    /// that keeps only reads waiting.
    fn is_left_alone(&self, uid: &str) -> bool {
        let Some(entry) = self.objects.get(uid) else { return false };
        let to_read = !matches!(self.backlog.get(uid), Some(Pending::Body(_) | Pending::Gone(_)));
        entry.errors > 0 && self.timers.is_set(uid) && (to_read || !entry.unread)
    }

    fn take_turn(&mut self, uid: String) {
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        if !entry.queued && !entry.running {
            entry.queued = true;
            self.turns.push_back(uid);
        }
    }

    /// The object that has waited longest.
    pub fn next(&mut self) -> Option<Job> {
        while let Some(uid) = self.turns.pop_front() {
            if let Some(entry) = self.objects.get_mut(&uid) {
                return Some(entry.job(self.backlog.take(&uid)));
            }
        }
        None
    }

    /// Takes note of what a worker did.
    pub fn finish(&mut self, Done { uid, end, told: report }: Done, now: Instant) {
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        entry.end_turn(report);
        match end {
            Finish::Gone => return self.bury(&uid),
            Finish::OutOfSight if self.backlog.get(&uid).is_none() => return self.forget(&uid),
            Finish::OutOfSight | Finish::Spied { due: None } => {}
            Finish::Spied { due: Some(due) } => self.timers.set_by(&uid, now + due),
            Finish::Unread { delay } => {
                (entry.errors, entry.unread) = (entry.errors + 1, true);
                self.timers.set(&uid, now + delay);
            }
            Finish::Broken { delay, newest } => return self.leave_alone(&uid, newest, now + delay),
            Finish::Seen { newest, due, settled, planned, waiting } => {
                entry.rest(settled, planned, waiting);
                self.rest(&uid, newest, due.map(|due| now + due));
            }
        }
        match self.backlog.get(&uid) {
            Some(Pending::Echo(_)) => self.take_turn(uid),
            Some(_) => self.enqueue(uid, now),
            None => {}
        }
    }

    /// The framework has broken down over an object.
    fn leave_alone(&mut self, uid: &str, newest: Option<Newest>, until: Instant) {
        let Some(entry) = self.objects.get_mut(uid) else { return };
        (entry.errors, entry.unread) = (entry.errors + 1, false);
        // Who comes to no rest has been through it again and again.
        entry.looked_at |= newest.is_some();
        if let Some(newest) = newest {
            self.outdate(uid, newest);
        }
        self.timers.set(uid, until);
    }

    /// There is nothing more to do for an object now.
    fn rest(&mut self, uid: &str, newest: Newest, until: Option<Instant>) {
        self.outdate(uid, newest);
        self.timers.clear(uid);
        if let Some(until) = until {
            self.timers.set(uid, until);
        }
    }

    /// What came while the worker was busy may be the echo of its own writes: then it is dropped.
    fn outdate(&mut self, uid: &str, newest: Newest) {
        let Some(entry) = self.objects.get_mut(uid) else { return };
        let covered = entry.catch_up(newest);
        // Handlers of raw events want to know of it all the same.
        let untold = entry.raw.has_news();
        match (covered, self.backlog.take(uid)) {
            (Some(true), Some(Pending::Body(body))) if untold => self.backlog.put(uid, Pending::Echo(body)),
            (Some(true), Some(Pending::Fetch)) if untold => self.backlog.put(uid, Pending::Fetch),
            (Some(true), Some(Pending::Body(_) | Pending::Fetch)) | (_, None) => {}
            // Versions that can't be compared: only the API server knows.
            (None, Some(Pending::Body(_))) => self.backlog.put(uid, Pending::Fetch),
            (_, Some(other)) => self.backlog.put(uid, other),
        }
    }

    /// Forgets an object that is gone.
    ///
    /// Where it was a worker that found out, older events of the object may still be on their way: its grave
    /// is kept until the watch says that it is gone, and handlers of raw events are told.
    fn bury(&mut self, uid: &str) {
        self.timers.clear(uid);
        let Some(entry) = self.objects.get_mut(uid) else { return };
        let confirmed = matches!(self.backlog.get(uid), Some(Pending::Gone(_)));
        let spied = self.spied.contains(&entry.source.kind);
        match entry.life {
            Life::There if confirmed && spied => self.take_turn(uid.to_owned()),
            Life::There if !confirmed && entry.is_back => self.take_turn(uid.to_owned()),
            Life::There if !confirmed => {
                entry.life = Life::Buried;
                self.backlog.take(uid);
            }
            _ => self.forget(uid),
        }
    }

    fn forget(&mut self, uid: &str) {
        self.objects.remove(uid);
        self.backlog.take(uid);
        self.timers.clear(uid);
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Gives a turn to each object whose time has come.
    pub fn expire(&mut self, now: Instant) {
        while let Some(uid) = self.timers.pop(now) {
            let Some(entry) = self.objects.get_mut(&uid) else { continue };
            // A worker is at it, or is about to be, for handlers of raw events alone: the object is to be looked at, too.
            match self.backlog.get(&uid) {
                Some(Pending::Gone(_)) => {}
                Some(Pending::Echo(_)) => self.backlog.put(&uid, Pending::Fetch),
                _ if entry.running => self.backlog.put(&uid, Pending::Fetch),
                _ => {}
            }
            self.take_turn(uid);
        }
    }

    /// How many objects wait for a worker.
    pub fn waiting(&self) -> usize {
        self.turns.len()
    }
}
