//! From JSON to the types of a handler's arguments, at most once per cycle and type.

use crate::{
    core::{Reason, body::Body, diff::resolve},
    error::Error,
    handler::{Call, Lost},
};
use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::{
    any::TypeId,
    error, fmt,
    sync::{Arc, PoisonError},
};

/// The value of the view `V`, decoded now if no other handler of this cycle has asked for it.
pub(super) fn view<V, T>(call: &Call, decode: impl FnOnce() -> Result<T, Error>) -> Result<Arc<T>, Error>
where
    V: 'static,
    T: Send + Sync + 'static,
{
    let mut views = call.views.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = views.get(&TypeId::of::<V>()).and_then(|view| view.clone().downcast().ok()) {
        return Ok(known);
    }
    let decoded = Arc::new(decode()?);
    views.insert(TypeId::of::<V>(), decoded.clone());
    Ok(decoded)
}

/// The object; in a deletion, failing that, as it was handled last, with its present status or without it.
pub(super) fn object<K: DeserializeOwned>(call: &Call) -> Result<K, Error> {
    let now = decode(call.body.value(), "", &call.body);
    let base = call.old.as_deref().filter(|_| call.reason == Some(Reason::Delete));
    let (Err(_), Some(base)) = (&now, base) else { return Ok(now?) };
    let status = call.body.value().get("status");
    let last = |status| decode(&as_handled(base, status, &call.body), "", &call.body);
    Ok(last(status).or_else(|_| last(None)).or(now)?)
}

/// The spec; in a deletion, failing that, as it was handled last.
pub(super) fn spec<T: DeserializeOwned>(call: &Call) -> Result<T, Error> {
    let now = spec_of(call.body.value(), &call.body);
    let base = call.old.as_deref().filter(|_| call.reason == Some(Reason::Delete));
    let (Err(_), Some(base)) = (&now, base) else { return Ok(now?) };
    Ok(spec_of(base, &call.body).or(now)?)
}

/// The spec as it was handled last.
pub(super) fn old_spec<T: DeserializeOwned>(call: &Call) -> Result<T, Error> {
    let old = last(call).and_then(|last| spec_of(last, &call.body).map_err(Unreadable::of_the_past));
    old.or_else(|error| lost(error, spec_of::<T>(call.body.value(), &call.body)))
}

/// The object as it was handled last.
pub(super) fn old_object<K: DeserializeOwned>(call: &Call) -> Result<K, Error> {
    let read = |last| decode(&as_handled(last, None, &call.body), "", &call.body);
    let old = last(call).and_then(|last| read(last).map_err(Unreadable::of_the_past));
    old.or_else(|error| lost(error, decode::<K>(call.body.value(), "", &call.body)))
}

/// The field as it was handled last; absent is null. As it is now, it may be of another type.
pub(super) fn old_field<T: DeserializeOwned>(call: &Call) -> Result<T, Error> {
    let old = call.old.as_deref().unwrap_or(&Value::Null);
    field_of(call, old).map_err(|error| Error::permanent(error.of_the_past()))
}

/// What was handled last can't be had. Where the object fits now, no change of it would mend that: the handler fails, and
/// what is there now is what was handled last for the next one.
fn lost<T>(error: Lost, now: Result<T, Unreadable>) -> Result<T, Error> {
    now?;
    Err(Error::permanent(error))
}

/// The field as it is now; absent is null.
pub(super) fn new_field<T: DeserializeOwned>(call: &Call) -> Result<T, Error> {
    Ok(field_of(call, &call.new)?)
}

fn field_of<T: DeserializeOwned>(call: &Call, essence: &Value) -> Result<T, Unreadable> {
    let field = call.field.clone().unwrap_or_default();
    decode(resolve(essence, field.keys()), &field.to_string(), &call.body)
}

/// The metadata.
pub(super) fn meta(call: &Call) -> Result<ObjectMeta, Error> {
    Ok(decode(&call.body.value()["metadata"], "metadata", &call.body)?)
}

