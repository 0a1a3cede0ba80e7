//! One object's turn: plan, act, write, and plan again until there is nothing more to do now.

use super::{
    apply::Gone,
    attempt::Pass,
    clock,
    kind::Watched,
    pace::{Pace, broken, fingerprint, restless, unread},
    queue::{Done, Finish, Job, Told},
    report,
    request::{Standing, Unread},
    results::Results,
    store::LeftAlone,
};
use crate::{
    core::{
        body::Body,
        cycle::{self, Cycle, End, Look, Plan, Rest, Sight, plan},
        diff::Diff,
        filter::Facts,
        patch::Patch,
        task::{FilterPanic, ask},
        version::Newest,
    },
    error::panic_message,
    handler::EventType,
    logging,
};
use futures::FutureExt;
use serde_json::Value;
use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::Instrument;

/// After this time in one cycle the progress is stored before the next handler is called.
const FLUSH: Duration = Duration::from_secs(5);

/// How a pass over an object ended.
enum Next {
    /// It is to be planned for again.
    Again {
        /// The object as it is now.
        newest: Body,
        /// How it comes to be looked at again.
        look: Look,
        /// How the handlers of this pass have ended, if any were called.
        end: Option<End>,
    },
    /// There is nothing more to do now.
    Rest(Resting),
}

/// An object that there is nothing more to do for now.
struct Resting {
    /// The object as it is now.
    newest: Body,
    /// The time to the next look.
    due: Option<Duration>,
    /// Whether handlers wait that a change of the object may call at once.
    waiting: bool,
}

impl From<LeftAlone> for Resting {
    fn from(LeftAlone { seen, due }: LeftAlone) -> Self {
        Self { newest: seen, due: Some(due), waiting: true }
    }
}

/// Does what there is to do for one object now.
pub async fn work(watched: Arc<Watched>, job: Job) -> Done {
    let (uid, errors) = (job.body.uid().to_owned(), job.errors);
    let span = logging::object_span(&watched.kind, &job.body);
    let mut told = Told { untold: job.event, ..Told::default() };
    let work = AssertUnwindSafe(watched.handle(job, &mut told)).catch_unwind().instrument(span.clone());
    let end = match work.await {
        Ok(Ok(end)) => end,
        Ok(Err(Gone)) => Finish::Gone,
        Err(panic) => span.in_scope(|| broken(errors, &why(panic.as_ref()), None)),
    };
    if errors > 0 && matches!(end, Finish::Seen { .. }) {
        span.in_scope(report::throttling_is_over);
    }
    Done { uid, end, told }
}

impl Watched {
    /// Looks at the object, and notes what handlers of raw events are told, and what they write.
    async fn handle(self: &Arc<Self>, mut job: Job, told: &mut Told) -> Result<Finish, Gone> {
        if let Some(unslept) = job.unslept {
            report::sleeping_interrupted(unslept);
        }
        if job.gone && self.selector().is_some() {
            job = match self.look_for(job, told).await {
                Ok(job) => job,
                Err(end) => return Ok(end),
            };
        }
        if job.fetch {
            job = match self.read(&job.body, Standing::after(job.errors)).await {
                Ok(newest) => fetched(job, newest),
                Err(Unread::Gone) => return Err(Gone),
                Err(Unread::Failed(why, _)) => return Ok(unread(job.errors, &why)),
            };
        }
        let (begun, mut body) = (job.body.clone(), job.body.clone());
        if let Some(event) = job.event {
            body = self.spy_on(event, body, &job, told).await?;
            if job.echo && body.version() == begun.version() {
                return Ok(Finish::Spied);
            }
        }
        let mut versions = Vec::new();
        let caught_up = self.catch_up(body, &job, &mut versions).await?;
        told.written(versions, job.known.as_ref());
        match caught_up {
            Ok(body) => self.pass_over(&job, &begun, body, told).await,
            Err(left_alone) => Ok(self.seen(left_alone.into(), &begun, false)),
        }
    }

    /// Calls the handlers of raw events.
    async fn spy_on(
        self: &Arc<Self>,
        event: EventType,
        body: Body,
        job: &Job,
        told: &mut Told,
    ) -> Result<Body, Gone> {
        // Not once more, should a filter panic.
        told.untold = None;
        let pass = Pass::new(body, job.memo.clone());
        let null = Value::Null;
        let facts = Facts { body: &pass.body, reason: None, old: &null, new: &null, diff: &Diff::default() };
        for handler in self.spies().filter(|handler| ask(&handler.id, || handler.filter.concerns(&facts))) {
            self.spy(handler, event, &pass).await;
        }
        if job.gone {
            return Ok(pass.body);
        }
        let additions = Patch::of_additions(pass.additions.take());
        let mut versions = Vec::new();
        let changed = self.change(pass.body, additions, &job.memo, &mut versions).await?;
        told.written(versions, job.known.as_ref());
        match changed {
            Ok(newest) | Err(LeftAlone { seen: newest, .. }) => Ok(newest),
        }
    }

