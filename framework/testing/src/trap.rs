//! Kills an operator at chosen places.
//!
//! Whoever chooses is asked at each place that the operator comes past; at a chosen one it is held until whoever runs it
//! drops it.

use super::api::{Fate, Faults, Moment, Passage, Request, Trouble, WatchEvent};
use futures::future::BoxFuture;
use korf::{Call, Failure, Handler, Reply};
use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};
use tokio::sync::Notify;

/// The name under which an operator sends its requests.
pub(super) const OPERATOR: &str = "operator";

/// A place where an operator can die.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where a handler waits for something, the first time being 1.
    Await(u32),
    /// Where a handler has returned, and nobody knows yet.
    Returned,
    /// Where a request is about to change something.
    Before(String),
    /// Where a request has changed something, and the operator doesn't know yet.
    After(String),
}

/// A handler at work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The handler's id; empty before the first one was called.
    pub handler: String,
    /// The object: `namespace/name`, or the name alone.
    pub object: String,
    /// Which attempt it is, from 0 on.
    pub number: u32,
}

/// Where in a run an operator died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The handler that was called last.
    pub attempt: Attempt,
    /// The place.
    pub place: Place,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attempt { handler, object, number } = &self.attempt;
        if !handler.is_empty() {
            write!(f, "handler '{handler}' of {object}, attempt {number}, ")?;
        }
        match &self.place {
            Place::Await(times) => write!(f, "at its await no. {times}"),
            Place::Returned => f.write_str("after it had returned"),
            Place::Before(request) => write!(f, "before {request}"),
            Place::After(request) => write!(f, "after {request}"),
        }
    }
}

/// Says of each place whether the operator dies there.
type Choice = Box<dyn FnMut(&Point) -> bool + Send>;

#[derive(Default)]
struct State {
    choice: Option<Choice>,
    passed: usize,
    last: Attempt,
    deaths: Vec<Point>,
    dead: bool,
}

/// Counts the places where an operator can die, and kills it at those that are chosen.
#[derive(Clone, Default)]
pub(super) struct Trap {
    state: Arc<Mutex<State>>,
    sprung: Arc<Notify>,
}

impl Trap {
    /// A trap at the place of this number, from 0 on; with none, it only counts.
    pub fn at(chosen: Option<usize>) -> Self {
        let (trap, mut places) = (Self::default(), 0..);
        trap.choose(move |_| places.next() == chosen);
        trap
    }

    /// Asks this function from now on.
    pub fn choose(&self, choice: impl FnMut(&Point) -> bool + Send + 'static) {
        self.state().choice = Some(Box::new(choice));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many places were passed so far.
    pub fn passed(&self) -> usize {
        self.state().passed
    }

    /// Where operators have died.
    pub fn deaths(&self) -> Vec<Point> {
        self.state().deaths.clone()
    }

    /// Waits until the operator is to die.
    pub async fn wait(&self) {
        self.sprung.notified().await;
    }

    /// The dead one is gone; another may live.
    pub fn revive(&self) {
        self.state().dead = false;
    }

    /// The operator comes past a place; true where it dies.
    fn pass(&self, attempt: Option<&Attempt>, place: Place) -> bool {
        let mut state = self.state();
        if state.dead {
            return true;
        }
        if let Some(attempt) = attempt {
            state.last = attempt.clone();
        }
        state.passed += 1;
        let point = Point { attempt: state.last.clone(), place };
        if !state.choice.as_mut().is_some_and(|choice| choice(&point)) {
            return false;
        }
        state.dead = true;
        state.deaths.push(point);
        self.sprung.notify_one();
        true
    }

    /// The same handler, with the trap at each of its awaits.
    pub fn around(&self, mut handler: Handler) -> Handler {
        let (trap, id, inner) = (self.clone(), handler.id.clone(), Arc::clone(&handler.invoke));
        handler.invoke = Arc::new(move |call| {
            let name = call.body.name().to_owned();
            let object =
                call.body.namespace().map_or(name.clone(), |namespace| format!("{namespace}/{name}"));
            let attempt = Attempt { handler: id.clone(), object, number: call.attempt };
            trap.watched(attempt, Arc::clone(&inner), call)
        });
        handler
    }

    fn watched(
        &self,
        attempt: Attempt,
        inner: korf::__private::Invoke,
        call: Call,
    ) -> BoxFuture<'static, Result<Reply, Failure>> {
        let trap = self.clone();
        trap.state().last = attempt.clone();
        let mut answer = inner(call);
        let (mut awaits, mut held) = (0, false);
        Box::pin(poll_fn(move |context| {
            if held || trap.state().dead {
                return Poll::Pending;
            }
            let polled = answer.as_mut().poll(context);
            let place = if polled.is_ready() {
                Place::Returned
            } else {
                awaits += 1;
                Place::Await(awaits)
            };
            held = trap.pass(Some(&attempt), place);
            if held { Poll::Pending } else { polled }
        }))
    }
}

/// The trap at each write of the operator, in front of other faults.
pub(super) struct TrappedWrites<F> {
    pub trap: Trap,
    pub faults: F,
}

impl<F: Faults> Faults for TrappedWrites<F> {
    fn request(&mut self, request: &Request) -> Fate {
        let fate = self.faults.request(request);
        if request.who != OPERATOR || !request.is_write() || fate.trouble.is_some() {
            return fate;
        }
        if self.trap.pass(None, Place::Before(request.to_string())) {
            return Fate::before(Trouble::Silence);
        }
        if self.trap.pass(None, Place::After(request.to_string())) {
            // At once: the operator must not do anything between its death and the write.
            return Fate { trouble: Some((Moment::After, Trouble::Silence)), ..Fate::default() };
        }
        fate
    }

    fn event(&mut self, event: &WatchEvent) -> Passage {
        self.faults.event(event)
    }
}
