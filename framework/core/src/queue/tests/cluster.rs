//! Model of a cluster: objects with versions, their watch, and workers. It knows the turns that the queue owes.

mod end;
mod turnover;

use super::{steps::Step, *};
use crate::shard::Shard;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Clone)]
struct Object {
    uid: String,
    version: u64,
}

/// A job in the hands of a worker.
struct Running {
    job: Job,
    /// The version that the worker knows; none if the object is gone.
    seen: Option<u64>,
    /// Whether it has written that version.
    ours: bool,
    /// Whether it began before the objects were left.
    earlier: bool,
}

/// A cluster, its watch and its workers.
pub struct Cluster {
    queue: Queue,
    now: Instant,
    version: u64,
    /// The existing objects.
    objects: BTreeMap<usize, Object>,
    watch: VecDeque<Event>,
    /// The versions that the watch has shown of each object that exists as far as the queue knows.
    shown: BTreeMap<String, Vec<u64>>,
    /// The objects that the current listing has shown so far.
    listed: BTreeSet<String>,
    /// The objects that a worker has found gone.
    gone: BTreeSet<String>,
    /// Those of them that were found gone before the current listing began: it may show them.
    gone_before: BTreeSet<String>,
    running: Vec<Running>,
    /// The last version of each object that a worker has seen.
    seen: BTreeMap<String, u64>,
    /// The objects that await a retry.
    retries: BTreeSet<String>,
    /// The objects with an event that event handlers have not received; whether it is a deletion.
    undelivered: BTreeMap<String, bool>,
    /// The objects whose timers await a tick.
    ticks: BTreeSet<String>,
    /// The objects that a trigger has come for, and no later turn.
    triggered: BTreeSet<String>,
    /// The objects that are being resumed for an earlier trigger.
    resuming: BTreeSet<String>,
    /// The objects are another replica's.
    left: bool,
    /// The kind is withdrawn, and not back yet: its watch shows nothing.
    away: bool,
    /// The objects that a trigger has come for, and no turn since that has planned for their handlers.
    prompted: BTreeSet<String>,
}

impl Cluster {
    /// A cluster with event handlers and timers.
    pub fn new() -> Self {
        Self {
            queue: Queue::new([KindNeeds { events: true, bodies: true, ..KindNeeds::default() }]),
            now: Instant::now(),
            version: 0,
            objects: BTreeMap::new(),
            watch: VecDeque::new(),
            shown: BTreeMap::new(),
            listed: BTreeSet::new(),
            gone: BTreeSet::new(),
            gone_before: BTreeSet::new(),
            running: Vec::new(),
            seen: BTreeMap::new(),
            retries: BTreeSet::new(),
            undelivered: BTreeMap::new(),
            ticks: BTreeSet::new(),
            triggered: BTreeSet::new(),
            resuming: BTreeSet::new(),
            left: false,
            away: false,
            prompted: BTreeSet::new(),
        }
    }

    pub fn step(&mut self, step: Step) {
        match step {
            Step::Change(name) => self.change(name),
            Step::Delete(name) => self.delete(name),
            Step::Deliver => drop(self.deliver()),
            Step::Redeliver(object, version) => self.redeliver(object, version),
            Step::List => self.list(),
            Step::Hide => self.hide(),
            Step::Withdraw => self.withdraw(),
            Step::Take => drop(self.take()),
            Step::Trigger(object) => self.trigger(object),
            Step::Write(worker) => self.write(worker),
            Step::Finish(worker, due, tick) => {
                self.end_turn(worker, due.map(Duration::from_secs), tick.map(Duration::from_secs));
            }
            Step::Fail(worker, knows) => self.fail(worker, knows),
            Step::Leave => self.leave(),
            Step::Serve => self.serve(),
            Step::Wait(seconds) => self.wait(Duration::from_secs(seconds)),
        }
        self.queue.check();
        for uid in &self.retries {
            let busy = self.running.iter().any(|turn| turn.job.body.uid() == uid);
            assert!(busy || self.queue.is_planned(uid), "the next turn of {uid} is lost");
        }
        for uid in &self.ticks {
            let busy = self.running.iter().any(|turn| turn.job.body.uid() == uid);
            let gone = !self.shown.contains_key(uid);
            assert!(busy || gone || self.queue.is_ticking(uid), "the next tick of {uid} is lost");
        }
        for uid in &self.triggered {
            let busy = self.running.iter().any(|turn| turn.job.body.uid() == uid);
            // It has its turn once it is listed.
            let waits = self.shown.get(uid).is_some_and(Vec::is_empty);
            let planned = busy || waits || self.queue.is_planned(uid);
            assert!(planned || self.is_gone(uid), "the trigger of {uid} is lost");
        }
    }

