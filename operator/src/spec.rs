//! Spec of a `DatabaseTable`: the table that it describes.
//!
//! Not by a derived `Deserialize`, because the Kopf demo's CRD has no schema: the spec can contain anything, and
//! every mistake deserves a message that tells its author what to do.

mod column;
mod default_value;
mod expression;
mod index;
mod policies;
mod secret_ref;

use crate::{
    column_type::ColumnTypeError,
    identifier::{Identifier, IdentifierError},
};
pub use column::{Collation, Column, ColumnError, ColumnSettings, Identity, Values};
pub use default_value::{DefaultError, DefaultValue};
pub use expression::{Expression, ExpressionError};
pub use index::{Index, IndexError, Method};
pub use policies::{AdoptionPolicy, DeletionPolicy, DriftPolicy, Policies};
pub use secret_ref::SecretRef;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};

/// A table as the spec describes it, with types that aren't resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The table's name.
    pub name: Identifier,
    /// Its schema; `None` for the connection's, or the one in which it is already.
    pub schema: Option<Identifier>,
    /// Whether a missing schema is created.
    pub create_schema: bool,
    /// Its columns: at least one, with different names.
    pub columns: Vec<Column>,
    /// The columns of the primary key; empty without one.
    pub primary_key: Vec<Identifier>,
    /// Its indexes, with different names, beside that of the primary key.
    pub indexes: Vec<Index>,
    /// What is done where a person could want either.
    pub policies: Policies,
}

/// A mistake in a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The object has no spec.
    #[error("spec is missing: it needs tableName and columns")]
    NoSpec,
    /// A field is absent or null.
    #[error("spec.{field} is missing: {hint}")]
    Missing {
        /// The field.
        field: &'static str,
        /// What to write.
        hint: &'static str,
    },
    /// A field has a value of the wrong type.
    #[error("{field} must be {expected}, not {found}")]
    Shape {
        /// The path of the field.
        field: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A part of a reference to another object isn't what it should be.
    #[error("{field} must be {expected}")]
    Reference {
        /// The path of the field.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
    /// There are no columns.
    #[error("spec.columns is empty: a table needs at least one column, such as \"- ID: integer\"")]
    NoColumns,
    /// A column has no key, or several, whose order is lost.
    #[error(
        "spec.columns[{index}] must have exactly one key, NAME: TYPE, but has {found}: start a new item with \
         \"-\" for each column"
    )]
    KeyCount {
        /// The position in the list, from zero.
        index: usize,
        /// Its keys, in words.
        found: String,
    },
    /// Two columns have the same name.
    #[error("spec.columns has the column {0} twice (unquoted names are folded to lower case)")]
    DuplicateColumn(Identifier),
    /// A table or column can't have this name.
    #[error("{field}: {source}")]
    Name {
        /// The path of the field.
        field: String,
        /// The mistake.
        source: IdentifierError,
    },
    /// A column can't have this type.
    #[error("column {column}: {source}")]
    Type {
        /// The column.
        column: Identifier,
        /// The mistake.
        source: ColumnTypeError,
    },
    /// The primary key names something other than a column.
    #[error("spec.primaryKey names {0}, which isn't a column in spec.columns")]
    UnknownKeyColumn(Identifier),
    /// The primary key names a column twice.
    #[error("spec.primaryKey names the column {0} twice")]
    DuplicateKeyColumn(Identifier),
    /// A schema of the server's own.
    #[error("spec.schema: {0} is one of PostgreSQL's own schemas: choose another one")]
    SystemSchema(Identifier),
    /// A schema is to be created, and not named.
    #[error("spec.createSchema is true, but no spec.schema says which one: name it, or remove createSchema")]
    UnnamedSchema,
    /// An index isn't one.
    #[error("{field}: {source}")]
    Index {
        /// The path of the index.
        field: String,
        /// The mistake.
        source: IndexError,
    },
    /// Two indexes have the same name.
    #[error("spec.indexes has the index {0} twice (unquoted names are folded to lower case)")]
    DuplicateIndex(Identifier),
    /// A table and an index can't have the same name.
    #[error("spec.indexes: {0} is the name of the table, which no index can have: choose another one")]
    IndexNamedAsTable(Identifier),
    /// A policy is none of the words that it can be.
    #[error("spec.{field} must be {choices}, not {found}")]
    Policy {
        /// The field.
        field: &'static str,
        /// The words.
        choices: String,
        /// What is there.
        found: String,
    },
    /// A mistake in the long form of a column.
    #[error("column {column}: {source}")]
    Column {
        /// The column.
        column: Identifier,
        /// The mistake.
        source: ColumnError,
    },
}

