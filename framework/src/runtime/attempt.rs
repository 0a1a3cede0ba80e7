//! One attempt of one handler: called, watched for panics and timeouts, and judged.

use super::{clock, kind::Watched, report};
use crate::{
    core::{
        body::Body,
        cycle::{Cycle, Ready},
        retry::{self, Outcome, Verdict},
    },
    error::Error,
    handler::{Additions, Call, Failure, Reply},
};
use futures::FutureExt;
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Typed views of one object.
pub type Views = Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>;

/// What an attempt came to, and what it leaves on the object.
pub struct Attempted {
    pub outcome: Outcome,
    pub reply: Reply,
}

enum Ending {
    Answer(Result<Reply, Failure>),
    Panic(String),
    Timeout,
}

impl Watched {
    pub(super) async fn attempt(
        &self,
        cycle: &Cycle,
        ready: Ready,
        body: &Body,
        views: &Views,
        additions: &Additions,
    ) -> Attempted {
        let handler = &self.handlers[ready.task];
        report::invoked(&handler.id);
        let limits = &handler.limits;
        if let Some(verdict) = limits.exhausted(ready.attempt) {
            return self.given(&handler.id, verdict);
        }
        let call = self.call(cycle, ready, body, views, additions);
        let left = limits.timeout.map(|timeout| timeout.saturating_sub(ready.attempt.elapsed));
        let elapsed = || clock::now().duration_since(ready.started).try_into().unwrap_or_default();
        let verdict = match ending((handler.invoke)(call), left).await {
            Ending::Answer(Ok(reply)) => {
                report::succeeded(&handler.id);
                return Attempted { outcome: Outcome::Success, reply };
            }
            Ending::Answer(Err(Failure::Unreadable(error))) => {
                let message = error.to_string();
                let words = format!("failed permanently: {message}");
                Verdict { outcome: Outcome::Unreadable { message }, words }
            }
            Ending::Answer(Err(Failure::Failed(error))) => self.judge(ready, &error),
            Ending::Panic(message) => self.judge(ready, &Error::Unclassified(message.into())),
            Ending::Timeout => retry::Limits::timed_out(elapsed()),
        };
        self.given(&handler.id, verdict)
    }

    fn judge(&self, ready: Ready, error: &Error) -> Verdict {
        self.handlers[ready.task].limits.judge(error, ready.attempt, fastrand::f64())
    }

    fn given(&self, id: &str, verdict: Verdict) -> Attempted {
        report::failed(id, &verdict.words);
        Attempted { outcome: verdict.outcome, reply: Reply::Nothing }
    }

    fn call(&self, cycle: &Cycle, ready: Ready, body: &Body, views: &Views, additions: &Additions) -> Call {
        Call {
            body: body.clone(),
            old: cycle.old.clone(),
            new: Arc::clone(&cycle.new),
            diff: Arc::clone(&cycle.diff),
            reason: cycle.reason,
            attempt: ready.attempt.before,
            started: ready.started,
            states: Arc::clone(&self.states),
            status_subresource: self.has_status_subresource(),
            client: self.client().clone(),
            stopping: self.stopping.clone(),
            additions: additions.clone(),
            views: Arc::clone(views),
        }
    }
}

async fn ending(answer: impl Future<Output = Result<Reply, Failure>>, left: Option<Duration>) -> Ending {
    let answer = AssertUnwindSafe(answer).catch_unwind();
    let answer = match left {
        Some(left) => match tokio::time::timeout(left, answer).await {
            Ok(answer) => answer,
            Err(_) => return Ending::Timeout,
        },
        None => answer.await,
    };
    answer.map_or_else(|panic| Ending::Panic(panic_message(panic.as_ref())), Ending::Answer)
}

/// What a panic says of itself.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("it panicked: {}", text.as_deref().unwrap_or("no message"))
}
