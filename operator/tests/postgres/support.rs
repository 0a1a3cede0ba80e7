//! One server for all tests, with a database for each.

use database_table_operator::{
    api::{ApiError, Objects},
    connection::Settings,
    database,
    error::TableError,
    marker::Owner,
    outcome::{Applied, Dropped},
    plan::Claim,
    spec::Table,
};
use korf_sandbox::{Database, Postgres};
use serde_json::{Value, json};
use std::{io::Write, path::Path, process::Command, sync::Mutex, time::Duration};
use tokio::{
    sync::OnceCell,
    time::{sleep, timeout},
};
use tokio_postgres::Client;

/// The server ends with the process.
pub async fn server() -> &'static Postgres {
    static SERVER: OnceCell<Postgres> = OnceCell::const_new();
    SERVER.get_or_init(|| async { Postgres::start().await.unwrap() }).await
}

pub fn owner(name: &str) -> Owner {
    Owner { cluster: "test".into(), namespace: "shop".into(), name: name.into(), uid: "1-2-3".into() }
}

/// The claim of an object without a status.
pub fn claim(owner: Owner) -> Claim {
    Claim::new(owner)
}

/// A cluster in which every object has this uid.
pub struct Existing(pub &'static str);

impl Objects for Existing {
    async fn exists(&self, owner: &Owner) -> Result<bool, ApiError> {
        Ok(owner.uid == self.0)
    }
}

/// A cluster that doesn't answer.
pub struct NoAnswer;

impl Objects for NoAnswer {
    async fn exists(&self, _: &Owner) -> Result<bool, ApiError> {
        Err(ApiError::new("no answer"))
    }
}

pub fn table(spec: &Value) -> Table {
    Table::from_spec(Some(spec)).unwrap()
}

/// A spec of a table with these columns.
pub fn spec(table: &str, columns: &[(&str, &str)]) -> Value {
    let columns: Vec<_> = columns.iter().map(|(name, type_)| json!({*name: type_})).collect();
    json!({"tableName": table, "columns": columns})
}

/// The address of a pooler before the server that `KORF_SANDBOX_DATABASE_URL` names: `KORF_POOLER=127.0.0.1:6432`.
pub fn pooler() -> Option<String> {
    std::env::var("KORF_POOLER").ok()
}

/// A database for the operator: through the pooler, if there is one.
pub fn by_pooler(database: &Database) -> String {
    match pooler() {
        Some(pooler) => database.url().replace(&database.address.to_string(), &pooler),
        None => database.url(),
    }
}

/// Says what isn't tested, and why, by the name of the test. It shows although the test passes: Cargo captures the print
/// macros, but not the stream itself.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "SKIPPED {}: {why}", thread.name().unwrap_or_default());
}

/// Whether the server is the sandbox's own; if not, says what isn't tested.
pub fn has_own_server(why: &str) -> bool {
    let own = std::env::var_os("KORF_SANDBOX_DATABASE_URL").is_none();
    if !own {
        skip(why);
    }
    own
}

