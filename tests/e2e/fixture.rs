//! The fixture of a test: a namespace and a database of its own, in which it can run any number of operators.
//!
//! If the test fails, the fixture prints the operators' logs and the objects in the namespace.

mod account;
mod cluster;
mod eventually;
mod lock;
mod log;
mod objects;
mod operator;
mod program;
mod tables;

pub use cluster::{Cluster, Crd, install, postgres};
pub use eventually::{LIMIT, eventually, eventually_within};
pub use lock::Lock;
pub use objects::{condition, manifest, until};
pub use operator::{OperatorCommand, OperatorProcess};
pub use program::example;

use account::Accounts;
pub use account::Permission;
use korf_sandbox::{Database, Proxy};
use log::Log;
use std::{cell::RefCell, sync::Arc};
use tokio_postgres::Client;

/// The Kopf demo's custom resource, byte for byte: `website-users`, for the table `website_users`.
pub const KOPF_DEMO_CR: &str = include_str!("../../operator/manifests/kopf-demo-cr.yaml");

/// The Kopf demo's custom resource with a sixth column, `country`.
pub fn kopf_demo_cr_with_country() -> String {
    KOPF_DEMO_CR.replace("  primaryKey", "    - COUNTRY: char(2)\n  primaryKey")
}

/// A namespace and a database for one test.
pub struct Fixture<'c> {
    pub cluster: &'c Cluster,
    pub namespace: String,
    pub database: Database,
    kube: kube::Client,
    sql: Client,
    logs: RefCell<Vec<Arc<Log>>>,
    accounts: Accounts,
}

impl Fixture<'static> {
    /// A fixture on the shared cluster with the Kopf demo's CRD. The name must be unique among all tests.
    pub async fn new(name: &str) -> Self {
        Self::on(Cluster::with_kopf_demo_crd().await, name).await
    }
}

impl<'c> Fixture<'c> {
    /// A fixture on another cluster.
    pub async fn on(cluster: &'c Cluster, name: &str) -> Self {
        let namespace = cluster.control_plane.create_namespace(name).await.unwrap();
        let database = postgres().await.create_database(&name.replace('-', "_")).await.unwrap();
        let (kube, sql) = (cluster.control_plane.client().await.unwrap(), database.connect().await.unwrap());
        Self {
            cluster,
            namespace,
            database,
            kube,
            sql,
            logs: RefCell::default(),
            accounts: Accounts::default(),
        }
    }

    /// A command that runs the table operator for this namespace and this database, with the permissions that it prints.
    pub fn operator(&self) -> OperatorCommand<'_> {
        let program = env!("CARGO_BIN_EXE_database-table-operator");
        self.command(program.as_ref()).env("DATABASE_URL", self.database.url()).with_account()
    }

    /// A command that runs an operator of the examples folder, with the permissions that it prints.
    pub fn example(&self, name: &str) -> OperatorCommand<'_> {
        self.command(&example(name)).with_account()
    }

    /// Forgets the logs so far: a failed test doesn't print them.
    pub fn forget_logs(&self) {
        self.logs.borrow_mut().clear();
    }

    /// A proxy in front of the API server, for [`OperatorCommand::kubeconfig_through`].
    pub async fn api_proxy(&self) -> Proxy {
        Proxy::to(self.cluster.control_plane.api_server_address()).await.unwrap()
    }

    /// A proxy in front of PostgreSQL, for [`OperatorCommand::database_through`].
    pub async fn database_proxy(&self) -> Proxy {
        Proxy::to(self.database.address).await.unwrap()
    }
}

impl Drop for Fixture<'_> {
    /// Tests drop their operators before the fixture, so the logs are complete. What an operator was denied, though it has what it
    /// has asked for, fails its test.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let denied = self.denied();
            assert!(denied.is_empty(), "requests without a permission that `manifests` grants: {denied:#?}");
            return;
        }
        for (number, log) in self.logs.borrow().iter().enumerate() {
            println!("\n--- operator {} of {}\n{}", number + 1, self.namespace, log.lines().join("\n"));
        }
        println!("\n--- namespace {}\n{}", self.namespace, self.inventory());
    }
}
