//! A record of a run while it goes on: the handler calls and the operator's lives.

use crate::{
    bell::Rung,
    catalog::{ALL, Shown},
    crowd::{Office, Stray},
    daemon::Run,
    script::Ending,
    timer::Tick,
};
use jiff::Timestamp;
use korf::{
    Index, Reason,
    extract::{Body, WatchEventType},
    handler::{AttemptInfo, Change, ChangeCall, Context, EventCall, ObjectView},
};
use korf_testing::api::{ApiServer, Request};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};
use tokio::time::Instant;

/// A point in a run, among all recorded events and among all changes of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The place among all recorded events.
    pub turn: usize,
    /// The number of the last change before it.
    pub revision: u64,
}

/// One call of a handler.
#[derive(Clone, Debug)]
pub struct Called {
    /// The handler's id; of a sub-handler, the full one.
    pub id: String,
    /// The number of the operator's life.
    pub life: usize,
    /// None for a call of an event handler.
    pub reason: Option<Reason>,
    pub event: Option<WatchEventType>,
    pub attempt: u32,
    /// The start of the first attempt, as the handler sees it.
    pub started: Timestamp,
    /// The start of this attempt.
    pub at: Timestamp,
    /// The time that it took.
    pub took: Duration,
    pub body: Body,
    /// The essence as the handler sees it.
    pub new: Arc<Value>,
    pub begun: Moment,
    pub ended: Moment,
    pub ending: Ending,
    /// The uids that the index shows at its start.
    pub indexed: Vec<String>,
}

/// What is noted of a call, of whatever family.
pub struct Noted {
    id: String,
    reason: Option<Reason>,
    event: Option<WatchEventType>,
    attempt: u32,
    started: Timestamp,
    now: Timestamp,
    pub body: Body,
    new: Arc<Value>,
}

impl Noted {
    fn of(call: &(impl AsRef<Context> + AsRef<ObjectView>)) -> Self {
        let (context, object): (&Context, &ObjectView) = (call.as_ref(), call.as_ref());
        Self {
            id: context.handler().to_owned(),
            reason: None,
            event: None,
            attempt: 0,
            started: context.now(),
            now: context.now(),
            body: object.body().clone(),
            new: Arc::default(),
        }
    }
}

impl From<&ChangeCall> for Noted {
    fn from(call: &ChangeCall) -> Self {
        let (change, attempt): (&Change, &AttemptInfo) = (call.as_ref(), call.as_ref());
        let (reason, new) = (Some(change.reason()), Arc::clone(change.new_essence()));
        Self { reason, attempt: attempt.number(), started: attempt.started(), new, ..Self::of(call) }
    }
}

impl From<&EventCall> for Noted {
    fn from(call: &EventCall) -> Self {
        Self { event: Some(call.event()), ..Self::of(call) }
    }
}

/// The end of one of the operator's lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It was told to stop.
    Stopped,
    /// It was killed, or died at one of the places for that.
    Killed,
}

/// One life of the operator, from its start on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    pub begun: Moment,
    /// None while it lives.
    pub ended: Option<(Moment, Death)>,
}

/// A write that was rejected as invalid, or as too large.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The place among all recorded events.
    pub turn: usize,
    pub request: Request,
    pub too_large: bool,
}

#[derive(Debug, Default)]
struct Notes {
    turns: usize,
    calls: Vec<Called>,
    lives: Vec<Life>,
    ticks: Vec<Tick>,
    rungs: Vec<Rung>,
    runs: Vec<Run>,
    rejected: Vec<Rejected>,
    /// That of the operator's present life, once an object is in it.
    index: Option<Index<String, String>>,
    steps: Vec<(Timestamp, String)>,
}

/// A record; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    notes: Arc<Mutex<Notes>>,
    server: Arc<OnceLock<ApiServer>>,
    office: Arc<Mutex<Option<Office>>>,
    /// The replica whose calls it takes down.
    seat: Option<usize>,
}

