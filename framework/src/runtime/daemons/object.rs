//! Daemons of one object: their states and their tasks.

use super::{DaemonNews, News, ObjectLink, Offer, offer::Standing};
use crate::{
    call::StopSignal,
    event_queue::{Named, reference},
    logging,
    runtime::{
        attempt::DaemonAttempt,
        clock,
        kind::KindContext,
        observe::{DaemonEvent, HandlerName, Observation},
        throttle::fingerprint,
    },
};
use korf_core::{
    Uid,
    body::Body,
    daemon::{Attempts, DaemonState, Step, StopReason, StopTimes},
    retry::{Attempt, Outcome},
};
use serde_json::Value;
use std::{
    cell::LazyCell,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::Arc,
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

/// The daemons of one object.
#[derive(Debug)]
pub struct ObjectDaemons {
    kind: Arc<KindContext>,
    link: Arc<ObjectLink>,
    /// By the index of the handler.
    daemons: Box<[Daemon]>,
    /// The object, for the log.
    span: Span,
    /// Its namespace and its name, for Kubernetes Events.
    name: (Option<Box<str>>, Box<str>),
    /// The object is no longer known.
    forgotten: bool,
}

/// One daemon of one object.
#[derive(Debug, Default)]
struct Daemon {
    state: DaemonState,
    /// Whether it is for the object as it was offered last.
    wanted: bool,
    /// When its alarm is set for.
    alarm: Option<Instant>,
    /// Its task, until that has ended.
    task: Option<Box<Task>>,
}

#[derive(Debug)]
struct Task {
    /// Dropped, it cancels the task.
    handle: AbortOnDropHandle<()>,
    stop: Arc<StopSignal>,
}

/// The turn that an object is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// One in which all is planned.
    Whole,
    /// One that starts daemons.
    Partial,
}

/// Tells that a task has ended, however it does.
struct Ending {
    news: DaemonNews,
    uid: Uid,
    index: usize,
    outcome: Option<Outcome>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.news.tell(News::Ended(self.uid.clone(), self.index, self.outcome.take()));
    }
}

impl ObjectDaemons {
    /// Those of an object that has none so far.
    pub fn new(offer: &Offer) -> Self {
        Self {
            kind: Arc::clone(&offer.kind),
            link: Arc::clone(&offer.link),
            daemons: offer.kind.daemons.iter().map(|_| Daemon::default()).collect(),
            span: logging::object_span(&offer.kind.kind, &offer.body),
            name: (offer.body.namespace().map(Into::into), offer.body.name().into()),
            forgotten: false,
        }
    }

    /// Takes in a state of the object, and which of them are for it: starts and stops them. Returns the turn that the object
    /// is to have.
    pub fn offered(&mut self, offer: Offer, news: &DaemonNews, now: Instant) -> Option<Told> {
        // One that was forgotten, and is there again, has another memory.
        (self.link, self.forgotten) = (Arc::clone(&offer.link), false);
        if offer.read {
            self.link.live.show_read(&offer.body);
        } else {
            self.link.live.show(&offer.body);
        }
        let state = LazyCell::new(|| readable(&offer));
        let mut released = false;
        for (index, wanted) in offer.wanted.iter().enumerate() {
            let times = self.times(index);
            let options = self.kind.daemons[index].options;
            let daemon = &mut self.daemons[index];
            daemon.wanted = *wanted;
            match daemon.state.matched(*wanted, &options, times, (now, clock::now()), || *state) {
                Step::Start(attempts) => self.start(index, &offer, attempts, news, now),
                step => {
                    // The turn has counted on it.
                    released |= step == Step::Drop && options.finalizer;
                    self.perform(index, step, now);
                }
            }
        }
        released.then_some(Told::Whole)
    }

    fn start(&mut self, index: usize, offer: &Offer, attempts: Attempts, news: &DaemonNews, now: Instant) {
        let stop = Arc::new(StopSignal::default());
        let elapsed = now.saturating_duration_since(attempts.first);
        let attempt = DaemonAttempt {
            kind: Arc::clone(&self.kind),
            index,
            body: offer.body.clone(),
            memo: Arc::clone(&offer.memo),
            edits: self.link.edits.clone(),
            fence: offer.fence.clone(),
            attempt: Attempt { before: attempts.before, elapsed },
            started: attempts.started,
            stop: Arc::clone(&stop),
            live: Arc::clone(&self.link.live),
        };
        let ending = Ending { news: news.clone(), uid: offer.uid.clone(), index, outcome: None };
        let task = tokio::spawn(task(attempt, ending, self.span.clone()));
        self.daemons[index].task = Some(Box::new(Task { handle: AbortOnDropHandle::new(task), stop }));
    }

