//! The one patch of a cycle: all that it writes.

mod addition;
mod draft;
mod identity;
mod merge;
#[cfg(test)]
mod tests;

pub use addition::{Addition, Function};
pub use draft::Draft;
pub use merge::inconsistencies;
pub(crate) use merge::{compose, difference};

use super::{
    body::Body,
    storage::{ANNOTATIONS_LIMIT, Form, Storage, size_of_annotations},
};
use merge::{stores, unlike};
use serde_json::{Map, Value, json};

/// All that one cycle has to say to the API server.
///
/// It goes out as at most two merge patches, each guarded against hitting another object than the one
/// that was looked at: a request for the object carries its uid, one that names finalizers, or in which a function of
/// a handler changes anything, carries the resource version too, and so does one for `/status`, which ignores the uid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// What we keep on the object, less what is in the status.
    kept: Map<String, Value>,
    kept_status: Map<String, Value>,
    /// The smallest form of the essences in it.
    form: Form,
    finalizer: Option<Finalizer>,
    /// What handlers add to the object, in their order.
    added: Vec<Addition>,
    /// Nothing that handlers add reaches the status.
    leaves_status: bool,
    /// Nothing that they add reaches the rest of the object.
    leaves_object: bool,
}

/// What becomes of our own finalizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finalizer {
    /// It is put behind those that are there.
    Add(String),
    /// It is taken out; the others stay.
    Remove(String),
}

/// What a request changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The object, with its status if there is no subresource for that.
    Object,
    /// The status subresource.
    Status,
}

/// One merge patch to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it changes.
    pub part: Part,
    /// The merge patch, guards included.
    pub patch: Value,
}

impl Patch {
    /// A patch that only changes our finalizer.
    pub fn of_finalizer(change: Finalizer) -> Self {
        Self { finalizer: Some(change), ..Self::default() }
    }

    /// What handlers asked for, in its order.
    pub fn of_additions(added: Vec<Addition>) -> Self {
        Self { added, ..Self::default() }
    }

    /// The merge patches that handlers asked for, in their order.
    pub fn of_merges(patches: impl IntoIterator<Item = Value>) -> Self {
        Self::of_additions(patches.into_iter().map(Addition::Merge).collect())
    }

    /// Adds a merge patch of the object by which something of ours is kept on it; what isn't a mapping is nothing.
    pub fn keep(&mut self, patch: Value) {
        let Value::Object(mut patch) = patch else { return };
        if let Some(Value::Object(status)) = patch.remove("status") {
            compose(&mut self.kept_status, status);
        }
        compose(&mut self.kept, patch);
    }

    /// The same, of an essence that is written down in this form.
    pub fn keep_as(&mut self, form: Form, patch: Value) {
        self.keep(patch);
        self.form = self.form.max(form);
    }

    /// How the essences in it are written down: the smallest of their forms.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Forgets what would be kept in the status: the object goes, and nobody will read it.
    pub fn keep_no_status(&mut self) {
        self.kept_status.clear();
    }

    /// Whether it takes our finalizer off.
    pub fn lets_go(&self) -> bool {
        matches!(self.finalizer, Some(Finalizer::Remove(_)))
    }

    /// Adds or removes our finalizer.
    pub fn finalizer(&mut self, change: Finalizer) {
        self.finalizer = Some(change);
    }

    /// Adds something that a handler asked for.
    pub fn add(&mut self, addition: Addition) {
        self.added.push(addition);
    }

    /// Adds a merge patch of the object that a handler asked for; what isn't a mapping is nothing.
    pub fn merge(&mut self, patch: Value) {
        self.add(Addition::Merge(patch));
    }

    /// Adds a merge patch of the status; what isn't a mapping is nothing.
    pub fn status(&mut self, patch: Value) {
        self.merge(json!({ "status": patch }));
    }

    /// Puts another patch behind this one.
    pub fn join(&mut self, other: Self) {
        compose(&mut self.kept, other.kept);
        compose(&mut self.kept_status, other.kept_status);
        self.form = self.form.max(other.form);
        self.added.extend(other.added);
        self.leaves_status |= other.leaves_status;
        self.leaves_object |= other.leaves_object;
        self.finalizer = other.finalizer.or(self.finalizer.take());
    }

    /// What handlers asked for, alone.
    pub fn only_additions(self) -> Self {
        let Self { added, leaves_status, leaves_object, .. } = self;
        Self { added, leaves_status, leaves_object, ..Self::default() }
    }

    /// Whether handlers asked for anything.
    pub fn has_additions(&self) -> bool {
        !self.added.is_empty()
    }

    /// The same without what handlers asked for: an API server that refuses that must not keep the
    /// progress from being stored.
    pub fn without_additions(self) -> Self {
        Self { added: Vec::new(), ..self }
    }

    /// The same without what handlers asked for in the status.
    pub fn without_status(self) -> Self {
        Self { leaves_status: true, ..self }
    }

    /// The same without what handlers asked for outside the status.
    pub fn without_object(self) -> Self {
        Self { leaves_object: true, ..self }
    }

    /// What it comes to for the object as it is. Functions of handlers are called, on what merge patches and functions
    /// before them have made of it; what is ours in `storage` they can't change.
    pub fn draft(&self, body: &Body, storage: &Storage) -> Draft {
        Draft::of(self, body, storage)
    }

    /// Whether all annotations together stay below the API server's limit, as far as it lies with what we keep.
    pub fn fits(&self, body: &Body) -> bool {
        let ours = self.kept.get("metadata").and_then(|metadata| metadata.get("annotations"));
        let Some(Value::Object(ours)) = ours else { return true };
        let others = body.annotations().into_iter().flatten().filter(|(key, _)| !ours.contains_key(*key));
        size_of_annotations(others) + size_of_annotations(ours.iter().filter(|(_, value)| !value.is_null()))
            <= ANNOTATIONS_LIMIT
    }

    /// Whether an object that was written doesn't show what we keep in its status: a schema without the field has
    /// dropped it.
    pub fn is_pruned(&self, body: &Body) -> bool {
        !unlike(&body.value()["status"], &Value::Object(self.kept_status.clone())).is_empty()
    }

    /// The parts, in the order in which they are written.
    ///
    /// The patch may end the cycle, by what we keep: that comes last, since a crash between the two must leave the cycle
    /// open.
    pub fn order(&self) -> [Part; 2] {
        let closes = |kept: &Map<String, Value>| kept.values().any(stores);
        if closes(&self.kept_status) && !closes(&self.kept) {
            [Part::Object, Part::Status]
        } else {
            [Part::Status, Part::Object]
        }
    }
}
