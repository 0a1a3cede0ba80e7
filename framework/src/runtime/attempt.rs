//! One attempt of one handler: called, guarded against panics and timeouts, and judged.

use super::{
    clock,
    kind::KindContext,
    memory::Memory,
    observe::{HandlerName, Observation},
};
use crate::{
    argument::Rejection,
    call::{AttemptInfo, EditSink, ObjectCall, ObjectView, TypeMap},
    families::{
        Answer, Change, ChangeCall, EventCall, EventHandler, Failure, Parameter, SubCalls, SubHandler,
        TimerCall, TimerHandler,
    },
    reply::Reply,
};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use korf_core::{
    Reason,
    body::Body,
    cycle::{Cycle, HandlerOutcome, Ready},
    error::{Error, panic_message},
    patch::Edits,
    progress::Record,
    queue::{Blocked, WatchEventType},
    retry::{Attempt, Limits, OnError, Outcome, Verdict},
};
use serde_json::{Map, Value, json};
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The object that handlers are called for in one pass, and what they ask for.
#[derive(Clone)]
pub struct Pass {
    kind: Arc<KindContext>,
    pub body: Body,
    cache: TypeMap,
    memo: TypeMap,
    edits: EditSink,
    /// What is away that the change handler that is called, or one of its sub-handlers, has needed.
    blocked: Arc<Mutex<Option<Blocked>>>,
}

impl Pass {
    /// A pass over an object.
    pub fn new(kind: &Arc<KindContext>, body: Body, memory: &Memory) -> Self {
        let (kind, memo) = (Arc::clone(kind), Arc::clone(&memory.memo));
        let (cache, edits, blocked) = (TypeMap::default(), EditSink::default(), Arc::default());
        Self { kind, body, memo, cache, edits, blocked }
    }

    fn take_blocked(&self) -> Option<Blocked> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What the handlers have asked for, in the order of the calls.
    pub fn take_edits(&self) -> Edits {
        self.edits.take().into_iter().collect()
    }

    /// Takes in what a handler has returned.
    fn keep(&self, id: &str, reply: Reply) {
        match reply {
            Reply::Nothing => {}
            Reply::Status(status) => self.edits.merge(json!({ "status": status })),
            Reply::Result(result) => {
                let result = Map::from_iter([(id.to_owned(), result)]);
                self.edits.merge(json!({ "status": Value::Object(result) }));
            }
        }
    }

    /// The part of a call that is about the object.
    fn object(&self, handler: &str, param: Option<&Parameter>, fallback: Option<Arc<Value>>) -> ObjectCall {
        ObjectCall {
            context: self.kind.operator.call(handler, param),
            view: ObjectView {
                kind: Arc::clone(&self.kind.kind),
                body: self.body.clone(),
                fallback,
                cache: Arc::clone(&self.cache),
            },
            memo: Arc::clone(&self.memo),
            edits: self.edits.clone(),
            events: self.kind.operator.events.clone(),
            status_subresource: self.kind.has_status_subresource(),
        }
    }

    /// Calls a change handler, and its sub-handlers. Returns what it waits for, too, if something is away that it needs.
    pub async fn change(&self, cycle: &Cycle, ready: Ready) -> (HandlerOutcome, Option<Blocked>) {
        let handler = &self.kind.setup.handlers[ready.handler];
        let field = handler.filter.field.clone();
        let diff = match &field {
            Some(field) => cycle.diff.reduce(field.keys()),
            None => cycle.diff.clone(),
        };
        let subs = self.subs(&handler.id, cycle);
        // A deletion falls back on the state that was handled last where the present one can't be decoded.
        let fallback = cycle.old.clone().filter(|_| cycle.reason == Reason::Delete);
        let call = ChangeCall {
            object: self.object(&handler.id, handler.invoke.param.as_ref(), fallback),
            change: Change {
                reason: cycle.reason,
                old: cycle.old.clone(),
                new: Arc::clone(&cycle.new),
                diff,
                field,
            },
            attempt: AttemptInfo { number: ready.attempt.before, started: ready.started },
            subs: subs.clone(),
        };
        let invoke = Arc::clone(&handler.invoke.invoke);
        let invoke = complete(move |call| invoke(call));
        let outcome = self.once("Handler", &handler.limits, ready.attempt, call, invoke, true).await;
        // One that isn't called again waits for nothing.
        let waits = matches!(outcome, Outcome::Retry { .. } | Outcome::Children { .. });
        let blocked = self.take_blocked().filter(|_| waits);
        (HandlerOutcome { ready, outcome, subs: subs.take() }, blocked)
    }

    /// Calls an event handler: once, whatever comes of it.
    pub async fn event(&self, handler: &EventHandler, event: WatchEventType) {
        let limits = Limits { timeout: handler.timeout, errors: OnError::Ignored, ..Limits::default() };
        let attempt = Attempt { before: 0, elapsed: Duration::ZERO };
        let object = self.object(&handler.id, handler.param.as_ref(), None);
        let call = EventCall { object, event };
        self.once("Handler", &limits, attempt, call, |call| (handler.invoke)(call), false).await;
    }

    /// Calls a timer.
    pub async fn timer(&self, handler: &TimerHandler, attempt: Attempt, started: Timestamp) -> Outcome {
        let object = self.object(&handler.id, handler.param.as_ref(), None);
        let call = TimerCall { object, attempt: AttemptInfo { number: attempt.before, started } };
        self.once("Timer", &handler.limits, attempt, call, |call| (handler.invoke)(call), false).await
    }