    /// Tells all of them to stop.
    pub fn stop(&mut self, why: StopReason, now: Instant) {
        for index in 0..self.daemons.len() {
            let times = self.times(index);
            let step = self.daemons[index].state.stop(why, times, now);
            self.perform(index, step, now);
        }
    }

    /// Drops all of them, since the object is another operator's by now: nothing that they have asked for is written.
    pub fn cut(&mut self, now: Instant) {
        for index in 0..self.daemons.len() {
            let times = self.times(index);
            let step = self.daemons[index].state.cut(times, now);
            self.perform(index, step, now);
        }
        self.forgotten = true;
        self.drop_edits();
    }

    /// Whether the object is no longer known, or is another operator's.
    pub fn is_forgotten(&self) -> bool {
        self.forgotten
    }

    /// Takes in that the object is no longer known.
    pub fn forget(&mut self, now: Instant) {
        self.stop(StopReason::Deleted, now);
        self.forgotten = true;
        self.drop_edits();
    }

    /// Drops what can't be written any more, since the object is gone.
    pub fn drop_edits(&self) {
        let _entered = self.span.enter();
        self.link.drop_edits(&self.kind.operator.observer);
    }

    /// Takes in that a task has ended; returns the turn that the object is to have.
    pub fn ended(
        &mut self,
        uid: &Uid,
        index: usize,
        outcome: Option<&Outcome>,
        now: Instant,
    ) -> Option<Told> {
        let daemon = self.daemons.get_mut(index)?;
        let before = daemon.state;
        daemon.task.take()?;
        daemon.state.ended(outcome, now);
        let (state, wanted) = (daemon.state, daemon.wanted);
        if let (DaemonState::Running(_), Some(outcome @ Outcome::Failed { .. })) = (before, outcome) {
            self.tell_failed(index, outcome, uid);
        }
        self.span.in_scope(|| {
            if outcome.is_none() {
                self.observe(index, DaemonEvent::Cancelled);
            }
            match (before, state) {
                (DaemonState::Stopping { .. }, _) => self.observe(index, DaemonEvent::ExitedOnRequest),
                (_, DaemonState::Ended) => self.observe(index, DaemonEvent::ExitedOnItsOwn),
                _ => {}
            }
        });
        let stopped = matches!(before, DaemonState::Stopping { .. });
        match state {
            _ if self.forgotten => None,
            DaemonState::Waiting { .. } | DaemonState::Rejected { .. } => None,
            // The finalizer may not be needed any longer.
            _ if self.kind.daemons[index].options.finalizer => Some(Told::Whole),
            // It is for the object again.
            DaemonState::Off if stopped && wanted => Some(Told::Partial),
            _ => None,
        }
    }

    /// Tells of a daemon that has failed permanently: once, since it isn't started again.
    fn tell_failed(&self, index: usize, outcome: &Outcome, uid: &Uid) {
        let (namespace, name) = &self.name;
        let object = Named { namespace: namespace.as_deref(), name, uid: &uid.to_string(), version: "" };
        let regarding = || reference(object, &self.kind.kind);
        self.kind.tell_failed(&self.kind.daemons[index].id, outcome, regarding);
    }

    /// Takes the next step of one that is due; returns the turn that the object is to have.
    pub fn expire(&mut self, index: usize, now: Instant) -> Option<Told> {
        let daemon = self.daemons.get_mut(index)?;
        // It was taken out.
        daemon.alarm = None;
        match daemon.state.expire(now) {
            Step::Wake => Some(Told::Partial),
            step => {
                self.perform(index, step, now);
                // One that is abandoned keeps its object no longer.
                let keeper = self.kind.daemons[index].options.finalizer && !self.forgotten;
                (step == Step::Abandon && keeper).then_some(Told::Whole)
            }
        }
    }

    fn perform(&mut self, index: usize, step: Step, now: Instant) {
        let task = self.daemons[index].task.as_ref();
        self.span.in_scope(|| match (step, task) {
            (Step::Signal(why), Some(task)) => {
                let patient = self.daemons[index].state.due().is_some_and(|due| due > now);
                if patient {
                    self.observe(index, DaemonEvent::Signalled);
                }
                task.stop.tell(why);
            }
            (Step::Cancel, Some(task)) => {
                self.observe(index, DaemonEvent::Forced);
                task.handle.abort();
            }
            (Step::Abandon, Some(_)) => self.observe(index, DaemonEvent::Abandoned),
            (Step::Drop, _) => self.observe(index, DaemonEvent::ExitedOnRequest),
            _ => {}
        });
    }

