//! Worker: one object's turn from its job to its report. Event handlers come first, then timers, what
//! daemons ask for, and change handlers.

use super::{
    attempt::Pass,
    clock,
    kind::KindContext,
    memory::Memory,
    observe::{Observation, traces},
    turn::Turn,
    write::{Intent, RetryBudget, Standing, Stop, Unread},
};
use crate::logging;
use futures::FutureExt;
use korf_core::{
    body::Body,
    cause::Occasion,
    cycle::Reading,
    error::panic_message,
    filter::{Filter, FilterInput},
    handler::{FilterFailed, evaluate},
    patch::Edits,
    queue::{Extent, Job, TurnEnd, TurnReport, WatchEventType},
};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::Instrument;

/// Does what is to be done for one object now; hands its memory back.
pub async fn work(kind: Arc<KindContext>, job: Job, mut memory: Memory) -> (TurnReport, Memory) {
    let errors = job.errors;
    let span = logging::object_span(&kind.kind, &job.body);
    let mut report = TurnReport::new(job.body.uid(), TurnEnd::Gone);
    report.undelivered = job.event;
    // Unless they are looked at, they are still due.
    if job.tick {
        report.tick = memory.timers.next(&kind.timers);
    }
    let fence = memory.fence.clone();
    let turn = span.in_scope(|| traces::turn(&kind, &job.body));
    let work = AssertUnwindSafe(kind.handle(job, &mut memory, &mut report)).catch_unwind().instrument(turn);
    let ended = fence.guard(work).instrument(span.clone()).await;
    report.end = span.in_scope(|| match ended {
        Some(Ok(Ok(end))) => end,
        Some(Ok(Err(Stop::Gone))) => TurnEnd::Gone,
        Some(Ok(Err(Stop::Later { after, .. }))) => TurnEnd::Partial { due: Some(after) },
        Some(Ok(Err(Stop::Failed(failed)))) => kind.failed(errors, &failed.to_string(), None),
        Some(Err(panic)) => kind.failed(errors, &panic_message(panic.as_ref()), None),
        None => {
            kind.observe(Observation::TurnLost { epoch: fence.epoch() });
            TurnEnd::Lost
        }
    });
    memory.end_turn();
    kind.forget_transitions(&mut memory.transitions, Instant::now().into_std());
    if errors > 0 && matches!(report.end, TurnEnd::Seen { .. }) {
        span.in_scope(|| kind.observe(Observation::ThrottlingEnded));
    }
    (report, memory)
}

impl KindContext {
    /// Does what is to be done for one object now, and notes in the report what is left.
    async fn handle(
        self: &Arc<Self>,
        mut job: Job,
        memory: &mut Memory,
        report: &mut TurnReport,
    ) -> Result<TurnEnd, Stop> {
        if let Some(unslept) = job.unslept {
            self.observe(Observation::SleepInterrupted { unslept });
        }
        if job.fetch {
            let standing = Standing::after(job.errors);
            let budget = RetryBudget::new(standing, &memory.fence, &self.operator.settings);
            job = match self.read(&job.body, budget).await {
                Ok(newest) => {
                    memory.has_been_read();
                    fetched(job, newest)
                }
                Err(Unread::Gone) => return Err(Stop::Gone),
                Err(Unread::Failed(why, _)) => return Ok(self.unread(job.errors, &why)),
            };
        }
        let (mut body, mut retry) = (job.body.clone(), None);
        if let Some(event) = job.event {
            (body, retry) = self.deliver(event, &job, body, memory, report).await?;
        }
        let mut reading = None;
        if job.tick && !job.gone {
            if job.extent == Extent::Whole || job.fetch || body.version() != job.body.version() {
                let known = Reading::of(&self.setup, body.clone(), clock::now());
                self.arm_timers(&known, memory)?;
                reading = Some(known);
            }
            body = self.tick(body, memory).await?;
            report.tick = memory.timers.next(&self.timers);
        }
        let again;
        (body, again) = self.write_for_daemons(body, job.gone, memory).await?;
        retry = retry.into_iter().chain(again).min();
        if job.extent == Extent::Edits {
            return Ok(TurnEnd::Partial { due: retry });
        }
        if job.extent == Extent::Partial && body.version() == job.body.version() {
            if job.fetch || job.known.as_ref().is_some_and(|known| known.is(body.version())) {
                self.offer_daemons(&body, memory).await?;
            }
            return Ok(TurnEnd::Partial { due: retry });
        }
        let reading = reading.filter(|known| known.body == body);
        let reading = reading.unwrap_or_else(|| Reading::of(&self.setup, body, clock::now()));
        let mut turn = Turn::new(self, &job, memory, reading);
        // It has event handlers alone, by chance: a finalizer of the same name is another operator's.
        let mut end = if self.is_found() { turn.end_unplanned() } else { turn.finish().await? };
        (report.failed, report.patient) = (turn.failed, Some(turn.patient));
        let reading = turn.reading;
        if let TurnEnd::Seen { due, .. } = &mut end {
            *due = due.iter().copied().chain(retry).min();
            self.arm_timers(&reading, memory)?;
            report.tick = memory.timers.next(&self.timers);
            report.body = (!self.timers.is_empty()).then_some(reading.body);
        }
        Ok(end)
    }

    /// Calls the event handlers, and writes what they ask for; returns the object as it is then, and, where that could not
    /// be written, the time to the next try.
    async fn deliver(
        self: &Arc<Self>,
        event: WatchEventType,
        job: &Job,
        body: Body,
        memory: &mut Memory,
        report: &mut TurnReport,
    ) -> Result<(Body, Option<Duration>), Stop> {
        // A filter that fails isn't evaluated for it again.
        report.undelivered = None;
        let pass = Pass::new(self, body, memory);
        let mut failed = None;
        for handler in self.events.iter().filter(|handler| self.is_meant(handler)) {
            if self.operator.stopping.is_cancelled() {
                break;
            }
            match concerns(&handler.id, &handler.filter, &pass.body) {
                Ok(true) => pass.event(handler, event).await,
                Ok(false) => {}
                // The other handlers still receive the event.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let edits = pass.take_edits();
        let delivered = if job.gone || edits.is_empty() {
            Ok((pass.body, None))
        } else {
            self.commit_events(pass.body, edits, event, memory, report).await
        };
        match failed {
            Some(failed) => delivered.and(Err(failed.into())),
            None => delivered,
        }
    }

    async fn commit_events(
        &self,
        body: Body,
        edits: Edits,
        event: WatchEventType,
        memory: &mut Memory,
        report: &mut TurnReport,
    ) -> Result<(Body, Option<Duration>), Stop> {
        match self.commit(body, Intent::Edits { edits, exactly: true }, memory).await {
            Ok(written) => Ok((written.newest, None)),
            // They are called again for what could not be written; change handlers don't wait for that.
            Err(Stop::Later { seen, after }) => {
                report.undelivered = Some(event);
                Ok((seen, Some(after)))
            }
            Err(stop) => Err(stop),
        }
    }
}

/// Whether a handler that knows no changes, an event handler or a timer, is for an object.
pub(super) fn concerns(id: &str, filter: &Filter, body: &Body) -> Result<bool, FilterFailed> {
    evaluate(id, || filter.concerns(&FilterInput { body, change: None }))
}

/// The turn of an object that was read.
fn fetched(job: Job, body: Body) -> Job {
    let changed = !job.known.as_ref().is_some_and(|known| known.is(body.version()));
    let occasion = if changed && job.occasion == Occasion::Again { Occasion::Changed } else { job.occasion };
    Job { body, occasion, ..job }
}