impl Record {
    /// Counts the changes of this server from now on.
    pub fn follow(&self, server: &ApiServer) {
        self.server.get_or_init(|| server.clone());
    }

    /// Asks this office whether replicas do what they may.
    pub fn ask(&self, office: &Office) {
        *self.office.lock().unwrap_or_else(PoisonError::into_inner) = Some(office.clone());
    }

    /// Asks nobody any more: an office has a record, too, and neither would ever end.
    pub fn ask_nobody(&self) {
        *self.office.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn office(&self) -> Option<Office> {
        self.office.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, for the calls of a replica.
    pub fn of(&self, seat: usize) -> Self {
        Self { seat: Some(seat), ..self.clone() }
    }

    /// The operator's life, or that of a replica for an object: its tenure.
    fn life(&self, uid: &str) -> usize {
        match (self.office(), self.seat) {
            (Some(office), Some(seat)) => office.tenure(seat, uid),
            _ => self.notes().lives.len().saturating_sub(1),
        }
    }

    /// What the replica does for an object is noted if that is another one's.
    fn strays(&self, uid: &str, what: impl FnOnce() -> Stray) {
        if let (Some(office), Some(seat)) = (self.office(), self.seat) {
            office.strays(seat, uid, what);
        }
    }

    /// An operator sends a request.
    pub fn sends(&self, request: &Request) {
        if let Some(office) = self.office() {
            office.sends(request);
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment.
    pub fn moment(&self) -> Moment {
        let mut notes = self.notes();
        notes.turns += 1;
        Moment { turn: notes.turns, revision: self.server.get().map_or(0, ApiServer::revision) }
    }

    /// The operator is started.
    pub fn starts(&self) {
        self.ends(Death::Killed);
        let life = Life { begun: self.moment(), ended: None };
        let mut notes = self.notes();
        notes.lives.push(life);
        notes.index = None;
    }

    /// The operator ends.
    pub fn ends(&self, how: Death) {
        let moment = self.moment();
        if let Some(life) = self.notes().lives.last_mut() {
            life.ended = life.ended.or(Some((moment, how)));
        }
        if let Some(office) = self.office() {
            office.dies("operator", how);
        }
    }

    /// The operator fills an index.
    pub fn opens(&self, index: Index<String, String>) {
        self.notes().index = Some(index);
    }

    /// What the index shows now.
    pub fn shown(&self) -> Shown {
        let index = self.notes().index.clone();
        let values = |values: Vec<Arc<String>>| values.iter().map(|value| String::clone(value)).collect();
        index.iter().flatten().map(|(key, all)| (key, values(all))).collect()
    }

    /// A write is rejected as invalid.
    pub fn rejects(&self, request: &Request, too_large: bool) {
        let mut notes = self.notes();
        notes.turns += 1;
        let turn = notes.turns;
        notes.rejected.push(Rejected { turn, request: request.clone(), too_large });
    }

    /// Something happens in the story.
    pub fn step(&self, at: Timestamp, text: String) {
        self.notes().steps.push((at, text));
    }

    /// A handler is called. A call without a recorded end was interrupted.
    pub fn begin(&self, call: &Noted) -> Open {
        let begun = self.moment();
        self.strays(call.body.uid(), || Stray::Called(format!("{} of {}", call.id, call.body.uid())));
        let life = self.life(call.body.uid());
        let mut notes = self.notes();
        let indexed = notes.index.iter().flat_map(|index| index.get(ALL));
        let indexed = indexed.map(|uid| String::clone(&uid)).collect();
        notes.calls.push(Called {
            id: call.id.clone(),
            life,
            reason: call.reason,
            event: call.event,
            attempt: call.attempt,
            started: call.started,
            at: call.now,
            took: Duration::ZERO,
            body: call.body.clone(),
            new: Arc::clone(&call.new),
            begun,
            ended: begun,
            ending: Ending::Interrupted,
            indexed,
        });
        let (record, number) = (self.clone(), notes.calls.len() - 1);
        Open { record, number, begun: Instant::now(), ending: Ending::Interrupted }
    }

    /// The timer is called for an object; returns the number of the call.
    pub fn tick(&self, body: Arc<Body>) -> usize {
        self.strays(body.uid(), || Stray::Called(format!("the timer of {}", body.uid())));
        let life = self.life(body.uid());
        let mut notes = self.notes();
        let (uid, deleting) = (body.uid().to_owned(), body.is_deleting());
        notes.ticks.push(Tick { uid, life, begun: korf_testing::now(), ended: None, deleting });
        notes.ticks.len() - 1
    }

    /// A call of the timer is over.
    pub fn tock(&self, tick: usize) {
        if let Some(tick) = self.notes().ticks.get_mut(tick) {
            tick.ended = Some(korf_testing::now());
        }
    }

    /// An object is triggered, or all are.
    pub fn rings(&self, name: Option<String>) {
        let moment = self.moment();
        let mut notes = self.notes();
        let life = notes.lives.len().saturating_sub(1);
        notes.rungs.push(Rung { life, moment, name });
    }

    pub fn rungs(&self) -> Vec<Rung> {
        self.notes().rungs.clone()
    }

    /// A run of the daemon begins.
    pub fn run(&self, body: &Body) -> OpenRun {
        let (begun, ended) = (self.moment(), None);
        self.strays(body.uid(), || Stray::Called(format!("the daemon of {}", body.uid())));
        let life = self.life(body.uid());
        let mut notes = self.notes();
        let (uid, at) = (body.uid().to_owned(), korf_testing::now());
        let finalizers = body.finalizers().map(str::to_owned).collect();
        notes.runs.push(Run { uid, life, begun, at, finalizers, ended, by_itself: false });
        OpenRun { record: self.clone(), number: notes.runs.len() - 1, by_itself: false }
    }

    pub fn runs(&self) -> Vec<Run> {
        self.notes().runs.clone()
    }

    pub fn ticks(&self) -> Vec<Tick> {
        self.notes().ticks.clone()
    }

    /// All calls, in the order in which they began.
    pub fn calls(&self) -> Vec<Called> {
        self.notes().calls.clone()
    }

    /// The writes that were rejected as invalid.
    pub fn rejected(&self) -> Vec<Rejected> {
        self.notes().rejected.clone()
    }

    pub fn lives(&self) -> Vec<Life> {
        self.notes().lives.clone()
    }

    pub fn steps(&self) -> Vec<(Timestamp, String)> {
        self.notes().steps.clone()
    }
}

/// A call that goes on.
#[derive(Debug)]
pub struct Open {
    record: Record,
    number: usize,
    begun: Instant,
    ending: Ending,
}

impl Open {
    pub fn end(mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let ended = self.record.moment();
        let ending = if thread::panicking() { Ending::Panicked } else { self.ending };
        let uid = {
            let mut notes = self.record.notes();
            let Some(call) = notes.calls.get_mut(self.number) else { return };
            (call.ended, call.ending, call.took) = (ended, ending, self.begun.elapsed());
            call.body.uid().to_owned()
        };
        if ending != Ending::Interrupted {
            self.record.strays(&uid, || Stray::Ended(format!("a call for {uid}")));
        }
    }
}

/// A run of the daemon that goes on.
#[derive(Debug)]
pub struct OpenRun {
    record: Record,
    number: usize,
    by_itself: bool,
}

impl OpenRun {
    /// It ends; whether by itself.
    pub fn ends(&mut self, by_itself: bool) {
        self.by_itself = by_itself;
    }
}

impl Drop for OpenRun {
    fn drop(&mut self) {
        let ended = self.record.moment();
        if let Some(run) = self.record.notes().runs.get_mut(self.number) {
            (run.ended, run.by_itself) = (Some(ended), self.by_itself);
        }
    }
}
