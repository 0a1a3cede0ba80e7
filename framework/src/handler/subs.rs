//! Sub-handlers: registered by a handler while it runs, each with progress and retries of its own.

use super::{Call, Failure, Reply};
use crate::{
    core::{
        Reason,
        cycle::SubDone,
        progress::{Progress, Record},
        retry::{Attempt, Limits, Outcome},
    },
    error::Error,
};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    error, fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A sub-handler: its id below its parent's, how often it is tried, and what it does.
pub struct SubHandler {
    /// The id below the parent's.
    pub id: String,
    /// How long and how often it is tried.
    pub limits: Limits,
    /// What it does.
    pub invoke: InvokeOnce,
}

/// Calls a handler that is called only once.
pub type InvokeOnce = Box<dyn FnOnce(Call) -> BoxFuture<'static, Result<Reply, Failure>> + Send>;

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
    /// What is on record, of all levels.
    known: Arc<Progress>,
    /// The object has changed: nobody waits any longer.
    eager: bool,
    /// What was called, of all levels.
    done: Arc<Mutex<Vec<SubDone>>>,
    /// Those that were added and not called yet, of this level.
    added: Arc<Mutex<Vec<SubHandler>>>,
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

/// How a sub-handler stands.
enum Standing {
    Done,
    Failed(String),
    Due(Duration),
}

impl SubCalls {
    /// The sub-handlers of a call, given what is on record of them, whether they are called before they are due,
    /// and a way to call them.
    pub(crate) fn new(known: Progress, eager: bool, caller: Caller) -> Self {
        Self { known: Arc::new(known), eager, done: Arc::default(), added: Arc::default(), caller }
    }

    /// No sub-handlers: those of a raw event's handler are never called.
    pub(crate) fn none() -> Self {
        Self::new(
            Progress::default(),
            false,
            Arc::new(|_, _, _| Box::pin(std::future::ready(Outcome::Ignored))),
        )
    }

    /// The sub-handlers of a sub-handler.
    fn below(&self) -> Self {
        Self { added: Arc::default(), ..self.clone() }
    }

    /// All that were registered, and what came of those that were called; nothing is left.
    pub(crate) fn take(&self) -> Vec<SubDone> {
        std::mem::take(&mut lock(&self.done))
    }

    /// One more sub-handler, to be called by [`execute`](Self::execute).
    pub(crate) fn add(&self, handler: SubHandler) {
        lock(&self.added).push(handler);
    }

    /// Calls those that were added if they are due and not done yet, one after the other.
    ///
    /// # Errors
    /// `Unfinished`, as a temporary error, if one of them is to be tried again: the parent passes it on, and is
    /// called again then. A sub-handler that has failed for good is done, as in Kopf; but in a deletion that is a
    /// permanent error, so that the object is kept. Two with one id are a permanent error, too.
    pub(crate) async fn execute(&self, parent: &Call) -> Result<(), Error> {
        let added = std::mem::take(&mut *lock(&self.added));
        check_ids(&added)?;
        let (mut next, mut failed): (Option<Duration>, _) = (None, Vec::new());
        for handler in added {
            match self.one(parent, handler).await {
                Standing::Done => {}
                Standing::Failed(id) => failed.push(id),
                Standing::Due(after) => next = Some(next.map_or(after, |next| next.min(after))),
            }
        }
        match next {
            Some(after) => Err(Error::temporary(Unfinished { after }, after)),
            None if parent.reason == Some(Reason::Delete) && !failed.is_empty() => {
                Err(Error::permanent(format!("sub-handlers have failed for good: {}", failed.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// Calls one if it is due.
    async fn one(&self, parent: &Call, handler: SubHandler) -> Standing {
        let id = format!("{}/{}", parent.id, handler.id);
        let record = self.known.get(&id);
        let started = record.map_or(parent.now, |record| record.started);
        let note = |outcome| lock(&self.done).push(SubDone { id: id.clone(), started, outcome });
        if let Some(record) = record.filter(|record| record.is_finished()) {
            note(None);
            return if record.failure { Standing::Failed(id.clone()) } else { Standing::Done };
        }
        let due = record.and_then(Record::next_due);
        let wait = due.map_or(Duration::ZERO, |due| until(parent.now, due));
        if !wait.is_zero() && !self.eager {
            note(None);
            return Standing::Due(wait);
        }
        let attempt = Attempt::after(record.map_or(0, |record| record.retries), started, parent.now);
        let call =
            Call { id: id.clone(), attempt: attempt.before, started, subs: self.below(), ..parent.clone() };
        let outcome = (self.caller)(handler, call, attempt).await;
        note(Some(outcome.clone()));
        match outcome {
            Outcome::Retry { after, .. } | Outcome::Children { after } => Standing::Due(after),
            Outcome::GaveUp { .. } | Outcome::Unreadable { .. } => Standing::Failed(id),
            Outcome::Success | Outcome::Ignored => Standing::Done,
        }
    }
}

/// Each sub-handler needs a record of its own.
fn check_ids(handlers: &[SubHandler]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match handlers.iter().find(|handler| handler.id.is_empty() || !seen.insert(&handler.id)) {
        None => Ok(()),
        Some(handler) if handler.id.is_empty() => Err(Error::permanent("a sub-handler has an empty id")),
        Some(handler) => {
            Err(Error::permanent(format!("two sub-handlers are called `{}`: each needs an id", handler.id)))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
