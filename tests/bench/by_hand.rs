//! An operator for the Kopf demo's CRD, written by hand as the documentation of kube-rs advises: a `Controller`, the
//! finalizer helper, a status, and the plainest SQL that makes the table. `DATABASE_URL` and `NAMESPACE` say where.

use deadpool_postgres::{Manager, Pool};
use futures::StreamExt;
use kube::{
    Api, Client, CustomResource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{
        Controller,
        controller::Action,
        finalizer::{self, Event, finalizer},
        watcher,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeMap, env, sync::Arc, time::Duration};
use tokio_postgres::NoTls;

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize)]
#[kube(group = "kopf.demo", version = "v1", kind = "DatabaseTable", namespaced, schema = "disabled")]
#[kube(status = "TableStatus")]
#[serde(rename_all = "camelCase")]
struct TableSpec {
    table_name: String,
    columns: Vec<BTreeMap<String, String>>,
    primary_key: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct TableStatus {
    table: Option<String>,
    columns: Option<usize>,
}

struct Context {
    client: Client,
    pool: Pool,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Kube(#[from] kube::Error),
    #[error(transparent)]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Finalizer(#[from] Box<finalizer::Error<Error>>),
}

async fn reconcile(table: Arc<DatabaseTable>, context: Arc<Context>) -> Result<Action, Error> {
    let api = Api::namespaced(context.client.clone(), &table.namespace().unwrap_or_default());
    let act = async |event| match event {
        Event::Apply(table) => apply(&table, &api, &context).await,
        Event::Cleanup(table) => clean_up(&table, &context).await,
    };
    finalizer(&api, "by-hand/finalizer", table, act).await.map_err(|error| Error::from(Box::new(error)))
}

async fn apply(table: &DatabaseTable, api: &Api<DatabaseTable>, context: &Context) -> Result<Action, Error> {
    let client = context.pool.get().await?;
    let pairs: Vec<_> = table.spec.columns.iter().flatten().collect();
    let mut lines: Vec<_> = pairs.iter().map(|(name, type_)| format!("{name} {type_}")).collect();
    lines.extend(table.spec.primary_key.iter().map(|key| format!("PRIMARY KEY ({key})")));
    let name = &table.spec.table_name;
    let known = table.status.as_ref().and_then(|status| status.columns);
    if known.is_none() {
        client.batch_execute(&format!("CREATE TABLE IF NOT EXISTS {name} ({})", lines.join(", "))).await?;
    } else if known != Some(pairs.len()) {
        let added = pairs.iter().map(|(name, type_)| format!("ADD COLUMN IF NOT EXISTS {name} {type_}"));
        let added: Vec<_> = added.collect();
        client.batch_execute(&format!("ALTER TABLE {name} {}", added.join(", "))).await?;
    }
    if known != Some(pairs.len()) {
        let status = json!({"status": {"table": name, "columns": pairs.len()}});
        // The demo's CRD has no subresource.
        api.patch(&table.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
    }
    Ok(Action::await_change())
}

async fn clean_up(table: &DatabaseTable, context: &Context) -> Result<Action, Error> {
    let client = context.pool.get().await?;
    client.batch_execute(&format!("DROP TABLE IF EXISTS {}", table.spec.table_name)).await?;
    Ok(Action::await_change())
}

fn on_error(_table: Arc<DatabaseTable>, error: &Error, _context: Arc<Context>) -> Action {
    tracing::error!("{error}");
    Action::requeue(Duration::from_secs(5))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).init();
    let manager = Manager::new(env::var("DATABASE_URL")?.parse()?, NoTls);
    let pool = Pool::builder(manager).max_size(8).build()?;
    let client = Client::try_default().await?;
    let tables = Api::<DatabaseTable>::namespaced(client.clone(), &env::var("NAMESPACE")?);
    Controller::new(tables, watcher::Config::default())
        .shutdown_on_signal()
        .run(reconcile, on_error, Arc::new(Context { client, pool }))
        .for_each(async |_| {})
        .await;
    Ok(())
}
