//! Indexes of a relation, and the names that others have taken.

use super::{RelationKind, of_relation, of_relations};
use crate::{spec::Index, transaction::between};
use futures::try_join;
use postgres_types::Type;
use std::collections::HashMap;
use tokio_postgres::{Client, Error, Row};

/// An index of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogIndex {
    /// Its name, exact.
    pub name: String,
    /// The columns in it, exact, in order; empty if it has an expression.
    pub columns: Vec<String>,
    /// Whether no two rows have the same values in it.
    pub unique: bool,
    /// How it is built.
    pub method: String,
    /// Whether its columns are all that a definition of it has to say: no row is left out, and each column is in it by its own
    /// order, collation and operators.
    pub is_plain: bool,
    /// Whether it has all rows, and queries can use it. One that is being built hasn't, nor one whose build has ended early.
    pub is_valid: bool,
    /// Whether it is that of a key or another constraint, which is dropped with it.
    pub is_of_constraint: bool,
    /// Whether replication tells rows apart by it.
    pub is_identity: bool,
}

impl CatalogIndex {
    /// Whether a definition describes it, valid or not.
    pub fn is_as(&self, wanted: &Index) -> bool {
        self.is_plain
            && self.unique == wanted.unique
            && self.method == wanted.method.as_str()
            && self.columns.iter().map(String::as_str).eq(wanted.columns.iter().map(|name| name.as_str()))
    }
}

/// The indexes of a table, and what else decides about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundIndexes {
    /// Those of the table.
    pub present: Vec<CatalogIndex>,
    /// The names that relations of the schema have which aren't indexes of the table, of those that were asked for; with what
    /// has them.
    pub taken: Vec<(String, RelationKind)>,
    /// Those of the table, exact, that connections of the operator's user build now.
    pub building: Vec<String>,
}

/// Reads the indexes of a table, if it is there, and who has the `names` that indexes are to have.
///
/// # Errors
///
/// Those of the connection.
pub async fn indexes(
    sql: &Client,
    schema: &str,
    table: Option<u32>,
    names: &[String],
) -> Result<FoundIndexes, Error> {
    let oid = table.unwrap_or(0);
    let tables = [oid];
    let (mut found, taken) = try_join!(indexes_of_all(sql, &tables), taken(sql, schema, oid, names))?;
    Ok(FoundIndexes { taken, ..found.remove(&oid).unwrap_or_default() })
}

/// Reads the indexes of tables, without the names that others have taken. A table without indexes may be absent.
///
/// # Errors
///
/// Those of the connection.
pub async fn indexes_of_all(sql: &Client, tables: &[u32]) -> Result<HashMap<u32, FoundIndexes>, Error> {
    if tables.is_empty() {
        return Ok(HashMap::new());
    }
    // In this order: a build that is over by the first answer is in the second one.
    let (mut building, present) = try_join!(building(sql, tables), present(sql, tables))?;
    let found = present.into_iter().map(|(table, present)| {
        let building = building.remove(&table).unwrap_or_default();
        (table, FoundIndexes { present, taken: Vec::new(), building })
    });
    Ok(found.collect())
}

async fn present(sql: &Client, tables: &[u32]) -> Result<HashMap<u32, Vec<CatalogIndex>>, Error> {
    // A column is 0 where there is an expression. Since PostgreSQL 15, there is indnullsnotdistinct: by its name in JSON,
    // because earlier ones reject a query with it. BRIN's columns have no order, and theirs is 0, too.
    let query = "SELECT i.indrelid, x.relname::text, m.amname::text, i.indisunique, i.indisvalid AND i.indisready AND i.indislive, \
                   CASE WHEN i.indexprs IS NULL THEN ARRAY(SELECT a.attname::text \
                     FROM unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY k(number, place) \
                     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place) \
                     ELSE '{}' END, \
                   i.indexprs IS NULL AND i.indpred IS NULL AND i.indnatts = i.indnkeyatts \
                     AND (pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct') IS DISTINCT FROM 'true' \
                     AND NOT EXISTS (SELECT FROM unnest(i.indoption::pg_catalog.int2[]) o WHERE o <> 0) \
                     AND NOT EXISTS (SELECT FROM unnest(i.indclass::pg_catalog.oid[]) k(oid) \
                       JOIN pg_catalog.pg_opclass c ON c.oid = k.oid WHERE NOT c.opcdefault) \
                     AND NOT EXISTS (SELECT FROM unnest(i.indkey::pg_catalog.int2[], i.indcollation::pg_catalog.oid[]) k(number, oid) \
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
                       WHERE k.oid <> 0::pg_catalog.oid AND k.oid <> a.attcollation), \
                   i.indisprimary OR i.indisexclusion OR EXISTS (SELECT FROM pg_catalog.pg_constraint c \
                     WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')), \
                   i.indisreplident \
                 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
                 JOIN pg_catalog.pg_am m ON m.oid = x.relam WHERE i.indrelid = ANY($1) ORDER BY x.relname";
    let index = |row: &Row| {
        Ok(CatalogIndex {
            name: row.try_get(1)?,
            method: row.try_get(2)?,
            unique: row.try_get(3)?,
            is_valid: row.try_get(4)?,
            columns: row.try_get(5)?,
            is_plain: row.try_get(6)?,
            is_of_constraint: row.try_get(7)?,
            is_identity: row.try_get(8)?,
        })
    };
    of_relations(sql, query, tables, index).await
}

