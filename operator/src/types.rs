//! Resolves column types with the server's help.
//!
//! The spec's text goes to the server in two ways, and neither executes it. First it is a bound parameter of
//! `to_regtype`, which parses it as a type and nothing else. Then `SELECT NULL::<type>` is prepared, as a
//! single statement, because before PostgreSQL 17 nothing else tells the type modifier. Later statements
//! contain what `format_type` prints for OID and modifier, and never the spec's text.

use crate::{catalog::PgTypeId, column_type::ColumnType, identifier::Identifier, spec::Column};
use postgres_types::Type;
use std::collections::HashMap;
use tokio_postgres::{Error, Transaction};

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

/// Resolves the types of all columns, each text once.
///
/// # Errors
///
/// [`ResolveError::Rejected`] for a text that isn't a type, and for a type that doesn't exist or that no
/// column can have.
pub async fn resolve(tx: &Transaction<'_>, columns: &[Column]) -> Result<Vec<ResolvedColumn>, ResolveError> {
    let mut known: HashMap<&ColumnType, ResolvedType> = HashMap::new();
    let mut resolved = Vec::with_capacity(columns.len());
    for column in columns {
        let type_ = match known.get(&column.type_) {
            Some(type_) => type_.clone(),
            None => resolve_one(tx, column).await?,
        };
        known.insert(&column.type_, type_.clone());
        resolved.push(ResolvedColumn { name: column.name.clone(), type_ });
    }
    Ok(resolved)
}

async fn resolve_one(tx: &Transaction<'_>, column: &Column) -> Result<ResolvedType, ResolveError> {
    let serial_base = column.type_.serial_base();
    let text = serial_base.unwrap_or(column.type_.as_str());
    let reject = |why: String| {
        let (column, type_) = (column.name.clone(), column.type_.clone());
        ResolveError::Rejected(RejectedType { column, type_, why })
    };
    let sort = |error: Error| rejection(&error).map_or_else(|| error.into(), reject);
    let found = find_type(tx, text).await.map_err(sort)?;
    let (oid, kind) = found.ok_or_else(|| reject("there is no such type in the database".to_owned()))?;
    if kind == "p" {
        return Err(reject("it is a pseudo-type, which no column can have".to_owned()));
    }
    // A prepared query reports a domain as its base type; a domain itself never has a modifier.
    let typmod = if kind == "d" { -1 } else { type_modifier(tx, text).await.map_err(sort)? };
    let id = PgTypeId { oid, typmod };
    Ok(ResolvedType { id, serial: serial_base.is_some(), name: format_type(tx, id).await? })
}

/// The OID and `typtype` of the type, if it exists.
async fn find_type(tx: &Transaction<'_>, text: &str) -> Result<Option<(u32, String)>, Error> {
    let sql =
        "SELECT t.oid, t.typtype::text FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.to_regtype($1)";
    let row = tx.query_typed(sql, &[(&text, Type::TEXT)]).await?.pop();
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// The modifier of a text that is known to be a type.
async fn type_modifier(tx: &Transaction<'_>, text: &str) -> Result<i32, Error> {
    let statement = tx.prepare(&format!("SELECT NULL::{text}")).await?;
    Ok(statement.columns().first().map_or(-1, tokio_postgres::Column::type_modifier))
}

async fn format_type(tx: &Transaction<'_>, id: PgTypeId) -> Result<String, Error> {
    let sql = "SELECT pg_catalog.format_type($1, $2)";
    tx.query_typed_one(sql, &[(&id.oid, Type::OID), (&id.typmod, Type::INT4)]).await?.try_get(0)
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
