//! The kind of the objects: with any fields, kept as they are.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize)]
#[kube(group = "korf.dev", version = "v1", kind = "Thing", namespaced, status = "ThingStatus")]
#[kube(schema = "disabled")]
pub struct ThingSpec {
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ThingStatus {
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// The kind's definition, with a status subresource.
pub fn with_subresource() -> CustomResourceDefinition {
    Thing::crd()
}

/// The kind's definition, without a status subresource.
pub fn without_subresource() -> CustomResourceDefinition {
    let mut definition = Thing::crd();
    for version in &mut definition.spec.versions {
        version.subresources = None;
    }
    definition
}
