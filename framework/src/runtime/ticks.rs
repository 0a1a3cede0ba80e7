//! Ticks: the calls of timers in an object's turn.

use super::{
    attempt::Pass,
    clock,
    kind::KindContext,
    memory::Memory,
    throttle::fingerprint,
    transitions::Ended,
    worker::concerns,
    write::{Intent, Stop},
};
use crate::{event_queue::reference, families::TimerHandler};
use jiff::Timestamp;
use korf_core::{
    body::Body,
    cycle::Reading,
    handler::FilterFailed,
    queue::NextTick,
    retry::{Attempt, Outcome},
    timer::TimerState,
};
use std::sync::Arc;
use tokio::time::Instant;

/// The timers of one object.
#[derive(Debug, Default)]
pub struct TimerStates {
    /// By the index of the handler; none where the timer isn't for the object.
    timers: Vec<Option<Armed>>,
    /// The hash of the object's essence, and when it changed.
    changed: Option<(u64, Instant)>,
}

/// A timer that is for the object.
#[derive(Clone, Copy, Debug)]
struct Armed {
    state: TimerState,
    /// The start of the first attempt of a run that is retried.
    started: Option<Timestamp>,
}

impl TimerStates {
    /// Whether no timer is for the object.
    pub fn is_empty(&self) -> bool {
        self.timers.iter().all(Option::is_none)
    }

    fn changed(&self) -> std::time::Instant {
        self.changed.map_or_else(Instant::now, |(_, changed)| changed).into_std()
    }

    /// When the first of them is due.
    pub fn next(&self, handlers: &[TimerHandler]) -> NextTick {
        let changed = self.changed();
        let armed =
            self.timers.iter().zip(handlers).filter_map(|(armed, handler)| Some((armed.as_ref()?, handler)));
        let due = armed.map(|(armed, handler)| armed.state.due(&handler.schedule, changed)).min();
        due.map_or(NextTick::Never, NextTick::At)
    }
}

impl KindContext {
    /// Arms the timers that are for an object, and disarms the others.
    pub(super) fn arm_timers(&self, reading: &Reading, memory: &mut Memory) -> Result<(), FilterFailed> {
        let states = &mut memory.timers;
        if self.timers.is_empty() || reading.body.is_deleting() {
            *states = TimerStates::default();
            return Ok(());
        }
        let (now, essence) = (Instant::now(), fingerprint(&reading.new).whole);
        if states.changed.is_none_or(|(known, _)| known != essence) {
            states.changed = Some((essence, now));
        }
        states.timers.resize(self.timers.len(), None);
        for (handler, armed) in self.timers.iter().zip(&mut states.timers) {
            if !concerns(&handler.id, &handler.filter, &reading.body)? {
                *armed = None;
            } else if armed.is_none() {
                *armed =
                    Some(Armed { state: TimerState::new(&handler.schedule, now.into_std()), started: None });
            }
        }
        Ok(())
    }

    /// Calls the timers that are due, and writes what they ask for; returns the object as it is then.
    pub(super) async fn tick(self: &Arc<Self>, body: Body, memory: &mut Memory) -> Result<Body, Stop> {
        let pass = Pass::new(self, body.clone(), memory);
        for (index, handler) in self.timers.iter().enumerate() {
            let changed = memory.timers.changed();
            let Memory { timers, transitions, .. } = &mut *memory;
            let Some(Some(armed)) = timers.timers.get_mut(index) else { continue };
            let due = armed.state.due(&handler.schedule, changed) <= Instant::now().into_std();
            if due && !self.operator.stopping.is_cancelled() {
                let (attempt, outcome) = run(&pass, handler, armed).await;
                // It is retried at its own pace, which is long for some.
                if !matches!(outcome, Outcome::Retry { .. }) {
                    let ended = Ended { id: &handler.id, attempt, outcome: &outcome, holds: false };
                    let regarding = || reference(&pass.body, &self.kind);
                    self.note_ended(transitions, ended, Instant::now().into_std(), regarding);
                }
            }
        }
        let edits = pass.take_edits();
        if edits.is_empty() {
            return Ok(body);
        }
        match self.commit(body, Intent::Edits { edits, exactly: false }, memory).await {
            Ok(written) => Ok(written.newest),
            // The next run asks for it again.
            Err(Stop::Later { seen, .. }) => Ok(seen),
            Err(stop) => Err(stop),
        }
    }
}

async fn run(pass: &Pass, handler: &TimerHandler, armed: &mut Armed) -> (Attempt, Outcome) {
    let begun = Instant::now().into_std();
    let (before, first) = armed.state.attempts(begun);
    let attempt = Attempt { before, elapsed: begun.saturating_duration_since(first) };
    let started = *armed.started.get_or_insert_with(clock::now);
    let outcome = pass.timer(handler, attempt, started).await;
    let now = Instant::now().into_std();
    match &outcome {
        Outcome::Retry { after, .. } | Outcome::Waiting { after, .. } | Outcome::Children { after } => {
            armed.state.failed(begun, now, *after);
        }
        Outcome::Success | Outcome::Ignored | Outcome::Failed { .. } | Outcome::Rejected { .. } => {
            armed.state.finished(&handler.schedule, begun, now);
            armed.started = None;
        }
    }
    (attempt, outcome)
}
