//! Weight of a table: what a change would have to read or write while nobody else can use the table.

use super::PgTypeId;
use postgres_types::{ToSql, Type};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::{Client, Error, Row};

/// The weight of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// The size of its rows and indexes, in bytes; with those of its partitions, and of tables that inherit from it.
    pub bytes: i64,
    /// What is made again from all rows when the type of a column changes, in words, by the column's exact name: indexes with an
    /// expression or a condition, and checks.
    pub remade: BTreeMap<String, Vec<String>>,
    /// The foreign keys in which a column is, in words, by its exact name: its own and those of other tables to it. With the size
    /// of the other table, in bytes.
    pub foreign: BTreeMap<String, Vec<(String, i64)>>,
    /// The sequences that belong to columns (`serial`), as in a statement, by the exact names of these; with the sequence's type.
    pub sequences: BTreeMap<String, (String, PgTypeId)>,
    /// Those of the types asked for with which a new column has all rows written: domains with constraints, which the server
    /// checks in each row, or with a default that may be another one each time.
    pub written: BTreeSet<u32>,
}

/// Reads the weight of a relation, for a change that may add columns of these types.
///
/// # Errors
///
/// Those of the connection. The tables are locked for a moment, against others that would drop them.
pub async fn weight(sql: &Client, oid: u32, types: &[u32]) -> Result<Weight, Error> {
    let params: [(&(dyn ToSql + Sync), Type); 2] = [(&oid, Type::OID), (&types, Type::OID_ARRAY)];
    let (bytes, remade, foreign, sequences, written) = futures::try_join!(
        sql.query_typed_one(BYTES, &params[..1]),
        sql.query_typed(REMADE, &params[..1]),
        sql.query_typed(FOREIGN, &params[..1]),
        sql.query_typed(SEQUENCES, &params[..1]),
        sql.query_typed(WRITTEN, &params[1..])
    )?;
    let mut weight = Weight { bytes: bytes.try_get(0)?, ..Weight::default() };
    for row in &remade {
        weight.remade.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
    }
    for row in &foreign {
        weight.foreign.entry(row.try_get(0)?).or_default().push((row.try_get(1)?, row.try_get(2)?));
    }
    for row in &sequences {
        let type_ = PgTypeId { oid: row.try_get(2)?, typmod: -1 };
        weight.sequences.insert(row.try_get(0)?, (row.try_get(1)?, type_));
    }
    weight.written = written.iter().map(|row: &Row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(weight)
}

/// The table and all below it: partitions are heirs, too.
macro_rules! line {
    ($query:literal) => {
        concat!(
            "WITH RECURSIVE line(oid) AS (SELECT $1 UNION \
               SELECT i.inhrelid FROM line JOIN pg_catalog.pg_inherits i ON i.inhparent = line.oid) ",
            $query
        )
    };
}

const BYTES: &str = line!(
    "SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_total_relation_size(line.oid)), 0)::pg_catalog.int8 FROM line"
);

/// By what the server itself goes: <https://www.postgresql.org/docs/current/catalog-pg-depend.html>.
const REMADE: &str = line!(
    "SELECT DISTINCT a.attname::text, CASE WHEN k.oid IS NULL THEN pg_catalog.format('index %I', x.relname) \
                                       ELSE pg_catalog.format('constraint %I', k.conname) END \
     FROM line JOIN pg_catalog.pg_depend d ON d.refobjid = line.oid \
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = line.oid AND a.attnum = d.refobjsubid \
     LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid \
       AND k.contype = 'c' AND k.convalidated \
     LEFT JOIN pg_catalog.pg_index i ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = d.objid \
       AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) \
     LEFT JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
     WHERE k.oid IS NOT NULL OR x.oid IS NOT NULL ORDER BY 1, 2"
);

/// A key that isn't validated isn't checked again either. One of a table to itself has no other side.
const FOREIGN: &str = line!(
    "SELECT DISTINCT a.attname::text, pg_catalog.format('foreign key %I', k.conname),        CASE WHEN o.oid IN (SELECT line.oid FROM line) THEN 0 ELSE COALESCE(pg_catalog.pg_total_relation_size(o.oid), 0) END      FROM line JOIN pg_catalog.pg_depend d ON d.refobjid = line.oid        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0        AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass      JOIN pg_catalog.pg_attribute a ON a.attrelid = line.oid AND a.attnum = d.refobjsubid      JOIN pg_catalog.pg_constraint k ON k.oid = d.objid AND k.contype = 'f' AND k.convalidated      JOIN pg_catalog.pg_class o ON o.oid = CASE k.conrelid WHEN line.oid THEN k.confrelid ELSE k.conrelid END ORDER BY 1, 2"
);

/// Those of identity columns follow their columns by themselves.
const SEQUENCES: &str = "SELECT a.attname::text, pg_catalog.format('%I.%I', n.nspname, c.relname), s.seqtypid      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid      JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace      WHERE d.refobjid = $1 AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0        AND d.classid = d.refclassid AND d.deptype = 'a'";

/// A domain over another one has the constraints of both, and its own default, which is that of the other one unless it says
/// otherwise.
const WRITTEN: &str = "WITH RECURSIVE base(asked, oid) AS (SELECT t.oid, t.oid FROM unnest($1) t(oid) UNION \
       SELECT base.asked, t.typbasetype FROM base JOIN pg_catalog.pg_type t ON t.oid = base.oid WHERE t.typtype = 'd') \
     SELECT DISTINCT base.asked FROM base JOIN pg_catalog.pg_type t ON t.oid = base.oid WHERE t.typtype = 'd' AND (t.typnotnull \
       OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid) \
       OR (base.oid = base.asked AND NOT pg_catalog.starts_with(t.typdefaultbin::text, '{CONST ')))";
