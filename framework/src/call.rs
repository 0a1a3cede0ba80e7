//! Calls of handlers: the parts that the calls of several families have.

mod daemon;

pub use daemon::{LiveState, StopSignal};

use crate::{
    core::{
        body::Body,
        merge::compose,
        patch::{Edit, Function},
    },
    event_queue::EventQueue,
    extract::Indexes,
    families::{Kind, Parameter},
    runtime::Triggers,
};
use jiff::Timestamp;
use kube::Client;
use serde_json::{Map, Value};
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

/// The values that [`State`](crate::State) arguments are made from, by their types.
pub type States = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// Values by their types; clones share them.
pub type TypeMap = Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>;

/// The operator that calls a handler, and the handler's registration: part of each handler's call.
#[derive(Clone)]
pub struct Context {
    /// The handler's id; a sub-handler's is the full one: `parent/sub`.
    pub(crate) handler: String,
    pub(crate) client: Client,
    pub(crate) states: Arc<States>,
    pub(crate) indexes: Arc<Indexes>,
    pub(crate) stop: CancellationToken,
    pub(crate) triggers: Triggers,
    pub(crate) param: Option<Parameter>,
    pub(crate) now: Timestamp,
}

impl Context {
    /// The handler's id; a sub-handler's is the full one: `parent/sub`.
    pub fn handler(&self) -> &str {
        &self.handler
    }

    /// The operator's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The value of this type that the operator was given by `.state(…)`.
    pub fn state<T: 'static>(&self) -> Option<&T> {
        self.states.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The parameter that the handler was registered with, if it is of this type.
    pub fn param<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.param.as_ref()?.value).downcast().ok()
    }

    /// Cancelled when the operator stops.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The start of this call.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

// By hand: states and parameters may hold secrets.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("handler", &self.handler).finish_non_exhaustive()
    }
}

/// An object: part of each call that is about one.
#[derive(Clone)]
pub struct ObjectView {
    pub(crate) kind: Arc<Kind>,
    pub(crate) body: Body,
    /// In a deletion, the essence that was handled last: it replaces a present state that can't be decoded.
    pub(crate) fallback: Option<Arc<Value>>,
    /// The object in its handlers' types, decoded at most once per cycle and type.
    pub(crate) cache: TypeMap,
}

impl ObjectView {
    /// The object's kind.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The object's JSON. An object that was deleted while the watch was broken is its name, namespace, uid and labels.
    pub fn body(&self) -> &Body {
        &self.body
    }
}

impl AsRef<ObjectView> for ObjectView {
    fn as_ref(&self) -> &Self {
        self
    }
}

// By hand: the object's content must not get into logs.
impl fmt::Debug for ObjectView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectView")
            .field("kind", &self.kind.resource.kind)
            .field("namespace", &self.body.namespace())
            .field("name", &self.body.name())
            .finish_non_exhaustive()
    }
}

/// A handler's operator and its object: part of each call of a handler that has one.
#[derive(Clone, Debug)]
pub struct ObjectCall {
    pub(crate) context: Context,
    pub(crate) view: ObjectView,
    /// The values of `Memo` arguments.
    pub(crate) memo: TypeMap,
    pub(crate) edits: EditSink,
    pub(crate) events: EventQueue,
    /// Whether the kind has a status subresource. Where it has none, a write of the status is a change of
    /// `metadata.generation`, too.
    pub(crate) status_subresource: bool,
}

impl ObjectCall {
    /// Whether the kind has a status subresource. Where it has none, a write of the status is a change of
    /// `metadata.generation`, too.
    pub fn has_status_subresource(&self) -> bool {
        self.status_subresource
    }
}

impl AsRef<Context> for ObjectCall {
    fn as_ref(&self) -> &Context {
        &self.context
    }
}

impl AsRef<ObjectView> for ObjectCall {
    fn as_ref(&self) -> &ObjectView {
        &self.view
    }
}

/// An attempt of a handler: part of each call that is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptInfo {
    /// The attempts before this one.
    pub(crate) number: u32,
    /// The start of the first attempt.
    pub(crate) started: Timestamp,
}

impl AttemptInfo {
    /// The number of attempts before this one: 0 in the first.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The start of the first attempt.
    pub fn started(&self) -> Timestamp {
        self.started
    }
}

