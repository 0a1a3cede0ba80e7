//! One server for all tests, a database and an owner for each.

use database_table_operator::connection::Settings;
use database_table_operator::database::{self, Applied};
use database_table_operator::error::TableError;
use database_table_operator::marker::Owner;
use database_table_operator::spec::Table;
use deadpool_postgres::Pool;
use korf_sandbox::{Database, Postgres};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

/// The server ends with the process.
pub async fn server() -> &'static Postgres {
    static SERVER: OnceCell<Postgres> = OnceCell::const_new();
    SERVER.get_or_init(|| async { Postgres::start().await.unwrap() }).await
}

pub fn owner(name: &str) -> Owner {
    Owner { cluster: "test".into(), namespace: "shop".into(), name: name.into(), uid: "1-2-3".into() }
}

pub fn table(spec: &Value) -> Table {
    Table::from_spec(Some(spec)).unwrap()
}

/// A spec of a table with these columns.
pub fn spec(table: &str, columns: &[(&str, &str)]) -> Value {
    let columns: Vec<_> = columns.iter().map(|(name, type_)| json!({*name: type_})).collect();
    json!({"tableName": table, "columns": columns})
}

/// A database, the operator's pool for it and a second way in.
pub struct World {
    pub database: Database,
    pub pool: Pool,
    pub sql: Client,
    pub owner: Owner,
}

impl World {
    pub async fn new(name: &str) -> Self {
        let database = server().await.create_database(name).await.unwrap();
        let settings = Settings::read(Some(&database.url()), |_| None).unwrap();
        let (pool, sql) = (settings.pool(4).unwrap(), database.connect().await.unwrap());
        Self { database, pool, sql, owner: owner("a") }
    }

    pub async fn apply(&self, spec: &Value) -> Result<Applied, TableError> {
        database::apply(&self.pool, &self.owner, &table(spec)).await
    }

    /// Applies as another object.
    pub async fn apply_as(&self, name: &str, spec: &Value) -> Result<Applied, TableError> {
        database::apply(&self.pool, &owner(name), &table(spec)).await
    }

    pub async fn drop(&self) -> Result<Vec<String>, TableError> {
        database::drop_owned(&self.pool, &self.owner).await
    }

    pub async fn run(&self, sql: &str) {
        self.sql.batch_execute(sql).await.unwrap();
    }

    /// Everything about the tables of the schema `public` that a change would show in.
    pub async fn picture(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', c.oid, c.relname, c.relkind, a.attnum, a.attname, a.attisdropped, \
                     format_type(a.atttypid, a.atttypmod), obj_description(c.oid, 'pg_class')) \
                   FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
                   WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1";
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// The columns of a table with their types.
    pub async fn columns(&self, table: &str) -> Vec<(String, String)> {
        let sql = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
                   WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let rows = self.sql.query(sql, &[&table]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Applies what must be refused without a trace, and tells why.
    pub async fn refused(&self, spec: &Value) -> TableError {
        let before = self.picture().await;
        let error = self.apply(spec).await.expect_err(&spec.to_string());
        assert_eq!(self.picture().await, before, "{spec}");
        error
    }
}

pub fn columns(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, type_)| ((*name).to_owned(), (*type_).to_owned())).collect()
}
