//! The one patch of a cycle: all that it writes, and the requests that write it.

#[cfg(test)]
mod tests;

use super::{
    body::Body,
    storage::{ANNOTATIONS_LIMIT, Form, size_of_annotations},
};
use serde_json::{Map, Value, json};

/// All that one cycle has to say to the API server.
///
/// It goes out as at most two merge patches, each guarded against hitting another object than the one
/// that was looked at: a request for the object carries its uid, one that changes finalizers carries the
/// resource version too, and so does one for `/status`, which ignores the uid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// What we keep on the object, less what is in the status.
    kept: Map<String, Value>,
    kept_status: Map<String, Value>,
    /// The smallest form of the essences in it.
    form: Form,
    finalizer: Option<Finalizer>,
    /// What handlers add to the object, less the status.
    added: Map<String, Value>,
    status: Map<String, Value>,
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

    /// The merge patches that handlers asked for, in their order.
    pub fn of_merges(patches: impl IntoIterator<Item = Value>) -> Self {
        let mut all = Self::default();
        patches.into_iter().for_each(|patch| all.merge(patch));
        all
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

    /// Adds or removes our finalizer.
    pub fn finalizer(&mut self, change: Finalizer) {
        self.finalizer = Some(change);
    }

    /// Adds a merge patch of the object that a handler asked for; what isn't a mapping is nothing.
    pub fn merge(&mut self, patch: Value) {
        let Value::Object(mut patch) = patch else { return };
        if let Some(status) = patch.remove("status") {
            self.status(status);
        }
        compose(&mut self.added, patch);
    }

    /// Adds a merge patch of the status; what isn't a mapping is nothing.
    pub fn status(&mut self, patch: Value) {
        if let Value::Object(patch) = patch {
            compose(&mut self.status, patch);
        }
    }

    /// Puts another patch behind this one.
    pub fn join(&mut self, other: Self) {
        compose(&mut self.kept, other.kept);
        compose(&mut self.kept_status, other.kept_status);
        self.form = self.form.max(other.form);
        compose(&mut self.added, other.added);
        compose(&mut self.status, other.status);
        self.finalizer = other.finalizer.or(self.finalizer.take());
    }

    /// The same without what handlers asked for: an API server that refuses that must not keep the
    /// progress from being stored.
    pub fn without_additions(self) -> Self {
        Self { added: Map::new(), status: Map::new(), ..self }
    }

    /// The same without the status.
    pub fn without_status(self) -> Self {
        Self { status: Map::new(), ..self }
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
        let (kept, added) =
            (self.whole(&self.kept, &self.kept_status), self.whole(&self.added, &self.status));
        let finalizers = self.finalizer.is_some();
        let is_ours = |field: &str| {
            let ours = mentions(&kept, field) || (finalizers && field.starts_with("metadata.finalizers"));
            ours && !mentions(&added, field)
        };
        fields.next().is_some_and(is_ours) && fields.all(is_ours)
    }

    fn whole(&self, object: &Map<String, Value>, status: &Map<String, Value>) -> Value {
        let mut whole = object.clone();
        if !status.is_empty() {
            whole.insert("status".into(), Value::Object(status.clone()));
        }
        whole.into()
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
        let mut lost = Vec::new();
        collect_changes(&body.value()["status"], &Value::Object(self.kept_status.clone()), "", &mut lost);
        !lost.is_empty()
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

    /// The request that writes one part, if that would change `body`.
    pub fn request(&self, part: Part, body: &Body, status_subresource: bool) -> Option<Request> {
        match part {
            Part::Status if status_subresource => self.status_request(body),
            Part::Status => None,
            Part::Object => self.object_request(body, status_subresource),
        }
    }

    fn status_request(&self, body: &Body) -> Option<Request> {
        let patch = json!({ "status": self.all_status() });
        changes(body.value(), &patch).then(|| Request { part: Part::Status, patch: versioned(patch, body) })
    }

    /// Ours comes last.
    fn all_status(&self) -> Map<String, Value> {
        let mut status = self.status.clone();
        compose(&mut status, self.kept_status.clone());
        status
    }

    fn object_request(&self, body: &Body, status_subresource: bool) -> Option<Request> {
        let mut patch = self.added.clone();
        compose(&mut patch, self.kept.clone());
        let status = if status_subresource { Map::new() } else { self.all_status() };
        if !status.is_empty() {
            patch.insert("status".into(), Value::Object(status));
        }
        let mut metadata = Map::new();
        let finalizers = self.finalizer.as_ref().and_then(|change| change.applied_to(body));
        let exclusive = finalizers.is_some();
        if let Some(finalizers) = finalizers {
            metadata.insert("finalizers".into(), finalizers);
        }
        compose(&mut patch, Map::from_iter([("metadata".to_owned(), Value::Object(metadata))]));
        let patch = Value::Object(patch);
        if !changes(body.value(), &patch) {
            return None;
        }
        let mut patch = if exclusive { versioned(patch, body) } else { patch };
        patch["metadata"]["uid"] = body.uid().into();
        Some(Request { part: Part::Object, patch })
    }
}

impl Finalizer {
    /// The whole list after the change; none where nothing changes.
    fn applied_to(&self, body: &Body) -> Option<Value> {
        let present = |name: &String| body.finalizers().any(|f| f == name);
        match self {
            // The API server takes no new finalizer on an object that is being deleted.
            Self::Add(name) if !present(name) && !body.is_deleting() => {
                Some(body.finalizers().chain([name.as_str()]).map(Value::from).collect())
            }
            Self::Remove(name) if present(name) => {
                Some(body.finalizers().filter(|f| f != name).map(Value::from).collect())
            }
            _ => None,
        }
    }
}

fn versioned(mut patch: Value, body: &Body) -> Value {
    patch["metadata"]["resourceVersion"] = body.version().into();
    patch
}

/// Puts `patch` behind `first`: applying the result is applying one after the other, but that a mapping which the
/// first one deletes and the second one makes anew keeps its other fields. No merge patch can say that.
pub(super) fn compose(first: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match (first.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => compose(inner, value),
            (_, value) => {
                first.insert(key, value);
            }
        }
    }
}

