//! Details of a relation's columns that only some specs speak of.

use super::{Weight, by_relation, of_relations, rows_of};
use crate::spec::Identity;
use futures::try_join;
use postgres_types::{ToSql, Type};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// The names of its NOT NULL constraints that the operator has made (PostgreSQL 18).
    pub not_nulls: BTreeSet<String>,
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
    /// The constraint by which it is NOT NULL, if the operator has made it (PostgreSQL 18).
    pub own_not_null: Option<String>,
    /// Its default, or what it is generated from, as PostgreSQL prints it. What a column is generated from can't be read without
    /// waiting for a lock, and is absent if that wasn't to be.
    pub expression: Option<String>,
    /// The number of the expression: another one has another number.
    pub expression_id: Option<u32>,
    /// The columns that it is generated from, exact.
    pub sources: Vec<String>,
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
    /// Whether replication tells rows apart by it.
    pub is_identity: bool,
    /// The UNIQUE constraint that it is for.
    pub constraint: Option<String>,
}

/// Reads the details of a relation.
///
/// # Errors
///
/// Those of the connection.
pub async fn details(sql: &Client, oid: u32) -> Result<Details, Error> {
    Ok(read(sql, &[oid], true).await?.remove(&oid).unwrap_or_default())
}

/// Reads the details of relations. What others could lock is left out unless this `may_wait`.
pub(super) async fn read(sql: &Client, oids: &[u32], may_wait: bool) -> Result<HashMap<u32, Details>, Error> {
    let unique = |row: &Row| {
        let index = UniqueIndex {
            name: row.try_get(2)?,
            is_valid: row.try_get(3)?,
            is_key: row.try_get(4)?,
            is_plain: row.try_get(5)?,
            constraint: row.try_get(6)?,
            is_identity: row.try_get(7)?,
        };
        Ok((row.try_get(1)?, index))
    };
    let prefix = || (&CHECK_PREFIX as &(dyn ToSql + Sync), Type::TEXT);
    let (of_tables, of_columns) = ([prefix()], [(&may_wait as _, Type::BOOL), prefix()]);
    let (tables, columns, unique) = try_join!(
        rows_of(sql, TABLES, oids, &of_tables),
        rows_of(sql, COLUMNS, oids, &of_columns),
        of_relations(sql, UNIQUE, oids, unique)
    )?;
    let (mut columns, mut unique) = (by_relation(&columns, column)?, unique);
    let mut found = HashMap::new();
    for row in &tables {
        let oid = row.try_get(0)?;
        let mut details = table(row)?;
        details.columns = columns.remove(&oid).unwrap_or_default().into_iter().collect();
        for (column, index) in unique.remove(&oid).unwrap_or_default() {
            details.columns.entry(column).or_default().unique.push(index);
        }
        found.insert(oid, details);
    }
    Ok(found)
}

fn table(row: &Row) -> Result<Details, Error> {
    let (version, checks): (i32, Vec<String>) = (row.try_get(1)?, row.try_get(2)?);
    let not_nulls: Vec<String> = row.try_get(3)?;
    Ok(Details {
        weight: Weight::default(),
        has_native_not_null: version >= NATIVE_NOT_NULL,
        checks: checks.into_iter().collect(),
        not_nulls: not_nulls.into_iter().collect(),
        columns: BTreeMap::new(),
    })
}

const TABLES: &str = "SELECT c.oid, \
    pg_catalog.current_setting('server_version_num')::pg_catalog.int4, \
    ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' \
          AND pg_catalog.starts_with(k.conname::text, $2)), \
    ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' \
          AND pg_catalog.starts_with(k.conname::text, $2)) \
    FROM pg_catalog.pg_class c WHERE c.oid = ANY($1)";

/// An expression that names no column is printed without its table, which would be locked.
const COLUMNS: &str = "SELECT a.attrelid, a.attname::text, a.attnotnull, \
    (SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' \
     AND NOT k.convalidated AND k.conkey = ARRAY[a.attnum]), \
    CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, 0) \
     WHEN $2 THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END, \
    pg_catalog.col_description(a.attrelid, a.attnum), \
    (SELECT pg_catalog.format('%I.%I', n.nspname, c.collname) FROM pg_catalog.pg_collation c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation \
     AND c.oid <> (SELECT t.typcollation FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid)), \
    a.attidentity::text, d.oid, \
    (SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' \
     AND k.conkey = ARRAY[a.attnum] AND pg_catalog.starts_with(k.conname::text, $3)), \
    ARRAY(SELECT DISTINCT b.attname::text FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_attribute b \
     ON b.attrelid = p.refobjid AND b.attnum = p.refobjsubid WHERE a.attgenerated <> '' \
     AND p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND p.objid = d.oid \
     AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.refobjid = a.attrelid AND p.refobjsubid > 0 \
     AND p.refobjsubid <> a.attnum) \
    FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped";

const UNIQUE: &str = "SELECT i.indrelid, a.attname::text, x.relname::text, i.indisvalid AND i.indisready, i.indisprimary, \
    m.amname = 'btree' AND o.opcdefault AND i.indoption[0] = 0 AND i.indcollation[0] = a.attcollation, k.conname::text, i.indisreplident \
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
    JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0] JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod \
    LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype = 'u' \
    WHERE i.indrelid = ANY($1) AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL \
    ORDER BY 2, 3";

fn column(row: &Row) -> Result<(String, ColumnDetail), Error> {
    let identity = match row.try_get(7)? {
        "a" => Some(Identity::Always),
        "d" => Some(Identity::ByDefault),
        _ => None,
    };
    let detail = ColumnDetail {
        not_null: row.try_get(2)?,
        unproven: row.try_get(3)?,
        own_not_null: row.try_get(9)?,
        sources: row.try_get(10)?,
        expression: row.try_get(4)?,
        expression_id: row.try_get(8)?,
        comment: row.try_get(5)?,
        collation: row.try_get(6)?,
        identity,
        unique: Vec::new(),
    };
    Ok((row.try_get(1)?, detail))
}
