//! A cluster in a few lines: objects with versions, a watch that tells of them, and workers that look at them. It knows what
//! the queue has to hand out, and when.

mod end;

use super::{steps::Step, *};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone)]
struct Object {
    uid: String,
    version: u64,
    /// Whether the watch shows it.
    shown: bool,
}

/// An object that a worker is at.
struct Held {
    job: Job,
    /// The version that the worker knows; none of an object that is gone.
    seen: Option<u64>,
    /// Whether the object is there, but not for the watch.
    hidden: bool,
    /// Whether the watch has told meanwhile that the object is gone.
    ended: bool,
    /// Whether it has written that version.
    ours: bool,
    /// What handlers of raw events have written.
    silent: Vec<String>,
}

/// A cluster, its watch and its workers.
pub struct Cluster {
    queue: Queue,
    now: Instant,
    version: u64,
    /// The objects that there are.
    objects: BTreeMap<usize, Object>,
    narrow: bool,
    watch: VecDeque<Event>,
    /// What the watch has told of the objects that are there as far as the queue knows.
    told: BTreeMap<String, Vec<u64>>,
    /// What a listing has shown so far.
    listed: BTreeSet<String>,
    /// Those that a worker has found gone.
    gone: BTreeSet<String>,
    held: Vec<Held>,
    /// The version that each object was last looked at in.
    seen: BTreeMap<String, u64>,
    /// The objects that are to be looked at after a while.
    promised: BTreeSet<String>,
    /// Those of which handlers of raw events are to be told; whether that they are gone.
    untold: BTreeMap<String, bool>,
    /// What handlers of raw events have written, and the watch has not told yet.
    silent: BTreeSet<(String, u64)>,
}

impl Cluster {
    /// A cluster with a watch that shows all objects, or a narrow one.
    pub fn new(narrow: bool) -> Self {
        Self {
            queue: Queue::new([HERE.kind]).narrowed(narrow.then_some(HERE.kind)),
            narrow,
            now: Instant::now(),
            version: 0,
            objects: BTreeMap::new(),
            watch: VecDeque::new(),
            told: BTreeMap::new(),
            listed: BTreeSet::new(),
            gone: BTreeSet::new(),
            held: Vec::new(),
            seen: BTreeMap::new(),
            promised: BTreeSet::new(),
            untold: BTreeMap::new(),
            silent: BTreeSet::new(),
        }
    }

    pub fn step(&mut self, step: Step) {
        match step {
            Step::Change(name) => self.change(name),
            Step::Delete(name) => self.delete(name),
            Step::Hide(name) => self.hide(name),
            Step::Tell => drop(self.tell()),
            Step::TellAgain(object, version) => self.tell_again(object, version),
            Step::List => self.list(),
            Step::Take => drop(self.take()),
            Step::Write(worker, spy) => self.write(worker, spy),
            Step::Rest(worker, due) => drop(self.rest(worker, due.map(Duration::from_secs))),
            Step::Break(worker, knows) => self.break_down(worker, knows),
            Step::Wait(seconds) => self.wait(Duration::from_secs(seconds)),
        }
        self.queue.check();
        for uid in &self.promised {
            let held = self.held.iter().any(|held| held.job.body.uid() == uid);
            assert!(held || self.queue.is_planned(uid), "the next look at {uid} is lost");
        }
    }

    fn change(&mut self, name: usize) {
        self.version += 1;
        let version = self.version;
        let new = || Object { uid: format!("{name}.{version}"), version, shown: true };
        let object = self.objects.entry(name).or_insert_with(new);
        object.version = version;
        if object.shown {
            self.watch.push_back(applied(&object.uid, version));
        }
    }

    fn delete(&mut self, name: usize) {
        self.version += 1;
        if let Some(object) = self.objects.remove(&name).filter(|object| object.shown) {
            self.watch.push_back(Event::Deleted(body(&object.uid, self.version)));
        }
    }

