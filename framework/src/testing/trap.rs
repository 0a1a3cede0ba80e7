//! Kills an operator at a chosen place.
//!
//! The places where it can die are counted as it comes past them; at the chosen one it is held until whoever runs it
//! drops it.

use super::api::{Fate, Faults, Moment, Passage, Request, Trouble, WatchEvent};
use crate::handler::{Call, Failure, Handler, Reply};
use futures::future::BoxFuture;
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

#[derive(Debug, Default)]
struct State {
    /// The place to die at, by its number.
    chosen: Option<usize>,
    passed: usize,
    last: Attempt,
    sprung: Option<Point>,
    dead: bool,
}

/// Counts the places where an operator can die, and kills it at one of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Trap {
    state: Arc<Mutex<State>>,
    sprung: Arc<Notify>,
}

impl Trap {
    /// A trap at the place of this number, from 0 on; with none, it only counts.
    pub fn at(chosen: Option<usize>) -> Self {
        let state = State { chosen, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many places were passed so far.
    pub fn passed(&self) -> usize {
        self.state().passed
    }

    /// Where the operator died, if it has.
    pub fn point(&self) -> Option<Point> {
        self.state().sprung.clone()
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
        let number = state.passed;
        state.passed += 1;
        if state.chosen != Some(number) {
            return false;
        }
        state.dead = true;
        state.sprung = Some(Point { attempt: state.last.clone(), place });
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
        inner: crate::handler::Invoke,
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
