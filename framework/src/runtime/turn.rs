//! One object's turn at change handlers: read, plan, act, write, until nothing more is to be done now.

use super::{
    attempt::Pass,
    clock,
    kind::KindContext,
    memory::Memory,
    observe::Observation,
    strips::Stripped,
    throttle::{Pace, fingerprint},
    transitions::Ended,
    write::{Intent, Outcomes, Stop, Written, WrittenCycle},
};
use crate::event_queue::reference;
use jiff::Timestamp;
use korf_core::{
    Reason,
    body::Body,
    cause::{Occasion, Resumption, Situation},
    cycle::{Cycle, HandlerOutcome, Idle, Plan, Reading, is_below, is_concerned, left_out, plan},
    daemon::Hold,
    patch::Finalizer,
    queue::{Blocked, Blockings, Extent, Fingerprint, Job, TurnEnd},
    retry::Outcome,
    storage::StoredFor,
    version::Newest,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// An object in the hands of a worker.
pub struct Turn<'a> {
    kind: &'a Arc<KindContext>,
    job: &'a Job,
    memory: &'a mut Memory,
    /// The object as it is now.
    pub reading: Reading,
    /// How the current pass came about.
    occasion: Occasion,
    /// It was handled completely.
    settled: bool,
    /// It was resumed as the job asks.
    resumed: bool,
    /// Whether handlers have failed permanently, where all that were called have finished.
    pub failed: Option<bool>,
    /// Whether it ends because handlers wait that haven't failed.
    pub patient: bool,
    /// The essence that the handlers of the last cycle saw, with their own changes.
    handled: Option<Fingerprint>,
    /// What its handlers wait for.
    blocked: Blockings,
    /// The causes that handlers have waited for, and got past.
    got_past: Vec<Arc<str>>,
    /// The ids of the handlers that are still to be called though they aren't due.
    early: Vec<Arc<str>>,
    /// Whether daemons need the finalizer.
    hold: Hold,
}

/// An object that gets its next turn later.
struct NextTurn {
    /// The object as it was seen.
    seen: Reading,
    /// The time to the next turn.
    due: Option<Duration>,
    /// Whether handlers wait that a change of the object calls at once.
    waiting: bool,
    /// No handler was for the object. Those that are to be resumed still are, once it is theirs again.
    unhandled: bool,
}

impl<'a> Turn<'a> {
    /// The turn that a job asks for, at the object as event handlers and timers have left it.
    pub fn new(kind: &'a Arc<KindContext>, job: &'a Job, memory: &'a mut Memory, reading: Reading) -> Self {
        Self {
            kind,
            job,
            memory,
            reading,
            occasion: job.occasion,
            settled: false,
            resumed: false,
            failed: None,
            patient: false,
            handled: None,
            blocked: job.blocked.clone(),
            got_past: Vec::new(),
            early: job.early.clone(),
            hold: Hold::None,
        }
    }

    /// Does everything that is to be done now.
    pub async fn finish(&mut self) -> Result<TurnEnd, Stop> {
        // The watch has shown its deletion: nothing of it can be stored.
        if !self.job.gone {
            match self.kind.catch_up(self.reading.body.clone(), self.memory).await {
                Ok((written, before)) => self.catch_up(written, &before),
                Err(Stop::Later { seen, after }) => return Ok(self.unplanned(&seen, after)),
                Err(stop) => return Err(stop),
            }
        }
        if let Some(after) = self.stripped() {
            return Ok(self.unplanned(&self.reading.body, after));
        }
        if self.is_copy()? {
            let edits = self.reading.erasure(&self.kind.setup.storage);
            if let Some(next) = self.commit(Intent::Edits { edits, exactly: false }).await? {
                // It still is a copy in the next turn.
                return Ok(self.unplanned(&next.seen.body, next.due.unwrap_or_default()));
            }
            self.kind.observe(Observation::Copied);
        }
        if self.job.prompt {
            self.early.extend(self.reading.waiting().map(Arc::from));
        }
        let mut pace = Pace::default();
        loop {
            if self.occasion != Occasion::Again && !self.reading.unreadable().is_empty() {
                self.kind.observe(Observation::Unreadable(self.reading.unreadable()));
            }
            if !self.job.gone {
                self.hold = self.kind.offer_daemons(&self.reading.body, self.memory).await?;
            }
            self.reading.hasten(self.early.iter().map(|id| &**id));
            let plan = plan(&self.kind.setup, &self.reading, self.situation(), clock::now())?;
            let handlers = self.kind.setup.handlers.len();
            match self.follow(plan).await? {
                Some(_) if self.job.gone => return Ok(TurnEnd::Gone),
                Some(next) => return Ok(self.rest(&next)),
                None if pace.is_exceeded(handlers, &self.kind.operator.settings.queueing) => {
                    return Ok(self.kind.never_converges(self.job.errors, self.known(&self.reading.body)));
                }
                None => {}
            }
        }
    }

