//! Column types, resolved by the server that will hold the column.
//!
//! The text of the spec goes to the server in two ways, and neither runs anything: as a bound parameter to
//! `to_regtype`, which parses it as a type and nothing else, and, once that has succeeded, as `SELECT
//! NULL::<type>` that is prepared (one statement only) and never executed, because before PostgreSQL 17
//! nothing else tells the type modifier. Statements then carry what `format_type` prints for the two numbers.

use crate::{catalog::PgTypeId, column_type::ColumnType, identifier::Identifier, spec::Column};
use postgres_types::Type;
use std::collections::HashMap;
use tokio_postgres::{Error, Transaction};

/// A type that the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedType {
    /// The two numbers that make the type.
    pub id: PgTypeId,
    /// Whether the column gets a sequence.
    pub serial: bool,
    /// The type as PostgreSQL prints it.
    pub name: String,
}

/// Why the type of a column can't be resolved.
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
#[error("column {column}: the type {:?} is refused: {why}", .type_.as_str())]
pub struct RejectedType {
    /// The column.
    pub column: Identifier,
    /// The type as the spec has it.
    pub type_: ColumnType,
    /// What is wrong with it.
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
    /// The type as it goes into a statement.
    pub fn sql(&self) -> &str {
        match (self.serial, self.id.oid) {
            (true, 20) => "bigserial",
            (true, 21) => "smallserial",
            (true, _) => "serial",
            (false, _) => &self.name,
        }
    }
}

/// Resolves the types of all columns; each text is asked for once.
///
/// # Errors
///
/// [`ResolveError::Rejected`] for a text that isn't a type, and for a type that doesn't exist or that no column can
/// have.
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
    let (oid, kind) = match lookup(tx, text).await {
        Ok(Some(found)) => found,
        Ok(None) => return Err(reject("there is no such type in the database".to_owned())),
        Err(error) => return Err(rejection(&error).map_or_else(|| error.into(), reject)),
    };
    if kind == "p" {
        return Err(reject("it is a pseudo-type, which no column can have".to_owned()));
    }
    // A prepared query reports a domain as the type below it; a domain never has a modifier of its own.
    let typmod = if kind == "d" {
        -1
    } else {
        type_modifier(tx, text)
            .await
            .map_err(|error| rejection(&error).map_or_else(|| error.into(), reject))?
    };
    let id = PgTypeId { oid, typmod };
    Ok(ResolvedType { id, serial: serial_base.is_some(), name: format_type(tx, id).await? })
}

/// The type's OID and its `typtype`.
async fn lookup(tx: &Transaction<'_>, text: &str) -> Result<Option<(u32, String)>, Error> {
    let sql =
        "SELECT t.oid, t.typtype::text FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.to_regtype($1)";
    let row = tx.query_typed(sql, &[(&text, Type::TEXT)]).await?.pop();
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

async fn type_modifier(tx: &Transaction<'_>, proven: &str) -> Result<i32, Error> {
    let statement = tx.prepare(&format!("SELECT NULL::{proven}")).await?;
    Ok(statement.columns().first().map_or(-1, tokio_postgres::Column::type_modifier))
}

async fn format_type(tx: &Transaction<'_>, id: PgTypeId) -> Result<String, Error> {
    let sql = "SELECT pg_catalog.format_type($1, $2)";
    tx.query_typed_one(sql, &[(&id.oid, Type::OID), (&id.typmod, Type::INT4)]).await?.try_get(0)
}

/// What the server has against the text itself; `None` where the error is about something else.
fn rejection(error: &Error) -> Option<String> {
    let error = error.as_db_error()?;
    let code = error.code().code();
    // Syntax (42601), a bad modifier (22023), a name with a database in it (0A000), a schema that isn't there
    // (3F000) and so on.
    let about_text = ["42", "22", "0A", "3F"].iter().any(|class| code.starts_with(class)) && code != "42501";
    about_text.then(|| error.message().to_owned())
}