const KEY_SHAPE: &str = "the name of a column or a list of names";

const FIELDS: [&str; 10] = [
    "tableName",
    "schema",
    "createSchema",
    "columns",
    "primaryKey",
    "indexes",
    secret_ref::FIELD,
    "deletionPolicy",
    "adoptionPolicy",
    "driftPolicy",
];

/// Contents of a spec of any shape. It is never rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The table that the spec describes, or the first mistake in the spec.
    pub table: Result<Table, SpecError>,
    /// What is valid in the spec but probably not meant.
    pub warnings: Vec<String>,
    /// The exact names of all columns, whatever else is wrong.
    pub columns: BTreeSet<String>,
    /// What becomes of the table when the object is deleted, whatever else is wrong.
    pub deletion: Result<DeletionPolicy, SpecError>,
    /// The Secret by which the database is reached, whatever else is wrong; `None`: it is the operator's own.
    pub secret: Result<Option<SecretRef>, SpecError>,
}

impl Declaration {
    fn of(spec: Option<&Value>) -> Self {
        let nothing = Value::Null;
        let any = spec.unwrap_or(&nothing);
        Self {
            table: Table::from_spec(spec),
            warnings: warnings(any),
            columns: column_names(any),
            deletion: DeletionPolicy::of(any),
            secret: SecretRef::from_spec(any),
        }
    }
}

/// The declaration of an object without a spec.
impl Default for Declaration {
    fn default() -> Self {
        Self::of(None)
    }
}

impl<'de> Deserialize<'de> for Declaration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|spec| Self::of(Some(&spec)))
    }
}

impl Table {
    /// Reads the spec of an object; `None` if the object has none.
    ///
    /// # Errors
    ///
    /// [`SpecError`], the first mistake.
    pub fn from_spec(spec: Option<&Value>) -> Result<Self, SpecError> {
        let spec = match spec {
            None | Some(Value::Null) => return Err(SpecError::NoSpec),
            Some(spec) => map(spec, "spec")?,
        };
        let name = table_name(spec)?;
        let columns = columns(spec)?;
        let primary_key = primary_key(spec, &columns)?;
        column::check(&columns, &primary_key)?;
        let indexes = index::indexes(spec, &columns)?;
        if indexes.iter().any(|index| index.name == name) {
            return Err(SpecError::IndexNamedAsTable(name));
        }
        let (schema, create_schema) = schema(spec)?;
        let policies = Policies::of(spec)?;
        Ok(Self { name, schema, create_schema, columns, primary_key, indexes, policies })
    }
}

/// Warnings about a spec: what is valid but probably not meant.
pub fn warnings(spec: &Value) -> Vec<String> {
    let mut found: Vec<String> = spec
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .filter(|key| !FIELDS.contains(key))
        .map(|key| format!("spec.{key} isn't a field of DatabaseTable and is ignored"))
        .collect();
    found.extend(column_keys(spec).filter(|key| ["true", "false"].contains(key)).map(|key| {
        format!(
            "a column is named {key}: if the manifest has N, NO, OFF, ON, Y, YES or the like there, YAML has read it \
             as {key}; quote the name"
        )
    }));
    found
}

/// The exact names of all columns in a spec, whatever else is wrong with it.
pub fn column_names(spec: &Value) -> BTreeSet<String> {
    let names = column_keys(spec).filter_map(|key| Identifier::parse(key).ok());
    names.map(|name| name.as_str().to_owned()).collect()
}

fn column_keys(spec: &Value) -> impl Iterator<Item = &str> {
    let items = spec.get("columns").and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_object).flat_map(Map::keys).map(String::as_str)
}

fn table_name(spec: &Map<String, Value>) -> Result<Identifier, SpecError> {
    let hint = "give the table a name, such as \"tableName: WEBSITE_USERS\"";
    let value = present(spec, "tableName").ok_or(SpecError::Missing { field: "tableName", hint })?;
    let field = || "spec.tableName".to_owned();
    let text = text(value, field, "a string")?;
    Identifier::parse(text).map_err(|source| SpecError::Name { field: field(), source })
}

