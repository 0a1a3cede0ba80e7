//! Permissions: what `manifests` grants is what an operator uses. That it is enough is seen by all other tests: their operators
//! have it, and nothing else.

use crate::fixture::{Cluster, Crd, Fixture, Permission, eventually, manifest};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The full CRD, with a rule that no object passes: the operator asks in vain to let one go, and tells of it by an event.
fn frozen_crd() -> String {
    let mut crd: Value = serde_saphyr::from_str(Crd::Full.manifest()).unwrap();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let spec = &mut schema["properties"]["spec"];
    spec["properties"]["owner"] = json!({"type": "string"});
    spec["x-kubernetes-validations"] =
        json!([{"rule": "self.owner == 'me'", "message": "it needs an owner"}]);
    crd.to_string()
}

/// What was granted and not used.
fn unused(granted: &BTreeSet<Permission>, used: &BTreeSet<Permission>) -> Vec<Permission> {
    let is_used = |granted: &&Permission| used.iter().any(|used| granted.has(used));
    granted.iter().filter(|granted| !is_used(granted)).cloned().collect()
}

#[tokio::test]
async fn the_table_operator_uses_each_permission_that_its_manifests_grant() {
    let cluster = Cluster::start(Crd::Full).await;
    let fixture = Fixture::on(&cluster, "exact").await;
    let operator = fixture.operator().not_verbose().env("KORF_SET_PERSISTENCE_REJECTED_DELAY", "2s").start();
    fixture.apply(&manifest("kept", "kept", &["id"]));
    fixture.until_ready("kept").await;
    fixture.install(&frozen_crd());
    fixture.delete("kept").await;
    operator.wait_for_line("rejects the removal of the finalizer, so the object stays").await;
    let unused = async || unused(&fixture.granted(), &fixture.used());
    // The lists of this API server are watches; older servers are asked for lists.
    let is_list = |unused: &Vec<Permission>| matches!(&unused[..], [list] if list.verb == "list" && list.resource == "databasetables");
    eventually("each permission is used", unused, is_list).await;
}

#[tokio::test]
async fn replicas_use_each_permission_for_leases_that_their_manifests_grant() {
    let cluster = Cluster::start(Crd::Full).await;
    let fixture = Fixture::on(&cluster, "exact-leases").await;
    let replica = || {
        let lease_namespace = format!("--lease-namespace={}", fixture.namespace);
        fixture.operator().not_verbose().arg("--shards=2").arg(lease_namespace).start()
    };
    let (mut one, other) = (replica(), replica());
    fixture.apply(&manifest("table", "leased", &["id"]));
    fixture.until_ready("table").await;
    // Its share goes to the other one, and its own Lease goes.
    one.terminate().await;
    let unused = async || {
        let unused = unused(&fixture.granted(), &fixture.used());
        unused.into_iter().filter(|permission| permission.resource == "leases").collect::<Vec<_>>()
    };
    // A Lease alone is read where an answer was lost, or somebody else has changed it.
    let is_get = |unused: &Vec<Permission>| unused.iter().all(|permission| permission.verb == "get");
    eventually("each permission for leases is used", unused, is_get).await;
    drop(other);
}
