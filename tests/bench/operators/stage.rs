//! Stage: a namespace and a database for one contender, the load on them, and waits for what comes of it.

use super::{
    Error,
    contender::{Contender, Place},
    process::Process,
};
use futures::{StreamExt, TryStreamExt, stream};
use korf_sandbox::{Database, Sandbox};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use std::{
    ops::Range,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How many requests the load makes at once.
const REQUESTS: usize = 16;
/// How long an operator may take for all that one phase asks of it.
const LIMIT: Duration = Duration::from_secs(900);

/// The time between two looks at a table.
const POLL: Duration = Duration::from_millis(20);

/// Whether a table has the column that updates add.
const WIDER: &str = "SELECT count(*) FROM pg_catalog.pg_attribute \
                     WHERE attname = 'country' AND attrelid = pg_catalog.to_regclass($1::text)";

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Tables {
    /// Each object has one.
    There,
    /// Each has one column more.
    Wider,
    /// None has one.
    Gone,
}

/// A namespace and a database for one contender.
pub struct Stage {
    contender: Contender,
    place: Place,
    objects: Api<DynamicObject>,
    database: Database,
    sql: tokio_postgres::Client,
}

impl Stage {
    pub async fn new(sandbox: &Sandbox, contender: Contender, number: usize) -> Result<Self, Error> {
        let name = format!("bench-{number}");
        let namespace = sandbox.control_plane.create_namespace(&name).await?;
        let database = sandbox.postgres.create_database(&name.replace('-', "_")).await?;
        let place = Place {
            kubeconfig: sandbox.control_plane.kubeconfig().to_owned(),
            database_url: database.url(),
            log: std::env::temp_dir().join(format!("korf-bench-{}.log", std::process::id())),
            namespace,
        };
        Ok(Self {
            contender,
            objects: Api::namespaced_with(sandbox.control_plane.client().await?, &place.namespace, &kind()),
            sql: database.connect().await?,
            database,
            place,
        })
    }

    /// Makes tables of other objects, in a schema of their own.
    pub async fn prefill(&self, count: usize) -> Result<(), Error> {
        // On a connection of its own: afterwards, this one would go on knowing all these tables.
        let sql = self.database.connect().await?;
        sql.batch_execute("CREATE SCHEMA others").await?;
        let line =
            r#"database-table-operator: {"cluster":"other","namespace":"other","name":"%s","uid":"%s"}"#;
        // Not in one transaction: it would need a lock for each.
        for begin in (0..count).step_by(500) {
            let last = (begin + 500).min(count) - 1;
            let block = format!(
                "DO $$ BEGIN FOR n IN {begin}..{last} LOOP \
                   EXECUTE format('CREATE TABLE others.t%s (id integer)', n); \
                   EXECUTE format('COMMENT ON TABLE others.t%s IS %L', n, format('{line}', n, n)); \
                 END LOOP; END $$"
            );
            sql.batch_execute(&block).await?;
        }
        Ok(())
    }

    /// Where the contender works.
    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn start(&self) -> Result<Process, Error> {
        Ok(Process::start(&mut self.contender.command(&self.place)?)?)
    }

    /// Creates an object with a table of the Kopf demo's five columns.
    pub async fn create(&self, number: usize) -> Result<(), Error> {
        self.create_of(json!({
            "apiVersion": "kopf.demo/v1",
            "kind": "DatabaseTable",
            "metadata": {"name": name(number)},
            "spec": {"tableName": table(number), "columns": columns(), "primaryKey": "USER_ID"},
        }))
        .await
    }

    async fn create_of(&self, object: Value) -> Result<(), Error> {
        self.objects.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }

    pub async fn create_all(&self, numbers: Range<usize>) -> Result<(), Error> {
        each(numbers, async |number| self.create(number).await).await
    }

    /// Creates copies of an object, as its operator has left it, under names of their own.
    async fn copy_all(&self, number: usize, numbers: Range<usize>) -> Result<(), Error> {
        let original = self.objects.get(&name(number)).await?;
        let metadata = json!({
            "name": name(number), "annotations": original.metadata.annotations,
            "finalizers": original.metadata.finalizers,
        });
        let (mut copy, types) = (original.data, original.types.unwrap_or_default());
        copy["metadata"] = metadata;
        (copy["apiVersion"], copy["kind"]) = (types.api_version.into(), types.kind.into());
        let text = copy.to_string();
        each(numbers, async |other| {
            let text = text.replace(&name(number), &name(other)).replace(&table(number), &table(other));
            self.create_of(serde_json::from_str(&text)?).await
        })
        .await
    }

    /// Makes objects that the contender can't tell from those that it has handled: one that it handles, and copies of it. They
    /// have no tables.
    pub async fn make_handled(&self, count: usize) -> Result<(), Error> {
        let last = count - 1;
        self.create(last).await?;
        let mut process = self.start()?;
        self.tables(&mut process, last..count, Tables::There).await?;
        self.rest(&process).await;
        drop(process);
        self.copy_all(last, 0..last).await
    }

    /// Adds a column to an object.
    pub async fn widen(&self, number: usize) -> Result<(), Error> {
        self.objects.patch(&name(number), &PatchParams::default(), &wider()).await?;
        Ok(())
    }

    /// Adds a column to an object; returns the time until its table has it.
    pub async fn change_one(&self, number: usize) -> Result<Duration, Error> {
        let begun = Instant::now();
        self.widen(number).await?;
        self.becomes_one(WIDER, number, begun).await
    }

    /// Adds a column to each object.
    pub async fn update_all(&self, count: usize) -> Result<(), Error> {
        let patch = &wider();
        each(0..count, async |number| {
            self.objects.patch(&name(number), &PatchParams::default(), patch).await?;
            Ok(())
        })
        .await
    }

    pub async fn delete_all(&self, count: usize) -> Result<(), Error> {
        each(0..count, async |number| {
            self.objects.delete(&name(number), &DeleteParams::default()).await?;
            Ok(())
        })
        .await
    }

    /// Waits until the tables of these objects are as wanted, one after the other: to count them would read the whole
    /// catalog each time, with the processor that is measured.
    pub async fn tables(
        &self,
        process: &mut Process,
        numbers: Range<usize>,
        wanted: Tables,
    ) -> Result<(), Error> {
        let (sql, count) = match wanted {
            Tables::There => ("SELECT count(pg_catalog.to_regclass($1::text))", 1),
            Tables::Gone => ("SELECT count(pg_catalog.to_regclass($1::text))", 0),
            Tables::Wider => (WIDER, 1),
        };
        let (question, limit) = (self.sql.prepare(sql).await?, Instant::now() + LIMIT);
        for number in numbers {
            let table = table(number);
            while self.sql.query_one(&question, &[&table]).await?.get::<_, i64>(0) != count {
                if process.has_ended() || Instant::now() > limit {
                    let (name, log) = (self.contender.name(), self.place.log.display());
                    return Err(format!("{name} stops before {table}: see {log}").into());
                }
                sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Creates an object, and waits until its table can be seen.
    pub async fn latency(&self, number: usize) -> Result<Duration, Error> {
        let begun = Instant::now();
        self.create(number).await?;
        self.becomes_one("SELECT count(pg_catalog.to_regclass($1::text))", number, begun).await
    }

    /// Waits, without a pause, until a count for a table is one.
    async fn becomes_one(&self, sql: &str, number: usize, begun: Instant) -> Result<Duration, Error> {
        let (question, table) = (self.sql.prepare(sql).await?, table(number));
        while self.sql.query_one(&question, &[&table]).await?.get::<_, i64>(0) != 1 {
            if begun.elapsed() > LIMIT {
                let log = self.place.log.display();
                return Err(format!("{} doesn't change {table}: see {log}", self.contender.name()).into());
            }
        }
        Ok(begun.elapsed())
    }

    /// Waits until the operator has done nothing for a while.
    pub async fn rest(&self, process: &Process) {
        let mut before = process.cpu();
        loop {
            sleep(Duration::from_millis(700)).await;
            let now = process.cpu();
            if now.saturating_sub(before) < Duration::from_millis(20) {
                return;
            }
            before = now;
        }
    }

    /// Waits until all objects are gone.
    pub async fn gone(&self) -> Result<(), Error> {
        while !self.objects.list_metadata(&ListParams::default().limit(1)).await?.items.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Removes what a contender has left.
    pub async fn clear(self) -> Result<(), Error> {
        let patch = &Patch::Merge(json!({"metadata": {"finalizers": null}}));
        for item in self.objects.list_metadata(&ListParams::default()).await?.items {
            let name = item.metadata.name.unwrap_or_default();
            self.objects.patch(&name, &PatchParams::default(), patch).await?;
            let _ = self.objects.delete(&name, &DeleteParams::default()).await;
        }
        Ok(())
    }
}

async fn each<F>(numbers: Range<usize>, act: impl Fn(usize) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>>,
{
    stream::iter(numbers).map(act).buffer_unordered(REQUESTS).try_collect().await
}

fn kind() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("kopf.demo", "v1", "DatabaseTable"),
        "databasetables",
    )
}

fn name(number: usize) -> String {
    format!("table-{number}")
}

fn table(number: usize) -> String {
    format!("table_{number}")
}

/// The patch that adds a column.
fn wider() -> Patch<Value> {
    let mut columns = columns();
    columns.push(json!({"COUNTRY": "char(2)"}));
    Patch::Merge(json!({"spec": {"columns": columns}}))
}

fn columns() -> Vec<Value> {
    vec![
        json!({"USER_ID": "integer"}),
        json!({"USER_NAME": "varchar(50)"}),
        json!({"USER_EMAIL": "varchar(100)"}),
        json!({"SIGNUP_DATE": "date"}),
        json!({"LAST_LOGIN": "timestamp"}),
    ]
}
