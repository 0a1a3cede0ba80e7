//! Body of an object: its JSON, as the API server sent it.

use serde_json::{Map, Value};
use std::sync::Arc;

/// The API server's limit for all annotations of an object, keys included (`TotalAnnotationSizeLimitB`).
pub const ANNOTATIONS_LIMIT: usize = 256 << 10;

/// One version of one object: its JSON, cheap to clone, with accessors for the fields that the core reads.
///
/// The JSON is what the API server sent, less `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq)]
pub struct Body(Arc<Value>);

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self(Arc::new(value))
    }
}

impl Body {
    /// Adds the kind, which the items of a list don't carry.
    #[must_use]
    pub fn of_kind(mut self, api_version: &str, kind: &str) -> Self {
        if self.0["kind"].is_null() && self.0.is_object() {
            let value = Arc::make_mut(&mut self.0);
            value["apiVersion"] = api_version.into();
            value["kind"] = kind.into();
        }
        self
    }

    /// The object with a merge patch applied.
    #[must_use]
    pub fn patched(&self, patch: &Value) -> Self {
        let mut value = Value::clone(&self.0);
        json_patch::merge(&mut value, patch);
        value.into()
    }

    /// The whole object.
    pub fn value(&self) -> &Value {
        &self.0
    }

    fn meta(&self, field: &str) -> &Value {
        &self.0["metadata"][field]
    }

    fn text(&self, field: &str) -> &str {
        self.meta(field).as_str().unwrap_or_default()
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// `metadata.namespace`; none for cluster-scoped objects.
    pub fn namespace(&self) -> Option<&str> {
        self.meta("namespace").as_str()
    }

    /// `metadata.uid`: unique to the object, other than its name.
    pub fn uid(&self) -> &str {
        self.text("uid")
    }

    /// `metadata.resourceVersion`.
    pub fn version(&self) -> &str {
        self.text("resourceVersion")
    }

    /// Whether a deletion was asked for (`metadata.deletionTimestamp`).
    pub fn is_deleting(&self) -> bool {
        !self.meta("deletionTimestamp").is_null()
    }

    /// `metadata.generation`; none where the kind has none.
    pub fn generation(&self) -> Option<i64> {
        self.meta("generation").as_i64()
    }

    /// `metadata.finalizers`, in their order.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.meta("finalizers").as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    /// `metadata.annotations`.
    pub fn annotations(&self) -> Option<&Map<String, Value>> {
        self.meta("annotations").as_object()
    }

    /// The text of one annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations()?.get(key)?.as_str()
    }
}

/// The bytes that annotations take of [`ANNOTATIONS_LIMIT`].
pub fn size_of_annotations<'a>(annotations: impl Iterator<Item = (&'a String, &'a Value)>) -> usize {
    annotations.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
}