async fn taken(
    sql: &Client,
    schema: &str,
    table: u32,
    names: &[String],
) -> Result<Vec<(String, RelationKind)>, Error> {
    let query = "SELECT c.relname::text, c.relkind::text FROM pg_catalog.pg_class c \
                 WHERE c.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1) \
                 AND c.relname = ANY($3::pg_catalog.text[]::pg_catalog.name[]) AND NOT EXISTS ( \
                   SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid AND i.indrelid = $2) ORDER BY 1";
    let params: &[(&(dyn postgres_types::ToSql + Sync), Type)] =
        &[(&schema, Type::NAME), (&table, Type::OID), (&names, Type::TEXT_ARRAY)];
    let name = |row: &Row| Ok((row.try_get(0)?, RelationKind::of(row.try_get(1)?)));
    sql.query_typed(query, params).await?.iter().map(name).collect()
}

/// A build goes on although its client is gone: that of an operator that was killed, say.
async fn building(sql: &Client, tables: &[u32]) -> Result<HashMap<u32, Vec<String>>, Error> {
    // Of another user's build, the view doesn't tell the table.
    let query = "SELECT p.relid, x.relname::text FROM pg_catalog.pg_stat_progress_create_index p \
                 JOIN pg_catalog.pg_class x ON x.oid = p.index_relid \
                 WHERE p.relid = ANY($1) AND p.datname = pg_catalog.current_database() ORDER BY 2";
    by_login(sql, of_relations(sql, query, tables, |row| row.try_get(1))).await
}

/// Whether another connection of the operator's user holds a table by a lock that stands in the way of changes alone. What an
/// operator has been doing, the server goes on with, although that one was killed, or has turned to another spec: it builds an
/// index, or looks at all rows for a constraint.
///
/// # Errors
///
/// Those of the connection.
pub async fn is_busy(sql: &Client, table: u32) -> Result<bool, Error> {
    let query = "SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
                 WHERE l.relation = $1 AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted \
                 AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) \
                 AND a.usename = session_user AND a.pid <> pg_catalog.pg_backend_pid() LIMIT 1";
    Ok(!of_relation(sql, query, table).await?.is_empty())
}

/// Cancels what other connections of the operator's user do to a table under a lock that stands in the way of changes alone: a
/// build of an index, say. It leaves the table as it is.
///
/// # Errors
///
/// Those of the connection.
pub async fn cancel_builds(sql: &Client, table: u32) -> Result<(), Error> {
    let query = "SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
                 WHERE a.usename = session_user AND pg_catalog.pg_has_role(a.usename, 'USAGE') \
                 AND a.pid <> pg_catalog.pg_backend_pid() AND a.pid IN (SELECT l.pid FROM pg_catalog.pg_locks l \
                   WHERE l.relation = $1 AND l.mode = 'ShareUpdateExclusiveLock' \
                   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))";
    by_login(sql, of_relation(sql, query, table)).await.map(drop)
}

/// What is no part of a user's work by the role that it acts as (`ALTER ROLE a SET role = owner`): the server tells of what other
/// connections do, and cancels it, by the rights of the user that has logged in.
pub const AS_LOGIN: &str = "SET LOCAL role TO 'none'";

/// Goes on as the role that the user acts as.
pub const AS_ROLE: &str = "SET LOCAL role TO DEFAULT";

/// Sends a query as the user that has logged in.
async fn by_login<T>(sql: &Client, sent: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    between(sql, (AS_LOGIN, AS_ROLE), sent).await
}