    /// Ends without a look at what is stored on the object.
    pub fn end_unplanned(&self) -> TurnEnd {
        if self.job.gone { TurnEnd::Gone } else { self.rest(&self.next_turn()) }
    }

    /// Takes in that the outcomes of an earlier turn were stored. If others have changed the object since that turn, these
    /// changes are still to be looked at.
    fn catch_up(&mut self, written: Written, before: &Body) {
        let stored = written.cycle.is_some();
        self.take_in(written);
        let has_changed = |waiting| waiting != fingerprint(&self.kind.setup.essence(before));
        if stored && self.job.waiting.is_some_and(has_changed) {
            self.handled = None;
        }
    }

    /// Whether the operator's state on the object is that of another one, with which it was copied.
    ///
    /// # Errors
    /// A filter can't be evaluated.
    fn is_copy(&self) -> Result<bool, Stop> {
        let foreign = match self.reading.stored_for {
            StoredFor::This => false,
            StoredFor::Another => true,
            StoredFor::Unknown => self.was_created_with_state(),
        };
        let may_be =
            foreign && !self.job.gone && !self.reading.body.is_deleting() && !self.reading.is_blank();
        Ok(may_be && is_concerned(&self.kind.setup, &self.reading)?)
    }

    /// Whether the object has appeared with state of this operator on it. A selector may show again one that is known.
    fn was_created_with_state(&self) -> bool {
        self.occasion == Occasion::First
            && self.job.resumption != Some(Resumption::Start)
            // An earlier turn may have stored the state, and failed.
            && self.job.errors == 0
            && self.kind.selector().is_none()
    }

    /// For how long the object is left alone because others keep removing what is stored on it.
    fn stripped(&mut self) -> Option<Duration> {
        let stripped = self.job.stored
            && !self.job.gone
            && self.occasion != Occasion::First
            && self.handled.is_none()
            && self.reading.is_blank()
            && !self.reading.body.is_deleting();
        let delays = &self.kind.operator.settings.queueing.error_delays;
        match stripped.then(|| self.memory.strips.note(Instant::now(), delays))? {
            Stripped::Handle => None,
            Stripped::Wait(after, strips) => {
                if let Some(strips) = strips {
                    self.kind.observe(Observation::Stripped { strips, again: after });
                }
                Some(after)
            }
        }
    }

    /// Goes on with the object as it is now.
    fn read(&mut self, newest: Body) {
        // The version may be the same: that of the last state, where our write has released the object.
        if newest != self.reading.body {
            self.reading = Reading::of(&self.kind.setup, newest, clock::now());
        }
    }

    fn situation(&self) -> Situation {
        // Changes by handlers in this turn are no reason to call them at once. Changes by others may have come with an
        // answer to us, or have been seen before in a turn that planned nothing.
        let waiting = self.handled.or(self.job.waiting);
        let changed = waiting.map(|before| (before, fingerprint(&self.reading.new)));
        Situation {
            gone: self.job.gone,
            occasion: self.occasion,
            resumption: self.resumption(),
            rearmed: changed.is_some_and(|(before, now)| before.whole != now.whole),
            eager: changed.is_some_and(|(before, now)| before.state != now.state),
            hold: self.hold,
        }
    }

    /// Why the object is still to be resumed.
    fn resumption(&self) -> Option<Resumption> {
        let asked = self.job.resumption.filter(|why| match why {
            Resumption::Start => !self.settled,
            _ => !self.resumed,
        });
        let unseen = self.has_unseen_generation() && !self.settled;
        asked.or_else(|| unseen.then_some(Resumption::Generation))
    }

    /// Whether the object has another generation than when it was handled last: if nothing else has changed, a change was
    /// taken back.
    fn has_unseen_generation(&self) -> bool {
        let (known, now) = (self.job.generation, self.reading.body.generation());
        known != 0 && self.kind.follows_generations() && now.is_some_and(|now| now != known)
    }

