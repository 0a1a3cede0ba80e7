//! Search path: the schemas in which the server looks for what has no schema before it, operators above all.
//!
//! Others may create objects in the schemas of the database's own path. An operator of exactly the types that are asked for, in
//! whichever of them, comes before one of the server's own that needs a cast (`oid = regclass`), and would run with the rights of
//! the operator's role. So what is asked of the catalog is looked for in `pg_catalog` alone. The database's own path is for what a
//! spec says (types, collations, expressions), and for statements that change something, under which triggers and functions of
//! the database run: both mean what they would mean to a person (docs/decisions/0104-asked-in-pg-catalog.md).

use crate::transaction::between;
use tokio_postgres::{Client, Error};

/// For what is asked of the catalog. `pg_temp` would be looked at first if it weren't named.
macro_rules! of_catalog {
    () => {
        "SET LOCAL search_path TO pg_catalog, pg_temp"
    };
}

/// As the server has it by default for this database and this user.
macro_rules! of_database {
    () => {
        "SET LOCAL search_path TO DEFAULT"
    };
}

/// The statements that a transaction begins with: it notes where a table without a schema is, and goes on in `pg_catalog`.
macro_rules! noted {
    () => {
        concat!(
            crate::search_path::of_database!(),
            "; SELECT pg_catalog.set_config('korf.schema', pg_catalog.current_schema()::pg_catalog.text, true); ",
            crate::search_path::of_catalog!()
        )
    };
}

/// The first schema of the database's own path that exists, in a query: as it was noted.
macro_rules! current_schema {
    () => {
        "NULLIF(pg_catalog.current_setting('korf.schema', true), '')::pg_catalog.name"
    };
}

pub(crate) use {current_schema, noted, of_catalog, of_database};

/// Goes to what is asked of the catalog.
pub const OF_CATALOG: &str = of_catalog!();

/// Goes to the database's own path.
pub const OF_DATABASE: &str = of_database!();

/// Sends a statement by the database's own path. If it is a query, its operators have to say that they are the server's:
/// `OPERATOR(pg_catalog.=)`.
///
/// # Errors
///
/// Those of the connection.
pub async fn by_database<T>(sql: &Client, sent: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    between(sql, (OF_DATABASE, OF_CATALOG), sent).await
}