/// The status; none where the object has none.
pub(super) fn status<T: DeserializeOwned>(call: &Call) -> Result<Option<T>, Error> {
    Ok(decode(&call.body.value()["status"], "status", &call.body)?)
}

fn last(call: &Call) -> Result<&Value, Lost> {
    const UNKNOWN: &str = "what was handled last is not known, since the object is too large for that to be kept on it; \
                           OldValue is null then";
    let why = if call.diff.is_unknown() { UNKNOWN } else { "nothing has handled this object yet" };
    call.old.as_deref().ok_or_else(|| Lost(why.to_owned()))
}

/// Types with `#[kube(no_spec)]` have the spec's fields at the top of the object.
fn spec_of<T: DeserializeOwned>(object: &Value, body: &Body) -> Result<T, Unreadable> {
    match object.get("spec") {
        Some(spec) => decode(spec, "spec", body),
        None => decode(object, "", body),
    }
}

/// An essence made whole again: with the object's type and identity, and the given status.
fn as_handled(essence: &Value, status: Option<&Value>, body: &Body) -> Value {
    let mut object = essence.as_object().cloned().unwrap_or_default();
    for field in ["apiVersion", "kind"] {
        set(&mut object, field, body.value().get(field));
    }
    let mut metadata = body.value()["metadata"].as_object().cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        set(&mut metadata, field, essence["metadata"].get(field));
    }
    object.insert("metadata".into(), metadata.into());
    set(&mut object, "status", status);
    object.into()
}

fn set(map: &mut Map<String, Value>, field: &str, value: Option<&Value>) {
    match value {
        Some(value) => map.insert(field.into(), value.clone()),
        None => map.remove(field),
    };
}

fn decode<T: DeserializeOwned>(value: &Value, at: &str, body: &Body) -> Result<T, Unreadable> {
    serde_path_to_error::deserialize(value).map_err(|error| Unreadable::new(&error, at, body))
}

/// A field that isn't what the Rust type says.
#[derive(Debug)]
struct Unreadable {
    field: String,
    of: String,
    problem: String,
}

impl Unreadable {
    fn new(error: &serde_path_to_error::Error<serde_json::Error>, at: &str, body: &Body) -> Self {
        let path = error.path().to_string();
        let inner = if path == "." { "" } else { path.as_str() };
        let separator = if at.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        let kind = body.value()["kind"].as_str().unwrap_or("the object");
        Self {
            field: format!("{at}{separator}{inner}"),
            of: format!("{kind} {}", body.name()),
            problem: without_value(&error.inner().to_string()),
        }
    }

    fn of_the_past(self) -> Lost {
        Lost(Self { of: format!("{}, as it was handled last", self.of), ..self }.to_string())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "{}: {}", self.of, self.problem),
            field => write!(f, "`{field}` of {}: {}", self.of, self.problem),
        }
    }
}

impl error::Error for Unreadable {}

/// Serde's messages repeat the value that they complain of; it may be a secret, and messages get into logs.
fn without_value(message: &str) -> String {
    let Some((what, expected)) = message.rsplit_once(", expected ") else { return message.into() };
    match what.find(['`', '"']) {
        Some(quote) => format!("{}, expected {expected}", what[..quote].trim_end()),
        None => message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_value;

    #[test]
    fn messages_keep_the_types_and_lose_the_values() {
        for (message, shown) in [
            (
                "invalid type: string \"hunter2, expected nobody\", expected u32",
                "invalid type: string, expected u32",
            ),
            ("invalid type: integer `3`, expected a string", "invalid type: integer, expected a string"),
            ("unknown variant `hunter2`, expected `A` or `B`", "unknown variant, expected `A` or `B`"),
            ("invalid type: map, expected a sequence", "invalid type: map, expected a sequence"),
            ("missing field `tableName`", "missing field `tableName`"),
        ] {
            assert_eq!(without_value(message), shown);
        }
    }
}
