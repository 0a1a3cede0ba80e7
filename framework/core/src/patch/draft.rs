//! Draft of a patch: edits as they turn out for one state of an object.

use super::edits::{Edit, Edits, Function};
use crate::{
    Part,
    body::Body,
    error::panic_message,
    merge::{compose_for, difference},
    storage::{OwnFields, Storage},
};
use serde_json::{Map, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Edits of handlers that are left out, because the API server has rejected them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Omit {
    /// Those of the status.
    pub status: bool,
    /// Those of the rest of the object.
    pub object: bool,
}

impl Omit {
    /// All edits of handlers.
    pub const ALL: Self = Self { status: true, object: true };
}

/// [`Edits`] as they turn out for one state of an object: the functions of handlers have been called for it.
///
/// It is valid for that state, and for what our own requests make of it. For any other one, draft again.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft<'a> {
    pub(super) edits: &'a Edits,
    /// The merge patch that handlers ask for, without the status.
    pub(super) object: Map<String, Value>,
    pub(super) status: Map<String, Value>,
    /// The merge patch is for this very state: functions have made it of what they found there, or it leaves out what is
    /// ours there.
    pub(super) exact: bool,
    /// The object goes with our finalizer.
    pub(super) is_released: bool,
    omit: Omit,
    left_out: Vec<String>,
}

impl Edits {
    /// Drafts the edits for an object as it is, without some of those that handlers ask for.
    ///
    /// Functions of handlers are called, on the result of the edits before them. They can't change the state that is
    /// stored in `storage`.
    ///
    /// An object that is being deleted and loses our finalizer doesn't get a new status: it would cost a request, and the
    /// object goes.
    pub fn draft(&self, body: &Body, storage: &Storage, omit: Omit) -> Draft<'_> {
        let is_released = self.removes_finalizer() && body.is_deleting();
        let mut draft = Draft::new(self, is_released, omit);
        if omit != Omit::ALL && !self.requested.is_empty() {
            draft.apply(body, storage);
        }
        draft
    }
}

impl<'a> Draft<'a> {
    /// A draft of these edits, before those of handlers are applied.
    pub(super) fn new(edits: &'a Edits, is_released: bool, omit: Omit) -> Self {
        let (object, status) = (Map::new(), Map::new());
        Self { edits, object, status, exact: false, is_released, omit, left_out: Vec::new() }
    }
}

impl Draft<'_> {
    /// The edits of handlers that have no effect, in a sentence each.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The edits to be left out after the API server has rejected a part because of these fields
    /// (`metadata.annotations[a.b/c]`); none if it hasn't rejected an edit of a handler, as far as can be told.
    pub fn omission<'f>(
        &self,
        part: Part,
        fields: impl Iterator<Item = &'f str>,
        status_subresource: bool,
    ) -> Option<Omit> {
        if !self.has_edits(part, status_subresource) || self.are_ours(fields) {
            return None;
        }
        Some(match part {
            Part::Status => Omit { status: true, ..self.omit },
            Part::Object if status_subresource => Omit { object: true, ..self.omit },
            Part::Object => Omit::ALL,
        })
    }

    /// Whether handlers ask for something in this part.
    pub(super) fn has_edits(&self, part: Part, status_subresource: bool) -> bool {
        let to_status = !self.status.is_empty();
        match part {
            Part::Status => to_status,
            Part::Object => !self.object.is_empty() || (to_status && !status_subresource),
        }
    }

    /// Whether korf changes all of these fields, and no handler changes any; there is at least one.
    fn are_ours<'f>(&self, mut fields: impl Iterator<Item = &'f str>) -> bool {
        let finalizers = self.edits.finalizer.is_some();
        let is_ours = |field: &str| {
            let stored = mentions(&self.edits.stored, &self.edits.stored_status, field);
            let ours = stored || (finalizers && field.starts_with("metadata.finalizers"));
            ours && !mentions(&self.object, &self.status, field)
        };
        fields.next().is_some_and(is_ours) && fields.all(is_ours)
    }

    /// Applies the edits of handlers, in their order.
    fn apply(&mut self, body: &Body, storage: &Storage) {
        let is_plain = |edit: &Edit| match edit {
            Edit::Merge(patch) => patch.as_object().is_none_or(|patch| !storage.may_be_changed_by(patch)),
            Edit::Modify(_) => false,
        };
        if self.edits.requested.iter().all(is_plain) {
            // Nearly always: then no copy of the object is needed.
            for edit in &*self.edits.requested {
                if let Edit::Merge(Value::Object(patch)) = edit {
                    compose_for(body.value(), &mut self.object, with_a_mapping_as_status(patch));
                }
            }
        } else {
            self.apply_to_copy(body, storage);
        }
        self.sort_out(body);
    }

    /// Takes out what can't be written, and what is to be left out.
    pub(super) fn sort_out(&mut self, body: &Body) {
        let immutable = remove_identity(&mut self.object, body.value());
        self.left_out.extend(immutable.map(|field| format!("handlers can't change `{field}`")));
        if let Some(Value::Object(status)) = self.object.remove("status")
            && !self.omit.status
            && !self.is_released
        {
            self.status = status;
        }
        if self.omit.object {
            self.object.clear();
        }
    }

    /// Applies the edits of handlers to a copy of the object, and puts back what is ours. A function without a usable result
    /// is left out.
    pub(super) fn apply_to_copy(&mut self, body: &Body, storage: &Storage) {
        let own = storage.own_fields(body.value());
        let mut object = body.value().clone();
        for edit in &*self.edits.requested {
            match edit {
                Edit::Merge(patch) => self.merge(patch, body, &mut object, &own),
                Edit::Modify(function) => self.modify(function, &mut object, &own),
            }
        }
        if self.exact {
            self.object = match difference(body.value(), &object) {
                Some(Value::Object(patch)) => patch,
                _ => Map::new(),
            };
        }
    }

    fn merge(&mut self, patch: &Value, body: &Body, object: &mut Value, own: &OwnFields<'_>) {
        let Value::Object(fields) = patch else { return };
        let fields = Value::Object(with_a_mapping_as_status(fields));
        let mappings = mappings(object);
        json_patch::merge(object, &fields);
        let merged = object.clone();
        restore(object, &mappings, own);
        // Then the merge patch itself would remove or change what is ours.
        self.exact |= difference(&merged, object).is_some();
        if let Value::Object(fields) = fields {
            compose_for(body.value(), &mut self.object, fields);
        }
    }

    fn modify(&mut self, function: &Function, object: &mut Value, own: &OwnFields<'_>) {
        match modified(function, object) {
            Ok(mut after) => {
                restore(&mut after, &mappings(object), own);
                self.exact |= difference(object, &after).is_some();
                *object = after;
            }
            Err(why) => {
                let handler = &function.handler;
                self.left_out.push(format!("a function of handler '{handler}' has no effect: {why}"));
            }
        }
    }
}

