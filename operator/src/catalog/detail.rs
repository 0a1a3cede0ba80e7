//! Details of a relation's columns that only some specs speak of.

use super::{Weight, of_relation};
use crate::spec::Identity;
use futures::try_join;
use postgres_types::Type;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::{Client, Error, Row};

/// The beginning of the names of checks that the operator makes, and drops again.
pub const CHECK_PREFIX: &str = "korf_";

/// The first version, as the server numbers them, in which a NOT NULL is a constraint that can be validated later.
const NATIVE_NOT_NULL: i32 = 180_000;

/// Details of a relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// What a change would go through; nothing, unless it was [asked for](super::weight).
    pub weight: Weight,
    /// Whether a NOT NULL can be validated after it was set (PostgreSQL 18).
    pub has_native_not_null: bool,
    /// The names of checks that the operator has made.
    pub checks: BTreeSet<String>,
    /// Those of its columns, by their exact names.
    pub columns: BTreeMap<String, ColumnDetail>,
}

/// Details of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnDetail {
    /// Whether it is NOT NULL.
    pub not_null: bool,
    /// The constraint by which it is NOT NULL, if rows of before haven't been checked (PostgreSQL 18).
    pub unproven: Option<String>,
    /// Its default, or what it is generated from, as PostgreSQL prints it.
    pub expression: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// Its collation with the schema, quoted where necessary, if it isn't that of its type.
    pub collation: Option<String>,
    /// Whether it is an identity column.
    pub identity: Option<Identity>,
    /// The unique indexes on this column alone.
    pub unique: Vec<UniqueIndex>,
}

/// A unique index on one column alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueIndex {
    /// Its name, exact.
    pub name: String,
    /// Whether it can be relied on. One whose build was interrupted can't.
    pub is_valid: bool,
    /// Whether it is the primary key's.
    pub is_key: bool,
    /// Whether a constraint can be made of it: it has the usual order.
    pub is_plain: bool,
    /// The UNIQUE constraint that it is for.
    pub constraint: Option<String>,
}

/// Reads the details.
///
/// # Errors
///
/// Those of the connection.
pub async fn details(sql: &Client, oid: u32) -> Result<Details, Error> {
    let (mut details, columns, unique) =
        try_join!(of_table(sql, oid), of_relation(sql, COLUMNS, oid), of_relation(sql, UNIQUE, oid))?;
    details.columns = columns.iter().map(column).collect::<Result<_, _>>()?;
    for row in &unique {
        let column: String = row.try_get(0)?;
        let index = UniqueIndex {
            name: row.try_get(1)?,
            is_valid: row.try_get(2)?,
            is_key: row.try_get(3)?,
            is_plain: row.try_get(4)?,
            constraint: row.try_get(5)?,
        };
        details.columns.entry(column).or_default().unique.push(index);
    }
    Ok(details)
}

async fn of_table(sql: &Client, oid: u32) -> Result<Details, Error> {
    let query = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4, \
                   ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 AND k.contype = 'c' \
                         AND pg_catalog.starts_with(k.conname::text, $2))";
    let row = sql.query_typed_one(query, &[(&oid, Type::OID), (&CHECK_PREFIX, Type::TEXT)]).await?;
    let (version, checks): (i32, Vec<String>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Details {
        weight: Weight::default(),
        has_native_not_null: version >= NATIVE_NOT_NULL,
        checks: checks.into_iter().collect(),
        columns: BTreeMap::new(),
    })
}

const COLUMNS: &str = "SELECT a.attname::text, a.attnotnull, \
    (SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' \
     AND NOT k.convalidated AND k.conkey = ARRAY[a.attnum]), \
    (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d \
     WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum), \
    pg_catalog.col_description(a.attrelid, a.attnum), \
    (SELECT pg_catalog.format('%I.%I', n.nspname, c.collname) FROM pg_catalog.pg_collation c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation \
     AND c.oid <> (SELECT t.typcollation FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid)), \
    a.attidentity::text \
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped";

const UNIQUE: &str = "SELECT a.attname::text, x.relname::text, i.indisvalid AND i.indisready, i.indisprimary, \
    m.amname = 'btree' AND o.opcdefault AND i.indoption[0] = 0 AND i.indcollation[0] = a.attcollation, k.conname::text \
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
    JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0] JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod \
    LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype = 'u' \
    WHERE i.indrelid = $1 AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL \
    ORDER BY 1, 2";

fn column(row: &Row) -> Result<(String, ColumnDetail), Error> {
    let identity = match row.try_get(6)? {
        "a" => Some(Identity::Always),
        "d" => Some(Identity::ByDefault),
        _ => None,
    };
    let detail = ColumnDetail {
        not_null: row.try_get(1)?,
        unproven: row.try_get(2)?,
        expression: row.try_get(3)?,
        comment: row.try_get(4)?,
        collation: row.try_get(5)?,
        identity,
        unique: Vec::new(),
    };
    Ok((row.try_get(0)?, detail))
}
