//! Normalization of answers: replaces everything that differs from run to run.

use serde_json::{Value, json};

/// The uids and versions of a sequence, in the order of their appearance.
#[derive(Default)]
pub struct Names {
    uids: Vec<String>,
    versions: Vec<String>,
}

impl Names {
    pub fn normal(&mut self, code: u16, body: &str) -> Value {
        let lines: Vec<_> =
            body.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect();
        let bodies: Vec<_> = match lines.is_empty() {
            // The server in memory says more about unknown paths.
            true => vec![json!(body.split(" (korf_testing").next().unwrap_or(body).trim())],
            false => lines.into_iter().filter(is_worth_it).map(|line| self.value(line)).collect(),
        };
        json!({"code": code, "body": bodies})
    }

    fn value(&mut self, mut value: Value) -> Value {
        if value["kind"] == "APIResourceList" {
            return discovered(&value);
        }
        for field in ["items", "object"] {
            match value.get_mut(field).map(Value::take) {
                Some(Value::Array(items)) => {
                    value[field] = items.into_iter().map(|item| self.value(item)).collect()
                }
                Some(inner @ Value::Object(_)) => value[field] = self.value(inner),
                _ => {}
            }
        }
        let no_one_object = value.get("items").is_some()
            || value["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true";
        if let Some(metadata) = value["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            for (field, value) in metadata.iter_mut() {
                match (field.as_str(), value.as_str()) {
                    ("creationTimestamp" | "deletionTimestamp", _) => *value = "a time".into(),
                    ("continue", Some(text)) if !text.is_empty() => *value = "a mark".into(),
                    ("resourceVersion", _) if no_one_object => *value = "a version".into(),
                    ("resourceVersion", Some(text)) => {
                        *value = number(&mut self.versions, "version", text).into()
                    }
                    ("uid", Some(text)) => *value = number(&mut self.uids, "uid", text).into(),
                    ("name", Some(text)) if text.starts_with("generated-") => *value = "generated".into(),
                    _ => {}
                }
            }
        }
        if let Some(uid) = value["details"]["uid"].as_str() {
            value["details"]["uid"] = number(&mut self.uids, "uid", uid).into();
        }
        let empty = value.get("details") == Some(&json!({}));
        if let Some(fields) = value.as_object_mut().filter(|_| empty) {
            fields.remove("details");
        }
        // The order of conflicts is random.
        if let Some(causes) = value.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
            causes.sort_by_key(Value::to_string);
        }
        if let Some(message) = value["message"].as_str() {
            value["message"] = self.message(message).into();
        }
        value
    }

    fn message(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for (at, uid) in self.uids.iter().enumerate() {
            message = message.replace(uid, &format!("uid {at}"));
        }
        // A number follows, or an error of Go's parser.
        for known in ["too old resource version: ", "continue key is not valid"] {
            if let Some(at) = message.find(known) {
                message.truncate(at + known.len());
            }
        }
        message
    }
}

fn is_worth_it(line: &Value) -> bool {
    line["type"] != "BOOKMARK" || !line["object"]["metadata"]["annotations"].is_null()
}

fn number(known: &mut Vec<String>, what: &str, text: &str) -> String {
    let at = known.iter().position(|other| other == text).unwrap_or_else(|| {
        known.push(text.to_owned());
        known.len() - 1
    });
    format!("{what} {at}")
}

/// The part that korf reads, without verbs and storage versions.
fn discovered(list: &Value) -> Value {
    let mut entries: Vec<_> = list["resources"].as_array().into_iter().flatten().collect();
    entries.sort_by_key(|entry| entry["name"].to_string());
    let entries: Vec<_> =
        entries.iter().map(|entry| json!([entry["name"], entry["kind"], entry["namespaced"]])).collect();
    json!({"groupVersion": list["groupVersion"], "resources": entries})
}
