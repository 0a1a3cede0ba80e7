//! The kind `DatabaseTable`; `manifests/crd.yaml` is generated from it.
//!
//! The operator itself reads the raw [`spec`](crate::spec), because it also works with the Kopf demo's CRD,
//! which has no schema. These types are for clients, for tests and for the CRD. With the rules here, the API
//! server rejects at once what the operator could only report later. There is one exception: a structural
//! schema can't express "a string or a list of strings", so `primaryKey` has no type, and rules can't see a
//! field without a type. So the operator rejects its changes.

use crate::status::TableStatus;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A table in PostgreSQL.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "kopf.demo",
    version = "v1",
    kind = "DatabaseTable",
    plural = "databasetables",
    singular = "databasetable",
    shortname = "dbt",
    namespaced,
    status = "TableStatus",
    doc = "A table in PostgreSQL, kept by database-table-operator",
    printcolumn = r#"{"name": "Table", "type": "string", "jsonPath": ".status.table"}"#,
    printcolumn = r#"{"name": "Columns", "type": "integer", "jsonPath": ".status.columnCount"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Synced\")].reason"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseTableSpec {
    /// The name of the table. Folded to lower case as PostgreSQL does, unless it has double quotes of its
    /// own: '"Users"'. It can't be changed.
    // With quotes, and every quote in the name doubled, 63 bytes become 128.
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("tableName is empty: give the table a name"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("tableName can't be changed: delete the object and create a new one"))]
    pub table_name: String,

    /// The columns, each an item with one key, NAME: TYPE, such as "- USER_ID: integer". Columns can be
    /// added, but neither removed nor changed.
    #[schemars(schema_with = "columns")]
    pub columns: Vec<BTreeMap<String, String>>,

    /// The column of the primary key, or a list of columns. It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "primary_key")]
    pub primary_key: Option<PrimaryKey>,
}

/// One column or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PrimaryKey {
    /// The name of the only column.
    One(String),
    /// The names of the columns.
    Several(Vec<String>),
}

/// PostgreSQL allows 1,600 columns.
fn columns(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 1600,
        "items": {
            "type": "object",
            "additionalProperties": { "type": "string", "maxLength": 1024 },
            "x-kubernetes-validations": [{
                "rule": "self.size() == 1",
                "message": "each column must be one entry, NAME: TYPE; start a new item with \"-\" for each column"
            }]
        },
        "x-kubernetes-validations": [{
            "rule": "self.size() > 0",
            "message": "columns is empty: a table needs at least one column"
        }]
    })
}

/// A string or a list, see the top of this file. The limits apply to the one it is.
fn primary_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-preserve-unknown-fields": true,
        "minLength": 1,
        "maxLength": 128,
        "minItems": 1,
        "maxItems": 32
    })
}

#[cfg(test)]
mod tests;
