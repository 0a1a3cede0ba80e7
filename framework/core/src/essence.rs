//! Essence of an object: its user's part, which is compared and handled.

mod clean;
mod secret;
#[cfg(test)]
mod tests;

pub use clean::Cleaner;
pub(crate) use clean::clean;

use crate::{
    body::Body,
    diff::{Field, resolve},
};
use serde_json::{Map, Value};

/// Fields that identify the object, or that the system writes.
const LEFT_OUT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// The user's part of an object, as Kopf defines it (`DiffBaseStorage.build` in
/// `kopf/_cogs/configs/diffbase.py`).
///
/// The object without `apiVersion`, `kind`, `metadata` and `status`, with these put back: labels,
/// annotations, and the `extra` fields, which are those that handlers name (say `status.size`). Then
/// without what isn't the user's, wherever it came from: operators' and kubectl's annotations, our own
/// finalizer, and what changes with each write. No empty `metadata` or `status` is left.
///
/// Not as in Kopf: annotations that `extra` puts back are cleaned too (in Kopf, a handler of
/// `metadata.annotations` gets kubectl's annotation, and one of `metadata` is called for each of its own
/// writes), and the data of Secrets is replaced by digests, because the essence is stored in an annotation.
/// Handlers don't need it there: they find the data in the object.
pub fn essence(body: &Body, cleaner: &impl Cleaner, extra: &[Field]) -> Value {
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
    clean(&mut essence, body, cleaner);
    essence.into()
}

/// Sets a nested value, if everything above it is a mapping or absent. The root can't be set.
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
