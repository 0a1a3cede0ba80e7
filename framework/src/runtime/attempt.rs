//! One attempt of one handler: called, guarded against panics and timeouts, and judged.

use super::{
    clock,
    kind::KindContext,
    lead::Fence,
    memory::Memory,
    observe::{HandlerName, Observation, metrics::Called, traces},
};
use crate::{
    argument::Rejection,
    call::{AttemptInfo, EditSink, LiveState, ObjectCall, ObjectView, StopSignal, TypeMap},
    families::{
        Answer, Change, ChangeCall, DaemonCall, EventCall, EventHandler, Failure, Parameter, SubCalls,
        SubHandler, TimerCall, TimerHandler,
    },
    reply::Reply,
};
use futures::{FutureExt, TryFutureExt, future::BoxFuture};
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
use tracing::Instrument;

/// The object that handlers are called for in one pass, and what they ask for.
#[derive(Clone)]
pub struct Pass {
    caller: Caller,
    pub body: Body,
    cache: TypeMap,
    memo: TypeMap,
}

/// What calls handlers, and takes in what they ask for. A daemon's is kept while it runs.
#[derive(Clone)]
struct Caller {
    kind: Arc<KindContext>,
    edits: EditSink,
    course: Arc<Course>,
}

/// What calls have in common. It is apart, since each daemon has a place for its caller.
struct Course {
    /// What is away that the change handler that is called, or one of its sub-handlers, has needed.
    blocked: Mutex<Option<Blocked>>,
    /// Whether the object is this operator's.
    fence: Fence,
}

/// What is known of the attempts before.
#[derive(Clone, Copy)]
enum Past<'a> {
    /// No more than their number: they are those of a timer, a daemon, or an event handler, which waits for nothing.
    Counted,
    /// Those of a change handler, which is called again when an outage is over. There is no record before the first.
    Recorded(Option<&'a Record>),
}

impl Past<'_> {
    /// Whether the outcome says no more than the attempt before has said: that the handler waits.
    fn is_known(self, attempt: Attempt, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Self::Recorded(record), Outcome::Waiting { message, .. }) => {
                record.is_some_and(|record| record.waits_for(message))
            }
            (Self::Counted, Outcome::Waiting { .. }) => attempt.before > 0,
            _ => false,
        }
    }
}

/// An attempt of a daemon, before it begins.
#[derive(Debug)]
pub struct DaemonAttempt {
    /// The kind of the object.
    pub kind: Arc<KindContext>,
    /// The daemon's index among those of the kind.
    pub index: usize,
    /// The newest state of the object.
    pub body: Body,
    /// The values of `Memo` arguments.
    pub memo: TypeMap,
    /// What it asks for.
    pub edits: EditSink,
    /// Whether the object is this operator's.
    pub fence: Fence,
    /// The number of the attempt, and the time since the first one.
    pub attempt: Attempt,
    /// The start of the first attempt.
    pub started: Timestamp,
    /// Tells it to stop.
    pub stop: Arc<StopSignal>,
    /// The object as it will be.
    pub live: Arc<LiveState>,
}

impl DaemonAttempt {
    /// Runs the daemon until it ends. The future keeps nothing but what the daemon has asked for.
    pub fn run(self) -> impl Future<Output = Outcome> + Send + 'static {
        let Self { kind, index, body, memo, edits, fence, attempt, started, stop, live } = self;
        let caller = Caller::new(&kind, edits, fence);
        let pass = Pass { caller: caller.clone(), body, cache: TypeMap::default(), memo };
        let handler = &kind.daemons[index];
        let object = pass.object(&handler.id, handler.param.as_ref(), None);
        let info = AttemptInfo { number: attempt.before, started };
        // The function isn't called before this is awaited.
        let answer = (handler.invoke)(DaemonCall { object, attempt: info, stop, live });
        async move {
            let handler = &caller.kind.daemons[index];
            caller.once(Called::Daemon, &handler.id, &handler.limits, attempt, || answer, Past::Counted).await
        }
    }
}

