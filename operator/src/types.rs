//! Resolves column types with the server's help.
//!
//! The spec's text is a bound parameter of `to_regtype`, which parses it as a type and nothing else. Where such a type can have
//! a modifier, `to_regtypemod` tells it, since PostgreSQL 17. Before that, nothing does but a use of the type: a NULL of it,
//! in a statement of its own; or, for a type that isn't built in, a column of a temporary table, which is taken back. Later
//! statements contain what `format_type` prints for OID and modifier, and never the spec's text.
//!
//! No statement has a name, and no answer is of a type that isn't built in, because tokio-postgres would look that up by
//! a named statement: behind a pooler in transaction mode, names belong to the clients that were there before
//! (docs/decisions/0049-no-names.md).

use crate::{
    catalog::PgTypeId,
    column_type::ColumnType,
    forms::Form,
    identifier::Identifier,
    search_path::by_database,
    spec::{Column, ColumnSettings, Table},
    sqlstate,
};
use futures::join;
use postgres_types::{Kind, ToSql, Type};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio_postgres::{Client, Error, Row};

/// A type that the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedType {
    /// The identity of the type.
    pub id: PgTypeId,
    /// Whether the column gets a sequence.
    pub serial: bool,
    /// The type as PostgreSQL prints it.
    pub name: String,
}

/// A failure to resolve the type of a column.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The server rejects the type.
    #[error(transparent)]
    Rejected(#[from] RejectedType),
    /// The server has no such type.
    #[error(transparent)]
    Missing(#[from] MissingType),
    /// The connection or the server failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// A type that the server rejects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: the type {:?} is rejected: {why}", .type_.as_str())]
pub struct RejectedType {
    /// The column.
    pub column: Identifier,
    /// The type as the spec has it.
    pub type_: ColumnType,
    /// The reason.
    pub why: String,
}

/// A type that the database doesn't have, or doesn't have yet: an extension may bring it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "column {column}: the type {:?} is rejected: there is no such type in the database. Create it, or the extension that has it, or \
     change the column; it is looked for until it is there",
    .type_.as_str()
)]
pub struct MissingType {
    /// The column.
    pub column: Identifier,
    /// The type as the spec has it.
    pub type_: ColumnType,
}

/// A column whose type the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedColumn {
    /// The column's name.
    pub name: Identifier,
    /// Its type.
    pub type_: ResolvedType,
    /// What else the spec asks of it.
    pub settings: ColumnSettings,
    /// What the server makes of that, as far as it was asked.
    pub form: Form,
}

impl ResolvedType {
    /// The type as SQL.
    pub fn sql(&self) -> &str {
        match (self.serial, self.id.oid) {
            (true, 20) => "bigserial",
            (true, 21) => "smallserial",
            (true, _) => "serial",
            (false, _) => &self.name,
        }
    }
}

/// The identities of types that the server has resolved, by their texts.
///
/// They are a short cut, and no more: the server is asked, with one statement for all texts, whether they are still those.
#[derive(Debug, Default)]
pub struct KnownTypes(Mutex<HashMap<String, PgTypeId>>);

/// The texts that are remembered.
const MOST_KNOWN: usize = 1_000;

/// Types as the server prints them, by the texts that it was asked for.
pub type Confirmed = HashMap<String, (PgTypeId, String)>;

impl KnownTypes {
    /// Asks the server about those types of the columns that are known, and returns those that haven't changed.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub async fn confirm(&self, sql: &Client, columns: &[Column]) -> Result<Confirmed, Error> {
        let (texts, ids): (Vec<_>, Vec<_>) = self.of(columns).into_iter().unzip();
        if texts.is_empty() {
            return Ok(Confirmed::new());
        }
        let (oids, typmods): (Vec<_>, Vec<_>) = ids.iter().map(|id| (id.oid, id.typmod)).unzip();
        let meant = "SELECT pg_catalog.to_regtype(k.text)::pg_catalog.oid \
                     FROM pg_catalog.unnest($1) WITH ORDINALITY k(text, number)";
        let printed = "SELECT k.text, k.oid, k.typmod, pg_catalog.format_type(k.oid, k.typmod) \
                       FROM unnest($1, $2, $3) WITH ORDINALITY k(text, oid, typmod, number)";
        let params: &[(&(dyn ToSql + Sync), Type)] =
            &[(&texts, Type::TEXT_ARRAY), (&oids, Type::OID_ARRAY), (&typmods, Type::INT4_ARRAY)];
        let (meant, printed) =
            join!(by_database(sql, sql.query_typed(meant, &params[..1])), sql.query_typed(printed, params));
        let mut confirmed = Confirmed::new();
        for (meant, row) in meant?.iter().zip(&printed?) {
            let id = PgTypeId { oid: row.try_get(1)?, typmod: row.try_get(2)? };
            if meant.try_get::<_, Option<u32>>(0)? == Some(id.oid) {
                confirmed.insert(row.try_get(0)?, (id, row.try_get(3)?));
            }
        }
        Ok(confirmed)
    }

    fn of(&self, columns: &[Column]) -> HashMap<String, PgTypeId> {
        let known = self.known();
        let found = |column: &Column| {
            let text = text_of(&column.type_);
            Some((text.to_owned(), *known.get(text)?))
        };
        columns.iter().filter_map(found).collect()
    }

    fn note(&self, text: &str, id: PgTypeId) {
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(text.to_owned(), id);
    }

    /// Forgets them all, where one of the texts can't even be asked about any more.
    pub fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, PgTypeId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text that the server is asked for.
