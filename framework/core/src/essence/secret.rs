//! Digests in the essence of a Secret: they show that its data has changed, and not what the data is.

use crate::body::Body;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blake2::{Blake2b, Digest, digest::consts::U16};
use serde_json::{Map, Value};

/// No base64 has a colon, so that nothing in `data` looks like a digest.
const SCHEME: &str = "blake2b:";
const FIELDS: [&str; 2] = ["data", "stringData"];

/// Replaces the values of a `v1` Secret's data by digests; those that are digests stay as they are.
///
/// So a diff-base that Kopf wrote in clear compares with an essence of korf's. A digest covers the object's
/// uid, the field and the key too: equal values don't show as equal, and no table of digests fits two
/// Secrets. Its limit: a short or common value can be found by trying, by someone who knows the uid. But the
/// digest is stored in the Secret itself, whose readers can mostly read the value.
pub(super) fn conceal(body: &Body, essence: &mut Map<String, Value>) {
    let object = body.value();
    if object["apiVersion"] != "v1" || object["kind"] != "Secret" {
        return;
    }
    for field in FIELDS {
        let values = essence.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten();
        for (key, value) in values.filter(|(_, value)| !is_digest(value)) {
            *value = digest(body.uid(), field, key, value).into();
        }
    }
}

fn is_digest(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(SCHEME))
}

fn digest(uid: &str, field: &str, key: &str, value: &Value) -> String {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let digest = [uid, field, key, &value].into_iter().fold(Blake2b::<U16>::new(), |digest, part| {
        // With its length, so that no two lists of parts are the same text.
        digest.chain_update(part.len().to_le_bytes()).chain_update(part)
    });
    format!("{SCHEME}{}", URL_SAFE_NO_PAD.encode(digest.finalize()))
}
