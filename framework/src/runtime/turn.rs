//! One object's turn at change handlers: plan, act, write, and plan again until there is nothing more to do now.

use super::{
    apply::Gone,
    attempt::Pass,
    clock,
    kind::Watched,
    pace::{Pace, fingerprint, restless},
    queue::{Finish, Job, Told},
    report,
    results::Results,
    store::LeftAlone,
};
use crate::core::{
    body::Body,
    cycle::{Cycle, Done, Look, Plan, Rest, Sight, plan},
    patch::{Finalizer, Patch},
    version::Newest,
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// After this time in one cycle the progress is stored before the next handler is called.
const FLUSH: Duration = Duration::from_secs(5);

/// An object in the hands of a worker.
pub struct Turn<'a> {
    watched: &'a Arc<Watched>,
    job: &'a Job,
    told: &'a mut Told,
    /// The version that the turn began with.
    begun: String,
    /// The object as it is now.
    body: Body,
    /// How it comes to be looked at.
    look: Look,
    /// It was handled to its end.
    settled: bool,
    /// Handlers were called.
    ran: bool,
}

/// An object that there is nothing more to do for now.
struct Resting {
    /// The object as it was seen.
    seen: Body,
    /// The time to the next look.
    due: Option<Duration>,
    /// Whether handlers wait that a change of the object may call at once.
    waiting: bool,
}

impl From<LeftAlone> for Resting {
    fn from(LeftAlone { seen, due }: LeftAlone) -> Self {
        Self { seen, due: Some(due), waiting: true }
    }
}

impl<'a> Turn<'a> {
    /// The turn that a job asks for, at the object as handlers of raw events have left it.
    pub fn new(watched: &'a Arc<Watched>, job: &'a Job, told: &'a mut Told, body: Body) -> Self {
        let begun = job.body.version().to_owned();
        Self { watched, job, told, begun, body, look: job.look, settled: false, ran: false }
    }

    /// Does all that there is to do now.
    pub async fn finish(mut self) -> Result<Finish, Gone> {
        match self.catch_up().await? {
            Some(resting) => Ok(self.come_to_nothing(resting)),
            None => self.pass_over().await,
        }
    }

    /// Stores what could not be stored in an earlier turn.
    async fn catch_up(&mut self) -> Result<Option<Resting>, Gone> {
        let mut versions = Vec::new();
        let stored = self.watched.catch_up(self.body.clone(), self.job, &mut versions).await?;
        self.told.written(versions);
        Ok(self.take(stored))
    }

    /// Goes on with the object as it is now, unless it is to be left alone.
    fn take(&mut self, stored: Result<Body, LeftAlone>) -> Option<Resting> {
        match stored {
            Ok(newest) => {
                self.body = newest;
                None
            }
            Err(left_alone) => Some(left_alone.into()),
        }
    }

    /// Plans and acts until there is nothing more to do now.
    async fn pass_over(&mut self) -> Result<Finish, Gone> {
        let mut pace = Pace::default();
        loop {
            if self.look != Look::Again {
                report::unreadable(&self.watched.setup().faults(&self.body, clock::now()));
            }
            let plan = plan(self.watched.setup(), &self.body, self.sight(), clock::now());
            match self.follow(plan).await? {
                Some(_) if self.job.gone => return Ok(Finish::Gone),
                Some(resting) => return Ok(self.rest(resting)),
                None if pace.is_restless(self.watched.handlers.len()) => {
                    return Ok(restless(self.job.errors, self.known(&self.body)));
                }
                None => {}
            }
        }
    }

    fn sight(&self) -> Sight {
        // What handlers themselves have changed in this turn is no reason to call them at once. What others have may have
        // come by an answer to us, or have been seen before in a turn that came to nothing.
        let waiting = self.job.waiting.filter(|_| !self.ran);
        let changed = waiting.map(|before| (before, fingerprint(self.watched.setup(), &self.body)));
        Sight {
            gone: self.job.gone,
            look: self.look,
            initial: self.job.initial && !self.settled,
            rearmed: changed.is_some_and(|(before, now)| before.whole != now.whole),
            eager: changed.is_some_and(|(before, now)| before.state != now.state),
        }
    }

    /// The end of the turn.
    fn rest(&self, Resting { seen, due, waiting }: Resting) -> Finish {
        let waiting = waiting.then(|| fingerprint(self.watched.setup(), &seen));
        let settled = self.settled || due.is_none();
        // For handlers of raw events, an object may be looked at before it is for those of changes.
        let planned = !self.job.echo;
        Finish::Seen { newest: self.known(&seen), due, settled, planned, waiting }
    }