impl Pass {
    /// A pass over an object.
    pub fn new(kind: &Arc<KindContext>, body: Body, memory: &Memory) -> Self {
        let caller = Caller::new(kind, EditSink::default(), memory.fence.clone());
        Self { caller, body, memo: Arc::clone(&memory.memo), cache: TypeMap::default() }
    }

    /// What the handlers have asked for, in the order of the calls.
    pub fn take_edits(&self) -> Edits {
        self.caller.edits.take().into_iter().collect()
    }

    /// The part of a call that is about the object.
    fn object(&self, handler: &str, param: Option<&Parameter>, fallback: Option<Arc<Value>>) -> ObjectCall {
        let kind = &self.caller.kind;
        ObjectCall {
            context: kind.operator.call(handler, param),
            view: ObjectView {
                kind: Arc::clone(&kind.kind),
                body: self.body.clone(),
                fallback,
                cache: Arc::clone(&self.cache),
            },
            memo: Arc::clone(&self.memo),
            edits: self.caller.edits.clone(),
            events: kind.operator.events.clone(),
            status_subresource: kind.has_status_subresource(),
        }
    }

    /// Calls a change handler, and its sub-handlers. Returns what it waits for, too, if something is away that it needs.
    pub async fn change(&self, cycle: &Cycle, ready: Ready) -> (HandlerOutcome, Option<Blocked>) {
        let handler = &self.caller.kind.setup.handlers[ready.handler];
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
        let (id, limits, caller) = (&handler.id, &handler.limits, &self.caller);
        let called = Called::Change(cycle.reason);
        let past = Past::Recorded(cycle.progress().get(id));
        let outcome = caller.traced(called, id, limits, ready.attempt, || invoke(call), past).await;
        // One that isn't called again waits for nothing.
        let waits = matches!(outcome, Outcome::Retry { .. } | Outcome::Children { .. });
        let blocked = caller.take_blocked().filter(|_| waits);
        (HandlerOutcome { ready, outcome, subs: subs.take() }, blocked)
    }

    /// Calls an event handler: once, whatever comes of it.
    pub async fn event(&self, handler: &EventHandler, event: WatchEventType) {
        let limits = Limits { timeout: handler.timeout, errors: OnError::Ignored, ..Limits::default() };
        let attempt = Attempt { before: 0, elapsed: Duration::ZERO };
        let object = self.object(&handler.id, handler.param.as_ref(), None);
        let call = EventCall { object, event };
        let invoke = || (handler.invoke)(call).map_err(once).boxed();
        self.caller.traced(Called::Event, &handler.id, &limits, attempt, invoke, Past::Counted).await;
    }

    /// Calls a timer.
    pub async fn timer(&self, handler: &TimerHandler, attempt: Attempt, started: Timestamp) -> Outcome {
        let object = self.object(&handler.id, handler.param.as_ref(), None);
        let call = TimerCall { object, attempt: AttemptInfo { number: attempt.before, started } };
        let invoke = || (handler.invoke)(call);
        self.caller.traced(Called::Timer, &handler.id, &handler.limits, attempt, invoke, Past::Counted).await
    }

    /// The sub-handlers of a handler, called as handlers are.
    fn subs(&self, id: &str, cycle: &Cycle) -> SubCalls {
        // A handler that is called before it is due is called because the object has changed.
        let due = cycle.progress().get(id).and_then(Record::next_due);
        let eager = due.is_some_and(|due| due > clock::now());
        let (caller, called) = (self.caller.clone(), Called::Change(cycle.reason));
        let progress = cycle.progress().clone();
        let call_sub =
            move |handler: SubHandler, call: ChangeCall, attempt: Attempt| -> BoxFuture<'static, Outcome> {
                let caller = caller.clone();
                let record = progress.get(&call.object.context.handler).cloned();
                async move {
                    let (id, invoke) = (call.object.context.handler.clone(), complete(handler.invoke));
                    let past = Past::Recorded(record.as_ref());
                    caller.traced(called, &id, &handler.limits, attempt, || invoke(call), past).await
                }
                .boxed()
            };
        SubCalls::new(cycle.progress().clone(), eager, Arc::new(call_sub))
    }
}

