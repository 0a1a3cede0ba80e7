//! Requests of a patch: merge patches with their guards.

use super::{draft::Draft, edits::Finalizer};
use crate::{
    Part,
    body::Body,
    merge::{self, changes, compose_for},
};
use serde_json::{Map, Value, json};

/// One merge patch to be sent.
///
/// It is guarded against hitting another object than the one for which it was drafted. A request for the object carries
/// its uid, and the resource version too if it names finalizers, or if a function of a handler changes anything. A
/// request for `/status`, which ignores the uid, carries the resource version.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its target.
    pub part: Part,
    /// The merge patch, guards included.
    pub patch: Value,
}

impl Request {
    /// The fields that an object doesn't show after the request, as dotted paths: a schema has pruned them, or
    /// another client has changed them in the same moment.
    pub fn inconsistencies(&self, body: &Body) -> Vec<String> {
        let mut paths = merge::inconsistencies(body.value(), &self.patch);
        // The version has to change, and an empty list is not stored.
        paths.retain(|path| path != "metadata.resourceVersion" && path != "metadata.finalizers");
        paths
    }
}

impl Draft<'_> {
    /// The request that writes one part, if that would change `body`.
    pub fn request(&self, part: Part, body: &Body, status_subresource: bool) -> Option<Request> {
        match part {
            Part::Status if status_subresource => self.status_request(body),
            Part::Status => None,
            Part::Object => self.object_request(body, status_subresource),
        }
    }

    fn status_request(&self, body: &Body) -> Option<Request> {
        let patch = json!({ "status": self.whole_status(body) });
        let needed = changes(body.value(), &patch) || (self.exact && !self.status.is_empty());
        needed.then(|| Request { part: Part::Status, patch: versioned(patch, body) })
    }

    /// The status that handlers ask for, and then ours.
    fn whole_status(&self, body: &Body) -> Map<String, Value> {
        let mut status = self.status.clone();
        if !self.is_released {
            compose_for(&body.value()["status"], &mut status, self.edits.stored_status.clone());
        }
        status
    }

    fn object_request(&self, body: &Body, status_subresource: bool) -> Option<Request> {
        let mut patch = self.object.clone();
        compose_for(body.value(), &mut patch, self.edits.stored.clone());
        let status = if status_subresource { Map::new() } else { self.whole_status(body) };
        if !status.is_empty() {
            patch.insert("status".into(), status.into());
        }
        let finalizers = self.finalizers(body).map(|finalizers| ("finalizers".to_owned(), finalizers));
        let metadata = Value::Object(finalizers.into_iter().collect());
        compose_for(body.value(), &mut patch, Map::from_iter([("metadata".to_owned(), metadata)]));
        let mut patch = Value::Object(patch);
        let exact_edits = self.exact && self.has_edits(Part::Object, status_subresource);
        if !exact_edits && !changes(body.value(), &patch) {
            return None;
        }
        // The list of finalizers is written as a whole: it has to be the one for which this was drafted.
        if self.exact || patch["metadata"].get("finalizers").is_some() {
            patch = versioned(patch, body);
        }
        patch["metadata"]["uid"] = body.uid().into();
        Some(Request { part: Part::Object, patch })
    }

    /// The whole list after the change of ours, which comes behind the changes of handlers; none where ours changes
    /// nothing.
    fn finalizers(&self, body: &Body) -> Option<Value> {
        let requested = self.object.get("metadata").and_then(|metadata| metadata.get("finalizers"));
        let names = match requested {
            Some(names) => names.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
            None => body.finalizers().collect(),
        };
        self.edits.finalizer.as_ref()?.applied_to(names, body.is_deleting())
    }
}

impl Finalizer {
    /// The object after the change.
    #[must_use]
    pub fn applied(&self, body: &Body) -> Body {
        let names = self.applied_to(body.finalizers().collect(), body.is_deleting());
        names.map_or_else(|| body.clone(), |names| body.patched(&json!({"metadata": {"finalizers": names}})))
    }

    /// The whole list after the change; none where nothing changes.
    fn applied_to<'a>(&'a self, mut names: Vec<&'a str>, deleting: bool) -> Option<Value> {
        let before = names.len();
        match self {
            // The API server rejects a new finalizer on an object that is being deleted.
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
