//! The fixture of the handover tests, in which Python and Rust operators take turns.

use super::kopf;
use crate::fixture::{Cluster, Crd, Fixture, OperatorCommand, OperatorProcess, install};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// The tables for the recorded calls, and for the calls that shall fail. See `tests/kopf/recording.py`.
const TABLES: &str = "
    CREATE TABLE handover_calls (number serial, call text, uid text, began timestamptz DEFAULT clock_timestamp());
    CREATE TABLE handover_failures (handler text PRIMARY KEY, times integer, delay float8)";

/// A fixture with the real Kopf.
pub struct Handover {
    pub fixture: Fixture<'static>,
    kopf: &'static Path,
}

impl Handover {
    /// With the Kopf demo's CRD. `None` if there is no Kopf.
    pub async fn new(name: &str) -> Option<Self> {
        let kopf = kopf::program().await?;
        Some(Self::on(Fixture::new(name).await, kopf).await)
    }

    /// With the full CRD, whose schema prunes Kopf's results. `None` if there is no Kopf.
    pub async fn with_full_crd(name: &str) -> Option<Self> {
        let kopf = kopf::program().await?;
        Some(Self::on(Fixture::on(Cluster::with_full_crd().await, name).await, kopf).await)
    }

    /// In a namespace with the peering `tables`, on a cluster where operators have peerings. `None` if there is no Kopf.
    pub async fn in_peering(name: &str) -> Option<Self> {
        static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
        let kopf = kopf::program().await?;
        let cluster = CLUSTER.get_or_init(async || {
            let cluster = Cluster::start(Crd::KopfDemo).await;
            install(&|| cluster.kubectl(), include_str!("../../../examples/peering.yaml"));
            cluster
        });
        let handover = Self::on(Fixture::on(cluster.await, name).await, kopf).await;
        handover.fixture.apply("apiVersion: kopf.dev/v1\nkind: KopfPeering\nmetadata:\n  name: tables");
        Some(handover)
    }

    async fn on(fixture: Fixture<'static>, kopf: &'static Path) -> Self {
        fixture.sql(TABLES).await;
        Self { fixture, kopf }
    }

    /// Starts the table operator in Python.
    pub fn python(&self) -> OperatorProcess {
        self.python_file("database_table_operator.py")
    }

    /// Starts the table operator in Python as the Kopf demo has it: its tables have no owners.
    pub fn demo(&self) -> OperatorProcess {
        self.python_command(&["--standalone"], &["database_table_operator.py"]).start()
    }

    /// Starts an operator of the folder `tests/kopf`.
    pub fn python_file(&self, name: &str) -> OperatorProcess {
        self.python_with(&["--standalone"], &[name])
    }

    /// Starts the table operator in Python in the peering `tables`. Its record is over soon after it was killed.
    pub fn peer(&self, arguments: &[&str]) -> OperatorProcess {
        let arguments = [&["--peering=tables"], arguments].concat();
        self.python_with(&arguments, &["database_table_operator.py", "short_lived.py"])
    }

    /// The program `kopf`.
    pub fn program(&self) -> &Path {
        self.kopf
    }

    fn python_with(&self, arguments: &[&str], files: &[&str]) -> OperatorProcess {
        let cluster = ["namespace", "kube-system", "--output=jsonpath={.metadata.uid}"];
        let command = self.python_command(arguments, files);
        command.env("CLUSTER_ID", self.fixture.kubectl_get(&cluster)).start()
    }

    fn python_command(&self, arguments: &[&str], files: &[&str]) -> OperatorCommand<'_> {
        let command = self.fixture.command(self.kopf);
        let command = arguments.iter().fold(command, |command, argument| command.arg(argument));
        let path = |name: &&str| [kopf::FOLDER, name].iter().collect::<PathBuf>();
        let command = files.iter().map(path).fold(command, |command, file| command.arg(file));
        let command = command.env("DATABASE_URL", self.fixture.database.url());
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("TZ", "UTC")
    }

    /// Starts the table operator in Rust.
    pub fn korf(&self) -> OperatorProcess {
        self.fixture.operator().env("TZ", "UTC").start()
    }

    /// The recorded calls: the language, the handler, the number of earlier attempts, and the reason.
    pub async fn calls(&self) -> Vec<String> {
        self.fixture.query("SELECT call FROM handover_calls ORDER BY number").await
    }

    /// The time of the last recorded call.
    pub async fn last_call(&self) -> jiff::Timestamp {
        let sql = "SELECT to_json(began)#>>'{}' FROM handover_calls ORDER BY number DESC LIMIT 1";
        self.fixture.query(sql).await.swap_remove(0).parse().unwrap()
    }

    /// Makes the next attempt of a handler fail, with a retry after `delay` seconds.
    pub async fn fail_once(&self, handler: &str, delay: f64) {
        let sql = format!("INSERT INTO handover_failures VALUES ('{handler}', 1, {delay})");
        self.fixture.sql(&sql).await;
    }
}

/// Stops an operator, and returns it with its complete log.
pub async fn stop(mut operator: OperatorProcess) -> OperatorProcess {
    assert_eq!(operator.terminate().await.code(), Some(0));
    operator
}

/// The handlers that korf has invoked, from its log.
pub fn invoked(korf: &OperatorProcess) -> Vec<String> {
    let lines = korf.lines();
    let split = lines.iter().filter_map(|line| line.strip_suffix("' is invoked.")?.rsplit_once("Handler '"));
    split.map(|(_, id)| id.to_owned()).collect()
}

/// The annotation in which either operator stores something under this name.
pub fn stored<'o>(object: &'o Value, name: &str) -> Option<&'o str> {
    object["metadata"]["annotations"][format!("kopf.zalando.org/{name}")].as_str()
}

/// Whether an object has been handled completely.
pub fn is_handled(object: &Value) -> bool {
    stored(object, "last-handled-configuration").is_some() && !has_progress(object)
}

/// Whether an object has been handled completely, with this text in its last-handled essence.
pub fn is_handled_with(object: &Value, text: &str) -> bool {
    is_handled(object)
        && stored(object, "last-handled-configuration").is_some_and(|essence| essence.contains(text))
}

/// The stored progress of a handler.
pub fn progress(object: &Value, id: &str) -> Option<Value> {
    stored(object, id).map(|text| serde_json::from_str(text).unwrap())
}

fn has_progress(object: &Value) -> bool {
    let annotations = object["metadata"]["annotations"].as_object().unwrap();
    annotations.values().any(|text| text.as_str().is_some_and(|text| text.contains("\"purpose\":")))
}
