//! Resolves column types with the server's help.
//!
//! The spec's text goes to the server in two ways, and neither executes it. First it is a bound parameter of
//! `to_regtype`, which parses it as a type and nothing else. Then `SELECT NULL::<type>` is prepared, as a
//! single statement, because before PostgreSQL 17 nothing else tells the type modifier. Later statements
//! contain what `format_type` prints for OID and modifier, and never the spec's text.

use crate::{catalog::PgTypeId, column_type::ColumnType, identifier::Identifier, spec::Column};
use postgres_types::{ToSql, Type};
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

/// A column whose type the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedColumn {
    /// The column's name.
    pub name: Identifier,
    /// Its type.
    pub type_: ResolvedType,
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
        let query = "SELECT k.text, k.oid, k.typmod, pg_catalog.format_type(k.oid, k.typmod) \
                     FROM unnest($1, $2, $3) k(text, oid, typmod) \
                     WHERE pg_catalog.to_regtype(k.text)::pg_catalog.oid = k.oid";
        let params: &[(&(dyn ToSql + Sync), Type)] =
            &[(&texts, Type::TEXT_ARRAY), (&oids, Type::OID_ARRAY), (&typmods, Type::INT4_ARRAY)];
        let confirmed = |row: &Row| {
            let id = PgTypeId { oid: row.try_get(1)?, typmod: row.try_get(2)? };
            Ok((row.try_get(0)?, (id, row.try_get(3)?)))
        };
        sql.query_typed(query, params).await?.iter().map(confirmed).collect()
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
/// [`ResolveError::Rejected`] for a text that isn't a type, and for a type that doesn't exist or that no
/// column can have.
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
        resolved.push(ResolvedColumn { name: column.name.clone(), type_ });
    }
    Ok(resolved)
}

async fn resolve_one(sql: &Client, column: &Column) -> Result<(PgTypeId, String), ResolveError> {
    let text = text_of(&column.type_);
    let reject = |why: String| {
        let (column, type_) = (column.name.clone(), column.type_.clone());
        ResolveError::Rejected(RejectedType { column, type_, why })
    };
    let sort = |error: Error| rejection(&error).map_or_else(|| error.into(), reject);
    let found = find_type(sql, text).await.map_err(sort)?;
    let (oid, kind) = found.ok_or_else(|| reject("there is no such type in the database".to_owned()))?;
    if kind == "p" {
        return Err(reject("it is a pseudo-type, which no column can have".to_owned()));
    }
    // A prepared query reports a domain as its base type; a domain itself never has a modifier.
    let typmod = if kind == "d" { -1 } else { type_modifier(sql, text).await.map_err(sort)? };
    let id = PgTypeId { oid, typmod };
    Ok((id, format_type(sql, id).await?))
}

/// The OID and `typtype` of the type, if it exists.
async fn find_type(sql: &Client, text: &str) -> Result<Option<(u32, String)>, Error> {
    let query =
        "SELECT t.oid, t.typtype::text FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.to_regtype($1)";
    let row = sql.query_typed(query, &[(&text, Type::TEXT)]).await?.pop();
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// The modifier of a text that is known to be a type.
async fn type_modifier(sql: &Client, text: &str) -> Result<i32, Error> {
    let statement = sql.prepare(&format!("SELECT NULL::{text}")).await?;
    Ok(statement.columns().first().map_or(-1, tokio_postgres::Column::type_modifier))
}

async fn format_type(sql: &Client, id: PgTypeId) -> Result<String, Error> {
    let query = "SELECT pg_catalog.format_type($1, $2)";
    sql.query_typed_one(query, &[(&id.oid, Type::OID), (&id.typmod, Type::INT4)]).await?.try_get(0)
}

/// The server's message if it rejects the text itself; `None` if the error is about something else.
fn rejection(error: &Error) -> Option<String> {
    let error = error.as_db_error()?;
    let code = error.code().code();
    // Syntax (42601), a bad modifier (22023), a name with a database in it (0A000), an unknown schema
    // (3F000), …
    let about_text = ["42", "22", "0A", "3F"].iter().any(|class| code.starts_with(class)) && code != "42501";
    about_text.then(|| error.message().to_owned())
}
