//! Algebra of JSON merge patches ([RFC 7396]): composing two of them, and telling what one of them changes.
//!
//! As everywhere in Kubernetes, a null field is the same as an absent one. Numbers compare by value, since the API server
//! writes `1.0` as `1`.
//!
//! [RFC 7396]: https://www.rfc-editor.org/rfc/rfc7396

use crate::diff::equal;
use serde_json::{Map, Value};

/// Composes two merge patches: applying the result is applying `first` and then `patch`.
///
/// There is one exception, because no merge patch can express it: a mapping that `first` deletes and `patch` creates
/// again keeps its other fields.
pub fn compose(first: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match (first.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => compose(inner, value),
            (_, value) => {
                first.insert(key, value);
            }
        }
    }
}

/// Composes merge patches, one after the other; what isn't a mapping is left out.
pub fn compose_all(patches: impl IntoIterator<Item = Value>) -> Value {
    let mut all = Map::new();
    for patch in patches {
        if let Value::Object(patch) = patch {
            compose(&mut all, patch);
        }
    }
    all.into()
}

/// Composes two merge patches for one value, without the exception of [`compose`]: of a mapping that is deleted and
/// created again, each present field is deleted by name.
pub fn compose_for(value: &Value, first: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, field) in patch {
        match (first.get_mut(&key), field) {
            (Some(Value::Object(inner)), Value::Object(field)) => compose_for(&value[&key], inner, field),
            (Some(replaced), Value::Object(field)) => {
                let mut created = deletions(&value[&key]);
                compose_for(&value[&key], &mut created, field);
                *replaced = created.into();
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

/// The merge patch that turns `from` into `to`; none where they are the same.
pub fn difference(from: &Value, to: &Value) -> Option<Value> {
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
            // A mapping of nulls is what reading a field leaves behind (`object["a"]["b"]`), not a change.
            (is_empty || !patch.is_empty()).then(|| patch.into())
        }
        (_, Value::Object(to)) => Some(without_nulls(to).into()),
        (from, to) => (!same(from, to)).then(|| to.clone()),
    }
}

fn field<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a Value {
    fields.get(key).unwrap_or(&Value::Null)
}

/// The merge patch that creates a mapping.
fn without_nulls(fields: &Map<String, Value>) -> Map<String, Value> {
    let created = |(key, value): (&String, &Value)| Some((key.clone(), difference(&Value::Null, value)?));
    fields.iter().filter_map(created).collect()
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

/// Whether applying a merge patch to `value` makes a difference.
pub fn changes(value: &Value, patch: &Value) -> bool {
    match (value, patch) {
        (value, Value::Object(patch)) if value.is_object() || value.is_null() => {
            // An empty mapping alone is not worth a write.
            patch.iter().any(|(key, inner)| changes(&value[key], inner))
        }
        (value, patch) => !equal(value, patch),
    }
}

/// The fields of a merge patch that `value` doesn't show, as dotted paths.
pub fn inconsistencies(value: &Value, patch: &Value) -> Vec<String> {
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
