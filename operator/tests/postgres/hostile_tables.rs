//! Tables of somebody who tries to get more said than a table: whatever they are called, `import` prints their manifests.

use crate::{
    hostile::TEXTS,
    support::{World, by_pooler},
};
use clap::Parser;
use database_table_operator::{
    commands::{ImportOptions, manifests},
    identifier::{Identifier, quote},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Texts that would be something else than a text, or end it, if YAML read them as they are.
const OF_YAML: [&str; 58] = [
    "x\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: evil}\n---\n",
    "x\r\n---\r\nkind: Secret\r\n",
    "x\r---\rkind: Secret",
    "x\u{85}---\u{85}kind: Secret",
    "x\u{2028}---\u{2028}kind: Secret\u{2029}...",
    "\n...\n---\n",
    "---",
    "...",
    "--- !!map",
    "%YAML 1.1",
    "%TAG ! tag:evil,2000:",
    "# a comment",
    "a # comment",
    "a: #b",
    "a: b",
    ": ",
    "- a",
    "- - -",
    "? a",
    "&anchor a",
    "*alias",
    "!!binary aGk=",
    "!evil",
    "| \n a",
    ">-\n a",
    "{a: b",
    "[a",
    "]}",
    "'",
    "''",
    "\"",
    "\\",
    "\\n---\\n",
    "\"\\x0a\"",
    " a",
    "a ",
    "\ta",
    "a\t",
    "\n",
    "\n\n  a\n b\n",
    "~",
    "null",
    "Null",
    "0x1F",
    "010",
    "1e3",
    "1_000",
    "12:30:45",
    "2001-01-01",
    ".inf",
    "<<",
    "=",
    "@a",
    "`a`",
    "\u{feff}a\u{202e}b",
    "\u{1}\u{7f}\u{9b}",
    "No",
    "😀 日本",
];

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// As much of a text as may be a name.
fn name(text: &str) -> String {
    let end = (0..=63.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap();
    text[..end].to_owned()
}

/// A table that has the text wherever a text can be, with its type and its collation in another schema.
fn table(text: &str, number: usize, place: &str) -> String {
    let (own, value) = (quote(&name(text)), literal(text));
    let other = format!("{}.{own}", quote(place));
    let index = quote(&name(&format!("{number}{text}")));
    format!(
        "CREATE DOMAIN {other} AS text; CREATE COLLATION {other} FROM \"C\"; \
         CREATE TABLE {own} ({own} text DEFAULT {value} NOT NULL, \"the type\" {other}, \"collated\" text COLLATE {other} UNIQUE, \
           \"computed\" text DEFAULT upper({value}), \"generated\" text GENERATED ALWAYS AS ({own} || {value}) STORED, \
           CONSTRAINT {own} CHECK ({own} <> {value}), CONSTRAINT {index} PRIMARY KEY ({own})); \
         COMMENT ON TABLE {own} IS {value}; COMMENT ON COLUMN {own}.\"the type\" IS {value}; \
         CREATE INDEX ON {own} ({own}, \"collated\"); CREATE INDEX {index_of} ON {own} (\"computed\"); \
         CREATE INDEX ON {own} (upper({own})) WHERE {own} <> {value}",
        index_of = quote(&name(&format!("i{number}{text}"))),
    )
}

/// Whether a line, wherever YAML sees one, is one that only `import` could have begun.
fn is_of_import(line: &str) -> bool {
    let begins = [
        "# ",
        "  name: ",
        "  tableName: ",
        "  adoptionPolicy: ",
        "  deletionPolicy: ",
        "  schema: ",
        "  - ",
        "    type: ",
        "      ",
        "    ",
    ];
    let whole = [
        "",
        "---",
        "apiVersion: kopf.demo/v1",
        "kind: DatabaseTable",
        "metadata:",
        "spec:",
        "  columns:",
        "  primaryKey:",
        "  indexes:",
    ];
    whole.contains(&line) || begins.iter().any(|begin| line.starts_with(begin))
}

#[tokio::test]
async fn nothing_that_a_database_says_gets_out_of_its_line_in_a_manifest() {
    let world = World::new("hostile_tables").await;
    let texts: BTreeSet<String> = TEXTS
        .iter()
        .chain(&OF_YAML)
        .map(|text| text.replace('\0', ""))
        .filter(|text| !text.is_empty())
        .collect();
    let place = "\n...\nkind: \"Secret\"\n# ";
    world.run(&format!("CREATE SCHEMA {}", quote(place))).await;
    let mut names = BTreeSet::new();
    for (number, text) in texts.iter().enumerate() {
        if names.insert(name(text)) {
            world.run(&table(text, number, place)).await;
        }
    }
    // Tables that are left out: of another object (as one of the texts says, too), with partitions, and without a column.
    let owner = json!({"cluster": place, "namespace": place, "name": place, "uid": place});
    world
        .run(&format!(
            "CREATE TABLE \"owned\n---\" (a text); COMMENT ON TABLE \"owned\n---\" IS {}; \
             CREATE TABLE \"parts\n---\" (a text) PARTITION BY LIST (a); CREATE TABLE \"empty\n---\" ()",
            literal(&format!("database-table-operator: {owner}"))
        ))
        .await;

    let url = by_pooler(&world.database);
    let options = ImportOptions::parse_from(["import", "--database-url", &url]);
    let mut out = Vec::new();
    assert!(manifests(&options, &mut out).await.unwrap());
    let text = String::from_utf8(out).unwrap();
    for line in text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        assert!(is_of_import(line), "{line:?}");
    }
    assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "no control characters");
    let left_out =
        text.lines().filter(|line| line.starts_with("# table ") && line.contains(" is left out: "));
    let left_out: Vec<_> = left_out.collect();
    assert_eq!(left_out.len(), 4, "{left_out:#?}");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let documents: Vec<_> = documents.into_iter().filter(|document| !document.is_null()).collect();
    names.retain(|name| !name.starts_with("database-table-operator: "));
    assert_eq!(documents.len(), names.len());
    for document in &documents {
        assert_eq!(
            (&document["apiVersion"], &document["kind"]),
            (&json!("kopf.demo/v1"), &json!("DatabaseTable"))
        );
        let object = document["metadata"]["name"].as_str().unwrap();
        let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        assert!(
            object.chars().all(is_plain) && !object.starts_with('-') && !object.ends_with('-'),
            "{object}"
        );
        let parsed = |text: &Value| Identifier::parse(text.as_str().unwrap()).unwrap().as_str().to_owned();
        let table = parsed(&document["spec"]["tableName"]);
        assert!(names.remove(&table), "{table:?}");
        let said = texts.iter().find(|text| name(text) == table).unwrap();
        let columns = document["spec"]["columns"].as_array().unwrap();
        let columns: Vec<(String, &Value)> = columns
            .iter()
            .flat_map(|column| column.as_object().unwrap())
            .map(|(name, column)| (parsed(&json!(name)), column))
            .collect();
        assert_eq!(columns[0].0, table);
        let of = |name: &str| columns.iter().find(|(found, _)| found == name).map(|(_, column)| *column);
        if let Some(column) = of("the type") {
            assert_eq!(column["comment"], json!(said));
        }
        assert!(of("collated").is_some() && of("computed").is_some(), "{document}");
    }
    assert!(names.is_empty(), "{names:?}");
}