    fn change(&mut self, name: usize) {
        self.version += 1;
        let version = self.version;
        let new = || Object { uid: format!("{name}.{version}"), version };
        let object = self.objects.entry(name).or_insert_with(new);
        object.version = version;
        self.watch.push_back(applied(&object.uid, version));
    }

    fn delete(&mut self, name: usize) {
        self.version += 1;
        if let Some(object) = self.objects.remove(&name) {
            self.watch.push_back(Event::Deleted(body(&object.uid, self.version)));
        }
    }

    fn list(&mut self) {
        let listed = self.objects.values().map(|object| Event::Listed(body(&object.uid, object.version)));
        self.watch = [Event::Listing].into_iter().chain(listed).chain([Event::ListingDone]).collect();
        self.away = false;
    }

    fn hide(&mut self) {
        (self.watch, self.away) = ([Event::Withdrawn].into(), true);
    }

    fn withdraw(&mut self) {
        self.objects.clear();
        self.watch = [Event::Withdrawn].into();
    }

    fn deliver(&mut self) -> Option<()> {
        let event = self.watch.pop_front()?;
        if matches!(event, Event::Withdrawn) {
            self.listed.clear();
        }
        if self.away && !matches!(event, Event::Withdrawn) {
            return Some(());
        }
        match &event {
            Event::Listing | Event::ListingRevised | Event::ListingAgain => {
                self.listed.clear();
                self.gone_before = self.gone.clone();
            }
            Event::Listed(body) => {
                if self.gone_before.contains(body.uid()) {
                    self.gone.remove(body.uid());
                }
                self.listed.insert(body.uid().to_owned());
                self.note(body);
            }
            Event::Applied(body) => self.note(body),
            Event::Deleted(body) => self.note_deletion(body.uid()),
            Event::ListingDone | Event::Withdrawn => {
                let running = self.running.iter().map(|turn| turn.job.body.uid());
                let known = self.shown.keys().map(String::as_str).chain(running);
                let missing = known.filter(|uid| !self.listed.contains(*uid)).map(str::to_owned);
                for uid in missing.collect::<Vec<_>>() {
                    self.note_deletion(&uid);
                }
            }
        }
        self.queue.observe(HERE, event, self.now);
        Some(())
    }

    fn redeliver(&mut self, object: usize, version: usize) {
        let Some((uid, versions)) = self.shown.iter().nth(object % self.shown.len().max(1)) else { return };
        if versions.is_empty() {
            return;
        }
        let body = body(uid, versions[version % versions.len()]);
        self.note(&body);
        self.queue.observe(HERE, Event::Applied(body), self.now);
    }

    /// Triggers one of the objects that the watch has shown.
    fn trigger(&mut self, object: usize) {
        let Some(uid) = self.shown.keys().nth(object % self.shown.len().max(1)).cloned() else { return };
        let is_known = self.queue.trigger(0, Some("n"), &uid, &"handler".into(), self.now);
        if is_known && !self.left {
            self.triggered.insert(uid.clone());
            self.prompted.insert(uid);
        }
    }

    fn is_gone(&self, uid: &str) -> bool {
        !self.shown.contains_key(uid) || self.gone.contains(uid)
    }

