//! Manifest of a table that exists; pure.
//!
//! What can't be said in a spec is a comment of the manifest. The operator leaves alone what a spec doesn't speak of.

use crate::{
    catalog::{CatalogColumn, CatalogIndex, ColumnDetail, Generated, KeyForm, Relation},
    column_type::ColumnType,
    identifier::{Identifier, quote, split_qualified},
    message::printable,
    spec::{Declaration, DefaultValue, Expression, Identity, Method},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The names of objects that were given away.
#[derive(Debug, Default)]
pub struct Names(BTreeSet<String>);

/// A manifest, with comments.
#[derive(Debug)]
pub struct Manifest {
    comments: Vec<String>,
    object: Object,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Serialize)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    table_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    adoption_policy: &'static str,
    deletion_policy: &'static str,
    columns: Vec<BTreeMap<String, Column>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    primary_key: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    indexes: Vec<Index>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Column {
    Short(String),
    Long(LongColumn),
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct LongColumn {
    #[serde(rename = "type")]
    type_: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nullable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generated: Option<String>,
}

#[derive(Debug, Serialize)]
struct Index {
    name: String,
    columns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
}

impl Names {
    /// A name for the object of a table that no other one has.
    fn of(&mut self, table: &str) -> String {
        let plain = |letter: char| match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => '-',
        };
        let name: String = table.chars().map(plain).collect();
        let name = match name.trim_matches('-') {
            "" => "table",
            name => name,
        };
        let numbered = |number: usize| if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
        let free = (1..).map(numbered).find(|name| !self.0.contains(name)).unwrap_or_default();
        self.0.insert(free.clone());
        free
    }
}

impl Manifest {
    /// That of a table with these indexes.
    pub fn of(table: &str, relation: &Relation, indexes: &[CatalogIndex], names: &mut Names) -> Self {
        let mut comments = Vec::new();
        let key = relation.key.as_ref();
        let of = |found: &CatalogColumn| {
            let in_key = key.is_some_and(|key| key.columns.contains(&found.name));
            let detail = relation.details.as_ref().and_then(|details| details.columns.get(&found.name));
            let column = column(found, detail, in_key, &mut comments)?;
            Some((found.name.clone(), column))
        };
        let columns: Vec<_> = relation.columns.iter().filter_map(of).collect();
        if key.is_some_and(|key| !matches!(key.form, KeyForm::Plain | KeyForm::Deferrable)) {
            comments.push("its primary key can't be said in a spec".to_owned());
        }
        let known: BTreeSet<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let own = indexes.iter().filter(|index| !index.is_of_constraint);
        let indexes = own.filter_map(|found| {
            let index = index(found, &known).map_err(|why| {
                comments.push(format!("index {} is left alone: {why}", quote(&found.name)));
            });
            index.ok()
        });
        let indexes = indexes.collect();
        let spec = Spec {
            table_name: in_spec(table),
            schema: None,
            adoption_policy: "IfCompatible",
            deletion_policy: "Retain",
            columns: columns
                .into_iter()
                .map(|(name, column)| BTreeMap::from([(in_spec(&name), column)]))
                .collect(),
            primary_key: key
                .map(|key| key.columns.iter().map(|name| in_spec(name)).collect())
                .unwrap_or_default(),
            indexes,
        };
        let metadata = Metadata { namespace: None, name: names.of(table) };
        let object = Object { api_version: "kopf.demo/v1", kind: "DatabaseTable", metadata, spec };
        Self { comments, object }
    }

    /// The same for a namespace, and with the schema.
    pub fn within(mut self, namespace: Option<&str>, schema: Option<&String>) -> Self {
        self.object.metadata.namespace = namespace.map(str::to_owned);
        self.object.spec.schema = schema.map(|schema| in_spec(schema));
        self
    }

    /// Adds a comment.
    pub fn remark(&mut self, text: String) {
        self.comments.push(text);
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.object.metadata.name
    }

    /// The spec, as the operator reads it.
    ///
    /// # Errors
    ///
    /// None that are known.
    pub fn declaration(&self) -> Result<Declaration, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(&self.object.spec)?)
    }

    /// The YAML document.
    ///
    /// # Errors
    ///
    /// None that are known.
    pub fn yaml(&self) -> Result<String, serde_saphyr::ser::Error> {
        let comments: String = self.comments.iter().map(|text| comment(text)).collect();
        // Each value stands on one line: blocks depend on the indentation of what somebody else has written.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let object = serde_saphyr::to_string_with_options(&self.object, options)?;
        Ok(format!("---\n{comments}{}\n", object.trim_end()))
    }
}

/// A comment of YAML, which is one line whatever the text is.
pub fn comment(text: &str) -> String {
    format!("# {}\n", printable(text))
}

/// What YAML 1.1, and so kubectl, reads as something else than a text. The serializer knows that of values, but not of keys.
const NO_TEXTS: [&str; 12] =
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"];

