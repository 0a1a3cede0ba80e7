//! Publications of logical replication that have a table.

use postgres_types::Type;
use tokio_postgres::{Client, Error};

/// A publication that sends updates or deletions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Its name, exact.
    pub name: String,
    /// Whether it sends updates.
    pub updates: bool,
    /// Whether it sends deletions.
    pub deletes: bool,
}

/// Reads the publications that send updates or deletions of a relation, by its name or by its schema, or of all tables; without
/// a relation, those that will have a new table in the schema.
///
/// # Errors
///
/// Those of the connection.
pub async fn publications(sql: &Client, schema: &str, oid: Option<u32>) -> Result<Vec<Publication>, Error> {
    // Publications have schemas since PostgreSQL 15.
    let query = "SELECT pg_catalog.to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL";
    let by_schema = if sql.query_typed_one(query, &[]).await?.try_get(0)? {
        "OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n WHERE n.pnpubid = p.oid AND n.pnnspid IN ( \
           SELECT s.oid FROM pg_catalog.pg_namespace s WHERE s.nspname = $1 \
           UNION SELECT c.relnamespace FROM pg_catalog.pg_class c WHERE c.oid IN (SELECT oid FROM line)))"
    } else {
        // It never is. The parameter has to be used.
        "OR $1 IS NULL"
    };
    // A partition is also published by what has its table. Unlogged tables are never published.
    let query = format!(
        "WITH line(oid) AS (SELECT $2 UNION SELECT a.relid FROM pg_catalog.pg_partition_ancestors($2) a) \
         SELECT p.pubname::text, p.pubupdate, p.pubdelete FROM pg_catalog.pg_publication p \
         WHERE (p.pubupdate OR p.pubdelete) AND (p.puballtables OR EXISTS ( \
           SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid IN (SELECT oid FROM line)) \
           {by_schema}) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = $2 AND c.relpersistence <> 'p') ORDER BY 1"
    );
    let rows = sql.query_typed(&query, &[(&schema, Type::NAME), (&oid.unwrap_or(0), Type::OID)]).await?;
    let publication = |row: &tokio_postgres::Row| {
        Ok(Publication { name: row.try_get(0)?, updates: row.try_get(1)?, deletes: row.try_get(2)? })
    };
    rows.iter().map(publication).collect()
}
