//! Primary key of a relation, and what tells its rows apart for replication.

use super::of_relations;
use crate::identifier::quote;
use std::{collections::HashMap, fmt};
use tokio_postgres::{Client, Error, Row};

/// The primary key of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The constraint's name, exact.
    pub constraint: String,
    /// Its columns, exact, in order.
    pub columns: Vec<String>,
    /// What it promises.
    pub form: KeyForm,
}

/// What a primary key promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyForm {
    /// No two rows have the same key.
    Plain,
    /// No two rows have the same key when a transaction ends. `ON CONFLICT` and foreign keys can't use it.
    Deferrable,
    /// Rows may have the same key as long as their ranges in its last column don't overlap (PostgreSQL 18).
    WithoutOverlaps,
    /// Nothing: its index isn't valid, such as one of a partitioned table whose partitions lack it.
    Invalid,
}

/// A key as the catalog has it: with numbers of columns.
pub(super) struct NumberedKey {
    pub constraint: String,
    pub columns: Vec<i16>,
    pub form: KeyForm,
}

/// Reads the primary keys of relations, and whether rows of each can be told apart for replication.
pub(super) async fn read(
    sql: &Client,
    oids: &[u32],
) -> Result<HashMap<u32, (Option<NumberedKey>, bool)>, Error> {
    // Columns that are only included come behind the others. Only a key WITHOUT OVERLAPS is an exclusion, too.
    let query = "SELECT c.oid, c.relreplident = 'f' OR EXISTS ( \
                   SELECT FROM pg_catalog.pg_index r WHERE r.indrelid = c.oid AND r.indisvalid AND r.indimmediate \
                   AND CASE c.relreplident WHEN 'd' THEN r.indisprimary WHEN 'i' THEN r.indisreplident ELSE false END), \
                   i.indkey::pg_catalog.int2[], i.indnkeyatts, i.indisvalid AND i.indisready, i.indisexclusion, i.indimmediate, \
                   (SELECT x.relname::text FROM pg_catalog.pg_class x WHERE x.oid = i.indexrelid) \
                 FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary \
                 WHERE c.oid = ANY($1)";
    let found = of_relations(sql, query, oids, |row| Ok((numbered(row)?, row.try_get(1)?))).await?;
    Ok(found.into_iter().filter_map(|(oid, mut keys)| Some((oid, keys.pop()?))).collect())
}

fn numbered(row: &Row) -> Result<Option<NumberedKey>, Error> {
    let Some(mut columns) = row.try_get::<_, Option<Vec<i16>>>(2)? else { return Ok(None) };
    let count: i16 = row.try_get(3)?;
    columns.truncate(usize::try_from(count).unwrap_or_default());
    let form = match (row.try_get(4)?, row.try_get(5)?, row.try_get(6)?) {
        (false, _, _) => KeyForm::Invalid,
        (true, true, _) => KeyForm::WithoutOverlaps,
        (true, false, false) => KeyForm::Deferrable,
        (true, false, true) => KeyForm::Plain,
    };
    Ok(Some(NumberedKey { constraint: row.try_get(7)?, columns, form }))
}

/// As in a definition.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.columns.iter().map(|name| quote(name)).collect();
        let names = names.join(", ");
        match self.form {
            KeyForm::Plain => write!(f, "({names})"),
            KeyForm::Deferrable => write!(f, "({names}) DEFERRABLE"),
            KeyForm::WithoutOverlaps => write!(f, "({names} WITHOUT OVERLAPS)"),
            KeyForm::Invalid => write!(f, "({names}) with an index that isn't valid"),
        }
    }
}