/// A name as a spec has it: with double quotes, if it would be folded without, or isn't a text to YAML.
fn in_spec(name: &str) -> String {
    let is_text = name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
        && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        && !NO_TEXTS.contains(&name);
    match Identifier::parse(name) {
        Ok(parsed) if is_text && parsed.as_str() == name => name.to_owned(),
        _ => quote(name),
    }
}

/// A column as a spec can have it. One that can't be in a spec is left alone, as are those that a person has added.
fn column(
    found: &CatalogColumn,
    detail: Option<&ColumnDetail>,
    in_key: bool,
    comments: &mut Vec<String>,
) -> Option<Column> {
    let name = quote(&found.name);
    let no_detail = ColumnDetail::default();
    let detail = detail.unwrap_or(&no_detail);
    let is_serial = found.serial && detail.identity.is_none();
    let type_ = match (is_serial, found.type_name.as_str()) {
        (true, "integer") => "serial",
        (true, "bigint") => "bigserial",
        (true, "smallint") => "smallserial",
        (_, name) => name,
    };
    if let Some(why) = unsayable(found, detail, type_) {
        comments.push(format!("column {name} is left alone, because a spec can't say it: {why}"));
        return None;
    }
    let mut long = LongColumn { type_: type_.to_owned(), ..LongColumn::default() };
    let needs_value = detail.not_null && detail.unproven.is_none();
    long.nullable = (needs_value && !in_key && !is_serial && detail.identity.is_none()).then_some(false);
    long.comment = detail.comment.clone().filter(|comment| !comment.is_empty());
    long.collation = detail.collation.as_deref().map(collation);
    long.identity = detail.identity.map(|identity| match identity {
        Identity::Always => "Always",
        Identity::ByDefault => "ByDefault",
    });
    let is_unique =
        detail.unique.iter().any(|index| index.is_valid && !index.is_key && index.constraint.is_some());
    long.unique = is_unique.then_some(true);
    match &detail.expression {
        Some(text) if found.generated == Generated::Stored => long.generated = Some(text.clone()),
        Some(text) if !is_serial => match default(text, &found.type_name) {
            Some(Some(default)) => long.default = Some(default),
            Some(None) => {}
            None => comments.push(format!("column {name} keeps its default, {text}")),
        },
        _ => {}
    }
    Some(match long {
        LongColumn {
            type_,
            nullable: None,
            default: None,
            unique: None,
            comment: None,
            collation: None,
            identity: None,
            generated: None,
        } => Column::Short(type_),
        long => Column::Long(long),
    })
}

/// Why a column can't be in a spec, if it can't.
fn unsayable(found: &CatalogColumn, detail: &ColumnDetail, type_: &str) -> Option<String> {
    let of_type = ColumnType::parse(type_).err().map(|error| error.to_string());
    let of_values = match found.generated {
        Generated::Virtual => Some("it is computed when it is read".to_owned()),
        Generated::Stored => {
            let text = detail.expression.as_deref().unwrap_or_default();
            Expression::parse(text).err().map(|error| error.to_string())
        }
        Generated::No | Generated::Identity => None,
    };
    of_type.or(of_values)
}

/// A collation as a spec can have it: the server's own by their names alone.
fn collation(qualified: &str) -> String {
    match split_qualified(qualified) {
        Some((schema, name)) if schema == "pg_catalog" => name,
        Some((schema, name)) => format!("{}.{}", quote(&schema), quote(&name)),
        None => qualified.to_owned(),
    }
}

/// A default as a spec can have it, if it can; one of NULL is none. The server prints the type of a literal behind it, which is
/// the column's own.
fn default(text: &str, type_name: &str) -> Option<Option<String>> {
    let type_ = ColumnType::parse(type_name).ok()?;
    let is_own = |cast: &str| {
        type_name.strip_prefix(cast).is_some_and(|rest| rest.is_empty() || rest.starts_with('('))
    };
    let literal = text.rsplit_once("::").filter(|(literal, cast)| literal.ends_with('\'') && is_own(cast));
    let text = literal.map_or(text, |(literal, _)| literal);
    let value = DefaultValue::parse(text, &type_).ok()?;
    Some((value != DefaultValue::Null).then(|| text.to_owned()))
}

/// An index as a spec can have it, or why it can't.
fn index(found: &CatalogIndex, known: &BTreeSet<&str>) -> Result<Index, String> {
    if !found.is_plain || found.columns.is_empty() {
        return Err("it isn't one of columns alone".to_owned());
    }
    if !found.is_valid {
        return Err("it isn't valid: its build has ended early, or isn't over".to_owned());
    }
    if Method::parse(&found.method).is_none() {
        return Err(format!("a spec has no method {}", found.method));
    }
    if let Some(column) = found.columns.iter().find(|name| !known.contains(name.as_str())) {
        return Err(format!("its column {} isn't in the spec", quote(column)));
    }
    Ok(Index {
        name: in_spec(&found.name),
        columns: found.columns.iter().map(|name| in_spec(name)).collect(),
        unique: found.unique.then_some(true),
        method: (found.method != "btree").then(|| found.method.clone()),
    })
}

#[cfg(test)]
mod tests;