    /// Notes that the watch shows an object.
    fn note(&mut self, body: &Body) {
        let (uid, version) = (body.uid().to_owned(), number(body));
        if self.gone.contains(&uid) {
            return;
        }
        if !self.left {
            self.undelivered.insert(uid.clone(), false);
        }
        self.shown.entry(uid).or_default().push(version);
    }

    /// Notes that the watch shows the end of an object.
    fn note_deletion(&mut self, uid: &str) {
        if self.shown.remove(uid).is_none() || self.left {
            return;
        }
        // Event handlers that have just received its end don't learn that it was back for a moment.
        if self.running.iter().any(|turn| !turn.earlier && turn.job.gone && turn.job.body.uid() == uid) {
            self.undelivered.remove(uid);
        } else {
            self.undelivered.insert(uid.to_owned(), true);
        }
    }

    fn newest(&self, uid: &str) -> Option<u64> {
        self.objects.values().find(|object| object.uid == uid).map(|object| object.version)
    }

    fn take(&mut self) -> Option<()> {
        let job = self.queue.next_job()?;
        let uid = job.body.uid().to_owned();
        assert!(self.running.iter().all(|turn| turn.job.body.uid() != uid), "{uid} has two jobs");
        if let Some(event) = job.event {
            let ended = event == WatchEventType::Deleted;
            assert_eq!(
                self.undelivered.remove(&uid),
                Some(ended),
                "left: whether the pending event of {uid} is a deletion"
            );
        }
        if job.tick {
            self.ticks.remove(&uid);
        }
        let seen = match job.fetch {
            // Nothing is read, and it may be wrong.
            _ if job.gone => None,
            true => self.newest(&uid),
            false => Some(number(&job.body)),
        };
        if job.extent == Extent::Whole {
            let first = job.resumption == Some(Resumption::Start);
            let begins = job.resumption == Some(Resumption::Trigger) && self.resuming.insert(uid.clone());
            if first || begins {
                self.triggered.remove(&uid);
            }
            self.retries.remove(&uid);
            let prompted = self.prompted.contains(&uid) && !job.gone;
            assert!(!prompted || job.prompt, "the trigger of {uid} doesn't call its waiting handlers");
        }
        if job.extent == Extent::Whole || job.tick {
            let before = self.seen.get(&uid).copied();
            assert!(seen.is_none() || seen >= before, "{uid} is older than it was: {seen:?} {before:?}");
        }
        self.running.push(Running { job, seen, ours: false, earlier: false });
        Some(())
    }

    /// Lets a worker write. A partial turn is for event handlers and timers alone, unless they write.
    fn write(&mut self, worker: usize) {
        let Some(at) = self.worker(worker) else { return };
        let turn = &self.running[at];
        let uid = turn.job.body.uid().to_owned();
        if turn.job.gone {
            return;
        }
        let Some(object) = self.objects.values_mut().find(|object| object.uid == uid) else {
            self.running[at].seen = None;
            return;
        };
        self.version += 1;
        object.version = self.version;
        self.watch.push_back(applied(&uid, self.version));
        (self.running[at].seen, self.running[at].ours) = (Some(self.version), true);
    }

