//! Shape of an object's fields: which lists and maps are merged by server-side apply, and which are replaced.

use serde_json::Value;

/// How a list is merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListRule<'a> {
    /// As one value.
    Atomic,
    /// As a set of its values.
    Set,
    /// Item by item; these fields say which item is which.
    Map(Vec<&'a str>),
}

/// The place of a value in an object. A kind with a schema says itself how its values are merged; in built-in kinds it
/// depends on the field, and the one around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    built_in: bool,
    schema: Option<&'a Value>,
    parent: &'a str,
    field: &'a str,
}

/// Lists of built-in kinds that are merged item by item: the field around (empty for any), the field, the keys.
const MAP_LISTS: [(&str, &str, &[&str]); 25] = [
    ("", "conditions", &["type"]),
    ("", "containers", &["name"]),
    ("", "ephemeralContainers", &["name"]),
    ("", "initContainers", &["name"]),
    ("containers", "env", &["name"]),
    ("containers", "ports", &["containerPort", "protocol"]),
    ("containers", "volumeDevices", &["devicePath"]),
    ("containers", "volumeMounts", &["mountPath"]),
    ("ephemeralContainers", "env", &["name"]),
    ("ephemeralContainers", "ports", &["containerPort", "protocol"]),
    ("ephemeralContainers", "volumeDevices", &["devicePath"]),
    ("ephemeralContainers", "volumeMounts", &["mountPath"]),
    ("initContainers", "env", &["name"]),
    ("initContainers", "ports", &["containerPort", "protocol"]),
    ("initContainers", "volumeDevices", &["devicePath"]),
    ("initContainers", "volumeMounts", &["mountPath"]),
    ("resources", "claims", &["name"]),
    ("spec", "hostAliases", &["ip"]),
    ("spec", "imagePullSecrets", &["name"]),
    ("spec", "ports", &["port", "protocol"]),
    ("spec", "resourceClaims", &["name"]),
    ("spec", "topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("spec", "volumes", &["name"]),
    ("", "secrets", &["name"]),
    ("", "webhooks", &["name"]),
];

/// Fields of built-in kinds whose maps are replaced as one value.
const ATOMIC_MAPS: [&str; 10] = [
    "configMapKeyRef",
    "fieldRef",
    "labelSelector",
    "namespaceSelector",
    "nodeSelector",
    "podSelector",
    "resourceFieldRef",
    "roleRef",
    "secretKeyRef",
    "selector",
];

impl<'a> Shape<'a> {
    /// The shape of a whole object.
    pub fn of(built_in: bool, schema: Option<&'a Value>) -> Self {
        Self { built_in, schema, parent: "", field: "" }
    }

    /// The shape of a field of this value.
    pub fn field<'b>(&self, name: &'b str) -> Shape<'b>
    where
        'a: 'b,
    {
        let known = |schema: &'a Value| {
            let rest = || schema.get("additionalProperties").filter(|rest| rest.is_object());
            schema["properties"].get(name).or_else(rest)
        };
        let schema = self.schema.and_then(known);
        Shape { built_in: self.built_in, schema, parent: self.field, field: name }
    }

    /// The shape of an item of this list.
    pub fn item(&self) -> Self {
        Self { schema: self.schema.and_then(|schema| schema.get("items")), ..*self }
    }

    /// Whether this map is replaced as one value.
    pub fn is_atomic_map(&self) -> bool {
        let asked = self.schema.is_some_and(|schema| schema["x-kubernetes-map-type"] == "atomic");
        asked || (self.built_in && ATOMIC_MAPS.contains(&self.field))
    }

    /// How this list is merged.
    pub fn list_rule(&self) -> ListRule<'a> {
        match (self.parent, self.field) {
            ("metadata", "finalizers") => return ListRule::Set,
            ("metadata", "ownerReferences") => return ListRule::Map(vec!["uid"]),
            _ => {}
        }
        if self.built_in {
            let here = |(parent, field, _): &&(&str, &str, _)| {
                *field == self.field && (parent.is_empty() || *parent == self.parent)
            };
            let keys = MAP_LISTS.iter().find(here).map(|(_, _, keys)| keys.to_vec());
            return keys.map_or(ListRule::Atomic, ListRule::Map);
        }
        let Some(schema) = self.schema else { return ListRule::Atomic };
        match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => ListRule::Set,
            Some("map") => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                ListRule::Map(keys.filter_map(Value::as_str).collect())
            }
            _ => ListRule::Atomic,
        }
    }

    /// The value of a key that an item leaves out.
    pub fn default_key(&self, key: &str) -> Option<Value> {
        match self.schema {
            Some(schema) => schema["items"]["properties"][key].get("default").cloned(),
            None => (self.built_in && key == "protocol").then(|| "TCP".into()),
        }
    }
}