/// A merge patch without a status that isn't a mapping: a status is one, or it is none.
fn with_a_mapping_as_status(patch: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = patch.clone();
    if patch.get("status").is_some_and(|status| !status.is_object()) {
        patch.remove("status");
    }
    patch
}

fn modified(function: &Function, before: &Value) -> Result<Value, String> {
    let mut after = before.clone();
    let called = catch_unwind(AssertUnwindSafe(|| (function.modify)(&mut after)));
    called.map_err(|panic| panic_message(panic.as_ref()))?;
    if after.is_object() { Ok(after) } else { Err("the object that it leaves isn't a mapping".to_owned()) }
}

/// The mappings of an object that an edit can't replace as a whole: a patch can only name their fields.
fn mappings(object: &Value) -> Vec<&'static str> {
    ["metadata", "status"].into_iter().filter(|field| object[field].is_object()).collect()
}

fn restore(object: &mut Value, mappings: &[&str], own: &OwnFields<'_>) {
    for field in mappings {
        if !object[field].is_object() {
            object[field] = Map::new().into();
        }
    }
    own.restore(object);
}

const IDENTITY: [&str; 2] = ["apiVersion", "kind"];
const IDENTITY_IN_METADATA: [&str; 4] = ["name", "namespace", "uid", "resourceVersion"];

/// Removes the fields that identify the object from a patch; returns the paths of those that it would change.
///
/// The API server rejects a whole patch for them. And uid and version are the guards of each request: a handler's version
/// would be rejected forever, as that of an old state.
fn remove_identity(patch: &mut Map<String, Value>, object: &Value) -> impl Iterator<Item = String> {
    let of_object = removed(patch, &IDENTITY, object, "");
    let mut of_metadata = Vec::new();
    if let Some(Value::Object(metadata)) = patch.get_mut("metadata") {
        of_metadata = removed(metadata, &IDENTITY_IN_METADATA, &object["metadata"], "metadata.");
        if metadata.is_empty() {
            patch.remove("metadata");
        }
    }
    of_object.into_iter().chain(of_metadata)
}

fn removed(fields: &mut Map<String, Value>, names: &[&str], known: &Value, path: &str) -> Vec<String> {
    let removed = names.iter().filter_map(|name| Some((name, fields.remove(*name)?)));
    removed.filter(|(name, value)| known[*name] != *value).map(|(name, _)| format!("{path}{name}")).collect()
}

/// Whether a merge patch changes a field, something in it, or something that contains it. The field is named as the API
/// server does it: `metadata.annotations[a.b/c]`, `spec.ports[0].name`.
fn mentions(object: &Map<String, Value>, status: &Map<String, Value>, field: &str) -> bool {
    let (path, key) = field.split_once('[').unwrap_or((field, ""));
    let key = key.split(']').next().filter(|key| !key.is_empty());
    let mut keys = path.split('.').chain(key).peekable();
    let mut fields = match keys.next_if_eq(&"status") {
        Some(_) if status.is_empty() => return false,
        Some(_) => status,
        None => object,
    };
    for key in keys {
        match fields.get(key) {
            Some(Value::Object(inner)) => fields = inner,
            // A list, say: it is written as a whole.
            Some(_) => return true,
            None => return false,
        }
    }
    true
}