    fn hide(&mut self, name: usize) {
        self.version += 1;
        let Some(object) = self.objects.get_mut(&name).filter(|_| self.narrow) else { return };
        (object.shown, object.version) = (!object.shown, self.version);
        let body = body(&object.uid, self.version);
        self.watch.push_back(if object.shown { Event::Applied(body) } else { Event::Deleted(body) });
    }

    fn shown(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().filter(|object| object.shown)
    }

    fn list(&mut self) {
        let listed = self.shown().map(|object| Event::Listed(body(&object.uid, object.version)));
        self.watch = [Event::Listing].into_iter().chain(listed).chain([Event::ListingDone]).collect();
    }

    fn tell(&mut self) -> Option<()> {
        let event = self.watch.pop_front()?;
        match &event {
            Event::Listing => self.listed.clear(),
            Event::Listed(body) => {
                self.listed.insert(body.uid().to_owned());
                self.note(body, true);
            }
            Event::Applied(body) => self.note(body, false),
            Event::Deleted(body) => self.note_end(body.uid()),
            Event::ListingDone => {
                let held = self.held.iter().map(|held| held.job.body.uid());
                let known = self.told.keys().map(String::as_str).chain(held);
                let missing = known.filter(|uid| !self.listed.contains(*uid)).map(str::to_owned);
                for uid in missing.collect::<Vec<_>>() {
                    self.note_end(&uid);
                }
            }
        }
        self.queue.observe(HERE, event, self.now);
        Some(())
    }

    fn tell_again(&mut self, object: usize, version: usize) {
        let Some((uid, versions)) = self.told.iter().nth(object % self.told.len().max(1)) else { return };
        let body = body(uid, versions[version % versions.len()]);
        self.note(&body, false);
        self.queue.observe(HERE, Event::Applied(body), self.now);
    }

    /// The watch shows an object.
    fn note(&mut self, body: &Body, listed: bool) {
        let (uid, version) = (body.uid().to_owned(), number(body));
        if self.gone.contains(&uid) {
            return;
        }
        if !self.silent.remove(&(uid.clone(), version)) || listed {
            self.untold.insert(uid.clone(), false);
        }
        self.told.entry(uid).or_default().push(version);
    }

    /// The watch shows that an object is gone.
    fn note_end(&mut self, uid: &str) {
        for held in self.held.iter_mut().filter(|held| held.job.body.uid() == uid) {
            held.ended = true;
        }
        if self.told.remove(uid).is_some() {
            self.untold.insert(uid.to_owned(), true);
        }
        if self.narrow {
            // It may be shown again.
            self.gone.remove(uid);
        }
    }

    fn newest(&self, uid: &str) -> Option<u64> {
        self.objects.values().find(|object| object.uid == uid).map(|object| object.version)
    }

    fn is_hidden(&self, uid: &str) -> bool {
        self.objects.values().any(|object| object.uid == uid && !object.shown)
    }

    fn take(&mut self) -> Option<()> {
        let job = self.queue.next()?;
        let uid = job.body.uid().to_owned();
        assert!(self.held.iter().all(|held| held.job.body.uid() != uid), "{uid} has two jobs");
        if let Some(event) = job.event {
            let ended = event == EventType::Deleted;
            assert_eq!(self.untold.remove(&uid), Some(ended), "left: whether {uid} is to be told to be gone");
        }
        let hidden = job.gone && self.is_hidden(&uid);
        let seen = match job.fetch {
            _ if hidden => None,
            _ if job.gone => self.newest(&uid),
            true => self.newest(&uid),
            false => Some(number(&job.body)),
        };
        if !job.echo {
            self.promised.remove(&uid);
            let before = self.seen.get(&uid).copied();
            assert!(seen.is_none() || seen >= before, "{uid} is older than it was: {seen:?} {before:?}");
        }
        self.held.push(Held { job, seen, hidden, ended: false, ours: false, silent: Vec::new() });
        Some(())
    }