/// `AsRef` for the parts of a call that is about an object.
macro_rules! object_call {
    ($call:ident) => {
        impl AsRef<$crate::call::ObjectCall> for $call {
            fn as_ref(&self) -> &$crate::call::ObjectCall {
                &self.object
            }
        }

        impl AsRef<$crate::call::Context> for $call {
            fn as_ref(&self) -> &$crate::call::Context {
                self.object.as_ref()
            }
        }

        impl AsRef<$crate::call::ObjectView> for $call {
            fn as_ref(&self) -> &$crate::call::ObjectView {
                self.object.as_ref()
            }
        }
    };
}

pub(crate) use object_call;

/// So many edits of an object's daemons may wait to be written, merge patches in a row counting as one; the oldest are dropped.
const MOST_EDITS: usize = 1_000;

/// Changes of the object that handlers ask for, in the order of the calls: those of one pass, or of an object's daemons.
#[derive(Clone, Default)]
pub(crate) struct EditSink(Arc<Edits>);

#[derive(Default)]
struct Edits {
    list: Mutex<Vec<Edit>>,
    /// Called for the first edit after all were taken.
    wake: Option<Box<dyn Fn() + Send + Sync>>,
    /// The number of edits that were dropped because there were too many.
    dropped: AtomicUsize,
}

// By hand: the edits may hold secrets.
impl fmt::Debug for EditSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditSink").finish_non_exhaustive()
    }
}

impl EditSink {
    /// One that calls this function when there is something to be written.
    pub fn waking(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Edits {
            list: Mutex::default(),
            wake: Some(Box::new(wake)),
            dropped: AtomicUsize::new(0),
        }))
    }

    /// Adds a merge patch of the whole object: nulls delete.
    pub fn merge(&self, patch: Value) {
        self.add(Edit::Merge(patch));
    }

    /// Adds a function of the whole object, by the handler with this id; it is called when the object is written.
    pub fn modify(&self, handler: &str, modify: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.add(Edit::Modify(Function { handler: handler.to_owned(), modify: Arc::new(modify) }));
    }

    /// Applies all of them to an object, in their order.
    pub fn apply(&self, object: &mut Value) {
        // A copy: functions may add something themselves.
        let all = self.list().clone();
        all.iter().for_each(|addition| addition.apply(object));
    }

    /// Removes and returns all of them, in their order.
    pub fn take(&self) -> Vec<Edit> {
        mem::take(&mut self.list())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    /// The number of edits that were dropped since the last call, because there were too many.
    pub fn take_dropped(&self) -> usize {
        self.0.dropped.swap(0, Ordering::Relaxed)
    }

    /// Puts back those that could not be written, before those that have come meanwhile.
    pub fn put_back(&self, edits: Vec<Edit>) {
        let mut list = self.list();
        let later = mem::replace(&mut *list, edits);
        later.into_iter().for_each(|edit| push(&mut list, edit));
    }

    #[cfg(test)]
    pub fn size() -> usize {
        size_of::<Edits>()
    }

    fn add(&self, addition: Edit) {
        let was_empty = {
            let mut list = self.list();
            let was_empty = list.is_empty();
            match &self.0.wake {
                // They may wait for long, and be many.
                Some(_) => push(&mut list, addition),
                None => list.push(addition),
            }
            if self.0.wake.is_some() && list.len() > MOST_EDITS {
                list.remove(0);
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
            was_empty
        };
        if let Some(wake) = self.0.wake.as_ref().filter(|_| was_empty) {
            wake();
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Edit>> {
        self.0.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds an edit; of two merge patches in a row, one is made where that is the same.
fn push(list: &mut Vec<Edit>, edit: Edit) {
    match (list.last_mut(), edit) {
        (Some(Edit::Merge(Value::Object(last))), Edit::Merge(Value::Object(patch)))
            if is_exact(last, &patch) =>
        {
            compose(last, patch);
        }
        (_, edit) => list.push(edit),
    }
}

/// Whether two patches compose: see the exception of [`compose`].
fn is_exact(first: &Map<String, Value>, patch: &Map<String, Value>) -> bool {
    patch.iter().all(|(key, value)| match (first.get(key), value) {
        (Some(Value::Object(first)), Value::Object(patch)) => is_exact(first, patch),
        (Some(_), Value::Object(_)) => false,
        _ => true,
    })
}

#[cfg(test)]
pub(crate) mod tests;
