//! Columns of the kind, as clients write them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One column: an item with one key, its name.
pub type ColumnItem = BTreeMap<String, ColumnSpec>;

/// A column: its type alone, or with what else is asked of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnSpec {
    /// The type.
    Short(String),
    /// The type, and more.
    Long(Box<LongColumn>),
}

/// A column with what else is asked of it. What isn't there is left as it is in the database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct LongColumn {
    /// The type, such as varchar(50).
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 1024))]
    pub type_: String,
    /// Whether rows may have no value. NOT NULL is set while others read and write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nullable: Option<bool>,
    /// The value of rows that bring none: a number, a boolean, a string in single quotes inside the string ("'new'"), or a
    /// function such as now() or gen_random_uuid(). NULL is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "default_value")]
    pub default: Option<Value>,
    /// Whether no two rows may have the same value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<bool>,
    /// The column's comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub comment: Option<String>,
    /// The collation, such as C or de-x-icu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub collation: Option<String>,
    /// Makes it an identity column, whose values come from a sequence: Always or ByDefault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Always", "ByDefault"]))]
    pub identity: Option<String>,
    /// The expression of other columns whose value it has, such as "price * amount".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub generated: Option<String>,
    /// The former name of the column, which is renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub renamed_from: Option<String>,
}

/// PostgreSQL allows 1,600 columns. A column is a string or a map, see the top of the file above; the bounds apply to the one
/// it is.
pub(super) fn columns(generator: &mut SchemaGenerator) -> Schema {
    let mut column = LongColumn::json_schema(generator);
    for keyword in ["type", "title", "description"] {
        column.remove(keyword);
    }
    column.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    column.insert("maxLength".to_owned(), 1024.into());
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 1600,
        "items": { "type": "object", "additionalProperties": column, "minProperties": 1, "maxProperties": 1 }
    })
}

/// A string, a number or a boolean.
fn default_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true, "maxLength": 8192 })
}
