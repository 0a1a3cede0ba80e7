//! Sub-handlers: registered by a handler while it runs, each with progress and retries of its own.

use super::{Call, Invoke};
use crate::{
    core::{
        cycle::SubDone,
        progress::{Progress, Record},
        retry::{Attempt, Limits, Outcome},
    },
    error::Error,
};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::{
    error, fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A sub-handler: its id below its parent's, how often it is tried, and what it does.
#[derive(Clone)]
pub struct SubHandler {
    /// The id below the parent's.
    pub id: String,
    /// How long and how often it is tried.
    pub limits: Limits,
    /// What it does.
    pub invoke: Invoke,
}

impl fmt::Debug for SubHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubHandler")
            .field("id", &self.id)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Calls one handler once, with the log lines and limits that belong to that; the runtime does it.
pub(crate) type Caller = Arc<dyn Fn(SubHandler, Call, Attempt) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// The sub-handlers of one call of a handler.
#[derive(Clone)]
pub struct SubCalls {
    known: Arc<Progress>,
    done: Arc<Mutex<Vec<SubDone>>>,
    caller: Caller,
}

impl fmt::Debug for SubCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubCalls").field("known", &self.known).finish_non_exhaustive()
    }
}

/// Sub-handlers are left to be called, so that the parent is to be called again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The time to the next of them.
    pub after: Duration,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sub-handlers are not done")
    }
}

impl error::Error for Unfinished {}

impl SubCalls {
    /// The sub-handlers of a call, given what is on record of them and a way to call them.
    pub(crate) fn new(known: Progress, caller: Caller) -> Self {
        Self { known: Arc::new(known), done: Arc::default(), caller }
    }

    /// No sub-handlers: those of a raw event's handler are never called.
    pub(crate) fn none() -> Self {
        Self::new(Progress::default(), Arc::new(|_, _, _| Box::pin(std::future::ready(Outcome::Ignored))))
    }

    /// All that were registered, and what came of those that were called; nothing is left.
    pub(crate) fn take(&self) -> Vec<SubDone> {
        std::mem::take(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls those of `handlers` that are due and not done yet, one after the other.
    ///
    /// # Errors
    /// [`Unfinished`], as a temporary error, if one of them is to be tried again: the parent passes it on, and is
    /// called again then. A sub-handler that has failed for good is done, as in Kopf.
    pub async fn execute(&self, parent: &Call, handlers: Vec<SubHandler>) -> Result<(), Error> {
        let mut next: Option<Duration> = None;
        for handler in handlers {
            if let Some(after) = self.one(parent, handler).await {
                next = Some(next.map_or(after, |next| next.min(after)));
            }
        }
        match next {
            Some(after) => Err(Error::temporary(Unfinished { after }, after)),
            None => Ok(()),
        }
    }

    /// Calls one if it is due; returns the time to its next attempt, if there is to be one.
    async fn one(&self, parent: &Call, handler: SubHandler) -> Option<Duration> {
        let id = format!("{}/{}", parent.id, handler.id);
        let record = self.known.get(&id);
        let started = record.map_or(parent.now, |record| record.started);
        let note = |outcome| self.note(SubDone { id: id.clone(), started, outcome });
        if record.is_some_and(Record::is_finished) {
            note(None);
            return None;
        }
        let wait = record.and_then(Record::next_due).map_or(Duration::ZERO, |due| until(parent.now, due));
        if !wait.is_zero() {
            note(None);
            return Some(wait);
        }
        let attempt = Attempt::after(record.map_or(0, |record| record.retries), started, parent.now);
        let call = Call { id: id.clone(), attempt: attempt.before, started, ..parent.clone() };
        let outcome = (self.caller)(handler, call, attempt).await;
        let after = match &outcome {
            Outcome::Retry { after, .. } | Outcome::Children { after } => Some(*after),
            _ => None,
        };
        note(Some(outcome));
        after
    }

    fn note(&self, done: SubDone) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push(done);
    }
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or_default()
}