    fn end_turn(&mut self, worker: usize, due: Option<Duration>, tick: Option<Duration>) -> Option<()> {
        let at = self.worker(worker)?;
        let turn = self.running.swap_remove(at);
        if turn.earlier {
            self.end_earlier(&turn);
            return Some(());
        }
        let uid = turn.job.body.uid().to_owned();
        let mut next = tick.map_or(NextTick::AsBefore, |tick| NextTick::At(self.now + tick));
        let end = match self.newest_of(&turn) {
            None => {
                // Event handlers only receive the deletion. One that comes back meanwhile is a new one.
                self.undelivered.retain(|known, ended| *known != uid || *ended || turn.job.gone);
                self.retries.remove(&uid);
                self.ticks.remove(&uid);
                if turn.job.gone {
                    self.forget(&uid);
                } else {
                    self.gone.insert(uid.clone());
                }
                next = NextTick::AsBefore;
                TurnEnd::Gone
            }
            Some(_) if turn.job.extent == Extent::Partial && !turn.ours => TurnEnd::Partial { due: None },
            Some(newest) => {
                if due.is_none() {
                    self.resuming.remove(&uid);
                }
                if turn.job.prompt {
                    self.prompted.remove(&uid);
                }
                self.seen.extend(turn.seen.map(|seen| (uid.clone(), seen)));
                self.retries.remove(&uid);
                self.retries.extend(due.map(|_| uid.clone()));
                let mut end = at_rest(newest, due);
                if let TurnEnd::Seen { planned, .. } = &mut end {
                    *planned = turn.job.extent == Extent::Whole;
                }
                end
            }
        };
        if next != NextTick::AsBefore {
            self.ticks.insert(uid);
        }
        // Event handlers have not received the event of an object that was to be read and is gone.
        let undelivered = turn.job.event.filter(|_| turn.job.fetch && matches!(end, TurnEnd::Gone));
        self.finish(turn, end, undelivered, next);
        Some(())
    }

    fn fail(&mut self, worker: usize, knows: bool) {
        let Some(at) = self.worker(worker) else { return };
        let turn = self.running.swap_remove(at);
        if turn.earlier {
            return self.end_earlier(&turn);
        }
        let uid = turn.job.body.uid().to_owned();
        let newest = self.newest_of(&turn).filter(|_| knows && turn.job.extent == Extent::Whole);
        // An object that is gone may be forgotten at any time.
        if newest.is_some() && !turn.job.gone {
            self.seen.extend(turn.seen.map(|seen| (uid.clone(), seen)));
        }
        self.retries.extend((!turn.job.gone).then(|| uid.clone()));
        if turn.job.gone {
            self.forget(&uid);
        }
        // A worker without a version could not read the object, and called no event handlers.
        let undelivered = turn.job.event.filter(|_| newest.is_none());
        if let Some(event) = undelivered {
            self.undelivered.entry(uid).or_insert(event == WatchEventType::Deleted);
        }
        let delay = Duration::from_secs(5);
        let unread = turn.job.fetch && newest.is_none();
        let end = if unread { TurnEnd::Unread { delay } } else { TurnEnd::Failed { delay, newest } };
        // Its timers weren't called: they are still due.
        let tick = if turn.job.tick { NextTick::At(self.now) } else { NextTick::AsBefore };
        if turn.job.tick && !turn.job.gone {
            self.ticks.insert(turn.job.body.uid().to_owned());
        }
        self.finish(turn, end, undelivered, tick);
    }

    fn finish(&mut self, turn: Running, end: TurnEnd, undelivered: Option<WatchEventType>, tick: NextTick) {
        let uid = turn.job.body.uid().to_owned();
        let looked = turn.job.extent == Extent::Whole || turn.ours;
        let body = turn.seen.filter(|_| looked).map(|version| body(&uid, version));
        self.queue
            .finish(TurnReport { undelivered, tick, body, ..TurnReport::new(uid.as_str(), end) }, self.now);
    }

    /// Forgets what is owed to an object that counts as gone.
    fn forget(&mut self, uid: &str) {
        self.retries.remove(uid);
        self.ticks.remove(uid);
        self.triggered.remove(uid);
        self.resuming.remove(uid);
        self.prompted.remove(uid);
        self.seen.remove(uid);
        self.gone.remove(uid);
    }

    fn newest_of(&self, turn: &Running) -> Option<Newest> {
        let version = turn.seen?.to_string();
        let known = if turn.ours { Newest::written } else { Newest::seen };
        Some(known(&version, self.now))
    }

    fn worker(&self, number: usize) -> Option<usize> {
        number.checked_rem(self.running.len())
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.queue.expire(self.now);
    }
}

fn number(body: &Body) -> u64 {
    body.version().parse().unwrap()
}
