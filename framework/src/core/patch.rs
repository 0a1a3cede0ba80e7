//! The one patch of a cycle: all that it writes, and the requests that write it.

use super::body::Body;
use serde_json::{Map, Value, json};

/// All that one cycle has to say to the API server.
///
/// It goes out as at most two merge patches, each guarded against hitting another object than the one
/// that was looked at: a request for the object carries its uid, one that changes finalizers carries the
/// resource version too, and so does one for `/status`, which ignores the uid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    annotations: Map<String, Value>,
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

    /// Sets annotations of our own; null deletes one.
    pub fn annotate(&mut self, annotations: impl IntoIterator<Item = (String, Value)>) {
        self.annotations.extend(annotations);
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
        self.annotate(other.annotations);
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

    /// The request that writes one part, if that would change `body`.
    ///
    /// The status comes first: the other patch may end the cycle, and a crash between the two must leave
    /// the cycle open.
    pub fn request(&self, part: Part, body: &Body, status_subresource: bool) -> Option<Request> {
        match part {
            Part::Status if status_subresource => self.status_request(body),
            Part::Status => None,
            Part::Object => self.object_request(body, status_subresource),
        }
    }

    fn status_request(&self, body: &Body) -> Option<Request> {
        let patch = json!({ "status": self.status });
        changes(body.value(), &patch).then(|| Request { part: Part::Status, patch: versioned(patch, body) })
    }

    fn object_request(&self, body: &Body, status_subresource: bool) -> Option<Request> {
        let mut patch = self.added.clone();
        if !self.status.is_empty() && !status_subresource {
            patch.insert("status".into(), Value::Object(self.status.clone()));
        }
        let mut metadata = Map::new();
        if !self.annotations.is_empty() {
            metadata.insert("annotations".into(), Value::Object(self.annotations.clone()));
        }
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
            Self::Add(name) if !present(name) => {
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

/// Puts `patch` behind `first`: applying the result is applying one after the other.
fn compose(first: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match (first.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => compose(inner, value),
            (_, value) => {
                first.insert(key, value);
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Body {
        json!({
            "metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "finalizers": ["other"],
                         "annotations": {"k": "old"}},
            "status": {"ready": true},
        })
        .into()
    }

    fn add() -> Patch {
        Patch::of_finalizer(Finalizer::Add("ours".into()))
    }

    fn annotated(value: Value) -> Patch {
        let mut patch = Patch::default();
        patch.annotate([("k".to_owned(), value)]);
        patch
    }

    fn with_status(status: Value) -> Patch {
        let mut patch = Patch::default();
        patch.status(status);
        patch
    }

    #[test]
    fn every_request_is_guarded_by_what_it_changes() {
        let cases = [
            (annotated(json!("new")), json!({"metadata": {"uid": "u", "annotations": {"k": "new"}}})),
            (
                add(),
                json!({"metadata": {"uid": "u", "resourceVersion": "7", "finalizers": ["other", "ours"]}}),
            ),
            (
                Patch::of_finalizer(Finalizer::Remove("other".into())),
                json!({"metadata": {"uid": "u", "resourceVersion": "7", "finalizers": []}}),
            ),
            (
                with_status(json!({"ready": false})),
                json!({"metadata": {"uid": "u"}, "status": {"ready": false}}),
            ),
        ];
        for (patch, expected) in cases {
            let request = patch.request(Part::Object, &body(), false);
            assert_eq!(request, Some(Request { part: Part::Object, patch: expected }));
        }
    }

    #[test]
    fn the_status_subresource_comes_first_and_carries_the_resource_version() {
        let mut patch = annotated(json!("new"));
        patch.status(json!({"ready": false}));
        let request = patch.request(Part::Status, &body(), true).expect("there is something to write");
        let expected = json!({"metadata": {"resourceVersion": "7"}, "status": {"ready": false}});
        assert_eq!(request, Request { part: Part::Status, patch: expected });
    }

    #[test]
    fn what_is_there_already_is_not_written_again() {
        let mut patch = annotated(json!("old"));
        patch.status(json!({"ready": true, "absent": null}));
        patch.finalizer(Finalizer::Add("other".into()));
        for (part, subresource) in [(Part::Status, true), (Part::Object, true), (Part::Object, false)] {
            assert_eq!(patch.request(part, &body(), subresource), None);
            assert_eq!(Patch::default().request(part, &json!({}).into(), subresource), None);
        }
    }

    #[test]
    fn the_last_word_on_a_field_wins_and_nulls_are_kept() {
        let mut patch = Patch::default();
        patch.merge(json!({"spec": {"a": 1, "b": 1}, "status": {"x": 1}}));
        patch.merge(json!({"spec": {"b": null, "c": {"d": 2}}}));
        patch.status(json!({"x": 2}));
        assert_eq!(
            patch.added,
            json!({"spec": {"a": 1, "b": null, "c": {"d": 2}}}).as_object().unwrap().clone()
        );
        assert_eq!(patch.status, json!({"x": 2}).as_object().unwrap().clone());
    }

    #[test]
    fn a_refused_addition_leaves_our_own_writes() {
        let mut patch = annotated(json!("new"));
        patch.merge(json!({"spec": {"a": 1}, "status": {"x": 1}}));
        assert_eq!(patch.without_additions(), annotated(json!("new")));
    }
}
