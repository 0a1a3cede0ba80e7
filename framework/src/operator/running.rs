//! Running operators: started in a task of their own, beside whatever else a program does.

use super::{Operator, RunError};
use crate::{
    logging::operator_span,
    runtime::observe::{Observation, Phase},
};
use std::panic::resume_unwind;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

/// An operator that runs in a task of its own, by [`Operator::spawn`]. Dropped, it is told to stop.
#[derive(Debug)]
#[must_use = "an operator that is dropped is told to stop"]
pub struct RunningOperator {
    ready: CancellationToken,
    ended: CancellationToken,
    stop: DropGuard,
    /// None once its end was waited for.
    task: Option<JoinHandle<Result<(), RunError>>>,
}

impl Operator {
    /// Runs the operator in a task of its own, in the program's runtime, until it is told to stop by what this returns. It
    /// doesn't listen for signals. Its log lines, and those of its handlers, are in a span that has its name:
    /// [`operator_span`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), korf::RunError> {
    /// let operator = korf::Operator::new("greeter").spawn();
    /// if operator.ready().await {
    ///     println!("All objects are listed.");
    /// }
    /// operator.stop().await
    /// # }
    /// ```
    pub fn spawn(self) -> RunningOperator {
        let [ready, stop, ended] = [(); 3].map(|()| CancellationToken::new());
        let serves = ready.clone();
        let operator = self.observe(move |observation| {
            if let Observation::PhaseEntered(Phase::Serving) = observation {
                serves.cancel();
            }
        });
        let (until, over) = (stop.clone(), ended.clone().drop_guard());
        let span = operator_span(&operator.name);
        let running = async move {
            let _over = over;
            operator.run_until(until).await
        };
        let task = tokio::spawn(running.instrument(span));
        RunningOperator { ready, ended, stop: stop.drop_guard(), task: Some(task) }
    }
}

impl RunningOperator {
    /// Waits until all objects are listed, and the operator serves. False if it has ended before that:
    /// [`join`](Self::join) says why.
    pub async fn ready(&self) -> bool {
        tokio::select! {
            biased;
            () = self.ready.cancelled() => true,
            () = self.ended.cancelled() => false,
        }
    }

    /// Tells it to stop, and waits until it has: running handlers and clean-up handlers have the
    /// [grace](Operator::grace) to finish.
    ///
    /// # Errors
    /// As [`Operator::run_until`].
    pub async fn stop(self) -> Result<(), RunError> {
        let Self { stop, mut task, .. } = self;
        drop(stop);
        end(&mut task).await
    }

    /// Waits until it has ended by itself: it can't start, or its login is no longer accepted. It isn't told to stop by that,
    /// also where nobody waits any longer: it can be one branch of a `select!`, with [`stop`](Self::stop) after it.
    ///
    /// Once it has returned, it returns `Ok` at once.
    ///
    /// # Errors
    /// As [`Operator::run_until`].
    ///
    /// ```no_run
    /// # async fn example(shutdown: impl Future<Output = ()>) -> Result<(), korf::RunError> {
    /// let mut operator = korf::Operator::new("greeter").spawn();
    /// tokio::select! {
    ///     ended = operator.join() => ended,
    ///     () = shutdown => operator.stop().await,
    /// }
    /// # }
    /// ```
    pub async fn join(&mut self) -> Result<(), RunError> {
        end(&mut self.task).await
    }
}

async fn end(task: &mut Option<JoinHandle<Result<(), RunError>>>) -> Result<(), RunError> {
    let Some(running) = task else { return Ok(()) };
    let ended = running.await;
    *task = None;
    match ended {
        Ok(ended) => ended,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is being shut down.
            Err(_) => Ok(()),
        },
    }
}