    /// The end of a turn in which nothing was planned: what has changed is still to be looked at.
    fn come_to_nothing(&self, Resting { seen, due, .. }: Resting) -> Finish {
        let (newest, waiting) = (self.known(&seen), self.job.waiting);
        Finish::Seen { newest, due, settled: false, planned: false, waiting }
    }

    /// A version that is known now, and whether it is one of our own writes.
    fn known(&self, body: &Body) -> Newest {
        let now = Instant::now().into_std();
        if body.version() == self.begun {
            Newest::seen(body.version(), now)
        } else {
            Newest::written(body.version(), now)
        }
    }

    /// Does what comes next; none where the object is to be planned for again.
    async fn follow(&mut self, plan: Plan) -> Result<Option<Resting>, Gone> {
        match plan {
            Plan::Rest(rest) => Ok(Some(self.leave(rest))),
            Plan::Wait(until) => Ok(Some(self.wait(until))),
            Plan::Write(change) => self.set(change).await,
            Plan::Run(cycle) => self.run(*cycle).await,
        }
    }

    fn leave(&self, rest: Rest) -> Resting {
        // What our own write has let go is gone by now; the watch will say so.
        let let_go =
            rest == Rest::Free && self.look == Look::Again && self.body.finalizers().next().is_none();
        if !let_go {
            report::rest(rest);
        }
        Resting { seen: self.body.clone(), due: None, waiting: rest == Rest::Held }
    }

    fn wait(&self, until: Timestamp) -> Resting {
        let due = Duration::try_from(until.duration_since(clock::now())).unwrap_or_default();
        report::sleeping(due);
        Resting { seen: self.body.clone(), due: Some(due), waiting: true }
    }

    /// Adds or removes the finalizer.
    async fn set(&mut self, change: Finalizer) -> Result<Option<Resting>, Gone> {
        report::finalizer(&change);
        let (patch, mut versions) = (Patch::of_finalizer(change), Vec::new());
        let changed = self.watched.change(self.body.clone(), patch, &self.job.memo, &mut versions).await?;
        self.told.stored(versions, false);
        let watched = self.watched;
        let essence = |body: &Body| watched.setup().essence(body);
        let before = (self.look == Look::Again).then(|| essence(&self.body));
        let resting = self.take(changed);
        if before.is_some_and(|before| essence(&self.body) != before) {
            // The answer has brought what somebody else changed meanwhile.
            self.look = Look::Changed;
        }
        Ok(resting)
    }

    /// Calls handlers, and stores what they have come to.
    async fn run(&mut self, cycle: Cycle) -> Result<Option<Resting>, Gone> {
        report::begun(&cycle, &self.watched.kind);
        let pass = Pass::new(self.body.clone(), self.job.memo.clone());
        let done = self.call_ready(&cycle, &pass).await;
        if done.is_empty() && !cycle.ready.is_empty() {
            // The operator stops; nothing was begun.
            return Ok(Some(Resting { seen: self.body.clone(), due: None, waiting: false }));
        }
        let additions = Patch::of_additions(pass.additions.take());
        let results = Results::new(self.watched.setup(), &self.body, cycle, done, additions);
        report::ended(results.cycle.reason, &results.end);
        self.store(results).await
    }

    async fn store(&mut self, results: Results) -> Result<Option<Resting>, Gone> {
        let essence = Arc::clone(&results.cycle.new);
        // It calls the functions that handlers have left behind; nobody asks where handlers of raw events haven't written.
        let adds = self.told.last && self.watched.is_pending(&results.additions, &self.body);
        let (body, mut versions) = (self.body.clone(), Vec::new());
        let stored = self.watched.store(results.into(), body, &self.job.memo, &mut versions).await?;
        self.told.stored(versions, adds);
        let stored = stored.map(|(newest, end)| {
            // The answer may bring what somebody else changed meanwhile.
            let changed = self.watched.setup().essence(&newest) != *essence;
            self.look = if changed { Look::Changed } else { Look::Again };
            self.settled |= end.is_settled();
            self.ran = true;
            newest
        });
        Ok(self.take(stored))
    }

    /// Calls the handlers whose turn it is, one after the other.
    async fn call_ready(&self, cycle: &Cycle, pass: &Pass) -> Vec<Done> {
        let (begun, mut done) = (Instant::now(), Vec::new());
        for ready in &cycle.ready {
            let late = begun.elapsed() > FLUSH && !done.is_empty();
            if late || self.watched.stopping.is_cancelled() {
                break;
            }
            done.push(self.watched.attempt(cycle, *ready, pass).await);
        }
        done
    }
}
