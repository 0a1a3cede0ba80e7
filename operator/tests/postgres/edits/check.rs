//! What the database has, without the operator's eyes: the catalog beside the sketch, and the rows.

use super::sketch::{Column, DEFAULTS, FAMILIES, Sketch, Values, quote};
use crate::support::World;
use serde_json::Value;
use std::collections::BTreeMap;

/// All rows of a table by their ids; the values by the numbers of the columns, which stay when one is renamed.
#[derive(Debug, PartialEq)]
pub struct Rows(BTreeMap<i32, BTreeMap<i16, Value>>);

pub async fn rows(world: &World, table: &str) -> Rows {
    let query = "SELECT attname::text, attnum FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let columns = world.sql.query_typed(query, &[(&quote(table), postgres_types::Type::TEXT)]).await.unwrap();
    let numbers: BTreeMap<String, i16> = columns.iter().map(|row| (row.get(0), row.get(1))).collect();
    let query = format!("SELECT id, to_jsonb(t)::text FROM {} t", quote(table));
    let rows = world.sql.query_typed(&query, &[]).await.unwrap();
    let values = |text: &str| {
        let row: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
        row.into_iter().map(|(name, value)| (numbers[&name], value)).collect()
    };
    Rows(rows.iter().map(|row| (row.get(0), values(row.get(1)))).collect())
}

impl Rows {
    /// Asserts that no row and no value is lost or another one.
    pub fn are_in(&self, after: &Self, place: &str) {
        assert_eq!(self.0.len(), after.0.len(), "{place}");
        for (id, row) in &self.0 {
            for (number, value) in row {
                let found = after.0.get(id).and_then(|row| row.get(number));
                assert_eq!(found, Some(value), "row {id}, column {number}\n{place}");
            }
        }
    }
}

/// What differs between the sketch and the catalog, in words.
pub async fn differences(world: &World, sketch: &Sketch) -> Vec<String> {
    let query = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), \
                   col_description(a.attrelid, a.attnum), a.attidentity::text, a.attgenerated::text, \
                   EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum), \
                   EXISTS (SELECT FROM pg_collation c WHERE c.oid = a.attcollation AND c.collname = 'C') \
                 FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
                 WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";
    let rows =
        world.sql.query_typed(query, &[(&quote(&sketch.table), postgres_types::Type::TEXT)]).await.unwrap();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &rows {
        let (name, type_, not_null): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        let (expression, comment): (Option<String>, Option<String>) = (row.get(3), row.get(4));
        let (identity, generated, unique): (String, String, bool) = (row.get(5), row.get(6), row.get(7));
        let is_collated: bool = row.get(8);
        let default = match &expression {
            Some(text) if generated.is_empty() => evaluated(world, text, &type_).await,
            _ => "none".to_owned(),
        };
        found.insert(
            name,
            vec![
                format!("type {type_}"),
                format!("not null {not_null}"),
                format!("default {default}"),
                format!("comment {comment:?}"),
                format!("identity {identity}"),
                format!(
                    "generated {}",
                    if generated.is_empty() { None } else { expression }.unwrap_or_default()
                ),
                format!("unique {unique}"),
                format!("collation C {is_collated}"),
            ],
        );
    }
    let mut differences = Vec::new();
    for column in &sketch.columns {
        let expected = expected(world, column, sketch).await;
        match found.remove(&column.name) {
            Some(found) if found == expected => {}
            other => differences.push(format!("{}: {other:?} instead of {expected:?}", column.name)),
        }
    }
    differences.extend(found.into_keys().map(|name| format!("{name} is in the table alone")));
    let left = "SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass($1) AND (contype = 'c' AND conname LIKE 'korf%' OR NOT convalidated)";
    let left =
        world.sql.query_typed(left, &[(&quote(&sketch.table), postgres_types::Type::TEXT)]).await.unwrap();
    differences.extend(left.iter().map(|row| format!("{} is left", row.get::<_, String>(0))));
    let mut indexes: Vec<_> = indexes(world, sketch).await;
    for wanted in &sketch.indexes {
        match indexes.iter().position(|found| found == wanted) {
            Some(at) => drop(indexes.remove(at)),
            None => differences.push(format!("index {wanted:?} isn't there")),
        }
    }
    differences.extend(indexes.iter().map(|index| format!("index {index:?} is in the table alone")));
    differences
}

/// The plain indexes of the table that allow rows to be the same, and their columns.
async fn indexes(world: &World, sketch: &Sketch) -> Vec<(String, String)> {
    let query = "SELECT x.relname::text, a.attname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                 WHERE i.indrelid = to_regclass($1) AND NOT i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL AND i.indisvalid";
    let rows =
        world.sql.query_typed(query, &[(&quote(&sketch.table), postgres_types::Type::TEXT)]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn expected(world: &World, column: &Column, sketch: &Sketch) -> Vec<String> {
    let type_ = FAMILIES[column.family].types[column.width].1;
    let (is_key, is_identity) = (column.name == "id", matches!(column.values, Values::Identity(_)));
    let default = match column.default {
        Some(number) => evaluated(world, DEFAULTS[column.family][number].1, type_).await,
        None => "none".to_owned(),
    };
    let identity = match column.values {
        Values::Identity(true) => "a",
        Values::Identity(false) => "d",
        _ => "",
    };
    let base = sketch.columns.iter().find(|column| column.is_base).unwrap();
    let printed = if base.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        base.name.clone()
    } else {
        quote(&base.name)
    };
    let generated = match column.values {
        Values::Generated(function) if base.width == 3 => format!("{function}({printed})"),
        Values::Generated(function) => format!("{function}(({printed})::text)"),
        _ => String::new(),
    };
    vec![
        format!("type {type_}"),
        format!("not null {}", is_key || is_identity || column.nullable == Some(false)),
        format!("default {default}"),
        format!("comment {:?}", column.comment.clone().filter(|text| !text.is_empty())),
        format!("identity {identity}"),
        format!("generated {generated}"),
        format!("unique {}", (is_key && sketch.key) || column.unique),
        format!("collation C {}", column.is_collated),
    ]
}

/// The value of a default, or the default itself if it has another value each time.
async fn evaluated(world: &World, default: &str, type_: &str) -> String {
    let bare = default.trim_start_matches("pg_catalog.");
    if bare.ends_with("()") {
        return bare.to_owned();
    }
    let query = format!("SELECT (({default})::{type_})::text");
    world.sql.query_typed_one(&query, &[]).await.unwrap().get(0)
}