    /// The end of the turn.
    fn rest(&self, NextTurn { seen, due, waiting, unhandled }: &NextTurn) -> TurnEnd {
        let settled = self.settled || (due.is_none() && !unhandled);
        TurnEnd::Seen {
            newest: self.known(&seen.body),
            due: *due,
            settled,
            resumed: match self.job.resumption {
                Some(Resumption::Start) | None => settled,
                Some(_) => self.resumed || due.is_none(),
            },
            // A partial turn may come before the object's first turn.
            planned: self.job.extent == Extent::Whole,
            called: self.early.is_empty(),
            waiting: waiting.then(|| fingerprint(&seen.new)),
            blocked: if due.is_some() { self.blocked.clone() } else { Blockings::new() },
            got_past: self.got_past.clone(),
            stored: self.handled.is_some(),
            generation: seen.body.generation().filter(|_| settled && self.kind.follows_generations()),
        }
    }

    /// The end of a turn in which nothing was planned: changes are still to be looked at.
    fn unplanned(&self, seen: &Body, after: Duration) -> TurnEnd {
        let (newest, waiting, blocked) = (self.known(seen), self.job.waiting, self.job.blocked.clone());
        TurnEnd::Seen {
            newest,
            due: Some(after),
            settled: false,
            resumed: false,
            planned: false,
            called: false,
            waiting,
            blocked,
            got_past: Vec::new(),
            stored: false,
            generation: None,
        }
    }

    /// A version that is known now, and whether it is one of our own writes.
    fn known(&self, body: &Body) -> Newest {
        let now = Instant::now().into_std();
        if body.version() == self.job.body.version() {
            Newest::seen(body.version(), now)
        } else {
            Newest::written(body.version(), now)
        }
    }

    /// Does what comes next; none where the object is to be planned for again.
    async fn follow(&mut self, plan: Plan) -> Result<Option<NextTurn>, Stop> {
        match plan {
            Plan::Idle(idle) => {
                self.early.clear();
                Ok(Some(self.idle(idle)))
            }
            // Those that are called early aren't waited for.
            Plan::Wait(until) => {
                self.early.clear();
                self.patient = self.reading.is_patient();
                Ok(Some(self.wait(until)))
            }
            Plan::Write(change) => self.change_finalizer(change).await,
            Plan::Run(cycle) => self.run(*cycle).await,
        }
    }

    /// The next turn, once the object as it is now has changed.
    fn next_turn(&self) -> NextTurn {
        NextTurn { seen: self.reading.clone(), due: None, waiting: false, unhandled: false }
    }

    fn idle(&self, idle: Idle) -> NextTurn {
        // An object that our own write has released is gone by now; the watch will show it.
        let released = idle == Idle::Free
            && self.occasion == Occasion::Again
            && self.reading.body.finalizers().next().is_none();
        if !released {
            self.kind.observe(Observation::Idle(idle));
        }
        NextTurn {
            due: None,
            waiting: idle == Idle::Held,
            unhandled: matches!(idle, Idle::Stealth | Idle::Awaiting),
            ..self.next_turn()
        }
    }

    fn wait(&self, until: Timestamp) -> NextTurn {
        let due = Duration::try_from(until.duration_since(clock::now())).unwrap_or_default();
        self.kind.observe(Observation::Sleeping { due });
        NextTurn { due: Some(due), waiting: true, ..self.next_turn() }
    }

    /// Adds or removes the finalizer.
    async fn change_finalizer(&mut self, change: Finalizer) -> Result<Option<NextTurn>, Stop> {
        self.kind.observe(Observation::FinalizerChanges(&change));
        let before = (self.occasion == Occasion::Again).then(|| Arc::clone(&self.reading.new));
        let next = self.commit(Intent::Finalizer(change)).await?;
        if before.is_some_and(|before| self.reading.new != before) {
            // The answer has brought a change by others.
            self.occasion = Occasion::Changed;
        }
        Ok(next)
    }

    /// Writes, and goes on with the object as it is then, unless it is left alone.
    async fn commit(&mut self, intent: Intent) -> Result<Option<NextTurn>, Stop> {
        match self.kind.commit(self.reading.body.clone(), intent, self.memory).await {
            Ok(written) => {
                self.take_in(written);
                Ok(None)
            }
            Err(Stop::Later { seen, after }) => {
                let seen = Reading::of(&self.kind.setup, seen, clock::now());
                Ok(Some(NextTurn { seen, due: Some(after), waiting: true, unhandled: false }))
            }
            Err(stop) => Err(stop),
        }
    }