/// The schema, and whether it is created where it is missing.
fn schema(spec: &Map<String, Value>) -> Result<(Option<Identifier>, bool), SpecError> {
    let create = match present(spec, "createSchema") {
        None => false,
        Some(Value::Bool(create)) => *create,
        Some(other) => return Err(shape("spec.createSchema", "true or false", other)),
    };
    let Some(value) = present(spec, "schema") else {
        return if create { Err(SpecError::UnnamedSchema) } else { Ok((None, false)) };
    };
    let field = || "spec.schema".to_owned();
    let text = text(value, field, "a string")?;
    let name = Identifier::parse(text).map_err(|source| SpecError::Name { field: field(), source })?;
    // A table in pg_temp would be gone with the connection.
    if name.as_str().starts_with("pg_") || name.as_str() == "information_schema" {
        return Err(SpecError::SystemSchema(name));
    }
    Ok((Some(name), create))
}

fn columns(spec: &Map<String, Value>) -> Result<Vec<Column>, SpecError> {
    let hint = "list at least one column, such as \"- ID: integer\"";
    let value = present(spec, "columns").ok_or(SpecError::Missing { field: "columns", hint })?;
    let items =
        value.as_array().ok_or_else(|| shape("spec.columns", "a list of columns, NAME: TYPE", value))?;
    if items.is_empty() {
        return Err(SpecError::NoColumns);
    }
    let columns: Vec<_> =
        items.iter().enumerate().map(|(index, item)| Column::read(index, item)).collect::<Result<_, _>>()?;
    match first_duplicate(columns.iter().map(|column| &column.name)) {
        Some(name) => Err(SpecError::DuplicateColumn(name.clone())),
        None => Ok(columns),
    }
}

fn primary_key(spec: &Map<String, Value>, columns: &[Column]) -> Result<Vec<Identifier>, SpecError> {
    let names = match present(spec, "primaryKey") {
        None => return Ok(Vec::new()),
        Some(name @ Value::String(_)) => std::slice::from_ref(name),
        Some(Value::Array(names)) if !names.is_empty() => names.as_slice(),
        Some(other) => return Err(shape("spec.primaryKey", KEY_SHAPE, other)),
    };
    let key: Vec<_> = names.iter().map(|name| key_column(name, columns)).collect::<Result<_, _>>()?;
    match first_duplicate(&key) {
        Some(name) => Err(SpecError::DuplicateKeyColumn(name.clone())),
        None => Ok(key),
    }
}

fn key_column(name: &Value, columns: &[Column]) -> Result<Identifier, SpecError> {
    let field = || "spec.primaryKey".to_owned();
    let text = text(name, field, KEY_SHAPE)?;
    let name = Identifier::parse(text).map_err(|source| SpecError::Name { field: field(), source })?;
    let known = columns.iter().any(|column| column.name == name);
    if known { Ok(name) } else { Err(SpecError::UnknownKeyColumn(name)) }
}

fn first_duplicate<'a>(names: impl IntoIterator<Item = &'a Identifier>) -> Option<&'a Identifier> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// The value of a field. Null counts as absent, as it does for the API server.
fn present<'a>(spec: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    spec.get(field).filter(|value| !value.is_null())
}

fn map<'a>(value: &'a Value, field: &str) -> Result<&'a Map<String, Value>, SpecError> {
    value.as_object().ok_or_else(|| shape(field, "a map with tableName and columns", value))
}

fn text<'a>(
    value: &'a Value,
    field: impl FnOnce() -> String,
    expected: &'static str,
) -> Result<&'a str, SpecError> {
    value.as_str().ok_or_else(|| shape(&field(), expected, value))
}

fn shape(field: &str, expected: &'static str, found: &Value) -> SpecError {
    SpecError::Shape { field: field.to_owned(), expected, found: kind_of(found) }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(list) if list.is_empty() => "an empty list",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn key_names(map: &Map<String, Value>) -> String {
    if map.is_empty() {
        return "none".to_owned();
    }
    map.keys().map(|key| format!("{key:?}")).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests;
