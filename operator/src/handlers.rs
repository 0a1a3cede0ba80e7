//! What happens to a PostgreSQL table when its `DatabaseTable` is made, changed and deleted.

use crate::{
    asked::Asked,
    cluster::Cluster,
    crd::DatabaseTable,
    database,
    error::TableError,
    outcome::{Applied, Dropped, Outcome},
    sqlstate::Class,
    status::TableStatus,
};
use deadpool_postgres::Pool;
use korf::{Error, Patch, Result, ResultExt, State, Status};
use kube::Client;
use std::{fmt::Display, time::Duration};
use tracing::{debug, info, warn};

/// The database, and the cluster whose tables are kept in it: the state of all handlers.
#[derive(Clone, Debug)]
pub struct Database {
    /// Connections.
    pub pool: Pool,
    /// Which cluster this is.
    pub cluster: Cluster,
}

/// The delay after errors that a person has to mend in the database: nobody is faster, and it may take days.
const SLOW: Duration = Duration::from_secs(300);

#[korf::on_create(DatabaseTable)]
async fn create_handler(
    asked: Asked,
    database: State<Database>,
    client: Client,
    patch: Patch,
) -> Result<Status<TableStatus>> {
    say_as_the_seed(&format_args!(
        "Create handler invoked by custom resource {}. Creating database table.",
        asked.name
    ));
    make_it_so(&asked, &database, &client, &patch).await
}

#[korf::on_update(DatabaseTable)]
async fn update_handler(
    asked: Asked,
    database: State<Database>,
    client: Client,
    patch: Patch,
) -> Result<Status<TableStatus>> {
    say_as_the_seed(&format_args!(
        "Update handler invoked by custom resource {}. Checking the database table.",
        asked.name
    ));
    make_it_so(&asked, &database, &client, &patch).await
}

#[korf::on_delete(DatabaseTable)]
async fn delete_handler(asked: Asked, database: State<Database>, client: Client, patch: Patch) -> Result {
    say_as_the_seed(&format_args!(
        "Delete handler invoked by custom resource {}. Dropping database table.",
        asked.name
    ));
    match dropped(&asked, &database, &client).await {
        Ok(Dropped::Table(table)) => info!("Dropped table {table}."),
        Ok(Dropped::Nothing) => info!("There is no table of its own to drop."),
        Ok(Dropped::Left(table)) => {
            warn!(
                "Left table {table} alone: the object is gone already, and another one may have the table."
            );
        }
        Err(error) => return Err(failed(&asked, error, &patch)?),
    }
    Ok(())
}

async fn dropped(asked: &Asked, database: &Database, client: &Client) -> Result<Dropped, TableError> {
    let cluster = database.cluster.name(client).await.map_err(TableError::NoName)?;
    let name = asked.table.as_ref().ok().map(|table| &table.name);
    database::drop_owned(&database.pool, client, &asked.claim(cluster), name).await
}

/// The first line of each handler is the seed's, and so is its logger: Python's root, which knows no objects.
fn say_as_the_seed(words: &dyn Display) {
    info!(target: "root", parent: None, "{words}");
}

/// Creation and update are one thing: what the spec asks for is compared with what the catalog has, so that
/// each ends well wherever an earlier attempt has stopped.
async fn make_it_so(
    asked: &Asked,
    database: &Database,
    client: &Client,
    patch: &Patch,
) -> Result<Status<TableStatus>> {
    for warning in &asked.warnings {
        warn!("{warning}");
    }
    match applied(asked, database, client).await {
        Ok(applied) => {
            tell(&applied);
            Ok(Status(asked.ready(&applied)))
        }
        Err(error) => Err(failed(asked, error, patch)?),
    }
}

async fn applied(asked: &Asked, database: &Database, client: &Client) -> Result<Applied, TableError> {
    let table = asked.table.as_ref().map_err(Clone::clone)?;
    let cluster = database.cluster.name(client).await.map_err(TableError::NoName)?;
    database::apply(&database.pool, client, &asked.claim(cluster), table).await
}

fn tell(applied: &Applied) {
    let table = &applied.table;
    match &applied.outcome {
        Outcome::Created => debug!("Created table {table}."),
        Outcome::ColumnsAdded(columns) => info!("Added to table {table}: {}.", columns.join(", ")),
        Outcome::Unchanged => debug!("Table {table} has all that the spec asks for."),
    }
}

/// Puts the reason into the status, and says when to try again.
fn failed(asked: &Asked, error: TableError, patch: &Patch) -> Result<Error> {
    patch.status(serde_json::to_value(asked.refused(&error)).permanent()?);
    Ok(match error.class() {
        Class::Temporary => Error::from(error),
        Class::Environment => Error::temporary(error, SLOW),
        Class::Permanent => Error::permanent(error),
    })
}