/// A client program of PostgreSQL, such as `pg_dump`, which connects as the superuser; with its major version.
pub async fn client_program(name: &str) -> Option<(Command, i32)> {
    let psql = server().await.psql().ok()?;
    let mut program = Command::new(Path::new(psql.get_program()).with_file_name(name));
    let output = Command::new(program.get_program()).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let major = version.split(|c: char| !c.is_ascii_digit()).find_map(|part| part.parse().ok())?;
    program.envs(psql.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some((program, major))
}

/// A database, the operator's pool for it and a second way in.
pub struct World {
    pub database: Database,
    pub tables: database::Database,
    pub sql: Client,
    pub owner: Owner,
    /// The object's claim, as its status would make it after the last success.
    pub claim: Mutex<Claim>,
}

impl World {
    pub async fn new(name: &str) -> Self {
        Self::of(server().await.create_database(name).await.unwrap()).await
    }

    pub async fn of(database: Database) -> Self {
        let settings = Settings::read(Some(&by_pooler(&database)), |_| None).unwrap();
        let sql = database.connect().await.unwrap();
        let tables = database::Database::new(settings.pool(4).unwrap());
        Self { database, tables, sql, owner: owner("a"), claim: claim(owner("a")).into() }
    }

    pub async fn apply(&self, spec: &Value) -> Result<Applied, TableError> {
        let claim = self.claim.lock().unwrap().clone();
        let applied = self.tables.apply(&NoAnswer, &claim, &table(spec)).await?;
        let mut claim = self.claim.lock().unwrap();
        claim.table = Some(applied.table.clone());
        claim.is_first_hand = true;
        claim.columns = applied.columns.iter().map(|column| column.name.clone()).collect();
        drop(claim);
        Ok(applied)
    }

    /// Goes on with what another process of the operator would know.
    pub fn restart(&mut self) {
        drop(self.another_process());
    }

    /// Goes on as another process of the operator, and returns what this one knows.
    pub fn another_process(&mut self) -> database::Database {
        let settings = Settings::read(Some(&by_pooler(&self.database)), |_| None).unwrap();
        std::mem::replace(&mut self.tables, database::Database::new(settings.pool(4).unwrap()))
    }

    /// Forgets the status, as after a crash before it is written.
    pub fn lose_the_status(&self) {
        *self.claim.lock().unwrap() = claim(self.owner.clone());
    }

    /// Applies as another object.
    pub async fn apply_as(&self, name: &str, spec: &Value) -> Result<Applied, TableError> {
        self.tables.apply(&NoAnswer, &claim(owner(name)), &table(spec)).await
    }

    pub async fn drop(&self) -> Result<Dropped, TableError> {
        self.drop_named(None).await
    }

    /// Drops the table of an object whose spec has this name.
    pub async fn drop_named(&self, name: Option<&str>) -> Result<Dropped, TableError> {
        let claim = self.claim.lock().unwrap().clone();
        let wanted = name.map(|name| table(&spec(name, &[("a", "integer")])));
        self.tables.drop_table(&Existing("1-2-3"), &claim, wanted.as_ref()).await
    }

    /// Runs statements that only a superuser may run, in the same database.
    pub async fn run_as_superuser(&self, sql: &str) {
        self.database.connect_as_superuser().await.unwrap().batch_execute(sql).await.unwrap();
    }

    pub async fn run(&self, sql: &str) {
        self.sql.batch_execute(sql).await.unwrap();
    }

    /// Whether the server has this major version or a newer one; if not, says what isn't tested.
    pub async fn has_version(&self, major: i32, what: &str) -> bool {
        let found = self.version().await;
        if found < major {
            skip(&format!("PostgreSQL {found} has no {what}, which came with {major}"));
        }
        found >= major
    }

    /// The server's major version.
    pub async fn version(&self) -> i32 {
        let query = "SELECT pg_catalog.current_setting('server_version_num')::integer / 10000";
        self.sql.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Whether the server has NOT NULL constraints that are validated later.
    pub async fn has_native_not_null(&self) -> bool {
        let query = "SELECT pg_catalog.current_setting('server_version_num')::integer >= 180000";
        self.sql.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Everything about the tables of the schema `public` that a change would alter.
    pub async fn snapshot(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', c.oid, c.relname, c.relkind, a.attnum, a.attname, a.attisdropped, \
                     format_type(a.atttypid, a.atttypmod), obj_description(c.oid, 'pg_class'), a.attnotnull, a.attcollation, \
                     a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)) \
                   FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
                   LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
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

    /// Applies a spec that must be rejected without a trace, and returns the error.
    pub async fn rejected(&self, spec: &Value) -> TableError {
        let before = self.snapshot().await;
        let error = self.apply(spec).await.expect_err(&spec.to_string());
        assert_eq!(self.snapshot().await, before, "{spec}");
        error
    }
}

/// Waits until a condition is met, for half a minute at most.
pub async fn until(what: &str, mut is_met: impl AsyncFnMut() -> bool) {
    let met = async {
        while !is_met().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(Duration::from_secs(30), met).await.is_ok(), "timed out waiting until {what}");
}

pub fn dropped(table: &str) -> Dropped {
    Dropped::Table(table.to_owned())
}

pub fn columns(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, type_)| ((*name).to_owned(), (*type_).to_owned())).collect()
}
