//! Metadata of objects, as the server manages them.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The fields of the metadata; managed fields are not stored.
const FIELDS: [&str; 14] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

pub(super) const ANNOTATIONS_LIMIT: usize = 256 << 10;

/// The text of a field; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(super) fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(Map::new());
    }
    object["metadata"][field] = value.into();
}

/// Copies a field from another version of the object, or removes it if that has none.
pub(super) fn copy_field(object: &mut Value, field: &str, from: &Value) {
    match from["metadata"].get(field) {
        Some(value) => set(object, field, value.clone()),
        None => {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove(field);
            }
        }
    }
}

pub(super) fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

pub(super) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Removes unknown and empty fields.
pub(super) fn normalize(object: &mut Value) {
    let Some(metadata) = object["metadata"].as_object_mut() else {
        object["metadata"] = Value::Object(Map::new());
        return;
    };
    metadata.retain(|field, value| {
        let empty = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        FIELDS.contains(&field.as_str()) && !empty
    });
}

/// A label or an annotation that isn't a text: its path in the metadata, and its value.
pub(super) fn wrong_text(object: &Value) -> Option<(String, &Value)> {
    ["annotations", "labels"].into_iter().find_map(|field| {
        let mut entries = object["metadata"][field].as_object().into_iter().flatten();
        let (key, value) = entries.find(|(_, value)| !value.is_string() && !value.is_null())?;
        Some((format!("{field}.{key}"), value))
    })
}

/// The error if the metadata can't be decoded, in Go's words.
pub(super) fn decoding_error(object: &Value) -> Option<String> {
    let (path, value) = wrong_text(object)?;
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        _ => "object",
    };
    let field = path.split('.').next().unwrap_or_default();
    Some(format!("json: cannot unmarshal {kind} into Go struct field ObjectMeta.{field} of type string"))
}

pub(super) fn annotations_length(object: &Value) -> usize {
    let annotations = object["metadata"]["annotations"].as_object().into_iter().flatten();
    annotations.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
}

/// Increments the generation, if the kind has one.
pub(super) fn next_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_u64() {
        set(object, "generation", generation + 1);
    }
}

/// A time as Kubernetes writes it, to the second.
pub(super) fn time(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether a name is valid: lower case letters, digits, `-` and `.`, and neither of these at an end of a part.
pub(super) fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(inside) && part.ends_with(inside) && part.chars().all(|c| inside(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(part)
}
