//! The kind that the cases handle.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Table", namespaced, status = "TableStatus")]
pub struct TableSpec {
    pub columns: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct TableStatus {
    pub columns: usize,
}
