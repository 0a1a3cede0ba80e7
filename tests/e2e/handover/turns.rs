//! A stage on which operators in Python and in Rust take turns.

use super::kopf;
use crate::stage::{Cluster, Operator, Stage};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where the operators' calls are noted, and which of them are to fail: see `tests/kopf/rehearsal.py`.
const LEDGER: &str = "
    CREATE TABLE handover_calls (number serial, call text, uid text, began timestamptz DEFAULT clock_timestamp());
    CREATE TABLE handover_failures (handler text PRIMARY KEY, times integer, delay float8)";

/// A stage, and the real Kopf.
pub struct Turns {
    pub stage: Stage<'static>,
    kopf: &'static Path,
}

impl Turns {
    /// With the seed's CRD; none where there is no Kopf.
    pub async fn new(name: &str) -> Option<Self> {
        let kopf = kopf::program().await?;
        Some(Self::on(Stage::new(name).await, kopf).await)
    }

    /// With a schema, which knows nothing of Kopf's results, and a status subresource.
    pub async fn with_the_full_crd(name: &str) -> Option<Self> {
        let kopf = kopf::program().await?;
        Some(Self::on(Stage::on(Cluster::with_the_full_crd().await, name).await, kopf).await)
    }

    async fn on(stage: Stage<'static>, kopf: &'static Path) -> Self {
        stage.sql(LEDGER).await;
        Self { stage, kopf }
    }

    /// The table operator in Python.
    pub fn python(&self) -> Operator {
        self.python_file("database_table_operator.py")
    }

    /// An operator of the folder `tests/kopf`.
    pub fn python_file(&self, name: &str) -> Operator {
        let cluster = ["namespace", "kube-system", "--output=jsonpath={.metadata.uid}"];
        let file: PathBuf = [kopf::FOLDER, name].iter().collect();
        let launch = self.stage.launch(self.kopf).arg("--standalone").arg(file);
        let launch = launch.env("DATABASE_URL", self.stage.database.url());
        let launch = launch.env("CLUSTER_ID", self.stage.kubectl_get(&cluster));
        launch.env("PYTHONDONTWRITEBYTECODE", "1").env("TZ", "UTC").start()
    }

    /// The table operator in Rust.
    pub fn korf(&self) -> Operator {
        self.stage.operator().env("TZ", "UTC").start()
    }

    /// The calls that were noted: who was called, the handler, its attempt, and the reason.
    pub async fn calls(&self) -> Vec<String> {
        self.stage.query("SELECT call FROM handover_calls ORDER BY number").await
    }

    /// When the last of the noted calls began.
    pub async fn last_call(&self) -> jiff::Timestamp {
        let sql = "SELECT to_json(began)#>>'{}' FROM handover_calls ORDER BY number DESC LIMIT 1";
        self.stage.query(sql).await.swap_remove(0).parse().unwrap()
    }

    /// Lets the next attempt of a handler fail, to be repeated after some seconds.
    pub async fn fail_once(&self, handler: &str, delay: f64) {
        let sql = format!("INSERT INTO handover_failures VALUES ('{handler}', 1, {delay})");
        self.stage.sql(&sql).await;
    }
}

/// Asks an operator to stop, as Kubernetes does, and waits until it has.
pub async fn stop(mut operator: Operator) -> Operator {
    assert_eq!(operator.terminate().await.code(), Some(0));
    operator
}

/// The handlers that korf has called: it says so before each attempt.
pub fn invoked(korf: &Operator) -> Vec<String> {
    let lines = korf.lines();
    let words = lines.iter().filter_map(|line| line.strip_suffix("' is invoked.")?.rsplit_once("Handler '"));
    words.map(|(_, id)| id.to_owned()).collect()
}

/// What either operator keeps on an object under a name; none if there is nothing.
pub fn kept<'o>(object: &'o Value, name: &str) -> Option<&'o str> {
    object["metadata"]["annotations"][format!("kopf.zalando.org/{name}")].as_str()
}

/// Whether an object has been handled, and nothing is left to be done.
pub fn is_handled(object: &Value) -> bool {
    kept(object, "last-handled-configuration").is_some() && !is_begun(object)
}

/// Whether an object has been handled with this in its spec.
pub fn is_handled_with(object: &Value, text: &str) -> bool {
    is_handled(object)
        && kept(object, "last-handled-configuration").is_some_and(|essence| essence.contains(text))
}

/// A handler's attempts on record.
pub fn record(object: &Value, id: &str) -> Option<Value> {
    kept(object, id).map(|text| serde_json::from_str(text).unwrap())
}

fn is_begun(object: &Value) -> bool {
    let annotations = object["metadata"]["annotations"].as_object().unwrap();
    annotations.values().any(|text| text.as_str().is_some_and(|text| text.contains("\"purpose\":")))
}