    /// The sub-handlers of a handler, called as handlers are.
    fn subs(&self, id: &str, cycle: &Cycle) -> SubCalls {
        // A handler that is called before it is due is called because the object has changed.
        let due = cycle.progress().get(id).and_then(Record::next_due);
        let eager = due.is_some_and(|due| due > clock::now());
        let pass = self.clone();
        let caller =
            move |handler: SubHandler, call: ChangeCall, attempt: Attempt| -> BoxFuture<'static, Outcome> {
                let pass = pass.clone();
                async move {
                    pass.once("Handler", &handler.limits, attempt, call, complete(handler.invoke), true).await
                }
                .boxed()
            };
        SubCalls::new(cycle.progress().clone(), eager, Arc::new(caller))
    }

    /// Calls a handler once. Only one that `waits` is called again when an outage is over: one of a change.
    async fn once<Call: AsRef<ObjectCall>>(
        &self,
        family: &'static str,
        limits: &Limits,
        attempt: Attempt,
        call: Call,
        invoke: impl FnOnce(Call) -> Answer,
        waits: bool,
    ) -> Outcome {
        let object: &ObjectCall = call.as_ref();
        let id = object.context.handler.clone();
        let handler = HandlerName { family, id: &id };
        let _running = self.kind.run();
        let begun = Instant::now();
        self.kind.observe(Observation::HandlerBegins { handler });
        let judged = match limits.exhausted(&id, attempt) {
            Some(verdict) => Judged::without_answer(verdict),
            None => judged(&id, limits, attempt, invoke(call)).await,
        };
        let Judged { reply, verdict, blocked } = judged;
        if let Some(reply) = reply {
            self.keep(&id, reply);
        }
        let words = verdict.failure.map(|failure| failure.to_string()).unwrap_or_default();
        let outcome = verdict.outcome;
        let took = begun.elapsed();
        let blocked = blocked.filter(|_| waits && matches!(outcome, Outcome::Retry { .. }));
        let outage = blocked.as_ref().map(|blocked| &*blocked.cause);
        self.kind.observe(Observation::HandlerEnded {
            handler,
            outcome: &outcome,
            words: &words,
            took,
            outage,
        });
        if blocked.is_some() {
            *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = blocked;
        }
        outcome
    }
}

/// Waits for a handler's answer, and judges it.
pub(super) async fn judged<R>(
    id: &str,
    limits: &Limits,
    attempt: Attempt,
    answer: impl Future<Output = Result<R, Failure>>,
) -> Judged<R> {
    let left = limits.timeout.map(|timeout| timeout.saturating_sub(attempt.elapsed));
    let begun = Instant::now();
    let answer = AssertUnwindSafe(answer).catch_unwind();
    let answer = match left {
        Some(left) => tokio::time::timeout(left, answer).await,
        None => Ok(answer.await),
    };
    let failed = |error: &Error| limits.judge(id, error, attempt, fastrand::f64());
    let verdict = match answer {
        Err(_) => Limits::timed_out(id, attempt.elapsed + begun.elapsed()),
        Ok(Err(panic)) => failed(&Error::Unclassified(panic_message(panic.as_ref()).into())),
        Ok(Ok(Ok(reply))) => return Judged::succeeded(reply),
        Ok(Ok(Err(Failure::Waiting { after }))) => Verdict::unfailed(Outcome::Children { after }),
        Ok(Ok(Err(Failure::Rejected(Rejection::Object(message))))) => {
            Verdict::rejected(&Error::permanent(message))
        }
        Ok(Ok(Err(Failure::Rejected(rejection)))) => {
            return Judged::failed(&rejection.into_error(), failed);
        }
        Ok(Ok(Err(Failure::Failed(error)))) => return Judged::failed(&error, failed),
    };
    Judged::without_answer(verdict)
}

/// What has come of an attempt.
#[derive(Debug)]
pub struct Judged<R> {
    pub reply: Option<R>,
    pub verdict: Verdict,
    /// What is away that the handler has needed.
    blocked: Option<Blocked>,
}

impl<R> Judged<R> {
    fn succeeded(reply: R) -> Self {
        Self { reply: Some(reply), verdict: Verdict::unfailed(Outcome::Success), blocked: None }
    }

    fn failed(error: &Error, judge: impl Fn(&Error) -> Verdict) -> Self {
        Self { blocked: blocked(error), ..Self::without_answer(judge(error)) }
    }

    pub fn without_answer(verdict: Verdict) -> Self {
        Self { reply: None, verdict, blocked: None }
    }
}

fn blocked(error: &Error) -> Option<Blocked> {
    match error {
        Error::Outage { cause, delay, .. } => {
            Some(Blocked { cause: Arc::clone(cause), delay: *delay, why: error.to_string().into() })
        }
        _ => None,
    }
}

/// Calls a handler, and those of its sub-handlers that it has registered and not called.
fn complete(invoke: impl FnOnce(ChangeCall) -> Answer + Send + 'static) -> impl FnOnce(ChangeCall) -> Answer {
    |call| {
        async move {
            let parent = call.clone();
            let reply = match invoke(call).await {
                Ok(reply) => parent.subs.execute(&parent).await.map(|()| reply).map_err(Failure::Failed),
                Err(failure) => Err(failure),
            };
            match parent.subs.left() {
                Some(after) => Err(Failure::Waiting { after }),
                None => reply,
            }
        }
        .boxed()
    }
}
