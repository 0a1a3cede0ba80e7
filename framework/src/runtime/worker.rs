//! One object's turn: plan, act, write, and plan again until there is nothing more to do now.

use super::{
    apply::Gone,
    attempt::Pass,
    clock,
    kind::Watched,
    queue::{Done, Finish, Job},
    report,
};
use crate::{
    core::{
        Reason,
        body::Body,
        cycle::{self, Cycle, End, Look, Plan, Sight, plan},
        diff::Diff,
        filter::Facts,
        patch::Patch,
        version::Newest,
    },
    handler::EventType,
    logging,
};
use futures::FutureExt;
use serde_json::Value;
use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
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
    Rest(Body, Option<Duration>),
}

/// Tells when an object comes to no rest: something undoes what is written, and handlers would be called
/// without end.
#[derive(Default)]
struct Pace(VecDeque<Instant>);

impl Pace {
    /// Counts a pass; true where there were too many of them in a short time.
    fn is_restless(&mut self) -> bool {
        const PASSES: usize = 16;
        let now = Instant::now();
        self.0.push_back(now);
        self.0.len() > PASSES && self.0.pop_front().is_some_and(|first| now - first < FLUSH)
    }
}

/// Does what there is to do for one object now.
pub async fn work(watched: Arc<Watched>, job: Job) -> Done {
    let uid = job.body.uid().to_owned();
    let span = logging::object_span(&watched.kind, &job.body);
    let work = AssertUnwindSafe(watched.handle(job)).catch_unwind().instrument(span.clone());
    let end = match work.await {
        Ok(Ok(end)) => end,
        Ok(Err(Gone)) => Finish::Gone,
        Err(panic) => {
            span.in_scope(|| report::broken(&super::attempt::panic_message(panic.as_ref())));
            Finish::Broken
        }
    };
    Done { uid, end }
}

impl Watched {
    async fn handle(self: &Arc<Self>, job: Job) -> Result<Finish, Gone> {
        let mut look = job.look;
        let mut body = job.body.clone();
        if job.fetch {
            body = self.read(&body).await?;
            let changed = !job.known.as_ref().is_some_and(|known| known.is(body.version()));
            look = if changed && look == Look::Again { Look::Changed } else { look };
        }
        let begun = body.clone();
        if let Some(event) = job.event {
            body = self.spy_on(event, body, &job).await?;
            if job.echo && body == begun {
                return Ok(Finish::Spied);
            }
        }
        self.pass_over(&job, look, &begun, body).await
    }

    /// Calls the handlers of raw events.
    async fn spy_on(self: &Arc<Self>, event: EventType, body: Body, job: &Job) -> Result<Body, Gone> {
        let pass = Pass::new(body, job.memo.clone());
        let null = Value::Null;
        let facts = Facts { body: &pass.body, reason: None, old: &null, new: &null, diff: &Diff::default() };
        for handler in self.spies().filter(|handler| handler.filter.concerns(&facts)) {
            self.spy(handler, event, &pass).await;
        }
        if job.gone {
            return Ok(pass.body);
        }
        self.apply(pass.body, Patch::of_merges(pass.additions.take())).await
    }

    /// Plans and acts until there is nothing more to do now.
    async fn pass_over(
        self: &Arc<Self>,
        job: &Job,
        mut look: Look,
        begun: &Body,
        mut body: Body,
    ) -> Result<Finish, Gone> {
        let (mut pace, mut settled) = (Pace::default(), false);
        let mut waiting = job.waiting;
        loop {
            if look != Look::Again {
                report::unreadable(&self.setup.faults(&body, clock::now()));
            }
            let eager = look == Look::Changed && waiting.is_some_and(|number| number != self.number(&body));
            let sight = Sight { gone: job.gone, look, initial: job.initial && !settled, eager };
            let plan = plan(&self.setup, &body, sight, clock::now());
            match self.follow(plan, body, look, job).await? {
                Next::Again { newest, look: next, end } => {
                    settled |= end.as_ref().is_some_and(End::is_settled);
                    waiting = if end.is_some() { None } else { waiting };
                    (body, look) = (newest, next);
                }
                Next::Rest(..) if job.gone => return Ok(Finish::Gone),
                Next::Rest(body, due) => {
                    let newest = known(&body, begun);
                    let waiting = due.map(|_| waiting.unwrap_or_else(|| self.number(&body)));
                    let settled = settled || due.is_none();
                    return Ok(Finish::Seen { newest, due, settled, waiting });
                }
            }
            if pace.is_restless() {
                report::restless();
                return Ok(Finish::Broken);
            }
        }
    }

    /// The essence of an object as a number, to tell whether it has changed.
    fn number(&self, body: &Body) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.setup.essence(body).to_string().hash(&mut hasher);
        hasher.finish()
    }

    async fn follow(self: &Arc<Self>, plan: Plan, body: Body, look: Look, job: &Job) -> Result<Next, Gone> {
        match plan {
            Plan::Rest(rest) => {
                report::rest(rest);
                Ok(Next::Rest(body, None))
            }
            Plan::Wait(until) => {
                let due = Duration::try_from(until.duration_since(clock::now())).unwrap_or_default();
                report::sleeping(due);
                Ok(Next::Rest(body, Some(due)))
            }
            Plan::Write(change) => {
                report::finalizer(&change);
                let newest = self.apply(body, Patch::of_finalizer(change)).await?;
                Ok(Next::Again { newest, look, end: None })
            }
            Plan::Run(cycle) => self.run(&cycle, body, job).await,
        }
    }

    async fn run(self: &Arc<Self>, cycle: &Cycle, body: Body, job: &Job) -> Result<Next, Gone> {
        report::begun(cycle, &self.kind);
        let pass = Pass::new(body, job.memo.clone());
        let done = self.call_ready(cycle, &pass).await;
        let body = pass.body;
        if done.is_empty() && !cycle.ready.is_empty() {
            // The operator stops; nothing was begun.
            return Ok(Next::Rest(body, None));
        }
        let (own, end) = cycle.settle(&self.setup, &body, &done, clock::now());
        report::ended(cycle.reason, &end);
        let mut patch = Patch::of_merges(pass.additions.take());
        if cycle.reason == Reason::Delete && matches!(end, End::Processed(_) | End::Released) {
            // Nobody will read it, and it would cost a write.
            patch = patch.without_status();
        }
        patch.join(own);
        let newest = self.apply(body, patch).await?;
        // The answer may bring what somebody else changed meanwhile.
        let changed = self.setup.essence(&newest) != *cycle.new;
        let look = if changed { Look::Changed } else { Look::Again };
        Ok(Next::Again { newest, look, end: Some(end) })
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

/// The version that is known now, and whether it is one of our own writes.
fn known(newest: &Body, begun: &Body) -> Newest {
    let now = Instant::now().into_std();
    if newest.version() == begun.version() {
        Newest::seen(newest.version(), now)
    } else {
        Newest::written(newest.version(), now)
    }
}