    fn times(&self, index: usize) -> StopTimes {
        let heeds = self.daemons[index].task.as_ref().is_some_and(|task| task.stop.heeds());
        self.kind.daemons[index].options.stop_times(heeds, self.kind.usual_times())
    }

    fn observe(&self, index: usize, event: DaemonEvent) {
        let handler = HandlerName { family: "Daemon", id: &self.kind.daemons[index].id };
        self.kind.observe(Observation::Daemon { handler, event });
    }

    /// Shows a state of the object to those that look.
    pub fn show(&self, body: &Body) {
        self.link.live.show(body);
    }

    /// Whether one that keeps the object runs.
    pub fn keeps(&self) -> bool {
        let keepers = self.kind.daemons.iter().map(|handler| handler.options.finalizer);
        self.daemons.iter().zip(keepers).any(|(daemon, keeper)| keeper && daemon.state.is_running())
    }

    /// What an object's turn is to know of them.
    pub fn standings(&self) -> Box<[Standing]> {
        let standing = |daemon: &Daemon| match daemon.state {
            state if state.is_running() => Standing::Running,
            DaemonState::Ended => Standing::Ended,
            _ => Standing::Absent,
        };
        self.daemons.iter().map(standing).collect()
    }

    /// The alarms that change: the index, the former time and the new one.
    pub fn alarms(&mut self) -> Vec<(usize, Option<Instant>, Option<Instant>)> {
        let change = |(index, daemon): (usize, &mut Daemon)| {
            let due = daemon.state.due();
            let before = std::mem::replace(&mut daemon.alarm, due);
            (before != due).then_some((index, before, due))
        };
        self.daemons.iter_mut().enumerate().filter_map(change).collect()
    }

    /// The number of those that run and are waited for.
    pub fn running(&self) -> usize {
        self.daemons.iter().filter(|daemon| daemon.state.is_running()).count()
    }

    /// The number of those that have not ended.
    pub fn left(&self) -> usize {
        self.daemons.iter().filter(|daemon| daemon.task.is_some()).count()
    }

    /// Whether nothing is to be remembered of them.
    pub fn is_done(&self) -> bool {
        let nothing =
            |daemon: &Daemon| daemon.task.is_none() && (self.forgotten || daemon.state == DaemonState::Off);
        self.daemons.iter().all(nothing)
    }
}

/// A hash of what daemons can read of an object: its essence and its status. The rest changes with each write.
fn readable(Offer { kind, body, .. }: &Offer) -> u64 {
    let mut hasher = DefaultHasher::new();
    fingerprint(&kind.setup.essence(body)).whole.hash(&mut hasher);
    body.value().get("status").map(Value::to_string).hash(&mut hasher);
    hasher.finish()
}

/// Runs an attempt, and tells that it has ended.
async fn run(attempt: Pin<Box<impl Future<Output = Outcome>>>, mut ending: Ending) {
    ending.outcome = Some(attempt.await);
}

fn task(attempt: DaemonAttempt, ending: Ending, span: Span) -> impl Future<Output = ()> + Send + 'static {
    // In a box, since a future that is awaited takes its place twice.
    run(Box::pin(attempt.run()), ending).instrument(span)
}

/// The bytes of what is held for one daemon of one object, besides what its function holds and what the allocator adds.
#[cfg(test)]
pub fn size() -> usize {
    fn of_task<F>(_: impl Fn(DaemonAttempt, Ending, Span) -> F) -> usize {
        size_of::<F>()
    }
    fn of_attempt<F>(_: impl Fn(DaemonAttempt) -> F) -> usize {
        size_of::<F>()
    }
    let futures = of_task(task) + of_attempt(DaemonAttempt::run);
    futures + size_of::<Task>() + size_of::<Daemon>() + size_of::<StopSignal>()
}

/// The bytes of what is held for the daemons of one object together.
#[cfg(test)]
pub fn size_of_object() -> usize {
    let record = size_of::<(Uid, ObjectDaemons)>() + size_of::<(Instant, Uid, usize)>();
    record + ObjectLink::size()
}
