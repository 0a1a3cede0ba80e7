//! One attempt of one handler: called, watched for panics and timeouts, and judged.

use super::{clock, kind::Watched, report};
use crate::{
    core::{
        body::Body,
        cycle::{Cycle, Done, Ready},
        diff::Diff,
        progress::Record,
        retry::{Attempt, Limits, Outcome, Verdict},
    },
    error::{Error, panic_message},
    handler::{
        Additions, Call, EventType, Failure, Handler, Reply, SubCalls, SubHandler, TypeMap, Unfinished,
    },
};
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Map, Value, json};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// The object that handlers are called for in one pass, and what they leave on it.
#[derive(Clone)]
pub struct Pass {
    pub body: Body,
    pub views: TypeMap,
    pub memo: TypeMap,
    /// What they ask for, in the order of the calls.
    pub additions: Additions,
}

impl Pass {
    pub fn new(body: Body, memo: TypeMap) -> Self {
        Self { body, memo, views: TypeMap::default(), additions: Additions::default() }
    }

    /// Keeps what a handler has returned.
    fn keep(&self, id: &str, reply: Reply) {
        match reply {
            Reply::Nothing => {}
            Reply::Status(status) => self.additions.merge(json!({ "status": status })),
            Reply::Result(result) => {
                let result = Map::from_iter([(id.to_owned(), result)]);
                self.additions.merge(json!({ "status": Value::Object(result) }));
            }
        }
    }
}

enum Ending {
    Answer(Result<Reply, Failure>),
    Panic(String),
    Timeout,
}

impl Ending {
    /// For how long the handler waits for its sub-handlers, if it does.
    fn waits(&self) -> Option<Duration> {
        match self {
            Self::Answer(Err(Failure::Failed(Error::Temporary { source, .. }))) => {
                source.downcast_ref::<Unfinished>().map(|unfinished| unfinished.after)
            }
            _ => None,
        }
    }
}

impl Watched {
    /// Calls a handler of a change, and its sub-handlers.
    pub(super) async fn attempt(self: &Arc<Self>, cycle: &Cycle, ready: Ready, pass: &Pass) -> Done {
        let handler = &self.handlers[ready.task];
        let field = handler.filter.field.clone();
        let diff = match &field {
            Some(field) => Arc::new(cycle.diff.reduce(field.keys())),
            None => Arc::clone(&cycle.diff),
        };
        let _calling = self.calls.begin();
        let subs = Self::subs(&handler.id, cycle, pass);
        let call = Call {
            old: cycle.old.clone(),
            new: Arc::clone(&cycle.new),
            diff,
            field,
            reason: Some(cycle.reason),
            attempt: ready.attempt.before,
            started: ready.started,
            subs: subs.clone(),
            ..self.call(handler, pass)
        };
        let invoke = |call| (handler.invoke)(call);
        let outcome = once(&handler.id, &handler.limits, invoke, call, ready.attempt, pass).await;
        Done { ready, outcome, subs: subs.take() }
    }

    /// Calls a handler of raw events: once, whatever comes of it.
    pub(super) async fn spy(self: &Arc<Self>, handler: &Handler, event: EventType, pass: &Pass) {
        let _calling = self.calls.begin();
        let call = Call { event: Some(event), ..self.call(handler, pass) };
        let attempt = Attempt { before: 0, elapsed: Duration::ZERO };
        once(&handler.id, &handler.limits, |call| (handler.invoke)(call), call, attempt, pass).await;
    }

    /// A call of a handler, as far as the object and the operator determine it.
    fn call(&self, handler: &Handler, pass: &Pass) -> Call {
        let now = clock::now();
        Call {
            id: handler.id.clone(),
            kind: handler.kind.clone(),
            body: pass.body.clone(),
            old: None,
            new: Arc::new(Value::Null),
            diff: Arc::new(Diff::default()),
            field: None,
            reason: None,
            event: None,
            attempt: 0,
            started: now,
            now,
            param: handler.param.clone(),
            states: Arc::clone(&self.states),
            status_subresource: self.has_status_subresource(),
            client: self.client().clone(),
            stopping: self.stopping.clone(),
            events: self.events().clone(),
            additions: pass.additions.clone(),
            views: Arc::clone(&pass.views),
            memo: Arc::clone(&pass.memo),
            subs: SubCalls::none(),
        }
    }

    /// The sub-handlers of a handler: called as handlers are.
    fn subs(id: &str, cycle: &Cycle, pass: &Pass) -> SubCalls {
        // Whoever is called before it is due is called because the object has changed.
        let due = cycle.progress().get(id).and_then(Record::next_due);
        let eager = due.is_some_and(|due| due > clock::now());
        let pass = pass.clone();
        let caller = move |handler: SubHandler, call: Call, attempt: Attempt| {
            let pass = pass.clone();
            async move { once(&call.id.clone(), &handler.limits, handler.invoke, call, attempt, &pass).await }
                .boxed()
        };
        SubCalls::new(cycle.progress().clone(), eager, Arc::new(caller))
    }
}

/// Calls a handler once.
async fn once(
    id: &str,
    limits: &Limits,
    invoke: impl FnOnce(Call) -> BoxFuture<'static, Result<Reply, Failure>>,
    call: Call,
    attempt: Attempt,
    pass: &Pass,
) -> Outcome {
    report::invoked(id);
    if let Some(verdict) = limits.exhausted(id, attempt) {
        return given(id, verdict);
    }
    let started = call.started;
    let left = limits.timeout.map(|timeout| timeout.saturating_sub(attempt.elapsed));
    let ending = ending(complete(invoke, call), left).await;
    if let Some(after) = ending.waits() {
        report::unfinished(id);
        return Outcome::Children { after };
    }
    match ending {
        Ending::Answer(Ok(reply)) => {
            report::succeeded(id);
            pass.keep(id, reply);
            Outcome::Success
        }
        Ending::Answer(Err(failure)) => given(id, judged(id, limits, attempt, &failure)),
        Ending::Panic(message) => {
            let failure = Failure::Failed(Error::Unclassified(message.into()));
            given(id, judged(id, limits, attempt, &failure))
        }
        Ending::Timeout => {
            let after = clock::now().duration_since(started).try_into().unwrap_or_default();
            given(id, Limits::timed_out(id, after))
        }
    }
}

fn judged(id: &str, limits: &Limits, attempt: Attempt, failure: &Failure) -> Verdict {
    match failure {
        Failure::Unreadable(error) => Verdict::unreadable(error),
        Failure::Failed(error) => limits.judge(id, error, attempt, fastrand::f64()),
    }
}

/// Calls a handler, and those of its sub-handlers that it has registered and not called.
async fn complete(
    invoke: impl FnOnce(Call) -> BoxFuture<'static, Result<Reply, Failure>>,
    call: Call,
) -> Result<Reply, Failure> {
    let parent = call.clone();
    let reply = invoke(call).await?;
    parent.subs.execute(&parent).await.map_err(Failure::Failed)?;
    Ok(reply)
}

fn given(id: &str, verdict: Verdict) -> Outcome {
    report::failed(id, &verdict.words);
    verdict.outcome
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
