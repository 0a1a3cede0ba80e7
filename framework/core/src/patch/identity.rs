//! What makes an object the one that it is, and no handler changes.

use crate::body::Body;
use serde_json::{Map, Value};

const OF_OBJECT: [&str; 2] = ["apiVersion", "kind"];
const OF_METADATA: [&str; 4] = ["name", "namespace", "uid", "resourceVersion"];

/// Takes these fields out of what handlers add; returns the paths of those that would become others.
///
/// The API server refuses a whole patch for them. And uid and version are the guards of each request: a version of a
/// handler's own would be refused for ever, as that of an old state.
pub(super) fn take_from(patch: &mut Map<String, Value>, body: &Body) -> impl Iterator<Item = String> {
    let known = body.value();
    let of_object = taken(patch, &OF_OBJECT, known, "");
    let mut of_metadata = Vec::new();
    if let Some(Value::Object(metadata)) = patch.get_mut("metadata") {
        of_metadata = taken(metadata, &OF_METADATA, &known["metadata"], "metadata.");
        if metadata.is_empty() {
            patch.remove("metadata");
        }
    }
    of_object.into_iter().chain(of_metadata)
}

fn taken(fields: &mut Map<String, Value>, names: &[&str], known: &Value, path: &str) -> Vec<String> {
    let removed = names.iter().filter_map(|name| Some((name, fields.remove(*name)?)));
    removed.filter(|(name, value)| known[*name] != *value).map(|(name, _)| format!("{path}{name}")).collect()
}
