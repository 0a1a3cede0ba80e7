//! Command `import`: manifests for tables that exist. With them, the operator takes the tables over as they are.

mod manifest;

use super::DatabaseOptions;
use crate::{
    catalog::{self, RelationKind},
    identifier::{Identifier, quote},
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
/// them when the objects are deleted (deletionPolicy: Retain). What a manifest can't
/// say of a table stands beside it as a comment, and stays as it is. Tables of other objects are left out. The exit code is 1 if a
/// table isn't found.
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
    match print(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all tables were found.
async fn print(options: &ImportOptions) -> Result<bool, Error> {
    let parse =
        |text: &String| Identifier::parse(text).map_err(|error| Error::new(format!("{text}: {error}")));
    let asked = options.tables.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let schema = options.schema.as_ref().map(parse).transpose()?;
    let (pool, _) = options.database.pool()?;
    let sql = pool.get().await.map_err(crate::error::DatabaseError::from)?;
    let place = match &schema {
        Some(schema) => schema.as_str().to_owned(),
        None => current_schema(&sql).await?,
    };
    let names = match asked.is_empty() {
        true => tables(&sql, &place).await?,
        false => asked.iter().map(|name| name.as_str().to_owned()).collect(),
    };
    let (mut taken, mut found_all) = (Names::default(), true);
    let out = &mut io::stdout();
    for name in names {
        let qualified = format!("{}.{}", quote(&place), quote(&name));
        let Some(head) = catalog::head(&sql, Some(&place), &name).await? else {
            writeln!(io::stderr(), "error: there is no table {qualified}")?;
            found_all = false;
            continue;
        };
        if let RelationKind::Other(what) = head.kind {
            writeln!(io::stderr(), "error: {qualified} is {what}, not a table")?;
            found_all = false;
            continue;
        }
        if let Some(owner) = head.owner() {
            let text = format!("table {qualified} is left out: it is that of the DatabaseTable {owner}");
            out.write_all(manifest::comment(&text).as_bytes())?;
            continue;
        }
        if head.kind == RelationKind::Partitioned {
            out.write_all(
                manifest::comment(&format!("table {qualified} is left out: it has partitions")).as_bytes(),
            )?;
            continue;
        }
        let oid = head.oid;
        let relation = catalog::relation(&sql, head, true).await?;
        let indexes = catalog::indexes(&sql, &place, Some(oid), &[]).await?.present;
        let manifest = Manifest::of(&name, &relation, &indexes, &mut taken)
            .within(options.namespace.as_deref(), schema.is_some().then_some(&place));
        write!(out, "{}", manifest.yaml()?)?;
    }
    Ok(found_all)
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