    /// Plans and acts until there is nothing more to do now.
    async fn pass_over(
        self: &Arc<Self>,
        job: &Job,
        begun: &Body,
        mut body: Body,
        told: &mut Told,
    ) -> Result<Finish, Gone> {
        let (mut look, mut pace, mut settled, mut ran) = (job.look, Pace::default(), false, false);
        loop {
            if look != Look::Again {
                report::unreadable(&self.setup().faults(&body, clock::now()));
            }
            // What handlers themselves have changed in this turn is no reason to call them at once.
            let waiting = job.waiting.filter(|_| look == Look::Changed && !ran);
            let changed = waiting.map(|before| (before, fingerprint(self.setup(), &body)));
            let sight = Sight {
                gone: job.gone,
                look,
                initial: job.initial && !settled,
                rearmed: changed.is_some_and(|(before, now)| before.whole != now.whole),
                eager: changed.is_some_and(|(before, now)| before.state != now.state),
            };
            let plan = plan(self.setup(), &body, sight, clock::now());
            match self.follow(plan, body, look, job, told).await? {
                Next::Again { newest, look: next, end } => {
                    settled |= end.as_ref().is_some_and(End::is_settled);
                    ran |= end.is_some();
                    (body, look) = (newest, next);
                }
                Next::Rest(_) if job.gone => return Ok(Finish::Gone),
                Next::Rest(resting) => {
                    let settled = settled || resting.due.is_none();
                    return Ok(self.seen(resting, begun, settled));
                }
            }
            if pace.is_restless(self.handlers.len()) {
                return Ok(restless(job.errors, known(&body, begun)));
            }
        }
    }

    fn seen(&self, Resting { newest, due, waiting }: Resting, begun: &Body, settled: bool) -> Finish {
        let waiting = waiting.then(|| fingerprint(self.setup(), &newest));
        Finish::Seen { newest: known(&newest, begun), due, settled, waiting }
    }

    async fn follow(
        self: &Arc<Self>,
        plan: Plan,
        body: Body,
        look: Look,
        job: &Job,
        told: &mut Told,
    ) -> Result<Next, Gone> {
        match plan {
            Plan::Rest(rest) => {
                // What our own write has let go is gone by now; the watch will say so.
                let let_go = rest == Rest::Free && look == Look::Again && body.finalizers().next().is_none();
                if !let_go {
                    report::rest(rest);
                }
                Ok(Next::Rest(Resting { newest: body, due: None, waiting: rest == Rest::Held }))
            }
            Plan::Wait(until) => {
                let due = Duration::try_from(until.duration_since(clock::now())).unwrap_or_default();
                report::sleeping(due);
                Ok(Next::Rest(Resting { newest: body, due: Some(due), waiting: true }))
            }
            Plan::Write(change) => {
                report::finalizer(&change);
                let (patch, mut versions) = (Patch::of_finalizer(change), Vec::new());
                let changed = self.change(body, patch, &job.memo, &mut versions).await?;
                told.stored(versions, false);
                match changed {
                    Ok(newest) => Ok(Next::Again { newest, look, end: None }),
                    Err(left_alone) => Ok(Next::Rest(left_alone.into())),
                }
            }
            Plan::Run(cycle) => self.run(*cycle, body, job, told).await,
        }
    }

    async fn run(
        self: &Arc<Self>,
        cycle: Cycle,
        body: Body,
        job: &Job,
        told: &mut Told,
    ) -> Result<Next, Gone> {
        report::begun(&cycle, &self.kind);
        let pass = Pass::new(body, job.memo.clone());
        let done = self.call_ready(&cycle, &pass).await;
        let body = pass.body;
        if done.is_empty() && !cycle.ready.is_empty() {
            // The operator stops; nothing was begun.
            return Ok(Next::Rest(Resting { newest: body, due: None, waiting: false }));
        }
        let at = clock::now();
        let (_, end) = cycle.settle(self.setup(), &body, &done, at);
        report::ended(cycle.reason, &end);
        let additions = Patch::of_additions(pass.additions.take());
        let essence = Arc::clone(&cycle.new);
        let results = Arc::new(Results::new(cycle, done, additions, &end, at));
        let (adds, mut versions) = (self.is_pending(&results.additions, &body), Vec::new());
        let stored = self.store(results, body, &job.memo, &mut versions).await?;
        told.stored(versions, adds);
        match stored {
            Ok((newest, end)) => {
                // The answer may bring what somebody else changed meanwhile.
                let changed = self.setup().essence(&newest) != *essence;
                let look = if changed { Look::Changed } else { Look::Again };
                Ok(Next::Again { newest, look, end: Some(end) })
            }
            Err(left_alone) => Ok(Next::Rest(left_alone.into())),
        }
    }

    /// Calls the handlers whose turn it is, one after the other.
    async fn call_ready(self: &Arc<Self>, cycle: &Cycle, pass: &Pass) -> Vec<cycle::Done> {
        let (begun, mut done) = (Instant::now(), Vec::new());
        for ready in &cycle.ready {
            let late = begun.elapsed() > FLUSH && !done.is_empty();
            if late || self.stopping.is_cancelled() {
                break;
            }
            done.push(self.attempt(cycle, *ready, pass).await);
        }
        done
    }
}

/// The turn of an object that was read.
fn fetched(job: Job, body: Body) -> Job {
    let changed = !job.known.as_ref().is_some_and(|known| known.is(body.version()));
    let look = if changed && job.look == Look::Again { Look::Changed } else { job.look };
    Job { body, look, ..job }
}

/// Why the framework breaks down over an object.
fn why(panic: &(dyn Any + Send)) -> String {
    panic.downcast_ref::<FilterPanic>().map_or_else(|| panic_message(panic), ToString::to_string)
}

/// The version that is known now, and whether it is one of our own writes.
fn known(newest: &Body, begun: &Body) -> Newest {
    let now = Instant::now().into_std();
    if newest.version() == begun.version() {
        Newest::seen(newest.version(), now)
    } else {
        Newest::written(newest.version(), now)
    }
}
