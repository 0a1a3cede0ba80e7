//! Edits: everything that one cycle changes on an object.

use crate::{
    Part,
    body::{ANNOTATIONS_LIMIT, Body, size_of_annotations},
    merge::compose,
    storage::{Encoding, EssencePatch},
};
use serde_json::{Map, Value};
use std::{fmt, sync::Arc};

/// A change of the object that a handler asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// A merge patch of the whole object; anything but a mapping has no effect.
    Merge(Value),
    /// A function of the whole object.
    Modify(Function),
}

/// A function that a handler has left: it changes the object as it is when the request is made.
#[derive(Clone)]
pub struct Function {
    /// The id of the handler.
    pub handler: String,
    /// Changes the object.
    pub modify: Arc<dyn Fn(&mut Value) + Send + Sync>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("handler", &self.handler).finish_non_exhaustive()
    }
}

/// By identity: what a function does can't be compared.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.modify, &other.modify)
    }
}

impl Edit {
    /// Applies it to an object.
    pub fn apply(&self, object: &mut Value) {
        match self {
            Self::Merge(patch) => json_patch::merge(object, patch),
            Self::Modify(function) => (function.modify)(object),
        }
    }
}

/// A change of our own finalizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finalizer {
    /// It is added behind those that are there.
    Add(String),
    /// It is removed; the others stay.
    Remove(String),
}

/// Everything that one cycle changes on an object: the edits of handlers, in their order, and korf's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    pub(super) requested: Arc<[Edit]>,
    /// The state that korf stores on the object, apart from that in the status.
    pub(super) stored: Map<String, Value>,
    pub(super) stored_status: Map<String, Value>,
    pub(super) finalizer: Option<Finalizer>,
    /// The part whose request may close the cycle.
    closing: Option<Part>,
    encoding: Encoding,
}

impl Edits {
    /// Stores state of korf's by a merge patch of the object; anything but a mapping is left out.
    pub fn store(&mut self, patch: Value) {
        let Value::Object(mut patch) = patch else { return };
        if let Some(Value::Object(status)) = patch.remove("status") {
            compose(&mut self.stored_status, status);
        }
        compose(&mut self.stored, patch);
    }

    /// Stores an essence.
    pub fn store_essence(&mut self, essence: EssencePatch) {
        self.store(essence.patch);
        self.encoding = self.encoding.max(essence.encoding);
    }

    /// Notes in which part the state is stored.
    pub fn set_closing(&mut self, part: Part) {
        self.closing = Some(part);
    }

    /// The smallest encoding of the essences that are stored.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Adds or removes our finalizer.
    pub fn set_finalizer(&mut self, change: Finalizer) {
        self.finalizer = Some(change);
    }

    /// Whether our finalizer is removed.
    pub fn removes_finalizer(&self) -> bool {
        matches!(self.finalizer, Some(Finalizer::Remove(_)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether handlers have requested some of them.
    pub fn has_requested(&self) -> bool {
        !self.requested.is_empty()
    }

    /// Whether handlers have requested changes of anything but the status, or may have. It is asked of the edits and not of a
    /// draft, which is empty once the changes are there.
    pub fn may_change_object(&self) -> bool {
        self.requested.iter().any(|edit| match edit {
            Edit::Merge(Value::Object(fields)) => fields.keys().any(|field| field != "status"),
            Edit::Merge(_) => false,
            Edit::Modify(_) => true,
        })
    }

    /// Adds other edits behind these.
    pub fn join(&mut self, other: Self) {
        if self.requested.is_empty() {
            self.requested = other.requested;
        } else if !other.requested.is_empty() {
            self.requested = self.requested.iter().chain(&*other.requested).cloned().collect();
        }
        compose(&mut self.stored, other.stored);
        compose(&mut self.stored_status, other.stored_status);
        self.finalizer = other.finalizer.or(self.finalizer.take());
        self.closing = other.closing.or(self.closing);
        self.encoding = self.encoding.max(other.encoding);
    }

    /// Whether all annotations together stay below the API server's limit, as far as korf's own decide that.
    pub fn fits(&self, body: &Body) -> bool {
        let ours = self.stored.get("metadata").and_then(|metadata| metadata.get("annotations"));
        let Some(Value::Object(ours)) = ours else { return true };
        let others = body.annotations().into_iter().flatten().filter(|(key, _)| !ours.contains_key(*key));
        size_of_annotations(others) + size_of_annotations(ours.iter().filter(|(_, value)| !value.is_null()))
            <= ANNOTATIONS_LIMIT
    }

    /// The parts, in the order in which they are written.
    ///
    /// The state that is stored may close the cycle, and so may the removal of a record. It comes last: a crash between two
    /// requests must leave the cycle open. Later still comes the removal of the finalizer, which lets the object go.
    pub fn order(&self) -> [Part; 2] {
        match self.closing {
            Some(Part::Status) if !self.removes_finalizer() => [Part::Object, Part::Status],
            _ => [Part::Status, Part::Object],
        }
    }
}

impl From<Finalizer> for Edits {
    fn from(change: Finalizer) -> Self {
        Self { finalizer: Some(change), ..Self::default() }
    }
}

impl FromIterator<Edit> for Edits {
    fn from_iter<I: IntoIterator<Item = Edit>>(edits: I) -> Self {
        Self { requested: edits.into_iter().collect(), ..Self::default() }
    }
}
