//! Columns of a relation.

use super::{PgTypeId, of_relations};
use std::{collections::HashMap, fmt};
use tokio_postgres::{Client, Error, Row};

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Its name, exact.
    pub name: String,
    /// Its type.
    pub type_id: PgTypeId,
    /// The type as PostgreSQL prints it, for people.
    pub type_name: String,
    /// Whether it gets its values from a sequence: its own, as that of a `serial` or an identity column, or another one.
    pub serial: bool,
    /// Whether the server makes its values.
    pub generated: Generated,
}

/// How the server always makes the values of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Generated {
    /// It doesn't.
    #[default]
    No,
    /// From a sequence, unless an INSERT overrides it.
    Identity,
    /// It computes and stores them.
    Stored,
    /// It computes them when they are read (PostgreSQL 18).
    Virtual,
}

/// The columns of relations, in order, by their numbers; without what [`serial`] tells.
pub(super) async fn read(
    sql: &Client,
    oids: &[u32],
) -> Result<HashMap<u32, Vec<(i16, CatalogColumn)>>, Error> {
    let query = "SELECT a.attrelid, a.attnum, a.attname::text, a.atttypid, a.atttypmod, \
                   pg_catalog.format_type(a.atttypid, a.atttypmod), \
                   pg_catalog.concat(a.attgenerated, NULLIF(a.attidentity, 'd')) \
                 FROM pg_catalog.pg_attribute a \
                 WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped";
    let column = |row: &Row| {
        let type_id = PgTypeId { oid: row.try_get(3)?, typmod: row.try_get(4)? };
        let (name, type_name, generated) = (row.try_get(2)?, row.try_get(5)?, Generated::of(row.try_get(6)?));
        Ok((row.try_get(1)?, CatalogColumn { name, type_id, type_name, serial: false, generated }))
    };
    let mut columns = of_relations(sql, query, oids, column).await?;
    for columns in columns.values_mut() {
        columns.sort_unstable_by_key(|(number, _)| *number);
    }
    Ok(columns)
}

/// The numbers of the columns that get their values from a sequence.
pub(super) async fn serial(sql: &Client, oids: &[u32]) -> Result<HashMap<u32, Vec<i16>>, Error> {
    // deptype a: the sequence is dropped with the column (serial); i: it is an identity column's. An expression that names no
    // column is printed without its table, which would be locked.
    let query = "SELECT d.refobjid, d.refobjsubid::pg_catalog.int2 FROM pg_catalog.pg_depend d \
                 WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY($1) \
                 AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND d.classid = d.refclassid \
                 AND (SELECT s.relkind FROM pg_catalog.pg_class s WHERE s.oid = d.objid) = 'S' \
                 UNION SELECT f.adrelid, f.adnum FROM pg_catalog.pg_attrdef f WHERE f.adrelid = ANY($1) \
                 AND CASE WHEN (SELECT a.attgenerated FROM pg_catalog.pg_attribute a \
                   WHERE a.attrelid = f.adrelid AND a.attnum = f.adnum) = '' \
                 THEN pg_catalog.pg_get_expr(f.adbin, 0) LIKE 'nextval(%' END";
    of_relations(sql, query, oids, |row| row.try_get(1)).await
}

impl Generated {
    /// <https://www.postgresql.org/docs/current/catalog-pg-attribute.html>, `attgenerated` and `attidentity`.
    fn of(code: &str) -> Self {
        match code {
            "" => Self::No,
            "a" => Self::Identity,
            "v" => Self::Virtual,
            _ => Self::Stored,
        }
    }
}

/// As in a definition.
impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "NEVER",
            Self::Identity => "ALWAYS AS IDENTITY",
            Self::Stored => "STORED",
            Self::Virtual => "VIRTUAL",
        })
    }
}
