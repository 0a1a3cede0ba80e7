//! Bare client: sends the requests of the table operator for the Kopf demo's objects, and about its statements, and does nothing
//! else.
//!
//! It is no operator: it plans nothing, keeps nothing, retries nothing, and forgets what it can't do. So its time is what the
//! servers take, and what any operator takes at least that does the same safe things. `DATABASE_URL` and `NAMESPACE` say
//! where.

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use futures::{StreamExt, future::join_all};
use kube::{
    Api, Client,
    api::{GetParams, Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, env, pin::pin, sync::Arc};
use tokio::sync::Semaphore;
use tokio_postgres::{
    NoTls,
    types::{ToSql, Type},
};

type Error = Box<dyn std::error::Error + Send + Sync>;

type Params<'a> = [(&'a (dyn ToSql + Sync), Type); 1];

const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";
const DIFF_BASE: &str = "kopf.zalando.org/last-handled-configuration";
/// As many objects at once as the operator handles.
const OBJECTS: usize = 32;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '3s'; \
                     SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s'";
const LOCK: &str = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))";
const HEAD: &str = "SELECT c.oid, c.relkind::text, (SELECT d.description FROM pg_catalog.pg_description d \
                    WHERE d.objoid = c.oid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                    AND d.objsubid = 0) FROM pg_catalog.pg_class c WHERE c.relname = $1 \
                    AND c.relnamespace = 'public'::pg_catalog.regnamespace";
const TYPES: &str = "SELECT k, pg_catalog.to_regtype(k)::text FROM unnest($1) k";
const COLUMNS: &str = "SELECT attnum, attname::text, atttypid, atttypmod, pg_catalog.format_type(atttypid, atttypmod) \
                       FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped";
const KEY: &str =
    "SELECT indkey::int2[], indnkeyatts FROM pg_catalog.pg_index WHERE indrelid = $1 AND indisprimary";

struct Bare {
    objects: Api<DynamicObject>,
    pool: Pool,
}

/// What an event asks for.
enum Step {
    Create,
    Update,
    Delete,
}

impl Bare {
    fn step(object: &DynamicObject) -> Option<Step> {
        let ours = object.metadata.finalizers.iter().flatten().any(|name| name == FINALIZER);
        let columns = object.data["spec"]["columns"].as_array().map(Vec::len);
        let known =
            object.data["status"]["columnCount"].as_u64().and_then(|count| usize::try_from(count).ok());
        match known {
            _ if object.metadata.deletion_timestamp.is_some() => ours.then_some(Step::Delete),
            None => (!ours).then_some(Step::Create),
            known => (known != columns).then_some(Step::Update),
        }
    }