fn text_of(type_: &ColumnType) -> &str {
    type_.serial_base().unwrap_or(type_.as_str())
}

/// Resolves the types of all columns, each text once. Those that are confirmed take no statement.
///
/// # Errors
///
/// [`ResolveError::Rejected`] for a text that isn't a type, and for a type that no column can have;
/// [`ResolveError::Missing`] for one that doesn't exist.
pub async fn resolve(
    sql: &Client,
    columns: &[Column],
    known: &KnownTypes,
    mut confirmed: Confirmed,
) -> Result<Vec<ResolvedColumn>, ResolveError> {
    let mut resolved = Vec::with_capacity(columns.len());
    for column in columns {
        let text = text_of(&column.type_);
        let (id, name) = match confirmed.get(text) {
            Some(type_) => type_.clone(),
            None => {
                let type_ = resolve_one(sql, column).await?;
                known.note(text, type_.0);
                confirmed.insert(text.to_owned(), type_.clone());
                type_
            }
        };
        let type_ = ResolvedType { id, serial: column.type_.serial_base().is_some(), name };
        let (name, settings) = (column.name.clone(), column.settings.clone());
        resolved.push(ResolvedColumn { name, type_, settings, form: Form::default() });
    }
    Ok(resolved)
}

async fn resolve_one(sql: &Client, column: &Column) -> Result<(PgTypeId, String), ResolveError> {
    let text = text_of(&column.type_);
    let reject = |why: String| {
        let (column, type_) = (column.name.clone(), column.type_.clone());
        ResolveError::Rejected(RejectedType { column, type_, why })
    };
    let sort = |error: Error| match error.as_db_error().and_then(sqlstate::rejected_text) {
        Some(why) => reject(explain(why, &column.type_)),
        None => error.into(),
    };
    let found = FoundType::read(sql, text).await.map_err(sort)?;
    let Some(found) = found else {
        // Newer servers know no such type; PostgreSQL 15 rejects it.
        if text.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("setof")) {
            return Err(reject("it is a set, which no column can have".to_owned()));
        }
        return Err(MissingType { column: column.name.clone(), type_: column.type_.clone() }.into());
    };
    if found.is_pseudo {
        return Err(reject("it is a pseudo-type, which no column can have".to_owned()));
    }
    let alone = |error: Error| match error.as_db_error().and_then(sqlstate::rejected_text_alone) {
        Some(why) => reject(explain(why, &column.type_)),
        None => error.into(),
    };
    let typmod = found.modifier(sql, text).await.map_err(alone)?;
    let id = PgTypeId { oid: found.oid, typmod };
    Ok((id, format_type(sql, id).await?))
}

/// Why a text isn't a type: the server's reason, or ours, if the text has more than a type.
fn explain(why: &str, type_: &ColumnType) -> String {
    match type_.clause() {
        Some("PRIMARY") => {
            "a key isn't part of a type: remove it, and name the column in spec.primaryKey".to_owned()
        }
        Some(clause) => format!(
            "constraints, defaults and the like aren't part of a type: remove {clause} and what belongs to it, and write them \
             beside the type, such as {{type: integer, nullable: false, default: 5}}"
        ),
        None => why.to_owned(),
    }
}

/// What the catalog says of a type.
struct FoundType {
    oid: u32,
    is_pseudo: bool,
    /// Whether it can have a modifier, as `varchar(50)` has.
    is_modifiable: bool,
    /// Whether the server has `to_regtypemod`.
    has_regtypemod: bool,
}

