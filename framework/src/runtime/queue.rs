//! What is to be looked at next: the newest state of each object, and the objects whose turn it is.
//!
//! Synchronous, and free of I/O: the reactor puts events in as they come, so that the watch never waits, and
//! takes jobs out as workers are free. One object has at most one job at a time.

#[cfg(test)]
mod tests;

use crate::{
    core::{body::Body, cycle::Look, version::Newest},
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

/// The delays after failures inside the framework, as Kopf has them (`queueing.error_delays`), in seconds.
const ERROR_DELAYS: [u64; 8] = [1, 1, 2, 3, 5, 8, 13, 21];

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
    /// The essence, as a number, that handlers wait with for their next attempt.
    pub waiting: Option<u64>,
    /// What handlers remember of the object.
    pub memo: TypeMap,
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
        /// The essence, as a number, that handlers wait with for their next attempt.
        waiting: Option<u64>,
    },
    /// Handlers of raw events were called, and nothing has changed.
    Spied,
    /// There is no such object any more.
    Gone,
    /// Something broke inside the framework; the object is tried again after a while.
    Broken,
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
    waiting: Option<u64>,
    memo: TypeMap,
}

#[derive(Debug)]
enum Pending {
    /// The newest state, and how many bytes it takes.
    Body(Body, usize),
    /// It is to be read.
    Fetch,
    /// The last state that the watch has shown.
    Gone(Body),
    /// No news, but for handlers of raw events.
    Echo(Body),
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
        let spied = self.spied.contains(&source.kind);
        entry.event = spied.then_some(match (listed, known) {
            (true, _) => EventType::Listed,
            (false, false) => EventType::Added,
            (false, true) => EventType::Modified,
        });
        if entry.newest.as_mut().is_some_and(|newest| !newest.admits(body.version(), now)) {
            if spied && entry.pending.is_none() {
                entry.pending = Some(Pending::Echo(body));
                self.take_turn(uid);
            }
            return;
        }
        entry.newest = Some(Newest::seen(body.version(), now));
        self.keep(&uid, body);
        self.enqueue(uid);
    }

    /// Keeps the newest state, if there is room for it.
    fn keep(&mut self, uid: &str, body: Body) {
        let Some(entry) = self.objects.get_mut(uid) else { return };
        self.bytes -= entry.pending.take().map_or(0, |pending| pending.bytes());
        let bytes = weight(body.value());
        let fits = self.bytes + bytes <= BUDGET;
        self.bytes += if fits { bytes } else { 0 };
        entry.pending = Some(if fits { Pending::Body(body, bytes) } else { Pending::Fetch });
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
        entry.event = self.spied.contains(&entry.source.kind).then_some(EventType::Deleted);
        let before = entry.pending.replace(Pending::Gone(body.clone()));
        self.bytes -= before.map_or(0, |pending| pending.bytes());
        self.enqueue(uid.to_owned());
    }

    fn enqueue(&mut self, uid: String) {
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        if let Some(at) = entry.timer.take() {
            self.timers.remove(&(at, uid.clone()));
        }
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
        let uid = self.turns.pop_front()?;
        let entry = self.objects.get_mut(&uid)?;
        entry.queued = false;
        entry.running = true;
        let mut echo = false;
        let (body, fetch, look) = match entry.pending.take() {
            Some(Pending::Body(body, bytes)) => {
                self.bytes -= bytes;
                (body, false, Look::Changed)
            }
            Some(Pending::Gone(body)) => {
                entry.dead = true;
                (body, false, Look::Changed)
            }
            Some(Pending::Echo(body)) => {
                echo = true;
                (body, false, Look::Again)
            }
            Some(Pending::Fetch) => (entry.identity.clone(), true, Look::Changed),
            None => (entry.identity.clone(), true, Look::Again),
        };
        if echo {
            // What was to come at its time still is.
            self.timers.retain(|(_, waiting)| *waiting != uid);
        }
        let first = !echo && !std::mem::replace(&mut entry.looked_at, true);
        let look = if first { Look::First } else { look };
        let known = entry.newest.clone();
        Some(Job {
            source: entry.source,
            body,
            fetch,
            gone: entry.dead,
            look,
            known,
            initial: entry.initial,
            event: entry.event.take(),
            echo,
            waiting: entry.waiting,
            memo: entry.memo.clone(),
        })
    }

    /// Takes note of what a worker did.
    pub fn finish(&mut self, done: Done, now: Instant) {
        let Some(entry) = self.objects.get_mut(&done.uid) else { return };
        entry.running = false;
        let due = match done.end {
            Finish::Gone => return self.bury(&done.uid),
            Finish::Broken => {
                let delay = ERROR_DELAYS[entry.errors.min(ERROR_DELAYS.len() - 1)];
                entry.errors += 1;
                entry.looked_at = false;
                Some(Duration::from_secs(delay))
            }
            Finish::Spied => entry.timer.take().map(|at| at.saturating_duration_since(now)),
            Finish::Seen { newest, due, settled, waiting } => {
                entry.errors = 0;
                entry.timer = None;
                entry.initial &= !settled;
                entry.waiting = waiting;
                self.bytes -= entry.outdate(newest);
                due
            }
        };
        if self.objects.get(&done.uid).is_some_and(|entry| entry.pending.is_some()) {
            self.enqueue(done.uid);
        } else if let Some(due) = due {
            self.set_timer(done.uid, now + due);
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
        if entry.dead || matches!(pending, Some(Pending::Gone(_))) {
            self.objects.remove(uid);
        } else {
            entry.dead = true;
        }
    }

    fn set_timer(&mut self, uid: String, at: Instant) {
        if let Some(entry) = self.objects.get_mut(&uid) {
            entry.timer = Some(at);
            self.timers.insert((at, uid));
        }
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Gives a turn to each object whose time has come.
    pub fn expire(&mut self, now: Instant) {
        while let Some((_, uid)) = self.timers.first().filter(|(at, _)| *at <= now).cloned() {
            self.enqueue(uid);
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
            memo: TypeMap::default(),
        }
    }

    /// What came while the worker was busy may be the echo of its own writes: then it is dropped. Returns
    /// how many bytes that sets free.
    fn outdate(&mut self, newest: Newest) -> usize {
        let covered = self.newest.as_ref().map_or(Some(true), |seen| newest.covers(seen));
        let changed = matches!(self.pending, Some(Pending::Body(..) | Pending::Fetch));
        if covered != Some(false) {
            self.newest = Some(newest);
        }
        let replacement = match covered {
            Some(true) => None,
            // Versions that can't be compared: only the API server knows.
            None => Some(Pending::Fetch),
            Some(false) => return 0,
        };
        if !changed {
            return 0;
        }
        std::mem::replace(&mut self.pending, replacement).map_or(0, |pending| pending.bytes())
    }
}

impl Pending {
    fn bytes(&self) -> usize {
        match self {
            Self::Body(_, bytes) => *bytes,
            Self::Fetch | Self::Gone(_) | Self::Echo(_) => 0,
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