    async fn act(&self, object: &DynamicObject, step: Step) -> Result<(), Error> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let table = object.data["spec"]["tableName"].as_str().unwrap_or_default();
        let guard = json!({"uid": object.metadata.uid, "resourceVersion": object.metadata.resource_version});
        match step {
            Step::Create => {
                self.patch(name, with(guard, "finalizers", json!([FINALIZER]))).await?;
                self.change(object, table, true).await?;
            }
            Step::Update => self.change(object, table, false).await?,
            Step::Delete => {
                let version = object.metadata.resource_version.as_deref().unwrap_or_default();
                self.drop_table(table, self.objects.get_metadata_opt_with(name, &GetParams::at(version)))
                    .await?;
                return self.patch(name, with(guard, "finalizers", json!([]))).await;
            }
        }
        let columns = columns(object);
        let listed: Vec<_> =
            columns.iter().map(|(name, type_)| json!({"name": name, "type": type_})).collect();
        let condition = |type_| {
            json!({"type": type_, "status": "True", "reason": "Applied", "lastTransitionTime": "2026-01-01T00:00:00Z",
                   "message": format!("table public.{table} is as the spec asks, with {} columns", columns.len())})
        };
        let base = format!("{}\n", json!({"spec": object.data["spec"]}));
        let patch = json!({
            "metadata": {"uid": object.metadata.uid, "annotations": {DIFF_BASE: base}},
            "status": {"table": format!("public.{table}"), "columnCount": columns.len(), "columns": listed,
                       "primaryKey": ["user_id"], "conditions": [condition("Ready"), condition("Synced")]},
        });
        self.patch(name, patch).await
    }

    async fn patch(&self, name: &str, patch: Value) -> Result<(), Error> {
        self.objects.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn change(&self, object: &DynamicObject, table: &str, is_new: bool) -> Result<(), Error> {
        let client = self.pool.get().await?;
        let columns = columns(object);
        let types: Vec<_> = columns.iter().map(|(_, type_)| type_.as_str()).collect();
        let (lock, types, head): (Params<'_>, Params<'_>, Params<'_>) =
            ([(&table, Type::TEXT)], [(&types, Type::TEXT_ARRAY)], [(&table, Type::NAME)]);
        let (begun, locked, resolved, head) = futures::join!(
            client.batch_execute(BEGIN),
            client.query_typed(LOCK, &lock),
            client.query_typed(TYPES, &types),
            client.query_typed(HEAD, &head),
        );
        begun?;
        locked?;
        resolved?;
        let definition = |(name, type_): &(String, String)| format!("{name} {type_}");
        let statements = if is_new {
            let lines: Vec<_> = columns.iter().map(definition).collect();
            let line = json!({"cluster": "bench", "namespace": object.metadata.namespace, "name": object.metadata.name,
                              "uid": object.metadata.uid});
            vec![
                format!("CREATE TABLE public.{table} ({}, PRIMARY KEY (USER_ID))", lines.join(", ")),
                format!("COMMENT ON TABLE public.{table} IS 'database-table-operator: {line}'"),
            ]
        } else {
            let row = head?.pop().ok_or("no table")?;
            let oid: u32 = row.try_get(0)?;
            let params: Params<'_> = [(&oid, Type::OID)];
            let (known, key) =
                futures::join!(client.query_typed(COLUMNS, &params), client.query_typed(KEY, &params));
            key?;
            let known: BTreeSet<String> = known?.iter().map(|row| row.get(1)).collect();
            let missing = columns.iter().filter(|(name, _)| !known.contains(&name.to_lowercase()));
            let added: Vec<_> = missing.map(|column| format!("ADD COLUMN {}", definition(column))).collect();
            vec![format!("ALTER TABLE public.{table} {}", added.join(", "))]
        };
        let executed = join_all(statements.iter().map(|statement| client.execute_typed(statement, &[])));
        let (executed, committed) = futures::join!(executed, client.batch_execute("COMMIT"));
        executed.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(committed?)
    }

    async fn drop_table<T>(
        &self,
        table: &str,
        exists: impl Future<Output = kube::Result<T>>,
    ) -> Result<(), Error> {
        let client = self.pool.get().await?;
        let (lock, name): (Params<'_>, Params<'_>) = ([(&table, Type::TEXT)], [(&table, Type::NAME)]);
        let head = || client.query_typed(HEAD, &name);
        let (begun, locked, found) =
            futures::join!(client.batch_execute(BEGIN), client.query_typed(LOCK, &lock), head());
        begun?;
        locked?;
        found?;
        exists.await?;
        let lock = format!("LOCK TABLE public.{table} IN ACCESS EXCLUSIVE MODE");
        let (locked, found) = futures::join!(client.execute_typed(&lock, &[]), head());
        locked?;
        found?;
        let drop = format!("DROP TABLE public.{table} RESTRICT");
        let (dropped, committed) =
            futures::join!(client.execute_typed(&drop, &[]), client.batch_execute("COMMIT"));
        dropped?;
        Ok(committed?)
    }
}

fn columns(object: &DynamicObject) -> Vec<(String, String)> {
    let columns = object.data["spec"]["columns"].as_array().into_iter().flatten();
    let pairs = columns.filter_map(Value::as_object).flatten();
    pairs.map(|(name, type_)| (name.clone(), type_.as_str().unwrap_or_default().to_owned())).collect()
}

fn with(mut metadata: Value, field: &str, value: Value) -> Value {
    metadata[field] = value;
    json!({ "metadata": metadata })
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).init();
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(env::var("DATABASE_URL")?.parse()?, NoTls, config);
    let pool = Pool::builder(manager).max_size(8).build()?;
    let kind = GroupVersionKind::gvk("kopf.demo", "v1", "DatabaseTable");
    let kind = ApiResource::from_gvk_with_plural(&kind, "databasetables");
    let objects = Api::namespaced_with(Client::try_default().await?, &env::var("NAMESPACE")?, &kind);
    let bare = Arc::new(Bare { objects: objects.clone(), pool });
    let places = Arc::new(Semaphore::new(OBJECTS));
    let config = watcher::Config::default().streaming_lists();
    let mut events = pin!(watcher(objects, config).default_backoff().applied_objects());
    while let Some(object) = events.next().await {
        let object = object?;
        let Some(step) = Bare::step(&object) else { continue };
        let (bare, place) = (Arc::clone(&bare), Arc::clone(&places).acquire_owned().await?);
        tokio::spawn(async move {
            if let Err(error) = bare.act(&object, step).await {
                tracing::error!("{error}");
            }
            drop(place);
        });
    }
    Ok(())
}
