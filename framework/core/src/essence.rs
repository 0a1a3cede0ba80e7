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
pub fn essence<'a>(body: &Body, cleaner: &impl Cleaner, extra: impl IntoIterator<Item = &'a Field>) -> Value {
    let object = body.value().as_object().into_iter().flatten();
    let user = object.filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
    let mut essence: Map<_, _> = user.map(|(key, value)| (key.clone(), value.clone())).collect();
    for name in ["labels", "annotations"] {
        put_back(&mut essence, body, &["metadata", name]);
    }
    for field in extra {
        put_back(&mut essence, body, field.keys());
    }
    clean(&mut essence, body, cleaner);
    essence.into()
}

/// What the essence of objects of this kind has of a field that a handler names, if the field has this value. Null counts
/// as absent.
///
/// It is null where the system or an operator writes the field, and has digests in the data of a Secret.
pub fn kept(api_version: &str, kind: &str, field: &Field, value: &Value, cleaner: &impl Cleaner) -> Value {
    let mut object = Map::new();
    if !value.is_null() {
        put(&mut object, field.keys(), value);
    }
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    let essence = essence(&Value::from(object).into(), cleaner, [field]);
    resolve(&essence, field.keys()).clone()
}

/// Puts a field of the object back, if it has a value.
fn put_back<S: AsRef<str>>(essence: &mut Map<String, Value>, body: &Body, path: &[S]) {
    let value = resolve(body.value(), path);
    if !value.is_null() {
        put(essence, path, value);
    }
}

/// Sets a nested value, if everything above it is a mapping or absent. The root can't be set.
fn put<S: AsRef<str>>(map: &mut Map<String, Value>, path: &[S], value: &Value) {
    match path {
        [] => {}
        [key] => {
            map.insert(key.as_ref().to_owned(), value.clone());
        }
        [key, rest @ ..] => {
            let inner = map.entry(key.as_ref()).or_insert_with(|| Map::new().into());
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
