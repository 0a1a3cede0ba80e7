//! An operator serves the namespaces that it is told, each for itself.

use crate::stage::{Cluster, Stage, condition, manifest};
use serde_json::Value;

const RBAC: &str = include_str!("../../operator/manifests/rbac.yaml");

/// Lets a user do in one namespace what the operator does, as the manifest says.
fn bind(stage: &Stage<'_>, user: &str) {
    let arguments = ["create", "rolebinding", "operator", "--clusterrole=database-table-operator"];
    let bound = stage.kubectl().args(arguments).arg(format!("--user={user}")).status().unwrap();
    assert!(bound.success());
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
    let user = "lists-one-by-one";
    let shared = Cluster::with_the_seeds_crd().await;
    shared.apply(RBAC);
    bind(&a, user);
    let cluster_wide =
        ["create", "clusterrolebinding", user, "--clusterrole=database-table-operator-cluster"];
    assert!(shared.kubectl().args(cluster_wide).arg(format!("--user={user}")).status().unwrap().success());
    b.apply(&manifest("table", "of-b", &["id"]));
    let (kubeconfig, database) =
        (shared.control_plane.kubeconfig_for(user, &[], None).unwrap(), a.database_proxy().await);
    let launch = a.operator().arg("-n").arg(&b.namespace).env("KUBECONFIG", kubeconfig);
    let operator = launch.database_through(&database).start();
    a.apply(&manifest("ready", "of-a", &["id"]));
    a.until_ready("ready").await;
    operator.wait_for_line("cannot watch resource \"databasetables\"").await;

    // Now the one namespace has an object that waits for its next attempt while the other one is listed.
    database.cut();
    a.apply(&manifest("waiting", "of-a-too", &["id"]));
    operator.wait_for_line("[lists-a/waiting] Handler 'create_handler' failed").await;
    bind(&b, user);
    operator.wait_for_line("[lists-b/table] Handler 'create_handler' failed").await;
    database.restore();
    b.until_ready("table").await;
    a.until_ready("waiting").await;

    a.apply(&manifest("ready", "of-a", &["id", "more"]));
    a.until("ready", "it has two columns", |table| table["status"]["columnCount"] == 2).await;
    assert_eq!(condition(&a.table("ready").await.unwrap(), "Ready"), ["True", "Applied"]);
    assert_eq!(operator.count("Deleted, really deleted"), 0);
}
