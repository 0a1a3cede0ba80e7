//! An operator serves the namespaces that it is told, each for itself.

use crate::stage::{Cluster, Stage, condition, manifest};
use serde_json::Value;
use std::process::Command;

const RBAC: &str = include_str!("../../operator/manifests/rbac.yaml");

const USER: &str = "lists-one-by-one";

/// Gives a user a role of the manifest: in the namespace of `kubectl`, or in all.
fn bind(mut kubectl: Command, kind: &str, role: &str) {
    kubectl.args(["create", kind, USER, &format!("--clusterrole={role}"), &format!("--user={USER}")]);
    let bound = kubectl.output().unwrap();
    assert!(bound.status.success(), "{bound:?}");
}

fn bind_in(stage: &Stage<'_>) {
    bind(stage.kubectl(), "rolebinding", "database-table-operator");
}

#[tokio::test]
async fn two_namespaces_are_served_and_a_third_one_is_not() {
    let [a, b, c] = [Stage::new("two-a").await, Stage::new("two-b").await, Stage::new("two-c").await];
    for stage in [&c, &b, &a] {
        stage.apply(&manifest("before", &format!("{}-before", stage.namespace), &["id"]));
    }
    let untouched = c.table("before").await;
    let operator = a.operator().arg("-n").arg(&b.namespace).start();
    for stage in [&c, &b, &a] {
        stage.apply(&manifest("after", &format!("{}-after", stage.namespace), &["id"]));
    }
    for stage in [&a, &b] {
        stage.until_ready("before").await;
        stage.until_ready("after").await;
    }
    assert_eq!(a.all_tables().await, ["two-a-after", "two-a-before", "two-b-after", "two-b-before"]);
    assert_eq!(c.table("before").await, untouched);
    assert_eq!(c.table("after").await.unwrap()["metadata"]["finalizers"], Value::Null);
    assert_eq!(operator.count("two-c"), 0);
}

#[tokio::test]
async fn a_listing_of_one_namespace_makes_nobody_forget_the_objects_of_the_other() {
    let [a, b] = [Stage::new("lists-a").await, Stage::new("lists-b").await];
    let shared = Cluster::with_the_seeds_crd().await;
    shared.apply(RBAC);
    bind(shared.kubectl(), "clusterrolebinding", "database-table-operator-cluster");
    bind_in(&a);
    b.apply(&manifest("table", "of-b", &["id"]));
    let (kubeconfig, database) =
        (shared.control_plane.kubeconfig_for(USER, &[], None).unwrap(), a.database_proxy().await);
    let launch = a.operator().arg("-n").arg(&b.namespace).env("KUBECONFIG", kubeconfig);
    let operator = launch.database_through(&database).start();
    a.apply(&manifest("ready", "of-a", &["id"]));
    a.until_ready("ready").await;
    operator.wait_for_line("cannot watch resource \"databasetables\"").await;

    // Now the one namespace has an object that waits for its next attempt while the other one is listed.
    database.cut();
    a.apply(&manifest("waiting", "of-a-too", &["id"]));
    operator.wait_for_line("[lists-a/waiting] Handler 'create_handler' failed").await;
    bind_in(&b);
    operator.wait_for_line("[lists-b/table] Handler 'create_handler' failed").await;
    database.restore();
    b.until_ready("table").await;
    a.until_ready("waiting").await;

    a.apply(&manifest("ready", "of-a", &["id", "more"]));
    a.until("ready", "it has two columns", |table| table["status"]["columnCount"] == 2).await;
    assert_eq!(condition(&a.table("ready").await.unwrap(), "Ready"), ["True", "Applied"]);
    assert_eq!(operator.count("Deleted, really deleted"), 0);
}