impl Caller {
    fn new(kind: &Arc<KindContext>, edits: EditSink, fence: Fence) -> Self {
        Self { kind: Arc::clone(kind), edits, course: Arc::new(Course { blocked: Mutex::default(), fence }) }
    }

    fn take_blocked(&self) -> Option<Blocked> {
        self.course.blocked.lock().unwrap_or_else(PoisonError::into_inner).take()
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

    /// The same in a span of its own. A daemon has none: it may run for days.
    async fn traced(
        &self,
        called: Called,
        id: &str,
        limits: &Limits,
        attempt: Attempt,
        invoke: impl FnOnce() -> Answer,
        past: Past<'_>,
    ) -> Outcome {
        let span = traces::attempt(called, id, attempt.before);
        let outcome = self.once(called, id, limits, attempt, invoke, past).instrument(span.clone()).await;
        traces::attempted(&span, &outcome);
        outcome
    }

    /// Calls a handler once.
    async fn once(
        &self,
        called: Called,
        id: &str,
        limits: &Limits,
        attempt: Attempt,
        invoke: impl FnOnce() -> Answer,
        past: Past<'_>,
    ) -> Outcome {
        self.course.fence.pass().await;
        let handler = HandlerName { family: called.family(), id };
        let _running = self.kind.run(called);
        let begun = Instant::now();
        self.kind.observe(Observation::HandlerBegins { handler, epoch: self.course.fence.epoch() });
        let judged = match limits.exhausted(id, attempt) {
            Some(verdict) => Judged::without_answer(verdict),
            None => judged(id, limits, attempt, invoke()).await,
        };
        let Judged { reply, verdict, blocked } = judged;
        if let Some(reply) = reply {
            self.keep(id, reply);
        }
        let words = verdict.failure.map(|failure| failure.to_string()).unwrap_or_default();
        let outcome = verdict.outcome;
        let took = begun.elapsed();
        self.kind.metrics.note_run(called, id, &outcome, took);
        let waits = matches!((past, &outcome), (Past::Recorded(_), Outcome::Retry { .. }));
        let blocked = blocked.filter(|_| waits);
        let outage = blocked.as_ref().map(|blocked| &*blocked.cause);
        self.kind.observe(Observation::HandlerEnded {
            handler,
            outcome: &outcome,
            words: &words,
            took,
            outage,
            known: past.is_known(attempt, &outcome),
            epoch: self.course.fence.epoch(),
        });
        if blocked.is_some() {
            *self.course.blocked.lock().unwrap_or_else(PoisonError::into_inner) = blocked;
        }
        outcome
    }
}

/// The failure of a handler that is called once, whatever comes of it: it waits for nothing, and isn't retried.
fn once(failure: Failure) -> Failure {
    match failure {
        Failure::Failed(Error::Waiting { source, .. } | Error::Temporary { source, .. }) => {
            Failure::Failed(Error::Unclassified(source))
        }
        failure => failure,
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
        // In a box: a daemon without a timeout needs no place for it.
        Some(left) => Box::pin(tokio::time::timeout(left, answer)).await,
        None => Ok(answer.await),
    };
    let failed = |error: &Error| limits.judge(id, error, attempt, fastrand::f64());
    let verdict = match answer {
        Err(_) => Limits::timed_out(id, attempt.elapsed + begun.elapsed()),
        Ok(Err(panic)) => failed(&Error::Unclassified(panic_message(panic.as_ref()).into())),
        Ok(Ok(Ok(reply))) => return Judged::succeeded(reply),
        Ok(Ok(Err(Failure::Children { after }))) => Verdict::unfailed(Outcome::Children { after }),
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
                Some(after) => Err(Failure::Children { after }),
                None => reply,
            }
        }
        .boxed()
    }
}