    /// An echo is for handlers of raw events alone, until they have written something.
    fn write(&mut self, worker: usize, spy: bool) {
        let Some(at) = self.worker(worker) else { return };
        let held = &self.held[at];
        let uid = held.job.body.uid().to_owned();
        if held.job.gone || (held.job.echo && !spy && !held.ours) || held.silent.len() > 1 {
            return;
        }
        let Some(object) = self.objects.values_mut().find(|object| object.uid == uid) else {
            self.held[at].seen = None;
            return;
        };
        self.version += 1;
        object.version = self.version;
        if object.shown {
            self.watch.push_back(applied(&uid, self.version));
        }
        (self.held[at].seen, self.held[at].ours) = (Some(self.version), true);
        if spy {
            self.silent.insert((uid, self.version));
            self.held[at].silent.push(self.version.to_string());
        }
    }

    fn rest(&mut self, worker: usize, due: Option<Duration>) -> Option<()> {
        let at = self.worker(worker)?;
        let held = self.held.swap_remove(at);
        let uid = held.job.body.uid().to_owned();
        // The watch has shown it again meanwhile.
        let back = held.job.gone && self.told.contains_key(&uid);
        let end = match self.newest_of(&held) {
            None if held.hidden => Finish::OutOfSight,
            None if back => Finish::Gone,
            None => {
                // Of what is gone, only that is told.
                self.untold.retain(|known, ended| *known != uid || *ended);
                self.promised.remove(&uid);
                // What was out of sight before it was gone may still be shown.
                let ends = !self.narrow || self.told.contains_key(&uid);
                self.gone.extend(ends.then_some(uid));
                Finish::Gone
            }
            Some(_) if held.job.echo && !held.ours => Finish::Spied { due: None },
            Some(newest) => {
                self.seen.extend(held.seen.map(|seen| (uid.clone(), seen)));
                self.promised.remove(&uid);
                if held.job.gone && !held.ended {
                    // The worker has found it back.
                    self.told.entry(uid.clone()).or_default().extend(held.seen);
                }
                self.promised.extend(due.map(|_| uid));
                Finish::Seen { newest, due, settled: true, planned: true, waiting: None }
            }
        };
        if self.narrow && !back && matches!(end, Finish::Gone | Finish::OutOfSight) {
            // It is forgotten, and what the watch has yet to tell of it may be older.
            let uid = held.job.body.uid();
            self.seen.remove(uid);
            self.silent.retain(|(known, _)| known != uid);
        }
        // What is to be read, and is gone, never came to handlers of raw events.
        let untold = held.job.event.filter(|_| held.job.fetch && matches!(end, Finish::Gone));
        self.finish(held, end, untold);
        Some(())
    }

    fn break_down(&mut self, worker: usize, knows: bool) {
        let Some(at) = self.worker(worker) else { return };
        let held = self.held.swap_remove(at);
        let uid = held.job.body.uid().to_owned();
        let newest = self.newest_of(&held).filter(|_| knows && !held.job.echo);
        // What is gone may be forgotten at any time.
        if newest.is_some() && !held.job.gone {
            self.seen.extend(held.seen.map(|seen| (uid.clone(), seen)));
        }
        self.promised.extend((!held.job.gone).then(|| uid.clone()));
        // Who knows nothing of the object could not read it, and has told nobody.
        let untold = held.job.event.filter(|_| newest.is_none());
        if let Some(event) = untold {
            self.untold.entry(uid).or_insert(event == EventType::Deleted);
        }
        let delay = Duration::from_secs(5);
        let unread = held.job.fetch && newest.is_none();
        let end = if unread { Finish::Unread { delay } } else { Finish::Broken { delay, newest } };
        self.finish(held, end, untold);
    }

    fn finish(&mut self, held: Held, end: Finish, untold: Option<EventType>) {
        let told = Told { untold, silent: held.silent, ..Told::default() };
        self.queue.finish(Done { told, ..ended(held.job.body.uid(), end) }, self.now);
    }

    fn newest_of(&self, held: &Held) -> Option<Newest> {
        let version = held.seen?.to_string();
        let known = if held.ours { Newest::written } else { Newest::seen };
        Some(known(&version, self.now))
    }

    fn worker(&self, number: usize) -> Option<usize> {
        number.checked_rem(self.held.len())
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.queue.expire(self.now);
    }
}

fn number(body: &Body) -> u64 {
    body.version().parse().unwrap()
}
