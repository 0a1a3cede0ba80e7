//! What is to be looked at next: the newest state of each object, and the objects whose turn it is.
//!
//! Synchronous, and free of I/O: the reactor puts events in as they come, so that the watch never waits, and
//! takes jobs out as workers are free. One object has at most one job at a time.

#[cfg(test)]
mod tests;

use crate::{
    core::{
        body::Body,
        cycle::Look,
        version::{Newest, News},
    },
    handler::{EventType, TypeMap},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

/// How much is kept in memory of objects that wait for a worker. Above it only their names are kept, and
/// the worker reads the object when its turn comes.
const BUDGET: usize = 8 << 20;

/// What a watch says.
#[derive(Clone, Debug)]
pub enum Event {
    /// A listing begins.
    Listing,
    /// An object that the listing shows.
    Listed(Body),
    /// The listing is complete: what it hasn't shown is gone.
    ListingDone,
    /// An object was added or changed.
    Applied(Body),
    /// An object is gone.
    Deleted(Body),
}

/// One watch: of a kind, in one of the places where it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The kind, by its number.
    pub kind: usize,
    /// The place, by its number: a namespace, or the cluster.
    pub place: usize,
}

/// One object's turn.
#[derive(Clone, Debug)]
pub struct Job {
    /// The watch that brought it.
    pub source: Source,
    /// The object; only its name, namespace and uid where it is to be read first.
    pub body: Body,
    /// Whether the worker has to read it.
    pub fetch: bool,
    /// Whether the watch says that it is gone.
    pub gone: bool,
    /// How it came to be looked at.
    pub look: Look,
    /// The version that was known before.
    pub known: Option<Newest>,
    /// A listing showed the object first, and it was not handled to the end since.
    pub initial: bool,
    /// What handlers of raw events are called for.
    pub event: Option<EventType>,
    /// There is nothing new but for handlers of raw events: an echo, maybe of an older state.
    pub echo: bool,
    /// The essence when handlers began to wait.
    pub waiting: Option<Fingerprint>,
    /// What handlers remember of the object.
    pub memo: TypeMap,
    /// How often in a row the framework has broken down over the object.
    pub errors: usize,
}

/// An essence in so many bytes that a change of it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of all of it.
    pub whole: u64,
    /// Of all but the annotations, which other operators change all the time.
    pub state: u64,
}

/// What a worker has to say when it is done with an object.
#[derive(Clone, Debug)]
pub struct Done {
    /// The object's uid.
    pub uid: String,
    /// How it went.
    pub end: Finish,
}

/// How a worker's turn went.
#[derive(Clone, Debug)]
pub enum Finish {
    /// The object is as it should be, or is to be looked at again after a while.
    Seen {
        /// The newest version that the worker knows.
        newest: Newest,
        /// The time to the next look.
        due: Option<Duration>,
        /// Whether it was handled to the end.
        settled: bool,
        /// The essence when handlers began to wait for their next attempt, or failed for good.
        waiting: Option<Fingerprint>,
        /// The version that handlers of raw events have written, and are not to be called for.
        silent: Option<String>,
    },
    /// Handlers of raw events were called, and nothing has changed.
    Spied,
    /// There is no such object any more.
    Gone,
    /// Something broke inside the framework; the object is tried again after a while.
    Broken {
        /// The time to the next try.
        delay: Duration,
        /// The newest version that the worker knows, if it came so far.
        newest: Option<Newest>,
    },
}

#[derive(Debug)]
struct Entry {
    source: Source,
    identity: Body,
    newest: Option<Newest>,
    pending: Option<Pending>,
    queued: bool,
    running: bool,
    looked_at: bool,
    /// The object is gone; older news of it are no news.
    dead: bool,
    timer: Option<Instant>,
    errors: usize,
    initial: bool,
    event: Option<EventType>,
    waiting: Option<Fingerprint>,
    silent: Option<String>,
    memo: TypeMap,
}

#[derive(Debug)]
enum Pending {
    /// The newest state, and how many bytes it takes.
    Body(Body, usize),
    /// It is to be read.
    Fetch,
    /// The last state that the watch has shown, and how many bytes it takes.
    Gone(Body, usize),
    /// No news, but for handlers of raw events; and how many bytes it takes.
    Echo(Body, usize),
}

/// The objects of all watches.
#[derive(Debug, Default)]
pub struct Queue {
    objects: HashMap<String, Entry>,
    turns: VecDeque<String>,
    timers: BTreeSet<(Instant, String)>,
    listings: HashMap<Source, HashSet<String>>,
    bytes: usize,
    /// The kinds that have handlers of raw events.
    spied: HashSet<usize>,
}

