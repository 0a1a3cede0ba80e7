//! What a worker does with an object: reads it where it has to, tells handlers of raw events, and takes the object's turn.

use super::{
    apply::Gone,
    attempt::Pass,
    kind::Watched,
    pace::{broken, unread},
    queue::{Done, Finish, Job, Told},
    report,
    request::{Standing, Unread},
    store::LeftAlone,
    turn::Turn,
};
use crate::{
    core::{
        body::Body,
        cycle::Look,
        diff::Diff,
        filter::Facts,
        patch::Patch,
        task::{FilterPanic, ask},
    },
    error::panic_message,
    handler::EventType,
    logging,
};
use futures::FutureExt;
use serde_json::Value;
use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};
use tracing::Instrument;

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
        let mut body = job.body.clone();
        if let Some(event) = job.event {
            let (newest, due) = match self.spy_on(event, body, &job, told).await? {
                Ok(newest) => (newest, None),
                Err(LeftAlone { seen, due }) => (seen, Some(due)),
            };
            if job.echo && newest.version() == job.body.version() {
                return Ok(Finish::Spied { due });
            }
            body = newest;
        }
        Turn::new(self, &job, told, body).finish().await
    }

    /// Calls the handlers of raw events.
    async fn spy_on(
        self: &Arc<Self>,
        event: EventType,
        body: Body,
        job: &Job,
        told: &mut Told,
    ) -> Result<Result<Body, LeftAlone>, Gone> {
        // Not once more, should a filter panic.
        told.untold = None;
        let pass = Pass::new(body, job.memo.clone());
        let null = Value::Null;
        let facts = Facts { body: &pass.body, reason: None, old: &null, new: &null, diff: &Diff::default() };
        for handler in self.spies().filter(|handler| ask(&handler.id, || handler.filter.concerns(&facts))) {
            self.spy(handler, event, &pass).await;
        }
        if job.gone {
            return Ok(Ok(pass.body));
        }
        self.write_for_spies(pass, job, told).await
    }

    /// Writes what handlers of raw events have asked for.
    async fn write_for_spies(
        &self,
        pass: Pass,
        job: &Job,
        told: &mut Told,
    ) -> Result<Result<Body, LeftAlone>, Gone> {
        let additions = Patch::of_additions(pass.additions.take());
        let older = job.echo && job.known.as_ref().is_some_and(|known| !known.is(pass.body.version()));
        let mut versions = Vec::new();
        let changed = if older {
            self.change_newest(pass.body, additions, &job.memo, &mut versions).await?
        } else {
            self.change(pass.body, additions, &job.memo, &mut versions).await?
        };
        told.written(versions);
        Ok(changed)
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
