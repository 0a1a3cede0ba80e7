//! One object's turn: plan, act, write, and plan again until there is nothing more to do now.

use super::{
    apply::Gone,
    attempt::Views,
    clock,
    kind::Watched,
    queue::{Done, Finish, Job},
    report,
};
use crate::{
    core::{
        Reason,
        body::Body,
        cycle::{Cycle, End, Look, Plan, Ready, plan},
        patch::Patch,
        retry::Outcome,
        version::Newest,
    },
    handler::{Additions, Reply},
    logging,
};
use futures::FutureExt;
use serde_json::json;
use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::Instrument;

/// After this time in one cycle the progress is stored before the next handler is called.
const FLUSH: Duration = Duration::from_secs(5);

/// How a pass over an object ended.
enum Next {
    /// It is to be planned for again, as it is now.
    Again(Body, Look),
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
    async fn handle(&self, job: Job) -> Result<Finish, Gone> {
        let mut look = job.look;
        let mut body = job.body;
        if job.fetch {
            body = self.read(&body).await?;
            let changed = !job.known.is_some_and(|known| known.is(body.version()));
            look = if changed && look == Look::Again { Look::Changed } else { look };
        }
        let begun = body.clone();
        let mut pace = Pace::default();
        loop {
            if look != Look::Again {
                report::unreadable(&self.setup.faults(&body, clock::now()));
            }
            let plan = plan(&self.setup, &body, job.gone, look, clock::now());
            match self.follow(plan, body, look).await? {
                Next::Again(newest, next) => (body, look) = (newest, next),
                Next::Rest(..) if job.gone => return Ok(Finish::Gone),
                Next::Rest(newest, due) => return Ok(Finish::Seen { newest: known(&newest, &begun), due }),
            }
            if pace.is_restless() {
                report::restless();
                return Ok(Finish::Broken);
            }
        }
    }

    async fn follow(&self, plan: Plan, body: Body, look: Look) -> Result<Next, Gone> {
        match plan {
            Plan::Rest(rest) => {
                report::rest(rest);
                // What failed for good is looked at again when the object changes; all the rest too.
                Ok(Next::Rest(body, None))
            }
            Plan::Wait(until) => {
                let due = Duration::try_from(until.duration_since(clock::now())).unwrap_or_default();
                report::sleeping(due);
                Ok(Next::Rest(body, Some(due)))
            }
            Plan::Write(change) => {
                report::finalizer(&change);
                let patch = Patch::of_finalizer(change);
                self.apply(body, patch).await.map(|newest| Next::Again(newest, look))
            }
            Plan::Run(cycle) => self.run(&cycle, body).await,
        }
    }

    async fn run(&self, cycle: &Cycle, body: Body) -> Result<Next, Gone> {
        report::begun(cycle, &self.kind);
        let (outcomes, mut patch) = self.call_ready(cycle, &body).await;
        if outcomes.is_empty() && !cycle.ready.is_empty() {
            // The operator stops; nothing was begun.
            return Ok(Next::Rest(body, None));
        }
        let (own, end) = cycle.settle(&self.setup, &body, &outcomes, clock::now());
        report::ended(cycle.reason, &end);
        if cycle.reason == Reason::Delete && matches!(end, End::Processed(_) | End::Released) {
            // Nobody will read it, and it would cost a write.
            patch = patch.without_status();
        }
        patch.join(own);
        let newest = self.apply(body, patch).await?;
        // The answer may bring what somebody else changed meanwhile.
        let changed = self.setup.essence(&newest) != *cycle.new;
        Ok(Next::Again(newest, if changed { Look::Changed } else { Look::Again }))
    }

    /// Calls the handlers whose turn it is, one after the other, and gathers what they leave on the object.
    async fn call_ready(&self, cycle: &Cycle, body: &Body) -> (Vec<(Ready, Outcome)>, Patch) {
        let (views, mut patch, mut outcomes) = (Views::default(), Patch::default(), Vec::new());
        let begun = Instant::now();
        for ready in &cycle.ready {
            let late = begun.elapsed() > FLUSH && !outcomes.is_empty();
            if late || self.stopping.is_cancelled() {
                break;
            }
            let additions = Additions::default();
            let attempted = self.attempt(cycle, *ready, body, &views, &additions).await;
            additions.take().into_iter().for_each(|addition| patch.merge(addition));
            match attempted.reply {
                Reply::Nothing => {}
                Reply::Status(status) => patch.status(status),
                Reply::Result(result) => patch.status(json!({ &self.handlers[ready.task].id: result })),
            }
            outcomes.push((*ready, attempted.outcome));
        }
        (outcomes, patch)
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
