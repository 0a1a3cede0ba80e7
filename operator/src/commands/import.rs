//! Command `import`: manifests for tables that exist. With them, the operator takes the tables over as they are.

mod manifest;

use super::{
    DatabaseOptions,
    plan::{Known, planned},
};
use crate::{
    catalog::{self, RelationKind},
    database::Database,
    error::{DatabaseError, TableError},
    identifier::{Identifier, quote},
    marker::Owner,
    message::printable,
};
use korf::Error;
use manifest::{Manifest, Names};
use std::{
    io::{self, Write},
    process::ExitCode,
};
use tokio_postgres::Client;

/// Print manifests for tables that exist, for `kubectl apply -f -`; nothing is changed
///
/// The operator takes the tables over as they are, because the manifests say adoptionPolicy: IfCompatible, and keeps
/// them when the objects are deleted (deletionPolicy: Retain). What a manifest can't say of a table stands beside it as a comment,
/// and stays as it is. Tables of other objects are left out, and those that can't be taken over; a comment says why. The exit code
/// is 1 if a table isn't found.
#[derive(Debug, clap::Parser)]
#[command(name = "import")]
pub struct ImportOptions {
    /// The schema of the tables; by default the first one of the search_path that exists
    #[arg(long, value_name = "SCHEMA")]
    schema: Option<String>,
    /// The namespace of the objects; by default none is written
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The tables, as in a spec: "Users" with double quotes if it has capital letters; all of the schema if none is given
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// Prints the manifests.
pub async fn import(options: ImportOptions) -> ExitCode {
    match manifests(&options, &mut io::stdout()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is to be printed of a table.
enum Entry {
    Manifest(Box<Manifest>),
    /// The table belongs to somebody, or can't be taken over: why.
    LeftOut(String),
    /// There is no such table: why.
    NotFound(String),
}

/// Writes the manifests, and returns whether all tables were found.
///
/// # Errors
///
/// Those of the database and of the writer, and names that can be none.
pub async fn manifests(options: &ImportOptions, out: &mut impl Write) -> Result<bool, Error> {
    let parse =
        |text: &String| Identifier::parse(text).map_err(|error| Error::new(format!("{text}: {error}")));
    let asked = options.tables.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let schema = options.schema.as_ref().map(parse).transpose()?;
    let (pool, _) = options.database.pool()?;
    let sql = pool.get().await.map_err(DatabaseError::from)?;
    let place = match &schema {
        Some(schema) => schema.as_str().to_owned(),
        None => current_schema(&sql).await?,
    };
    let names = match asked.is_empty() {
        true => tables(&sql, &place).await?,
        false => asked.iter().map(|name| name.as_str().to_owned()).collect(),
    };
    if schema.is_some() && !catalog::schema_name(&sql, &place).await?.is_schema {
        return Err(Error::new(format!("there is no schema {}", quote(&place))));
    }
    drop(sql);
    let database = Database::new(pool.clone());
    let (mut taken, mut found_all) = (Names::default(), true);
    for name in names {
        let sql = pool.get().await.map_err(DatabaseError::from)?;
        let entry = read(&sql, &place, &name, &mut taken).await?;
        drop(sql);
        let entry = match entry {
            Entry::Manifest(manifest) => {
                let schema = schema.is_some().then_some(&place);
                tried(&database, manifest.within(options.namespace.as_deref(), schema)).await
            }
            other => other,
        };
        let table = format!("table {}.{}", quote(&place), quote(&name));
        match entry {
            Entry::Manifest(manifest) => out.write_all(manifest.yaml()?.as_bytes())?,
            Entry::LeftOut(why) => {
                out.write_all(manifest::comment(&format!("{table} is left out: {why}")).as_bytes())?;
            }
            Entry::NotFound(why) => {
                writeln!(io::stderr(), "error: {}", printable(&why))?;
                found_all = false;
            }
        }
    }
    Ok(found_all)
}

async fn read(sql: &Client, schema: &str, name: &str, taken: &mut Names) -> Result<Entry, Error> {
    let qualified = format!("{}.{}", quote(schema), quote(name));
    let Some(head) = catalog::head(sql, Some(schema), name).await? else {
        return Ok(Entry::NotFound(format!("there is no table {qualified}")));
    };
    if let RelationKind::Other(what) = head.kind {
        return Ok(Entry::NotFound(format!("{qualified} is {what}, not a table")));
    }
    if let Some(owner) = head.owner() {
        return Ok(Entry::LeftOut(format!("it is that of the DatabaseTable {owner}")));
    }
    if head.kind == RelationKind::Partitioned {
        return Ok(Entry::LeftOut("it has partitions".to_owned()));
    }
    let oid = head.oid;
    let stranger = stranger(sql, oid).await?;
    let relation = catalog::relation(sql, head, true).await?;
    let indexes = catalog::indexes(sql, schema, Some(oid), &[]).await?.present;
    let mut manifest = Manifest::of(name, &relation, &indexes, taken);
    if let Some(role) = stranger {
        manifest.remark(format!(
            "the table belongs to the role {}: the operator can't take it over unless its own role is a member of that one, or has \
             the table: ALTER TABLE {qualified} OWNER TO …",
            quote(&role)
        ));
    }
    Ok(Entry::Manifest(Box::new(manifest)))
}

/// The manifest, if the operator would take the table over as it is.
async fn tried(database: &Database, manifest: Manifest) -> Entry {
    let owner = Owner {
        cluster: String::new(),
        namespace: String::new(),
        name: manifest.name().to_owned(),
        uid: String::new(),
    };
    let planned = match manifest.declaration() {
        Ok(declaration) => planned(database, &owner, &Known::New, &declaration).await,
        Err(error) => return Entry::LeftOut(error.to_string()),
    };
    match planned {
        Ok(preview) if preview.count() == 0 => Entry::Manifest(Box::new(manifest)),
        Ok(_) => Entry::LeftOut("it has just been changed: call this command again".to_owned()),
        Err(TableError::Database(error)) => {
            let mut manifest = manifest;
            manifest.remark(format!("it wasn't tried whether the table can be taken over: {error}"));
            Entry::Manifest(Box::new(manifest))
        }
        Err(error) => Entry::LeftOut(error.to_string()),
    }
}

/// The role that has a table, unless the user of the connection may do what that one may.
async fn stranger(sql: &Client, table: u32) -> Result<Option<String>, Error> {
    let query = "SELECT pg_catalog.pg_get_userbyid(c.relowner)::text FROM pg_catalog.pg_class c \
                 WHERE c.oid = $1 AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')";
    let row = sql.query_typed_opt(query, &[(&table, postgres_types::Type::OID)]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn current_schema(sql: &Client) -> Result<String, Error> {
    let query = "SELECT pg_catalog.current_schema()::text";
    let schema: Option<String> = sql.query_typed_one(query, &[]).await?.try_get(0)?;
    let why = "no schema in the search_path of the user exists: say --schema";
    schema.ok_or_else(|| Error::new(why))
}

/// The tables of a schema, without those that belong to an extension.
async fn tables(sql: &Client, schema: &str) -> Result<Vec<String>, Error> {
    let query = "SELECT c.relname::text FROM pg_catalog.pg_class c \
                 WHERE c.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1) \
                 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT EXISTS ( \
                   SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                   AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1";
    let rows = sql.query_typed(query, &[(&schema, postgres_types::Type::NAME)]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}