    /// Goes on with the object as it is after a write.
    fn take_in(&mut self, Written { newest, cycle }: Written) {
        self.read(newest);
        let Some(WrittenCycle { reason, state, essence, ours }) = cycle else { return };
        // The answer may bring a change by others.
        self.occasion = if self.reading.new == essence { Occasion::Again } else { Occasion::Changed };
        self.settled |= state.is_settled();
        self.failed = state.has_failed().or(self.failed);
        self.resumed |= state.is_settled() && self.job.resumption.map(Resumption::reason) == Some(reason);
        self.handled = Some(match ours {
            Some(ours) => fingerprint(&self.kind.setup.essence(&ours)),
            None => fingerprint(&essence),
        });
    }

    /// Calls handlers, and stores their outcomes.
    async fn run(&mut self, cycle: Cycle) -> Result<Option<NextTurn>, Stop> {
        self.kind.observe(Observation::CycleBegins { cycle: &cycle, kind: &self.kind.kind });
        // Of an object that is new, nobody expects an update.
        if self.occasion == Occasion::Changed && !self.job.stored && !self.settled {
            let handlers = left_out(&self.kind.setup, &cycle, &self.reading)?;
            if !handlers.is_empty() {
                self.kind.observe(Observation::UpdateLeftOut { handlers: &handlers });
            }
        }
        let pass = Pass::new(self.kind, self.reading.body.clone(), self.memory);
        let handlers = self.call_ready(&cycle, &pass).await;
        if handlers.is_empty() && !cycle.ready.is_empty() {
            // The operator stops; no handler was called.
            return Ok(Some(self.next_turn()));
        }
        self.note_called(&handlers);
        let outcomes = Outcomes::new(cycle, handlers, pass.take_edits());
        self.commit(Intent::Outcomes(outcomes.into())).await
    }

    /// Takes in which handlers were called, with their sub-handlers.
    fn note_called(&mut self, outcomes: &[HandlerOutcome]) {
        let handlers = &self.kind.setup.handlers;
        let called = |early: &str| {
            let mut ids = outcomes.iter().map(|outcome| handlers[outcome.ready.handler].id.as_str());
            ids.any(|id| early == id || is_below(early, id))
        };
        self.early.retain(|early| !called(early));
    }

    /// Tells of a handler's transition.
    fn note_ended(&mut self, cycle: &Cycle, HandlerOutcome { ready, outcome, .. }: &HandlerOutcome) {
        let handler = &self.kind.setup.handlers[ready.handler];
        let holds = cycle.reason == Reason::Delete && handler.blocks_deletion_on_failure();
        let ended = Ended { id: &handler.id, attempt: ready.attempt, outcome, holds };
        let (now, body) = (Instant::now().into_std(), &self.reading.body);
        let regarding = || reference(body, &self.kind.kind);
        self.kind.note_ended(&mut self.memory.transitions, ended, now, regarding);
    }

    /// Takes in what a handler waits for, and whether it has got past what it has waited for.
    fn take_in_blocked(&mut self, outcome: &HandlerOutcome, blocked: Option<Blocked>) {
        let id = self.kind.setup.handlers[outcome.ready.handler].id.as_str();
        let before = self.blocked.remove(id);
        // One that has failed permanently, or at a limit, may not have come so far.
        let got_through =
            matches!(outcome.outcome, Outcome::Success | Outcome::Retry { .. } | Outcome::Waiting { .. });
        match (blocked, before) {
            (Some(blocked), before) => {
                let past = before.filter(|before| before.cause != blocked.cause);
                self.got_past.extend(past.map(|before| before.cause));
                self.blocked.insert(id.into(), blocked);
            }
            (None, Some(before)) if got_through => self.got_past.push(before.cause),
            (None, _) => {}
        }
    }

    /// Calls the handlers that are due, one after the other.
    async fn call_ready(&mut self, cycle: &Cycle, pass: &Pass) -> Vec<HandlerOutcome> {
        let (begun, mut outcomes) = (Instant::now(), Vec::new());
        let flush_after = self.kind.operator.settings.persistence.flush_after;
        for ready in &cycle.ready {
            let late = begun.elapsed() > flush_after && !outcomes.is_empty();
            if late || self.kind.operator.stopping.is_cancelled() {
                break;
            }
            let (outcome, blocked) = pass.change(cycle, *ready).await;
            // An outage is no trouble of the object's.
            if blocked.is_none() {
                self.note_ended(cycle, &outcome);
            }
            self.take_in_blocked(&outcome, blocked);
            outcomes.push(outcome);
        }
        outcomes
    }
}