/// Whether a merge patch sets anything.
fn stores(patch: &Value) -> bool {
    match patch {
        Value::Object(patch) => patch.values().any(stores),
        patch => !patch.is_null(),
    }
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

/// The fields of a merge patch that an object doesn't show, dotted: what a schema pruned, or what somebody
/// else wrote in the same moment.
pub fn inconsistencies(patch: &Value, body: &Body) -> Vec<String> {
    let mut paths = Vec::new();
    collect_changes(body.value(), patch, "", &mut paths);
    // The guard has to change, and an empty list is not kept.
    paths.retain(|path| path != "metadata.resourceVersion" && path != "metadata.finalizers");
    paths
}

fn collect_changes(value: &Value, patch: &Value, path: &str, paths: &mut Vec<String>) {
    match patch {
        Value::Object(patch) if value.is_object() || value.is_null() => {
            for (key, inner) in patch {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect_changes(&value[key], inner, &path, paths);
            }
        }
        patch if patch != value => paths.push(path.to_owned()),
        _ => {}
    }
}

/// Whether applying the merge patch to `value` makes a difference ([RFC 7396]).
///
/// [RFC 7396]: https://www.rfc-editor.org/rfc/rfc7396
fn changes(value: &Value, patch: &Value) -> bool {
    match (value, patch) {
        (value, Value::Object(patch)) if value.is_object() || value.is_null() => {
            // An empty mapping is worth a write only where somebody asked for it to be there.
            patch.iter().any(|(key, inner)| changes(&value[key], inner))
        }
        (value, patch) => value != patch,
    }
}
