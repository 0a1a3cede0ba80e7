//! One test's world: a namespace and a database of its own, and as many operators as it likes.
//!
//! A test that fails prints its operators' logs and what is in the namespace.

mod cluster;
mod eventually;
mod lock;
mod log;
mod objects;
mod operator;
mod program;
mod tables;

pub use cluster::{Cluster, Crd};
pub use eventually::eventually;
pub use lock::Lock;
pub use objects::{condition, manifest, until};
pub use operator::Operator;

use cluster::postgres;
use korf_sandbox::{Database, Proxy};
use log::Log;
use operator::Launch;
use std::{cell::RefCell, sync::Arc};
use tokio_postgres::Client;

/// The seed's custom resource, byte for byte: `website-users`, for the table `website_users`.
pub const SEED_CR: &str = include_str!("../../operator/manifests/kopf-demo-cr.yaml");

/// The seed's custom resource with a sixth column, `country`.
pub fn seed_cr_with_country() -> String {
    SEED_CR.replace("  primaryKey", "    - COUNTRY: char(2)\n  primaryKey")
}

/// A namespace, a database, and what happens there.
pub struct Stage<'c> {
    pub cluster: &'c Cluster,
    pub namespace: String,
    pub database: Database,
    kube: kube::Client,
    sql: Client,
    logs: RefCell<Vec<Arc<Log>>>,
}

impl Stage<'static> {
    /// A stage on the shared cluster with the seed's CRD. No two tests use one name.
    pub async fn new(name: &str) -> Self {
        Self::on(Cluster::with_the_seeds_crd().await, name).await
    }
}

impl<'c> Stage<'c> {
    /// A stage on a cluster.
    pub async fn on(cluster: &'c Cluster, name: &str) -> Self {
        let namespace = cluster.control_plane.create_namespace(name).await.unwrap();
        let database = postgres().await.create_database(&name.replace('-', "_")).await.unwrap();
        let (kube, sql) = (cluster.control_plane.client().await.unwrap(), database.connect().await.unwrap());
        Self { cluster, namespace, database, kube, sql, logs: RefCell::default() }
    }

    /// The table operator, to be started: it serves this namespace and this database.
    pub fn operator(&self) -> Launch<'_> {
        let program = env!("CARGO_BIN_EXE_database-table-operator");
        self.launch(program.as_ref()).env("DATABASE_URL", self.database.url())
    }

    /// An operator of the examples folder, to be started.
    pub fn example(&self, name: &str) -> Launch<'_> {
        self.launch(&program::example(name))
    }

    /// A proxy in front of the API server, for [`Launch::kubeconfig_through`].
    pub async fn api_proxy(&self) -> Proxy {
        Proxy::to(self.cluster.control_plane.api_server_address()).await.unwrap()
    }

    /// A proxy in front of PostgreSQL, for [`Launch::database_through`].
    pub async fn database_proxy(&self) -> Proxy {
        Proxy::to(self.database.address).await.unwrap()
    }
}

impl Drop for Stage<'_> {
    /// Operators were dropped before, so that their logs are complete.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (number, log) in self.logs.borrow().iter().enumerate() {
            println!("\n--- operator {} of {}\n{}", number + 1, self.namespace, log.lines().join("\n"));
        }
        println!("\n--- namespace {}\n{}", self.namespace, self.inventory());
    }
}
