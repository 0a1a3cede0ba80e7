//! Manifest of a table that exists; pure.
//!
//! What can't be said in a spec is a comment of the manifest. The operator leaves alone what a spec doesn't speak of.

use crate::{
    catalog::{CatalogColumn, CatalogIndex, ColumnDetail, Generated, KeyForm, Relation},
    column_type::ColumnType,
    identifier::{Identifier, quote, split_qualified},
    message::printable,
    spec::{DefaultValue, Expression, Identity},
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
        let columns = relation.columns.iter().map(|found| {
            let in_key = key.is_some_and(|key| key.columns.contains(&found.name));
            let detail = relation.details.as_ref().and_then(|details| details.columns.get(&found.name));
            let column = column(found, detail, in_key, &mut comments);
            BTreeMap::from([(in_spec(&found.name), column)])
        });
        let columns: Vec<_> = columns.collect();
        if key.is_some_and(|key| !matches!(key.form, KeyForm::Plain | KeyForm::Deferrable)) {
            comments
                .push("its primary key can't be said in a spec, so the table can't be taken over".to_owned());
        }
        let own = indexes.iter().filter(|index| !index.is_of_constraint);
        let indexes = own.filter_map(|found| {
            let index = index(found);
            if index.is_none() {
                comments.push(format!(
                    "index {} is left alone: it isn't one of columns alone",
                    quote(&found.name)
                ));
            }
            index
        });
        let indexes = indexes.collect();
        let spec = Spec {
            table_name: in_spec(table),
            schema: None,
            adoption_policy: "IfCompatible",
            deletion_policy: "Retain",
            columns,
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

fn column(
    found: &CatalogColumn,
    detail: Option<&ColumnDetail>,
    in_key: bool,
    comments: &mut Vec<String>,
) -> Column {
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
    let is_virtual = found.generated == Generated::Virtual;
    let is_computed = is_virtual || found.generated == Generated::Stored;
    if is_virtual {
        comments.push(format!("column {name} is computed when it is read, so the table can't be taken over"));
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
        Some(text) if is_computed && !is_virtual => match Expression::parse(text) {
            Ok(_) => long.generated = Some(text.clone()),
            Err(error) => comments.push(format!("column {name} can't be said to be generated: {error}")),
        },
        Some(text) if !is_serial && !is_computed => match default(text, &found.type_name) {
            Some(default) => long.default = Some(default),
            None => comments.push(format!("column {name} keeps its default, {text}")),
        },
        _ => {}
    }
    match long {
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
    }
}

/// A collation as a spec can have it: the server's own by their names alone.
fn collation(qualified: &str) -> String {
    match split_qualified(qualified) {
        Some((schema, name)) if schema == "pg_catalog" => name,
        Some((schema, name)) => format!("{}.{}", quote(&schema), quote(&name)),
        None => qualified.to_owned(),
    }
}

/// A default as a spec can have it. The server prints the type of a literal behind it, which is the column's own.
fn default(text: &str, type_name: &str) -> Option<String> {
    let type_ = ColumnType::parse(type_name).ok()?;
    let is_own = |cast: &str| {
        type_name.strip_prefix(cast).is_some_and(|rest| rest.is_empty() || rest.starts_with('('))
    };
    let literal = text.rsplit_once("::").filter(|(literal, cast)| literal.ends_with('\'') && is_own(cast));
    let text = literal.map_or(text, |(literal, _)| literal);
    DefaultValue::parse(text, &type_).is_ok().then(|| text.to_owned())
}

/// An index as a spec can have it.
fn index(found: &CatalogIndex) -> Option<Index> {
    let usable = found.is_plain && found.is_valid && !found.columns.is_empty();
    usable.then(|| Index {
        name: in_spec(&found.name),
        columns: found.columns.iter().map(|name| in_spec(name)).collect(),
        unique: found.unique.then_some(true),
        method: (found.method != "btree").then(|| found.method.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Details, Head, Key, PgTypeId, RelationKind};

    fn found(name: &str, type_name: &str) -> CatalogColumn {
        CatalogColumn {
            name: name.into(),
            type_id: PgTypeId { oid: 25, typmod: -1 },
            type_name: type_name.into(),
            serial: false,
            generated: Generated::No,
        }
    }

    fn yaml(
        columns: Vec<(CatalogColumn, ColumnDetail)>,
        key: Option<Key>,
        indexes: &[CatalogIndex],
    ) -> String {
        let details = columns.iter().map(|(column, detail)| (column.name.clone(), detail.clone())).collect();
        let relation = Relation {
            head: Head { oid: 1, kind: RelationKind::Table, comment: None },
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            key,
            has_identity: true,
            details: Some(Details { columns: details, ..Details::default() }),
        };
        Manifest::of("Users", &relation, indexes, &mut Names::default()).yaml().unwrap()
    }

    fn with(change: impl FnOnce(&mut ColumnDetail)) -> ColumnDetail {
        let mut detail = ColumnDetail::default();
        change(&mut detail);
        detail
    }

    #[test]
    fn a_manifest_says_what_a_spec_can_say_and_tells_the_rest() {
        let id = CatalogColumn { serial: true, ..found("id", "bigint") };
        let of = |text: &str| with(|detail| detail.expression = Some(text.into()));
        let columns = vec![
            (
                id,
                with(|detail| {
                    (detail.not_null, detail.expression) = (true, Some("nextval('s'::regclass)".into()))
                }),
            ),
            (found("name", "character varying(50)"), with(|detail| detail.not_null = true)),
            (found("state", "text"), of("'it''s new'::text")),
            (found("at", "timestamp with time zone"), of("now()")),
            (found("odd", "text"), of("upper('x'::text)")),
        ];
        let key = Key { columns: vec!["id".into()], form: KeyForm::Plain, constraint: "users_pkey".into() };
        let index = |name: &str, is_plain| CatalogIndex {
            name: name.into(),
            columns: vec!["name".into()],
            unique: true,
            method: "btree".into(),
            is_plain,
            is_valid: true,
            is_of_constraint: false,
            is_identity: false,
        };
        let yaml = yaml(columns, Some(key), &[index("by_name", true), index("partial", false)]);
        let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(
            read["spec"],
            serde_json::json!({
                "tableName": "\"Users\"",
                "adoptionPolicy": "IfCompatible",
                "deletionPolicy": "Retain",
                "columns": [
                    {"id": "bigserial"},
                    {"name": {"type": "character varying(50)", "nullable": false}},
                    {"state": {"type": "text", "default": "'it''s new'"}},
                    {"at": {"type": "timestamp with time zone", "default": "now()"}},
                    {"odd": "text"},
                ],
                "primaryKey": ["id"],
                "indexes": [{"name": "by_name", "columns": ["name"], "unique": true}],
            })
        );
        let comments: Vec<_> = yaml.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(
            comments,
            [
                "# column \"odd\" keeps its default, upper('x'::text)",
                "# index \"partial\" is left alone: it isn't one of columns alone",
            ]
        );
    }

    #[test]
    fn whatever_a_database_says_is_a_value_or_stays_in_a_comment() {
        let evil = "x\n---\rapiVersion: v1\u{85}kind: Secret\u{2028}# \u{7} \\ ' \" : {[ ";
        let names = [
            "n",
            "y",
            "No",
            "null",
            "1_000",
            "0x1F",
            "12:30",
            "2026-01-01",
            "=",
            "<<",
            "~",
            "a b",
            "- a",
            evil,
        ];
        let mut columns: Vec<_> = names.map(|name| (found(name, "text"), ColumnDetail::default())).into();
        columns
            .push((found("odd", "text"), with(|detail| detail.expression = Some(format!("upper({evil})")))));
        let said = with(|detail| {
            detail.comment = Some(format!(" {evil}\n "));
            detail.collation = Some(evil.into());
        });
        columns.push((found("said", evil), said));
        columns.push((
            CatalogColumn { generated: Generated::Virtual, ..found(evil, "text") },
            ColumnDetail::default(),
        ));
        let index = CatalogIndex {
            name: evil.into(),
            columns: vec![evil.into()],
            unique: true,
            method: "btree".into(),
            is_plain: false,
            is_valid: true,
            is_of_constraint: false,
            is_identity: false,
        };
        let yaml = yaml(columns, None, &[index]);
        let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&yaml).unwrap();
        let [document] = &*documents else { panic!("{yaml}") };
        let columns = document["spec"]["columns"].as_array().unwrap();
        for (name, column) in names.iter().zip(columns) {
            let key = column.as_object().unwrap().keys().next().unwrap();
            assert_eq!(Identifier::parse(key).unwrap().as_str(), *name);
            let is_quoted = key.starts_with('"');
            assert!(is_quoted, "{name} is something else to YAML 1.1");
        }
        assert_eq!(columns[names.len() + 1]["said"]["type"], evil);
        assert_eq!(columns[names.len() + 1]["said"]["comment"], format!(" {evil}\n "));
        let comments: Vec<_> = yaml.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(comments.len(), 3, "{yaml}");
        let is_plain = |letter: char| letter == '\n' || !letter.is_control() && letter != '\u{2028}';
        assert!(yaml.chars().all(is_plain), "{yaml}");
    }

    #[test]
    fn a_collation_of_the_server_is_named_alone() {
        for (printed, spec) in [
            ("pg_catalog.\"C\"", "C"),
            ("app.\"de x\"", "\"app\".\"de x\""),
            ("pg_catalog.\"de-x-icu\"", "de-x-icu"),
        ] {
            assert_eq!(collation(printed), spec);
        }
    }

    #[test]
    fn objects_have_names_that_kubernetes_allows_and_no_two_the_same() {
        let mut names = Names::default();
        let given =
            ["website_users", "Website Users", "_x_", "é", "website-users"].map(|table| names.of(table));
        assert_eq!(given, ["website-users", "website-users-2", "x", "table", "website-users-3"]);
    }
}
