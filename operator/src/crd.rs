//! The kind `DatabaseTable`; `manifests/crd.yaml` is generated from it.
//!
//! The operator itself reads the raw [`spec`](crate::spec), because it also works with the Kopf demo's CRD,
//! which has no schema. These types are for clients, for tests and for the CRD. With the bounds here, the API
//! server rejects at once what the operator could only report later. A structural schema can't express "a
//! string or a list of strings", so `primaryKey` has no type, and neither have columns, which are strings or maps.
//!
//! There are bounds and no rules, and the spec isn't required. An object from before, under the Kopf demo's CRD, may
//! have anything there. Of what such an object breaks, the API server forgives types and bounds where they don't change, and
//! nothing else: a rule that can't be evaluated, and a missing spec, would make it reject every change of the object, even
//! the removal of its finalizer. So the operator tells what can't be changed
//! (docs/decisions/0050-a-schema-that-lets-go.md).

mod column;

use crate::{
    spec::{AdoptionPolicy, DeletionPolicy, DriftPolicy, Method},
    status::TableStatus,
};
pub use column::{ColumnItem, ColumnSpec, LongColumn};
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A table in PostgreSQL.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kopf.demo",
    version = "v1",
    kind = "DatabaseTable",
    plural = "databasetables",
    singular = "databasetable",
    shortname = "dbt",
    namespaced,
    status = "TableStatus",
    schema = "manual",
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
    #[schemars(length(min = 1, max = 128))]
    pub table_name: String,

    /// The schema of the table, folded like tableName; by default the first one of the connection's search_path that exists. A
    /// table that exists isn't moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub schema: Option<String>,

    /// Whether the schema is created if the database doesn't have it. It isn't dropped with the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_schema: Option<bool>,

    /// The columns, each an item with one key, NAME: TYPE, such as "- USER_ID: integer", or NAME: {type: TYPE, …} with
    /// nullable, default, unique, comment and the like. Columns can be added, and changed where nothing is lost; what is
    /// held back stands in status.pending.
    #[schemars(schema_with = "column::columns")]
    pub columns: Vec<ColumnItem>,

    /// The column of the primary key, or a list of columns. It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "primary_key")]
    pub primary_key: Option<PrimaryKey>,

    /// The Secret that says in which database the table is, and how to connect to it: by a key uri, or by host, port,
    /// username, password, dbname, sslmode, ca.crt, tls.crt and tls.key. Without it, the table is in the operator's own database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "connection_secret_ref")]
    pub connection_secret_ref: Option<ConnectionSecretRef>,

    /// The indexes of the table, beside that of its primary key. They can be added, changed and removed: they hold no data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub indexes: Vec<IndexSpec>,

    /// What becomes of the table when the object is deleted: Delete, the default, drops it with all its rows. Retain leaves it,
    /// without asking the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "deletion_policy")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// Whether a table that is there already, and belongs to no DatabaseTable, becomes this object's: Never, the default, or
    /// IfCompatible, if it has all columns of the spec with their types, and the same primary key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "adoption_policy")]
    pub adoption_policy: Option<AdoptionPolicy>,

    /// What is done where somebody has changed the table: Repair, the default, makes again what is missing, as far as nothing is
    /// lost by it. Report changes nothing, and says it in the status. A change of the spec is made under both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "drift_policy")]
    pub drift_policy: Option<DriftPolicy>,
}

/// An index. It is built while others read and write the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IndexSpec {
    /// Its name, which no other table or index of the schema has.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The names of its columns, in order.
    #[schemars(schema_with = "index_columns")]
    pub columns: Vec<String>,
    /// Whether no two rows may have the same values in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<bool>,
    /// How it is built: btree, which is the default and the only one that can be unique, hash, gin, gist, brin or spgist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "index_method")]
    pub method: Option<String>,
}

/// A reference to the Secret by which the database is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionSecretRef {
    /// Its name.
    pub name: String,
    /// Its namespace; the object's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The key with the database's URL; by default uri.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What kube would derive, but for one line: an object without a spec isn't rejected.
impl JsonSchema for DatabaseTable {
    fn schema_name() -> Cow<'static, str> {
        "DatabaseTable".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "DatabaseTable",
            "description": "A table in PostgreSQL, kept by database-table-operator",
            "type": "object",
            "properties": {
                "spec": generator.subschema_for::<DatabaseTableSpec>(),
                "status": generator.subschema_for::<Option<TableStatus>>()
            }
        })
    }
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

/// PostgreSQL allows 32 columns.
fn index_columns(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 32,
        "items": { "type": "string", "minLength": 1, "maxLength": 128 }
    })
}

fn index_method(_: &mut SchemaGenerator) -> Schema {
    let names = Method::ALL.map(Method::as_str);
    json_schema!({ "type": "string", "enum": names })
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

fn deletion_policy(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["Delete", "Retain"] })
}

fn adoption_policy(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["Never", "IfCompatible"] })
}

fn drift_policy(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["Report", "Repair"] })
}

/// Nothing is required: see the top of this file.
fn connection_secret_ref(_: &mut SchemaGenerator) -> Schema {
    let text = |description: &str, longest: u32| json_schema!({ "type": "string", "description": description, "minLength": 1, "maxLength": longest });
    json_schema!({
        "type": "object",
        "properties": {
            "name": text("The name of the Secret", 253),
            "namespace": text(
                "Its namespace, if it isn't the object's own: only one that the operator allows, by --allow-secrets-of", 63
            ),
            "key": text("The key with the database's URL, if it isn't uri, such as pgbouncer-uri", 253),
        }
    })
}

#[cfg(test)]
mod tests;