impl Queue {
    /// A queue; the kinds of these numbers have handlers of raw events, for whom echoes are news.
    pub fn new(spied: impl IntoIterator<Item = usize>) -> Self {
        Self { spied: spied.into_iter().collect(), ..Self::default() }
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
            Event::ListingDone => self.bury_unlisted(source),
            Event::Applied(body) => self.applied(source, body, false, now),
            Event::Deleted(body) => self.gone(&body),
        }
    }

    fn applied(&mut self, source: Source, body: Body, listed: bool, now: Instant) {
        let uid = body.uid().to_owned();
        let known = self.objects.contains_key(&uid);
        let entry = self.objects.entry(uid.clone()).or_insert_with(|| Entry::new(source, &body, listed));
        if entry.dead {
            return;
        }
        let spied = self.spied.contains(&source.kind) && entry.silent.as_deref() != Some(body.version());
        if spied {
            entry.event = Some(match (listed, known) {
                (true, _) => EventType::Listed,
                (false, false) => EventType::Added,
                (false, true) => EventType::Modified,
            });
        }
        let newest = entry.newest.get_or_insert_with(|| Newest::none(now));
        match newest.weigh(body.version(), now) {
            News::Newer => {
                *newest = Newest::seen(body.version(), now);
                self.keep(&uid, body, Pending::Body);
                self.enqueue(uid);
            }
            News::Doubtful => {
                entry.newest = None;
                self.replace(&uid, Some(Pending::Fetch));
                self.enqueue(uid);
            }
            News::None if spied && entry.pending.is_none() => {
                self.keep(&uid, body, Pending::Echo);
                self.take_turn(uid);
            }
            News::None => {}
        }
    }

    /// Keeps a state, if there is room for it.
    fn keep(&mut self, uid: &str, body: Body, state: fn(Body, usize) -> Pending) {
        self.replace(uid, None);
        let bytes = weight(body.value());
        let fits = self.bytes + bytes <= BUDGET;
        self.replace(uid, Some(if fits { state(body, bytes) } else { Pending::Fetch }));
    }

    /// Puts something into the place of what was pending.
    fn replace(&mut self, uid: &str, pending: Option<Pending>) {
        let Some(entry) = self.objects.get_mut(uid) else { return };
        let before = std::mem::replace(&mut entry.pending, pending);
        self.bytes += entry.pending.as_ref().map_or(0, Pending::bytes);
        self.bytes -= before.map_or(0, |pending| pending.bytes());
    }

    /// A listing shows what is there; what was there before, and isn't shown, was deleted meanwhile.
    fn bury_unlisted(&mut self, source: Source) {
        let Some(seen) = self.listings.remove(&source) else { return };
        let known = self.objects.iter().filter(|(_, entry)| entry.source == source);
        let mut missing: Vec<_> =
            known.map(|(uid, _)| uid).filter(|uid| !seen.contains(*uid)).cloned().collect();
        // The map has an order of its own in each process; runs of a test are to be alike.
        missing.sort_unstable();
        for uid in missing {
            if let Some(identity) = self.objects.get(&uid).map(|entry| entry.identity.clone()) {
                self.gone(&identity);
            }
        }
    }

    fn gone(&mut self, body: &Body) {
        let uid = body.uid();
        let Some(entry) = self.objects.get_mut(uid) else { return };
        if entry.dead {
            self.objects.remove(uid);
            return;
        }
        let uid = uid.to_owned();
        if self.spied.contains(&entry.source.kind) {
            entry.event = Some(EventType::Deleted);
            self.replace(&uid, Some(Pending::Gone(body.clone(), weight(body.value()))));
        } else {
            let identity = entry.identity.clone();
            self.replace(&uid, Some(Pending::Gone(identity, 0)));
        }
        self.enqueue(uid);
    }

    /// Gives a turn to an object; what it waited for is settled by that. One that the framework has broken down over
    /// is left alone for its time.
    fn enqueue(&mut self, uid: String) {
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        if entry.errors > 0 && entry.timer.is_some() {
            return;
        }
        self.clear_timer(&uid);
        self.take_turn(uid);
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
            let Some(entry) = self.objects.get_mut(&uid) else { continue };
            let (job, freed) = entry.job();
            self.bytes -= freed;
            return Some(job);
        }
        None
    }

    /// Takes note of what a worker did.
    pub fn finish(&mut self, done: Done, now: Instant) {
        let Some(entry) = self.objects.get_mut(&done.uid) else { return };
        entry.running = false;
        let due = match done.end {
            Finish::Gone => return self.bury(&done.uid),
            Finish::Spied => None,
            Finish::Broken { delay, newest } => {
                entry.errors += 1;
                entry.looked_at = false;
                self.bytes -= newest.map_or(0, |newest| entry.outdate(newest));
                return self.set_timer(done.uid, now + delay);
            }
            Finish::Seen { newest, due, settled, waiting, silent } => {
                entry.errors = 0;
                entry.initial &= !settled;
                (entry.waiting, entry.silent) = (waiting, silent);
                self.bytes -= entry.outdate(newest);
                self.clear_timer(&done.uid);
                due
            }
        };
        if let Some(due) = due {
            self.set_timer(done.uid.clone(), now + due);
        }
        match self.objects.get(&done.uid).and_then(|entry| entry.pending.as_ref()) {
            Some(Pending::Echo(..)) => self.take_turn(done.uid),
            Some(_) => self.enqueue(done.uid),
            None => {}
        }
    }

    /// Forgets an object that is gone.
    ///
    /// Where it was a worker that found out, older events of the object may still be on their way: its grave
    /// is kept until the watch says that it is gone.
    fn bury(&mut self, uid: &str) {
        let Some(entry) = self.objects.get_mut(uid) else { return };
        let pending = entry.pending.take();
        self.bytes -= pending.as_ref().map_or(0, Pending::bytes);
        if entry.dead || matches!(pending, Some(Pending::Gone(..))) {
            self.objects.remove(uid);
        } else {
            entry.dead = true;
        }
    }

    fn set_timer(&mut self, uid: String, at: Instant) {
        self.clear_timer(&uid);
        if let Some(entry) = self.objects.get_mut(&uid) {
            entry.timer = Some(at);
            self.timers.insert((at, uid));
        }
    }

    fn clear_timer(&mut self, uid: &str) {
        if let Some(at) = self.objects.get_mut(uid).and_then(|entry| entry.timer.take()) {
            self.timers.remove(&(at, uid.to_owned()));
        }
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Gives a turn to each object whose time has come.
    pub fn expire(&mut self, now: Instant) {
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, uid)) = self.timers.pop_first() else { return };
            let Some(entry) = self.objects.get_mut(&uid) else { continue };
            entry.timer = None;
            // A worker is at it, or is about to be, for handlers of raw events alone: the object is to be looked at, too.
            let gone = matches!(entry.pending, Some(Pending::Gone(..)));
            if !gone && (entry.running || matches!(entry.pending, Some(Pending::Echo(..)))) {
                self.replace(&uid, Some(Pending::Fetch));
            }
            self.take_turn(uid);
        }
    }

    /// How many objects wait for a worker.
    pub fn waiting(&self) -> usize {
        self.turns.len()
    }
}

