//! Watched objects: the type that is watched, read and patched, whatever the kind, as raw JSON.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use korf_core::body::Body;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{borrow::Cow, fmt};

/// An object of any kind, without `metadata.managedFields`, which is skipped while it is parsed: it is often half of the
/// object, and never needed.
///
/// A typed object would drop the fields that its type doesn't know, and one object that doesn't fit the type
/// would stop the watch for all.
#[derive(Clone, Debug)]
pub struct WatchedObject {
    meta: ObjectMeta,
    body: Body,
}

impl WatchedObject {
    pub fn into_body(self) -> Body {
        self.body
    }

    pub fn body(&self) -> &Body {
        &self.body
    }
}

impl From<Body> for WatchedObject {
    fn from(body: Body) -> Self {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let meta = ObjectMeta {
            name: text(body.name()),
            namespace: body.namespace().map(str::to_owned),
            uid: text(body.uid()),
            resource_version: text(body.version()),
            ..ObjectMeta::default()
        };
        Self { meta, body }
    }
}

impl<'de> Deserialize<'de> for WatchedObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields { metadata: false }.deserialize(deserializer).map(Body::from).map(Self::from)
    }
}

/// Reads a mapping; of the object itself, or of its metadata.
#[derive(Clone, Copy)]
struct Fields {
    metadata: bool,
}

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.metadata { "the metadata of a Kubernetes object" } else { "a Kubernetes object" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<Cow<'_, str>>()? {
            let value = match &*key {
                "metadata" if !self.metadata => fields.next_value_seed(Fields { metadata: true })?,
                "managedFields" if self.metadata => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => fields.next_value()?,
            };
            map.insert(key.into_owned(), value);
        }
        Ok(Value::Object(map))
    }
}

impl kube::Resource for WatchedObject {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_is_kept_but_the_managed_fields() {
        let sent = json!({
            "kind": "X", "spec": {"metadata": {"managedFields": [1]}, "managedFields": 2},
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "managedFields": [{"f": 1}],
                         "labels": {"managedFields": "kept"}},
        });
        let object: WatchedObject = serde_json::from_value(sent.clone()).unwrap();
        let mut expected = sent;
        expected["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(object.body.value(), &expected);
        let meta = kube::Resource::meta(&object);
        assert_eq!((meta.name.as_deref(), meta.resource_version.as_deref()), (Some("a"), Some("7")));
    }

    #[test]
    fn what_is_no_mapping_is_an_error_and_a_strange_object_is_not() {
        assert!(serde_json::from_value::<WatchedObject>(json!([])).is_err());
        assert!(
            serde_json::from_value::<WatchedObject>(json!({"metadata": {"name": 5}, "spec": "text"})).is_ok()
        );
    }
}
