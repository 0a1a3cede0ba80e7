//! Sub-handlers: registered by a handler while it runs, each with its own progress and retries.

use super::{Answer, ChangeCall};
use crate::{
    argument::{FromCall, Rejection, Requirements},
    builder::HandlerFn,
    core::{
        cycle::{ParentState, SubOutcome, SubState},
        progress::Progress,
        retry::{Attempt, Limits, Outcome},
    },
    error::{Error, Result},
    extract::IsKind,
    scope::{ChangeHandlerScope, scopes},
};
use futures::future::BoxFuture;
use std::{
    collections::BTreeSet,
    fmt,
    marker::PhantomData,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

scopes! {
    ChangeCall:

    /// A sub-handler of a handler of objects of kind `K`, called for the reason that its parent is called for: see
    /// [`SubHandlers`].
    Sub: ChangeScope Retried ChangeHandlerScope;
}

/// Handlers below the one that takes this, for work that is only known when it runs: one for each item of a list, say.
/// Each has its own progress and retries; the parent is done when all of them are.
///
/// ```
/// use korf::{Name, Result, Spec, SubHandlers};
/// # use kube::CustomResource;
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
/// # #[kube(group = "korf.dev", version = "v1", kind = "Batch", namespaced)]
/// # struct BatchSpec { items: Vec<String> }
///
/// #[korf::on_create(Batch)]
/// async fn create(spec: Spec<BatchSpec>, subs: SubHandlers<Batch>) -> Result {
///     for item in spec.items.clone() {
///         subs.add(item.clone(), async move |name: Name| -> Result {
///             tracing::info!("{name}: {item}");
///             Ok(())
///         });
///     }
///     subs.execute().await
/// }
/// ```
///
/// - The id of a sub-handler is `parent/sub`, in logs, in progress records and, if it returns a value, in the status:
///   `status.<parent/sub>`.
/// - [`execute`](Self::execute) calls those that are due, one after the other. If the parent's function returns without
///   calling it, korf calls it then.
/// - While one of them is to be retried, so is the parent, whatever it returns: it is called when the first of them is
///   due, and has to register the same ones again; those that are done are skipped.
/// - One that has failed permanently counts as done, as in Kopf; but not in a deletion, where the parent fails with it, so
///   that the object is kept.
/// - They can take what their parent can take, except for the arguments of `on_update` and `on_field` alone. They can have
///   `SubHandlers` of their own.
pub struct SubHandlers<K> {
    parent: ChangeCall,
    kind: PhantomData<fn() -> K>,
}

impl<K> fmt::Debug for SubHandlers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubHandlers").field(&self.parent.subs).finish()
    }
}

impl<K: 'static> SubHandlers<K> {
    /// Adds a sub-handler: an `async` function or closure, which takes arguments as handlers do. A closure may own what it
    /// needs.
    pub fn add<F, Arguments>(&self, id: impl Into<String>, function: F)
    where
        F: HandlerFn<Sub<K>, Arguments>,
    {
        self.add_with(id, Limits::default(), function);
    }

    /// Adds a sub-handler that is tried within these limits.
    pub fn add_with<F, Arguments>(&self, id: impl Into<String>, limits: Limits, function: F)
    where
        F: HandlerFn<Sub<K>, Arguments>,
    {
        let invoke = Box::new(|call| function.invoke(call));
        self.parent.subs.add(SubHandler { id: id.into(), limits, invoke });
    }

    /// Calls those that are due and not done yet, one after the other.
    ///
    /// # Errors
    /// - Some of them are left to be retried. The parent passes this on by `?`, and is called again.
    /// - In a deletion, some have failed permanently.
    /// - Two have the same id, or one has an empty one.
    pub async fn execute(&self) -> Result<(), Error> {
        self.parent.subs.execute(&self.parent).await
    }
}

impl<S, K> FromCall<S> for SubHandlers<K>
where
    S: ChangeHandlerScope<Kind: IsKind<K>>,
{
    fn from_call(call: &ChangeCall) -> Result<Self, Rejection> {
        Ok(Self { parent: call.clone(), kind: PhantomData })
    }

    /// What sub-handlers take is known only when they are called.
    fn requirements(requirements: &mut Requirements) {
        requirements.patch();
        requirements.events();
    }
}

