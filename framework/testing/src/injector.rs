//! Crashes of the operator at chosen points, and its restart.
//!
//! A function decides at each point that the operator passes. At a chosen one the operator is stopped until the supervisor
//! drops it.

use super::api::{ApiServer, Delivery, EventDelivery, Fault, Faults, Moment, Request, WatchEvent};
use korf::{
    __private::{Health, Metrics},
    Operator, RunError,
    handler::{Answer, Handler},
};
use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};
use tokio::{sync::Notify, task::yield_now};
use tokio_util::sync::CancellationToken;

/// The name under which an operator sends its requests.
pub(super) const OPERATOR: &str = "operator";

/// The site of a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrashSite {
    /// An await of a handler, from 1 on.
    Await(u32),
    /// After a handler has returned, before its result is used.
    Returned,
    /// Before a write.
    Before(String),
    /// After a write, before its answer arrives.
    After(String),
}

/// A running attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The handler's id; empty before the first one was called.
    pub handler: String,
    /// The object: `namespace/name`, or the name alone.
    pub object: String,
    /// The number of the attempt, from 0 on.
    pub number: u32,
}

/// A point of a run where the operator can crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// The handler that was called last.
    pub attempt: Attempt,
    /// The site.
    pub site: CrashSite,
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attempt { handler, object, number } = &self.attempt;
        if !handler.is_empty() {
            write!(f, "handler '{handler}' of {object}, attempt {number}, ")?;
        }
        match &self.site {
            CrashSite::Await(times) => write!(f, "at its await no. {times}"),
            CrashSite::Returned => f.write_str("after it had returned"),
            CrashSite::Before(request) => write!(f, "before {request}"),
            CrashSite::After(request) => write!(f, "after {request}"),
        }
    }
}

/// Decides at each point whether the operator crashes.
type Choice = Box<dyn FnMut(&CrashPoint) -> bool + Send>;

#[derive(Default)]
struct State {
    choice: Option<Choice>,
    passed: usize,
    last: Attempt,
    crashes: Vec<CrashPoint>,
    crashing: bool,
}

/// Counts the points where the operator can crash, and kills it at chosen ones.
#[derive(Clone, Default)]
pub(super) struct CrashInjector {
    state: Arc<Mutex<State>>,
    crashed: Arc<Notify>,
}

impl CrashInjector {
    /// An injector that crashes at the point of this number, from 0 on; with none, it only counts.
    pub fn at(chosen: Option<usize>) -> Self {
        let (injector, mut sites) = (Self::default(), 0..);
        injector.choose(move |_| sites.next() == chosen);
        injector
    }

    /// Sets the deciding function.
    pub fn choose(&self, choice: impl FnMut(&CrashPoint) -> bool + Send + 'static) {
        self.state().choice = Some(Box::new(choice));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of points passed so far.
    pub fn passed(&self) -> usize {
        self.state().passed
    }

    /// The crashes so far.
    pub fn crashes(&self) -> Vec<CrashPoint> {
        self.state().crashes.clone()
    }

    /// Waits for the next crash.
    pub async fn wait(&self) {
        self.crashed.notified().await;
    }

    /// Allows the next operator to run.
    pub fn revive(&self) {
        self.state().crashing = false;
    }

    /// Passes a point. Returns whether the operator crashes there.
    fn pass(&self, attempt: Option<&Attempt>, site: CrashSite) -> bool {
        let mut state = self.state();
        if state.crashing {
            return true;
        }
        if let Some(attempt) = attempt {
            state.last = attempt.clone();
        }
        state.passed += 1;
        let point = CrashPoint { attempt: state.last.clone(), site };
        if !state.choice.as_mut().is_some_and(|choice| choice(&point)) {
            return false;
        }
        state.crashing = true;
        state.crashes.push(point);
        self.crashed.notify_one();
        true
    }

    /// The same handler, with the injector at each of its awaits.
    pub fn around(&self, handler: Handler) -> Handler {
        let (injector, id) = (self.clone(), handler.id().to_owned());
        handler.wrapped(move |body, number, answer| {
            let name = body.name().to_owned();
            let object = body.namespace().map_or(name.clone(), |namespace| format!("{namespace}/{name}"));
            injector.watch(Attempt { handler: id.clone(), object, number }, answer)
        })
    }

    fn watch(&self, attempt: Attempt, mut answer: Answer) -> Answer {
        let injector = self.clone();
        injector.state().last = attempt.clone();
        let (mut awaits, mut stopped) = (0, false);
        Box::pin(poll_fn(move |context| {
            if stopped || injector.state().crashing {
                return Poll::Pending;
            }
            let polled = answer.as_mut().poll(context);
            let site = if polled.is_ready() {
                CrashSite::Returned
            } else {
                awaits += 1;
                CrashSite::Await(awaits)
            };
            stopped = injector.pass(Some(&attempt), site);
            if stopped { Poll::Pending } else { polled }
        }))
    }
}

/// The injector at each write of the operator, in front of other faults.
pub(super) struct CrashingWrites<F> {
    pub injector: CrashInjector,
    pub faults: F,
}

impl<F: Faults> Faults for CrashingWrites<F> {
    fn request(&mut self, request: &Request) -> Delivery {
        let delivery = self.faults.request(request);
        if request.client != OPERATOR || !request.is_write() || delivery.fault.is_some() {
            return delivery;
        }
        if self.injector.pass(None, CrashSite::Before(request.to_string())) {
            return Delivery::before(Fault::Silence);
        }
        if self.injector.pass(None, CrashSite::After(request.to_string())) {
            // Without delay: the operator must not do anything between the write and its crash.
            return Delivery { fault: Some((Moment::After, Fault::Silence)), ..Delivery::default() };
        }
        delivery
    }

    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        self.faults.event(event)
    }
}

/// Creates the operator for each start.
pub(super) type Make = Arc<dyn Fn() -> Operator + Send + Sync>;

/// What is known of the operator that runs now: its health, and its metrics.
#[derive(Clone, Default)]
pub(super) struct KnownHealth(Arc<Mutex<(Health, Option<Metrics>)>>);

impl KnownHealth {
    fn set(&self, operator: &Operator) {
        let known = (operator.known_health(), Some(operator.known_metrics()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// That of the operator that was started last.
    pub fn get(&self) -> (Health, Option<Metrics>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The number of turns of other tasks after a crash: aborted tasks are dropped in their next turn.
const TURNS: usize = 64;

/// Runs the operator until it ends, and restarts it after each crash, as Kubernetes does.
pub(super) async fn supervise(
    make: Make,
    server: ApiServer,
    injector: CrashInjector,
    health: KnownHealth,
    stop: CancellationToken,
) -> Result<(), RunError> {
    loop {
        let operator =
            make().client(server.client(OPERATOR)).map_handlers(|handler| injector.around(handler));
        health.set(&operator);
        tokio::select! {
            biased;
            () = injector.wait() => {}
            ended = operator.run_until(stop.clone()) => return ended,
        }
        drop_aborted_tasks().await;
        injector.revive();
    }
}

/// Waits until aborted tasks are dropped.
pub(super) async fn drop_aborted_tasks() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}
