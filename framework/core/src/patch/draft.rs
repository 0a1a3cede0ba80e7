//! A patch as it comes to be for one state of the object: the requests that write it, and whom to blame for them.

use super::{
    Finalizer, Part, Patch, Request,
    addition::Sum,
    merge::{changes, compose_for},
};
use crate::{body::Body, storage::Storage};
use serde_json::{Map, Value, json};

/// What a [`Patch`] comes to for the object as it is: the functions of handlers were called for it.
///
/// It is good for that state, and for what our own requests make of it; for any other one it is to be made anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    kept: Map<String, Value>,
    kept_status: Map<String, Value>,
    finalizer: Option<Finalizer>,
    /// What handlers add to the object, less the status.
    added: Map<String, Value>,
    status: Map<String, Value>,
    /// What handlers add was made of this very state.
    exact: bool,
    faults: Vec<String>,
}

impl Draft {
    pub(super) fn of(patch: &Patch, body: &Body, storage: &Storage) -> Self {
        let Sum { patch: mut added, exact, faults } = Sum::of(&patch.added, body, storage);
        let status = match added.remove("status") {
            Some(Value::Object(status)) if !patch.leaves_status => status,
            _ => Map::new(),
        };
        if patch.leaves_object {
            added.clear();
        }
        Self {
            kept: patch.kept.clone(),
            kept_status: patch.kept_status.clone(),
            finalizer: patch.finalizer.clone(),
            added,
            status,
            exact,
            faults,
        }
    }

    /// What handlers have asked for and doesn't happen, in a sentence each.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Whether handlers have asked for something in this part.
    pub fn adds_to(&self, part: Part, status_subresource: bool) -> bool {
        let to_status = !self.status.is_empty();
        match part {
            Part::Status => to_status,
            Part::Object => !self.added.is_empty() || (to_status && !status_subresource),
        }
    }

    /// Whether one of these fields (`metadata.annotations`) is ours to keep things in, and no handler asks for any of
    /// them.
    pub fn keeps_alone<'a>(&self, mut fields: impl Iterator<Item = &'a str>) -> bool {
        let (kept, added) = (whole(&self.kept, &self.kept_status), whole(&self.added, &self.status));
        let finalizers = self.finalizer.is_some();
        let is_ours = |field: &str| {
            let ours = mentions(&kept, field) || (finalizers && field.starts_with("metadata.finalizers"));
            ours && !mentions(&added, field)
        };
        fields.next().is_some_and(is_ours) && fields.all(is_ours)
    }

    /// The request that writes one part, if that would change `body`.
    pub fn request(&self, part: Part, body: &Body, status_subresource: bool) -> Option<Request> {
        match part {
            Part::Status if status_subresource => self.status_request(body),
            Part::Status => None,
            Part::Object => self.object_request(body, status_subresource),
        }
    }

    fn status_request(&self, body: &Body) -> Option<Request> {
        let patch = json!({ "status": self.all_status(body) });
        let worth = changes(body.value(), &patch) || (self.exact && !self.status.is_empty());
        worth.then(|| Request { part: Part::Status, patch: versioned(patch, body) })
    }

    /// Ours comes last.
    fn all_status(&self, body: &Body) -> Map<String, Value> {
        let mut status = self.status.clone();
        compose_for(&body.value()["status"], &mut status, self.kept_status.clone());
        status
    }

    fn object_request(&self, body: &Body, status_subresource: bool) -> Option<Request> {
        let mut patch = self.added.clone();
        compose_for(body.value(), &mut patch, self.kept.clone());
        let status = if status_subresource { Map::new() } else { self.all_status(body) };
        if !status.is_empty() {
            patch.insert("status".into(), Value::Object(status));
        }
        let finalizers = self.finalizers(body);
        let metadata = finalizers.map(|finalizers| ("finalizers".to_owned(), finalizers)).into_iter();
        compose_for(
            body.value(),
            &mut patch,
            Map::from_iter([("metadata".to_owned(), Value::Object(metadata.collect()))]),
        );
        let patch = Value::Object(patch);
        // The list is written as a whole: it has to be the one that was looked at.
        let exclusive = self.exact || patch["metadata"].get("finalizers").is_some();
        let asked = self.exact && self.adds_to(Part::Object, status_subresource);
        if !asked && !changes(body.value(), &patch) {
            return None;
        }
        let mut patch = if exclusive { versioned(patch, body) } else { patch };
        patch["metadata"]["uid"] = body.uid().into();
        Some(Request { part: Part::Object, patch })
    }

    /// The whole list after the change of ours, which comes after what handlers do to it; none where nothing of ours
    /// changes.
    fn finalizers(&self, body: &Body) -> Option<Value> {
        let asked = self.added.get("metadata").and_then(|metadata| metadata.get("finalizers"));
        let names = match asked {
            Some(asked) => asked.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
            None => body.finalizers().collect(),
        };
        self.finalizer.as_ref()?.applied_to(names, body.is_deleting())
    }
}

impl Finalizer {
    /// The whole list after the change; none where nothing changes.
    fn applied_to<'a>(&'a self, mut names: Vec<&'a str>, deleting: bool) -> Option<Value> {
        let before = names.len();
        match self {
            // The API server takes no new finalizer on an object that is being deleted.
            Self::Add(name) if !names.contains(&name.as_str()) && !deleting => names.push(name),
            Self::Remove(name) => names.retain(|other| other != name),
            Self::Add(_) => {}
        }
        (names.len() != before).then(|| names.into())
    }
}

fn versioned(mut patch: Value, body: &Body) -> Value {
    patch["metadata"]["resourceVersion"] = body.version().into();
    patch
}

fn whole(object: &Map<String, Value>, status: &Map<String, Value>) -> Value {
    let mut whole = object.clone();
    if !status.is_empty() {
        whole.insert("status".into(), Value::Object(status.clone()));
    }
    whole.into()
}

/// Whether a merge patch changes a field, something in it, or something that it is in; the field as the API server names
/// it: `metadata.annotations[a.b/c]`, `spec.ports[0].name`.
fn mentions(patch: &Value, field: &str) -> bool {
    let (path, key) = field.split_once('[').unwrap_or((field, ""));
    let key = key.split(']').next().filter(|key| !key.is_empty());
    let mut at = patch;
    for key in path.split('.').chain(key) {
        match at {
            Value::Object(fields) if fields.contains_key(key) => at = &fields[key],
            Value::Object(_) => return false,
            // A list, say: it is written as a whole.
            _ => return true,
        }
    }
    true
}
