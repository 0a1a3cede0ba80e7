//! Operator of tables, one replica of four that share the objects: its handlers do nothing. It prints what it learns of its share.
//!
//! `NAMESPACE` says where.

use korf::{Operator, observe::Observation, prelude::*};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, env};

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "kopf.demo", version = "v1", kind = "DatabaseTable", namespaced)]
struct DatabaseTableSpec {
    columns: Vec<BTreeMap<String, String>>,
}

#[korf::on_create(DatabaseTable)]
async fn created() {}

#[korf::on_update(DatabaseTable)]
async fn updated(table: Object<DatabaseTable>) {
    std::hint::black_box(table.spec.columns.len());
}

#[korf::on_delete(DatabaseTable)]
async fn deleted() {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).init();
    let namespace = env::var("NAMESPACE")?;
    // The objects were handled by the table operator, which keeps its progress where Kopf does.
    let operator = Operator::new("share").kopf_compatible().namespaces([namespace.clone()]);
    let operator = operator.shards(4).lease_namespace(namespace).observe(|observation| match observation {
        Observation::SharesAsked { helped, .. } => println!("helped {helped}"),
        Observation::LeasesSettled { held, replicas, .. } => println!("settled {held} {replicas}"),
        _ => {}
    });
    Ok(operator.run().await?)
}
