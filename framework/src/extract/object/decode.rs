//! Decodes JSON into the types of a handler's arguments, at most once per cycle and type.

use crate::{
    argument::Rejection,
    call::ObjectView,
    core::{body::Body, diff::resolve},
    families::Change,
};
use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::{
    any::TypeId,
    fmt,
    sync::{Arc, PoisonError},
};

/// The value of the view `V`, decoded now if no other handler of this cycle has asked for it.
pub fn view<V, T>(
    object: &ObjectView,
    decode: impl FnOnce() -> Result<T, Rejection>,
) -> Result<Arc<T>, Rejection>
where
    V: 'static,
    T: Send + Sync + 'static,
{
    let mut views = object.cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = views.get(&TypeId::of::<V>()).and_then(|view| view.clone().downcast().ok()) {
        return Ok(known);
    }
    let decoded = Arc::new(decode()?);
    views.insert(TypeId::of::<V>(), decoded.clone());
    Ok(decoded)
}

/// The object; in a deletion, failing that, as it was handled last, with its present status or without it.
pub fn object<K: DeserializeOwned>(object: &ObjectView) -> Result<K, Rejection> {
    let body = &object.body;
    let now = decode(body.value(), "", body);
    let (Err(_), Some(base)) = (&now, object.fallback.as_deref()) else { return Ok(now?) };
    let last = |status| decode(&as_handled(base, status, body), "", body);
    Ok(last(body.value().get("status")).or_else(|_| last(None)).or(now)?)
}

/// The spec; in a deletion, failing that, as it was handled last.
pub fn spec<T: DeserializeOwned>(object: &ObjectView) -> Result<T, Rejection> {
    let now = spec_of(object.body.value(), &object.body);
    let (Err(_), Some(base)) = (&now, object.fallback.as_deref()) else { return Ok(now?) };
    Ok(spec_of(base, &object.body).or(now)?)
}

/// The spec as it was handled last.
pub fn old_spec<T: DeserializeOwned>(object: &ObjectView, change: &Change) -> Result<T, Rejection> {
    past(change, |last| spec_of(last, &object.body), || spec_of::<T>(object.body.value(), &object.body))
}

/// The object as it was handled last.
pub fn old_object<K: DeserializeOwned>(object: &ObjectView, change: &Change) -> Result<K, Rejection> {
    let body = &object.body;
    past(
        change,
        |last| decode(&as_handled(last, None, body), "", body),
        || decode::<K>(body.value(), "", body),
    )
}

/// The previous state. Where that can't be had though the object fits now, no change of the object repairs it: the handler
/// fails permanently, and the present state is the previous one for the next update.
fn past<T>(
    change: &Change,
    old: impl FnOnce(&Value) -> Result<T, Unreadable>,
    now: impl FnOnce() -> Result<T, Unreadable>,
) -> Result<T, Rejection> {
    const UNKNOWN: &str = "what was handled last is not known, since the object is too large for that to be kept on it; \
                           OldValue is null then";
    let why = match change.old.as_deref().map(old) {
        Some(Ok(old)) => return Ok(old),
        Some(Err(unreadable)) => unreadable.of_the_past(),
        None if change.diff.is_unknown() => Rejection::past(UNKNOWN),
        None => Rejection::past("nothing has handled this object yet"),
    };
    now()?;
    Err(why)
}

/// The field as it was handled last; absent is null. As it is now, it may be of another type.
pub fn old_field<T: DeserializeOwned>(object: &ObjectView, change: &Change) -> Result<T, Rejection> {
    let old = change.old.as_deref().unwrap_or(&Value::Null);
    field_of(object, change, old).map_err(Unreadable::of_the_past)
}

/// The field as it is now; absent is null.
pub fn new_field<T: DeserializeOwned>(object: &ObjectView, change: &Change) -> Result<T, Rejection> {
    Ok(field_of(object, change, &change.new)?)
}

fn field_of<T: DeserializeOwned>(
    object: &ObjectView,
    change: &Change,
    essence: &Value,
) -> Result<T, Unreadable> {
    let field = change.field.clone().unwrap_or_default();
    decode(resolve(essence, field.keys()), &field.to_string(), &object.body)
}

/// The metadata.
pub fn meta(object: &ObjectView) -> Result<ObjectMeta, Rejection> {
    Ok(decode(&object.body.value()["metadata"], "metadata", &object.body)?)
}

/// The status.
pub fn status<T: DeserializeOwned>(object: &ObjectView) -> Result<T, Rejection> {
    match &object.body.value()["status"] {
        Value::Null => Err(Rejection::object(format!("{} has no status yet", title(&object.body)))),
        status => Ok(decode(status, "status", &object.body)?),
    }
}

/// Kinds with `#[kube(no_spec)]` have the spec's fields at the top of the object.
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

fn title(body: &Body) -> String {
    format!("{} {}", body.value()["kind"].as_str().unwrap_or("the object"), body.name())
}

/// A field that doesn't fit the Rust type.
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
        Self {
            field: format!("{at}{separator}{inner}"),
            of: title(body),
            problem: without_value(&error.inner().to_string()),
        }
    }

    fn of_the_past(self) -> Rejection {
        Rejection::past(Self { of: format!("{}, as it was handled last", self.of), ..self })
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

impl From<Unreadable> for Rejection {
    fn from(unreadable: Unreadable) -> Self {
        Self::object(unreadable)
    }
}

/// Serde's messages repeat the value that doesn't fit; it may be a secret, and messages get into logs.
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
