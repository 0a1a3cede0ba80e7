//! What happens to a PostgreSQL table when its `DatabaseTable` is made, changed and deleted.

use crate::{
    cluster::Cluster,
    crd::DatabaseTable,
    database,
    error::TableError,
    outcome::{Applied, Dropped, Outcome},
    request::TableRequest,
    sqlstate::ErrorClass,
    status::TableStatus,
};
use deadpool_postgres::Pool;
use korf::{Error, Patch, Result, ResultExt, State, Status};
use kube::Client;
use std::{fmt::Display, time::Duration};
use tracing::{debug, info, warn};

/// The database, and the cluster whose tables are kept in it: the state of all handlers.
#[derive(Clone, Debug)]
pub struct Context {
    /// Connections.
    pub pool: Pool,
    /// Which cluster this is.
    pub cluster: Cluster,
}

/// The delay after errors that a person has to mend in the database: nobody is faster, and it may take days.
const SLOW_RETRY: Duration = Duration::from_secs(300);

#[korf::on_create(DatabaseTable)]
async fn create_handler(
    request: TableRequest,
    context: State<Context>,
    client: Client,
    patch: Patch,
) -> Result<Status<TableStatus>> {
    log_kopf_line(&format_args!(
        "Create handler invoked by custom resource {}. Creating database table.",
        request.name
    ));
    reconcile(&request, &context, &client, &patch).await
}

#[korf::on_update(DatabaseTable)]
async fn update_handler(
    request: TableRequest,
    context: State<Context>,
    client: Client,
    patch: Patch,
) -> Result<Status<TableStatus>> {
    log_kopf_line(&format_args!(
        "Update handler invoked by custom resource {}. Checking the database table.",
        request.name
    ));
    reconcile(&request, &context, &client, &patch).await
}

#[korf::on_delete(DatabaseTable)]
async fn delete_handler(
    request: TableRequest,
    context: State<Context>,
    client: Client,
    patch: Patch,
) -> Result {
    log_kopf_line(&format_args!(
        "Delete handler invoked by custom resource {}. Dropping database table.",
        request.name
    ));
    match drop_table(&request, &context, &client).await {
        Ok(Dropped::Table(table)) => info!("Dropped table {table}."),
        Ok(Dropped::NoTable) => info!("There is no table of its own to drop."),
        Ok(Dropped::Kept(table)) => {
            warn!(
                "Left table {table} alone: the object is gone already, and another one may have the table."
            );
        }
        Err(error) => return Err(record_failure(&request, error, &patch)?),
    }
    Ok(())
}

async fn drop_table(
    request: &TableRequest,
    context: &Context,
    client: &Client,
) -> Result<Dropped, TableError> {
    let cluster = context.cluster.name(client).await.map_err(TableError::ClusterUnknown)?;
    let name = request.table.as_ref().ok().map(|table| &table.name);
    database::drop_owned(&context.pool, client, &request.claim(cluster), name).await
}

/// The first line of each handler is the seed's, and so is its logger: Python's root, which knows no objects.
fn log_kopf_line(words: &dyn Display) {
    info!(target: "root", parent: None, "{words}");
}

/// Creation and update are one thing: what the spec asks for is compared with what the catalog has, so that
/// each ends well wherever an earlier attempt has stopped.
async fn reconcile(
    request: &TableRequest,
    context: &Context,
    client: &Client,
    patch: &Patch,
) -> Result<Status<TableStatus>> {
    for warning in &request.warnings {
        warn!("{warning}");
    }
    match apply(request, context, client).await {
        Ok(applied) => {
            log_applied(&applied);
            Ok(Status(request.ready(&applied)))
        }
        Err(error) => Err(record_failure(request, error, patch)?),
    }
}

async fn apply(request: &TableRequest, context: &Context, client: &Client) -> Result<Applied, TableError> {
    let table = request.table.as_ref().map_err(Clone::clone)?;
    let cluster = context.cluster.name(client).await.map_err(TableError::ClusterUnknown)?;
    database::apply(&context.pool, client, &request.claim(cluster), table).await
}

fn log_applied(applied: &Applied) {
    let table = &applied.table;
    match &applied.outcome {
        Outcome::Created => debug!("Created table {table}."),
        Outcome::ColumnsAdded(columns) => info!("Added to table {table}: {}.", columns.join(", ")),
        Outcome::Unchanged => debug!("Table {table} has all that the spec asks for."),
    }
}

/// Puts the reason into the status, and says when to try again.
fn record_failure(request: &TableRequest, error: TableError, patch: &Patch) -> Result<Error> {
    patch.status(serde_json::to_value(request.failed(&error)).permanent()?);
    Ok(match error.class() {
        ErrorClass::Temporary => Error::from(error),
        ErrorClass::Environment => Error::temporary(error, SLOW_RETRY),
        ErrorClass::Permanent => Error::permanent(error),
    })
}
