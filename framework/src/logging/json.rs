//! JSON format: one object per line, with Kopf's keys in Kopf's order.

use super::{object::ObjectRef, record::Record};
use jiff::Timestamp;
use serde_json::Value;
use tracing::Level;

pub(super) fn line(record: &Record, now: Timestamp) -> String {
    let mut fields = vec![("message", Value::from(record.message.as_str()).to_string())];
    fields.extend(record.extras.iter().map(|(name, value)| (*name, value.to_string())));
    let time = now.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string();
    fields.push(("timestamp", Value::from(time).to_string()));
    if let Some(object) = &record.object {
        fields.push(("object", reference(object)));
    }
    fields.push(("severity", Value::from(severity(record.level)).to_string()));
    mapping(&fields)
}

fn reference(object: &ObjectRef) -> String {
    let fields = [
        ("apiVersion", Value::from(object.api_version.as_str())),
        ("kind", object.kind.as_str().into()),
        ("name", object.name.as_str().into()),
        ("uid", object.uid.as_str().into()),
        ("namespace", object.namespace.as_deref().into()),
    ];
    mapping(&fields.map(|(name, value)| (name, value.to_string())))
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// `serde_json`'s maps don't preserve the order.
fn mapping(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> =
        fields.iter().map(|(name, json)| format!("{}: {json}", Value::from(*name))).collect();
    format!("{{{}}}", fields.join(", "))
}
