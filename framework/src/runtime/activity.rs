//! Activities at run time: called until they have succeeded or failed permanently.

use super::{
    attempt::{Judged, judged},
    clock,
    observe::{Observation, Observer},
};
use crate::{
    call::{AttemptInfo, Context},
    extract::OperatorSetup,
    families::{Activity, ActivityCall, ActivityReply},
    settings::Settings,
};
use jiff::Timestamp;
use korf_core::retry::{Attempt, Outcome};
use kube::Client;
use std::{fmt, future::pending, panic::resume_unwind, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument;

/// Calls activities: what their arguments are made from, and whom to tell what happens.
#[derive(Clone)]
pub struct ActivityCaller {
    pub client: Client,
    pub stop: CancellationToken,
    pub observer: Observer,
    /// After this time, and then after `reminder` each, the log says that an activity still runs.
    pub notice: Duration,
    pub reminder: Duration,
    /// The operator's runtime. Who asks its probes has another one.
    runtime: Handle,
}

// By hand: a client holds credentials.
impl fmt::Debug for ActivityCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityCaller").finish_non_exhaustive()
    }
}

/// An activity that has failed permanently.
#[derive(Clone, Debug)]
pub struct ActivityFailure {
    /// Its id.
    pub id: String,
    /// What the log says of it, after its name.
    pub words: String,
}

impl ActivityCaller {
    /// A caller with a client, for an operator with these settings. Activities run on the runtime that this is called on.
    pub fn new(client: Client, stop: CancellationToken, observer: Observer, settings: &Settings) -> Self {
        let (notice, reminder) = (settings.starting.notice, settings.queueing.reminder);
        Self { client, stop, observer, notice, reminder, runtime: Handle::current() }
    }

    /// Calls an activity until it has succeeded.
    ///
    /// # Errors
    /// It has failed permanently, or may not be called again.
    pub async fn call(
        &self,
        activity: &Activity,
        setup: &OperatorSetup,
    ) -> Result<ActivityReply, ActivityFailure> {
        let (started, begun) = (clock::now(), Instant::now());
        for before in 0.. {
            let attempt = Attempt { before, elapsed: begun.elapsed() };
            let (judged, words) = self.attempt(activity, setup, attempt, started).await;
            match judged.verdict.outcome {
                Outcome::Retry { after, .. }
                | Outcome::Waiting { after, .. }
                | Outcome::Children { after } => sleep(after).await,
                Outcome::Success | Outcome::Ignored => {
                    return Ok(judged.reply.unwrap_or(ActivityReply::Nothing));
                }
                Outcome::Failed { .. } | Outcome::Rejected { .. } => {
                    return Err(ActivityFailure { id: activity.id.clone(), words });
                }
            }
        }
        pending().await
    }

    /// Calls an activity once. Returns what the log says of a failure, too.
    pub async fn attempt(
        &self,
        activity: &Activity,
        setup: &OperatorSetup,
        attempt: Attempt,
        started: Timestamp,
    ) -> (Judged<ActivityReply>, String) {
        let Activity { id, kind, limits, .. } = activity;
        self.observer.observe(Observation::ActivityBegins { activity: *kind, id });
        let begun = Instant::now();
        let judged = match limits.exhausted(id, attempt) {
            Some(verdict) => Judged::without_answer(verdict),
            None => {
                let info = AttemptInfo { number: attempt.before, started };
                let call = ActivityCall {
                    context: self.context(activity, setup),
                    attempt: info,
                    setup: setup.clone(),
                };
                tokio::select! {
                    judged = self.judged(activity, attempt, call) => judged,
                    never = self.tell_that_it_runs(activity) => never,
                }
            }
        };
        let words = judged.verdict.failure.as_ref().map(|failure| failure.to_string()).unwrap_or_default();
        self.observer.observe(Observation::ActivityEnded {
            activity: *kind,
            id,
            outcome: &judged.verdict.outcome,
            known: attempt.before > 0,
            words: &words,
            took: begun.elapsed(),
        });
        (judged, words)
    }

    /// Calls an activity in a task of its own, which ends with this future: one that blocks its thread keeps nobody else from
    /// what is to be done meanwhile, above all from a stop.
    async fn judged(
        &self,
        activity: &Activity,
        attempt: Attempt,
        call: ActivityCall,
    ) -> Judged<ActivityReply> {
        let Activity { id, limits, invoke, .. } = activity.clone();
        let running = async move { judged(&id, &limits, attempt, async move { invoke(call).await }).await };
        match AbortOnDropHandle::new(self.runtime.spawn(running.in_current_span())).await {
            Ok(judged) => judged,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is being shut down, and this future with it.
                Err(_) => pending().await,
            },
        }
    }

    fn context(&self, activity: &Activity, setup: &OperatorSetup) -> Context {
        Context {
            handler: activity.id.clone(),
            client: self.client.clone(),
            states: Arc::new(setup.states()),
            indexes: setup.indexes(),
            stop: self.stop.clone(),
            triggers: setup.triggers(),
            param: activity.param.clone(),
            now: clock::now(),
        }
    }

    /// Tells from time to time that an activity still runs.
    async fn tell_that_it_runs<T>(&self, activity: &Activity) -> T {
        let begun = Instant::now();
        let mut next = self.notice;
        loop {
            sleep(next).await;
            let Activity { id, kind, .. } = activity;
            self.observer.observe(Observation::ActivityRuns { activity: *kind, id, after: begun.elapsed() });
            next = self.reminder;
        }
    }
}
