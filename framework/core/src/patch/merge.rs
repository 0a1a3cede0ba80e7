//! Merge patches ([RFC 7396]): putting two of them together, and telling what one of them changes.
//!
//! As everywhere in Kubernetes, a field that is null is as good as absent. Numbers compare by value, since the API server
//! writes `1.0` as `1`.
//!
//! [RFC 7396]: https://www.rfc-editor.org/rfc/rfc7396

use crate::{body::Body, diff::equal};
use serde_json::{Map, Value};

/// Puts `patch` behind `first`: applying the result is applying one after the other, but that a mapping which the
/// first one deletes and the second one makes anew keeps its other fields. No merge patch can say that.
pub(crate) fn compose(first: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match (first.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => compose(inner, value),
            (_, value) => {
                first.insert(key, value);
            }
        }
    }
}

/// The same for a value as it is. Of a mapping in it that the first one deletes and the second one makes anew, each field
/// is named, so that it goes.
pub(super) fn compose_for(value: &Value, first: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, field) in patch {
        match (first.get_mut(&key), field) {
            (Some(Value::Object(inner)), Value::Object(field)) => compose_for(&value[&key], inner, field),
            (Some(replaced), Value::Object(field)) => {
                let mut anew = deletions(&value[&key]);
                compose_for(&value[&key], &mut anew, field);
                *replaced = anew.into();
            }
            (_, field) => {
                first.insert(key, field);
            }
        }
    }
}

/// The merge patch that deletes each field of a mapping.
fn deletions(value: &Value) -> Map<String, Value> {
    value.as_object().into_iter().flatten().map(|(key, _)| (key.clone(), Value::Null)).collect()
}

/// The merge patch that makes `to` of `from`; none where they are the same.
pub(crate) fn difference(from: &Value, to: &Value) -> Option<Value> {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let added = to.keys().filter(|key| !from.contains_key(*key));
            let changed = |key: &String| Some((key.clone(), difference(field(from, key), field(to, key))?));
            let patch: Map<_, _> = from.keys().chain(added).filter_map(changed).collect();
            (!patch.is_empty()).then(|| patch.into())
        }
        (Value::Null, Value::Object(to)) => {
            let is_empty = to.is_empty();
            let patch = without_nulls(to);
            // A mapping of nulls is what reading a field leaves behind (`object["a"]["b"]`), and nobody's wish.
            (is_empty || !patch.is_empty()).then(|| patch.into())
        }
        (_, Value::Object(to)) => Some(without_nulls(to).into()),
        (from, to) => (!same(from, to)).then(|| to.clone()),
    }
}

fn field<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a Value {
    fields.get(key).unwrap_or(&Value::Null)
}

/// A mapping as a merge patch that makes it of nothing.
fn without_nulls(fields: &Map<String, Value>) -> Map<String, Value> {
    let made = |(key, value): (&String, &Value)| Some((key.clone(), difference(&Value::Null, value)?));
    fields.iter().filter_map(made).collect()
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(ones), Value::Array(others)) => {
            let alike = |(one, other)| difference(one, other).is_none();
            ones.len() == others.len() && ones.iter().zip(others).all(alike)
        }
        (one, other) => equal(one, other),
    }
}

/// Whether a merge patch sets anything.
pub(super) fn stores(patch: &Value) -> bool {
    match patch {
        Value::Object(patch) => patch.values().any(stores),
        patch => !patch.is_null(),
    }
}

/// Whether applying the merge patch to `value` makes a difference.
pub(super) fn changes(value: &Value, patch: &Value) -> bool {
    match (value, patch) {
        (value, Value::Object(patch)) if value.is_object() || value.is_null() => {
            // An empty mapping alone is not worth a write.
            patch.iter().any(|(key, inner)| changes(&value[key], inner))
        }
        (value, patch) => !equal(value, patch),
    }
}

/// The fields of a merge patch that an object doesn't show, dotted: what a schema pruned, or what somebody
/// else wrote in the same moment.
pub fn inconsistencies(patch: &Value, body: &Body) -> Vec<String> {
    let mut paths = unlike(body.value(), patch);
    // The guard has to change, and an empty list is not kept.
    paths.retain(|path| path != "metadata.resourceVersion" && path != "metadata.finalizers");
    paths
}

/// The fields of a merge patch that a value doesn't show, dotted.
pub(super) fn unlike(value: &Value, patch: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    collect(value, patch, "", &mut paths);
    paths
}

fn collect(value: &Value, patch: &Value, path: &str, paths: &mut Vec<String>) {
    match patch {
        Value::Object(patch) if value.is_object() || value.is_null() => {
            for (key, inner) in patch {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(&value[key], inner, &path, paths);
            }
        }
        patch if !equal(patch, value) => paths.push(path.to_owned()),
        _ => {}
    }
}
