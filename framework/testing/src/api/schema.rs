//! Pruning and defaults by a structural schema, as CRDs have them.

use serde_json::{Map, Value};

/// Removes fields that the schema doesn't know. At the root, the fields that every object has are known.
pub(super) fn prune(value: &mut Value, schema: &Value, root: bool) {
    match value {
        Value::Object(fields) => {
            let known = |name: &str| {
                let properties = schema["properties"].get(name);
                properties.or_else(|| schema.get("additionalProperties").filter(|rest| rest.is_object()))
            };
            let keeps_all = schema["x-kubernetes-preserve-unknown-fields"] == true
                || schema["additionalProperties"] == true;
            let of_all = root || schema["x-kubernetes-embedded-resource"] == true;
            fields.retain(|name, _| keeps_all || known(name).is_some() || (of_all && is_common(name)));
            for (name, field) in fields.iter_mut().filter(|(name, _)| !(of_all && is_common(name))) {
                if let Some(schema) = known(name) {
                    prune(field, schema, false);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| prune(item, &schema["items"], false)),
        _ => {}
    }
}

fn is_common(field: &str) -> bool {
    ["apiVersion", "kind", "metadata"].contains(&field)
}

/// Sets missing fields to their defaults.
pub(super) fn set_defaults(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                set_default(fields, name, schema);
            }
            if let Some(rest) = schema.get("additionalProperties") {
                let others = fields.iter_mut().filter(|(name, _)| schema["properties"].get(*name).is_none());
                others.for_each(|(_, field)| set_defaults(field, rest));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| set_defaults(item, &schema["items"])),
        _ => {}
    }
}

fn set_default(fields: &mut Map<String, Value>, name: &str, schema: &Value) {
    if let Some(default) = schema.get("default") {
        let replaced = |value: &Value| value.is_null() && schema["nullable"] != true;
        if fields.get(name).is_none_or(replaced) {
            fields.insert(name.to_owned(), default.clone());
        }
    }
    if let Some(field) = fields.get_mut(name) {
        set_defaults(field, schema);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_pruned_and_missing_ones_get_their_defaults() {
        let schema = json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "a": {"type": "integer"},
                "d": {"type": "string", "default": "dd"},
                "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"default": 1}}}},
                "map": {"additionalProperties": {"type": "object", "properties": {"y": {}}}},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            }},
        }});
        let mut object = json!({
            "kind": "T", "metadata": {"name": "n"}, "other": 1,
            "spec": {"a": 1, "z": 1, "d": null, "list": [{"w": 1}], "map": {"k": {"y": 1, "z": 1}}, "open": {"q": 1}},
        });
        prune(&mut object, &schema, true);
        set_defaults(&mut object, &schema);
        let expected = json!({
            "kind": "T", "metadata": {"name": "n"},
            "spec": {"a": 1, "d": "dd", "list": [{"x": 1}], "map": {"k": {"y": 1}}, "open": {"q": 1}},
        });
        assert_eq!(object, expected);
    }
}
