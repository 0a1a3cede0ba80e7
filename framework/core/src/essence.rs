//! What of an object is its user's, and so is compared and handled.

pub(super) mod secret;
#[cfg(test)]
mod tests;

use super::{
    body::Body,
    diff::{Field, resolve},
    storage::Storage,
};
use serde_json::{Map, Value};

/// What identifies the object, and what the system keeps in it.
const LEFT_OUT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// The user's part of an object, as Kopf defines it (`DiffBaseStorage.build` in
/// `kopf/_cogs/configs/diffbase.py`).
///
/// The object without `apiVersion`, `kind`, `metadata` and `status`, with these put back: labels,
/// annotations, and the `extra` fields, which are those that handlers name (say `status.size`). Then
/// without what isn't the user's, wherever it came from: operators' and kubectl's annotations, our own
/// finalizer, and what changes with each write. No empty `metadata` or `status` is left.
///
/// Not as in Kopf: annotations that `extra` puts back are cleaned too (there, a handler of
/// `metadata.annotations` gets what kubectl keeps, and one of `metadata` is called for each of its own
/// writes), and the data of Secrets is replaced by digests, because the essence is stored in an annotation.
/// A digest is of no use to a handler: the data itself is in the object.
pub fn essence(body: &Body, storage: &Storage, extra: &[Field]) -> Value {
    let object = body.value().as_object().into_iter().flatten();
    let user = object.filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
    let mut essence: Map<_, _> = user.map(|(key, value)| (key.clone(), value.clone())).collect();
    let metadata = [Field::from(["metadata", "labels"]), Field::from(["metadata", "annotations"])];
    for field in metadata.iter().chain(extra) {
        let value = resolve(body.value(), field.keys());
        if !value.is_null() {
            put(&mut essence, field.keys(), value);
        }
    }
    storage.clean(body, &mut essence);
    secret::conceal(body, &mut essence);
    essence.into()
}

/// Sets a nested value, where all that is above it are mappings or absent. The root can't be set.
fn put(map: &mut Map<String, Value>, path: &[String], value: &Value) {
    match path {
        [] => {}
        [key] => {
            map.insert(key.clone(), value.clone());
        }
        [key, rest @ ..] => {
            let inner = map.entry(key.clone()).or_insert_with(|| Map::new().into());
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
