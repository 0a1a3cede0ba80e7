//! One call of a handler: what it may look at, and what comes of it.

use super::{FromCall, Kind, Parameter, Postbox, Scope, SubCalls};
use crate::{
    core::{
        Reason,
        body::Body,
        diff::{Diff, Field},
        patch::{Addition, Function},
    },
    error::Error,
};
use jiff::Timestamp;
use kube::Client;
use serde_json::Value;
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    error, fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// What a handler leaves on the object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// Nothing.
    Nothing,
    /// A value for `status.<handler id>`.
    Result(Value),
    /// A mapping to be merged into `status`.
    Status(Value),
}

/// Why a call came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// An argument could not be made from the object: the handler was not called.
    Unreadable(Error),
    /// The handler was called, and failed.
    Failed(Error),
}

/// What an argument of the object's past can't be made of though the object is as it has to be: the handler fails for
/// good, as if it had been called.
#[derive(Debug)]
pub(crate) struct Lost(pub String);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Lost {}

/// The values that [`State`](crate::State) arguments are made from, by their types.
pub type States = HashMap<TypeId, Box<dyn Any + Send + Sync>>;

/// Values by their types, shared by all that hold it.
pub type TypeMap = Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>;

/// What the watch said that a handler of raw events is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The object is shown by a listing, at the start or after the watch was broken for long.
    Listed,
    /// The object was added.
    Added,
    /// The object was changed.
    Modified,
    /// The object is gone. One that was deleted while the watch was broken has its name and uid left, no more.
    Deleted,
}

/// What a handler adds to the object by its `Patch` argument, whether it succeeds or not.
#[derive(Clone, Debug, Default)]
pub struct Additions(Arc<Mutex<Vec<Addition>>>);

impl Additions {
    /// Adds a merge patch of the whole object: nulls delete.
    pub fn merge(&self, patch: Value) {
        self.add(Addition::Merge(patch));
    }

    /// Adds a function of the whole object, by the handler of this id; it is called when the object is written.
    pub fn modify(&self, handler: &str, modify: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.add(Addition::Modify(Function { handler: handler.to_owned(), modify: Arc::new(modify) }));
    }

    /// Does all that was added to an object, in its order.
    pub fn apply(&self, object: &mut Value) {
        // A copy: functions may add something themselves.
        let all = self.list().clone();
        all.iter().for_each(|addition| addition.apply(object));
    }

    /// All that was added, in its order; nothing is left.
    pub(crate) fn take(&self) -> Vec<Addition> {
        std::mem::take(&mut self.list())
    }

    fn add(&self, addition: Addition) {
        self.list().push(addition);
    }

    fn list(&self) -> MutexGuard<'_, Vec<Addition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that one attempt of one handler may look at. It isn't generic: the runtime knows no kinds.
#[derive(Clone)]
#[non_exhaustive]
pub struct Call {
    /// The handler's id; of a sub-handler, the full one: `parent/sub`.
    pub id: String,
    /// The object's kind.
    pub kind: Kind,
    /// The object. One that was deleted while the watch was broken is its name and uid, without a kind.
    pub body: Body,
    /// The essence that was handled last; none while the object is new.
    pub old: Option<Arc<Value>>,
    /// The object's essence.
    pub new: Arc<Value>,
    /// From `old` to `new`; of a handler that is for a field, of that field.
    pub diff: Arc<Diff>,
    /// The field that the handler is for.
    pub field: Option<Field>,
    /// Why the handler is called; none for a raw event.
    pub reason: Option<Reason>,
    /// What the watch said; none but for a raw event.
    pub event: Option<EventType>,
    /// The attempt, from 0 on.
    pub attempt: u32,
    /// The start of the first attempt.
    pub started: Timestamp,
    /// The start of this attempt.
    pub now: Timestamp,
    /// What the handler was registered with.
    pub param: Option<Parameter>,
    /// What the operator was given by `.state(…)`.
    pub states: Arc<States>,
    /// Whether the kind has a status subresource. Where it has none, a write of the status is a change of
    /// `metadata.generation`, too.
    pub status_subresource: bool,
    /// For requests of the handler's own.
    pub client: Client,
    /// Cancelled when the operator stops.
    pub stopping: CancellationToken,
    /// Where events about objects go.
    pub events: Postbox,
    /// What the handler adds to the object's patch.
    pub additions: Additions,
    /// Typed views of the object, decoded at most once per cycle and type.
    pub views: TypeMap,
    /// What handlers remember of the object while the operator runs.
    pub memo: TypeMap,
    /// The handler's own sub-handlers.
    pub subs: SubCalls,
}

impl Call {
    /// One argument of a handler.
    ///
    /// # Errors
    /// [`Failure::Unreadable`], unless the error is [`Error::Temporary`], or comes from an argument of what was handled
    /// last while the object itself is as it has to be: that is an attempt that failed.
    pub fn argument<S: Scope, T: FromCall<S>>(&self) -> Result<T, Failure> {
        T::from_call(self).map_err(|error| match &error {
            Error::Temporary { .. } => Failure::Failed(error),
            Error::Permanent(source) if source.is::<Lost>() => Failure::Failed(error),
            _ => Failure::Unreadable(error),
        })
    }
}

// By hand: what the object contains must not get into logs.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("namespace", &self.body.namespace())
            .field("name", &self.body.name())
            .field("reason", &self.reason)
            .field("attempt", &self.attempt)
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}
