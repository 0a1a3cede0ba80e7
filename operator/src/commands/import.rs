//! Command `import`: manifests for tables that exist. With them, the operator takes the tables over as they are.

mod manifest;

use super::{
    DatabaseOptions, Output,
    plan::{Known, planned},
};
use crate::{
    catalog::{self, RelationKind},
    database::Database,
    error::{DatabaseError, TableError},
    identifier::{Identifier, quote},
    marker::Owner,
    message::printable,
    search_path::current_schema,
    transaction::{Transaction, transact},
};
use futures::join;
use korf::Error;
use manifest::{Manifest, Names};
use postgres_types::Type;
use std::{
    io::{self, Write},
    process::ExitCode,
};

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
    let mut out = Output::new();
    match manifests(&options, &mut out).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => out.fail(&error),
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
    let (pool, _) = options.database.pool().await?;
    let looking =
        async |tx: &Transaction<'_>| schema_and_tables(tx, schema.as_ref().map(Identifier::as_str)).await;
    let Some((place, tables)) = transact(&pool, looking).await? else {
        return Err(match &schema {
            Some(schema) => Error::new(format!("there is no schema {}", quote(schema.as_str()))),
            None => Error::new("no schema in the search_path of the user exists: say --schema"),
        });
    };
    let names = match asked.is_empty() {
        true => tables,
        false => asked.iter().map(|name| name.as_str().to_owned()).collect(),
    };
    let database = Database::new(pool.clone());
    let (mut taken, mut found_all) = (Names::default(), true);
    for name in names {
        let reading = async |tx: &Transaction<'_>| read(tx, &place, &name, &mut taken).await;
        let entry = match transact(&pool, reading).await? {
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
    out.flush()?;
    Ok(found_all)
}

async fn read(
    sql: &Transaction<'_>,
    schema: &str,
    name: &str,
    taken: &mut Names,
) -> Result<Entry, TableError> {
    let qualified = format!("{}.{}", quote(schema), quote(name));
    let (begun, head) = join!(sql.begin(), catalog::head(sql, Some(schema), name));
    begun.map_err(DatabaseError::of_first_statement)?;
    let Some(head) = head? else {
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
    let (oid, stranger) = (head.oid, head.stranger.clone());
    let relation = catalog::relation(sql, head, true).await?;
    let indexes = catalog::indexes(sql, schema, Some(oid), &[]).await?.present;
    let mut manifest = Manifest::of(name, &relation, &indexes, taken);
    if let Some(role) = stranger {
        manifest.remark(format!(
            "the table belongs to the role {role}: the operator can't take it over unless its own role is a member of that one: \
             GRANT {role} TO …",
            role = quote(&role)
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

/// A schema, or else the first one of the search path that exists, with its tables, without those that belong to an extension;
/// `None` if there is no such schema.
async fn schema_and_tables(
    sql: &Transaction<'_>,
    schema: Option<&str>,
) -> Result<Option<(String, Vec<String>)>, TableError> {
    let query = concat!(
        "SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE n.nspname = COALESCE($1, ",
        current_schema!(),
        ")"
    );
    let parameters = [(&schema as _, Type::NAME)];
    let (begun, found) = join!(sql.begin(), sql.query_typed_opt(query, &parameters));
    begun.map_err(DatabaseError::of_first_statement)?;
    let Some(schema) = found?.map(|row| row.try_get::<_, String>(0)).transpose()? else { return Ok(None) };
    let query = "SELECT c.relname::text FROM pg_catalog.pg_class c \
                 WHERE c.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1) \
                 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT EXISTS ( \
                   SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                   AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1";
    let rows = sql.query_typed(query, &[(&schema, Type::NAME)]).await?;
    let tables = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(Some((schema, tables)))
}