/// A sub-handler: its id below its parent's, how often it is tried, and its function.
pub struct SubHandler {
    /// The id below the parent's.
    pub id: String,
    /// Its limits.
    pub limits: Limits,
    /// Calls its function, once.
    pub invoke: Box<dyn FnOnce(ChangeCall) -> Answer + Send>,
}

impl fmt::Debug for SubHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubHandler")
            .field("id", &self.id)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The runtime's function that calls one sub-handler once, with its log lines and limits.
pub(crate) type Caller =
    Arc<dyn Fn(SubHandler, ChangeCall, Attempt) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// The sub-handlers of one call of a handler.
#[derive(Clone)]
pub struct SubCalls {
    /// The records of all levels.
    known: Arc<Progress>,
    /// The object has changed: delays no longer count.
    eager: bool,
    /// The outcomes of all levels.
    outcomes: Arc<Mutex<Vec<SubOutcome>>>,
    /// Those of this level.
    level: Arc<Mutex<Level>>,
    caller: Caller,
}

/// The sub-handlers of one parent.
#[derive(Debug, Default)]
struct Level {
    /// Those that were added and not called yet.
    added: Vec<SubHandler>,
    /// The time to the first of those that are left to be retried.
    left: Option<Duration>,
}

impl fmt::Debug for SubCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubCalls").field("known", &self.known).finish_non_exhaustive()
    }
}

impl SubCalls {
    /// The sub-handlers of a call, from the records of all of them; `eager`: delays no longer count.
    pub(crate) fn new(known: Progress, eager: bool, caller: Caller) -> Self {
        let (outcomes, level) = (Arc::default(), Arc::default());
        Self { known: Arc::new(known), eager, outcomes, level, caller }
    }

    /// The sub-handlers of a sub-handler.
    fn below(&self) -> Self {
        Self { level: Arc::default(), ..self.clone() }
    }

    /// Removes and returns the outcomes of all that were registered.
    pub(crate) fn take(&self) -> Vec<SubOutcome> {
        mem::take(&mut lock(&self.outcomes))
    }

    /// The time to the first of those that are left to be retried, if there are any.
    pub(crate) fn left(&self) -> Option<Duration> {
        lock(&self.level).left
    }

    pub(crate) fn add(&self, handler: SubHandler) {
        lock(&self.level).added.push(handler);
    }

    /// Calls those that were added if they are due and not done yet, one after the other.
    ///
    /// # Errors
    /// See [`SubHandlers::execute`].
    pub(crate) async fn execute(&self, parent: &ChangeCall) -> Result<(), Error> {
        let added = mem::take(&mut lock(&self.level).added);
        check_ids(&added)?;
        let mut states = Vec::new();
        for handler in added {
            let id = format!("{}/{}", parent.object.context.handler, handler.id);
            let state = self.one(parent, id.clone(), handler).await;
            states.push((id, state));
        }
        match ParentState::of(parent.change.reason, &states) {
            ParentState::Finished => Ok(()),
            ParentState::Failed(ids) => {
                Err(Error::permanent(format!("sub-handlers have failed permanently: {}", ids.join(", "))))
            }
            ParentState::Wait(after) => {
                let mut level = lock(&self.level);
                level.left = Some(level.left.map_or(after, |left| left.min(after)));
                Err(Error::temporary("sub-handlers are not done", after))
            }
        }
    }

    /// Calls one if it is due.
    async fn one(&self, parent: &ChangeCall, id: String, handler: SubHandler) -> SubState {
        let record = self.known.get(&id);
        let (now, mut call) = (parent.object.context.now, parent.clone());
        let state = match SubState::of(record, now, self.eager) {
            SubState::Due { .. } if parent.object.context.stop.is_cancelled() => {
                SubState::Wait(Duration::ZERO)
            }
            state => state,
        };
        let SubState::Due { started, attempt } = state else {
            let started = record.map_or(now, |record| record.started);
            lock(&self.outcomes).push(SubOutcome { id, started, outcome: None });
            return state;
        };
        call.object.context.handler.clone_from(&id);
        call.attempt.number = attempt.before;
        call.attempt.started = started;
        call.subs = self.below();
        let outcome = (self.caller)(handler, call, attempt).await;
        let state = SubState::after(&outcome);
        lock(&self.outcomes).push(SubOutcome { id, started, outcome: Some(outcome) });
        state
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

#[cfg(test)]
mod tests;
