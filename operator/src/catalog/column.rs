//! Columns of a relation.

use super::{PgTypeId, of_relation};
use std::fmt;
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

/// The columns of a relation, in order, by their numbers; without what [`serial`] tells.
pub(super) async fn read(sql: &Client, oid: u32) -> Result<Vec<(i16, CatalogColumn)>, Error> {
    let query = "SELECT a.attnum, a.attname::text, a.atttypid, a.atttypmod, \
                   pg_catalog.format_type(a.atttypid, a.atttypmod), \
                   pg_catalog.concat(a.attgenerated, NULLIF(a.attidentity, 'd')) \
                 FROM pg_catalog.pg_attribute a \
                 WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    let column = |row: &Row| {
        let type_id = PgTypeId { oid: row.try_get(2)?, typmod: row.try_get(3)? };
        let (name, type_name, generated) = (row.try_get(1)?, row.try_get(4)?, Generated::of(row.try_get(5)?));
        Ok((row.try_get(0)?, CatalogColumn { name, type_id, type_name, serial: false, generated }))
    };
    of_relation(sql, query, oid).await?.iter().map(column).collect()
}

/// The numbers of the columns that get their values from a sequence.
pub(super) async fn serial(sql: &Client, oid: u32) -> Result<Vec<i16>, Error> {
    // deptype a: the sequence is dropped with the column (serial); i: it is an identity column's.
    let query = "SELECT d.refobjsubid::pg_catalog.int2 FROM pg_catalog.pg_depend d \
                 WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1 \
                 AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND d.classid = d.refclassid \
                 AND (SELECT s.relkind FROM pg_catalog.pg_class s WHERE s.oid = d.objid) = 'S' \
                 UNION SELECT f.adnum FROM pg_catalog.pg_attrdef f WHERE f.adrelid = $1 \
                 AND pg_catalog.pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(%'";
    of_relation(sql, query, oid).await?.iter().map(|row| row.try_get(0)).collect()
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