impl Entry {
    fn new(source: Source, body: &Body, listed: bool) -> Self {
        let identity = json!({"metadata": {
            "name": body.name(), "namespace": body.namespace(), "uid": body.uid(),
        }});
        Self {
            source,
            identity: identity.into(),
            newest: None,
            pending: None,
            queued: false,
            running: false,
            looked_at: false,
            dead: false,
            timer: None,
            errors: 0,
            initial: listed,
            event: None,
            waiting: None,
            silent: None,
            memo: TypeMap::default(),
        }
    }

    /// The object's turn, and how many bytes it sets free.
    fn job(&mut self) -> (Job, usize) {
        (self.queued, self.running) = (false, true);
        let pending = self.pending.take();
        let freed = pending.as_ref().map_or(0, Pending::bytes);
        self.dead |= matches!(pending, Some(Pending::Gone(..)));
        let echo = matches!(pending, Some(Pending::Echo(..)));
        let (body, fetch, look) = match pending {
            Some(Pending::Body(body, _) | Pending::Gone(body, _)) => (body, false, Look::Changed),
            Some(Pending::Echo(body, _)) => (body, false, Look::Again),
            Some(Pending::Fetch) => (self.identity.clone(), true, Look::Changed),
            None => (self.identity.clone(), true, Look::Again),
        };
        let first = !echo && !std::mem::replace(&mut self.looked_at, true);
        let job = Job {
            source: self.source,
            body,
            fetch,
            gone: self.dead,
            look: if first { Look::First } else { look },
            known: self.newest.clone(),
            initial: self.initial,
            event: self.event.take(),
            echo,
            waiting: self.waiting,
            memo: self.memo.clone(),
            errors: self.errors,
        };
        (job, freed)
    }

    /// What came while the worker was busy may be the echo of its own writes: then it is dropped. Returns
    /// how many bytes that sets free.
    fn outdate(&mut self, newest: Newest) -> usize {
        let covered = self.newest.as_ref().map_or(Some(true), |seen| newest.covers(seen));
        if covered != Some(false) {
            self.newest = Some(newest);
        }
        let Some(replacement) = (match covered {
            Some(true) => Some(None),
            // Versions that can't be compared: only the API server knows.
            None => Some(Some(Pending::Fetch)),
            Some(false) => None,
        }) else {
            return 0;
        };
        match self.pending.take() {
            // Handlers of raw events want to know of it all the same.
            Some(Pending::Body(body, bytes)) if replacement.is_none() && self.event.is_some() => {
                self.pending = Some(Pending::Echo(body, bytes));
                0
            }
            Some(before @ (Pending::Body(..) | Pending::Fetch)) => {
                self.pending = replacement;
                before.bytes()
            }
            other => {
                self.pending = other;
                0
            }
        }
    }
}

impl Pending {
    fn bytes(&self) -> usize {
        match self {
            Self::Body(_, bytes) | Self::Gone(_, bytes) | Self::Echo(_, bytes) => *bytes,
            Self::Fetch => 0,
        }
    }
}

/// About how many bytes a JSON value takes in memory.
fn weight(value: &Value) -> usize {
    let inside = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| 24 + key.len() + weight(value)).sum(),
        _ => 0,
    };
    32 + inside
}