impl FoundType {
    /// The type of a text, if there is one.
    async fn read(sql: &Client, text: &str) -> Result<Option<Self>, Error> {
        let query = "SELECT t.oid, t.typtype OPERATOR(pg_catalog.=) 'p', \
                       t.typmodin OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND t.typtype OPERATOR(pg_catalog.<>) 'd', \
                       pg_catalog.to_regproc('pg_catalog.to_regtypemod') IS NOT NULL \
                     FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regtype($1)";
        let row = by_database(sql, sql.query_typed_opt(query, &[(&text, Type::TEXT)])).await?;
        let found = |row: Row| {
            Ok(Self {
                oid: row.try_get(0)?,
                is_pseudo: row.try_get(1)?,
                is_modifiable: row.try_get(2)?,
                has_regtypemod: row.try_get(3)?,
            })
        };
        row.map(found).transpose()
    }

    /// The modifier in a text that means this type; -1 where it has none.
    async fn modifier(&self, sql: &Client, text: &str) -> Result<i32, Error> {
        if !self.is_modifiable {
            return Ok(-1);
        }
        if self.has_regtypemod {
            let query = "SELECT pg_catalog.to_regtypemod($1)";
            return by_database(sql, sql.query_typed_one(query, &[(&text, Type::TEXT)])).await?.try_get(0);
        }
        if Type::from_oid(self.oid).is_some() {
            let query = format!("SELECT NULL::{text}");
            let row = by_database(sql, sql.query_typed_one(&query, &[])).await?;
            return Ok(row.columns().first().map_or(-1, tokio_postgres::Column::type_modifier));
        }
        sql.batch_execute("SAVEPOINT korf_type").await?;
        let create = format!("CREATE TEMPORARY TABLE korf_type (c {text})");
        by_database(sql, sql.execute_typed(&create, &[])).await?;
        let query = "SELECT a.atttypmod FROM pg_catalog.pg_attribute a \
                     WHERE a.attrelid = pg_catalog.to_regclass('pg_temp.korf_type') AND a.attnum = 1";
        let modifier = sql.query_typed_one(query, &[]).await?.try_get(0)?;
        sql.batch_execute("ROLLBACK TO SAVEPOINT korf_type").await?;
        Ok(modifier)
    }
}

async fn format_type(sql: &Client, id: PgTypeId) -> Result<String, Error> {
    let query = "SELECT pg_catalog.format_type($1, $2)";
    sql.query_typed_one(query, &[(&id.oid, Type::OID), (&id.typmod, Type::INT4)]).await?.try_get(0)
}

/// Checks that the columns of the primary key have an order. The server checks a type itself, and not what it is made of: it
/// takes `json[]` as a key, one row, and no other one.
///
/// # Errors
///
/// [`ResolveError::Rejected`] for a type without an order.
pub async fn check_key(sql: &Client, resolved: &[ResolvedColumn], table: &Table) -> Result<(), ResolveError> {
    // The server sees by itself whether a simple type has one.
    let is_made_of_others =
        |oid| !Type::from_oid(oid).is_some_and(|type_| matches!(type_.kind(), Kind::Simple));
    for (column, asked) in resolved.iter().zip(&table.columns) {
        let oid = column.type_.id.oid;
        if !table.primary_key.contains(&column.name) || !is_made_of_others(oid) {
            continue;
        }
        if let Some(part) = part_without_order(sql, oid).await? {
            return Err(ResolveError::Rejected(RejectedType {
                column: column.name.clone(),
                type_: asked.type_.clone(),
                why: format!("it can't be part of the primary key, because {part} has no order"),
            }));
        }
    }
    Ok(())
}

/// A type that values of this one are made of, and that has no order.
async fn part_without_order(sql: &Client, oid: u32) -> Result<Option<String>, Error> {
    let query = "WITH RECURSIVE parts(oid) AS ( \
                   SELECT $1 UNION \
                   SELECT part.oid FROM parts JOIN pg_catalog.pg_type t ON t.oid = parts.oid CROSS JOIN LATERAL ( \
                     SELECT t.typelem AS oid WHERE t.typcategory = 'A' AND t.typelem <> 0::pg_catalog.oid \
                     UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd' \
                     UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a \
                               WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped \
                   ) part) \
                 SELECT pg_catalog.format_type(t.oid, NULL) FROM parts JOIN pg_catalog.pg_type t ON t.oid = parts.oid \
                 WHERE t.typtype = 'b' AND NOT (t.typcategory = 'A' AND t.typelem <> 0::pg_catalog.oid) AND NOT EXISTS ( \
                   SELECT FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod \
                   WHERE m.amname = 'btree' AND c.opcdefault AND (c.opcintype = t.oid OR EXISTS ( \
                     SELECT FROM pg_catalog.pg_cast k WHERE k.castsource = t.oid AND k.casttarget = c.opcintype \
                     AND k.castmethod = 'b' AND k.castcontext = 'i'))) \
                 LIMIT 1";
    let row = sql.query_typed_opt(query, &[(&oid, Type::OID)]).await?;
    row.map(|row| row.try_get(0)).transpose()
}
