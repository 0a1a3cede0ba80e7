//! Operators of several namespaces.

use crate::fixture::{Cluster, Fixture, condition, manifest};
use serde_json::Value;
use std::process::Command;

const RBAC: &str = include_str!("../../operator/manifests/rbac.yaml");

const USER: &str = "namespaced-reader";

/// Binds the user to a role of the manifest. `kubectl` determines the namespace, and `kind` the kind of the
/// binding.
fn bind(mut kubectl: Command, kind: &str, role: &str) {
    kubectl.args(["create", kind, USER, &format!("--clusterrole={role}"), &format!("--user={USER}")]);
    let bound = kubectl.output().unwrap();
    assert!(bound.status.success(), "{bound:?}");
}

fn bind_in(fixture: &Fixture<'_>) {
    bind(fixture.kubectl(), "rolebinding", "database-table-operator");
}

#[tokio::test]
async fn only_the_given_namespaces_are_served() {
    let [a, b, c] = [Fixture::new("two-a").await, Fixture::new("two-b").await, Fixture::new("two-c").await];
    for fixture in [&c, &b, &a] {
        fixture.apply(&manifest("before", &format!("{}-before", fixture.namespace), &["id"]));
    }
    let untouched = c.table("before").await;
    let operator = a.operator().arg("-n").arg(&b.namespace).start();
    for fixture in [&c, &b, &a] {
        fixture.apply(&manifest("after", &format!("{}-after", fixture.namespace), &["id"]));
    }
    for fixture in [&a, &b] {
        fixture.until_ready("before").await;
        fixture.until_ready("after").await;
    }
    assert_eq!(a.all_tables().await, ["two-a-after", "two-a-before", "two-b-after", "two-b-before"]);
    assert_eq!(c.table("before").await, untouched);
    assert_eq!(c.table("after").await.unwrap()["metadata"]["finalizers"], Value::Null);
    assert_eq!(operator.count_lines("two-c"), 0);
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_reported_and_served_once_it_does() {
    let here = Fixture::new("namespace-here").await;
    let command = here.operator().arg("-n").arg("namespace-nowhere");
    let operator = command.arg("--set=watching.discovery_interval=100ms").start();
    let warning = operator.wait_for_line("There is no namespace \"namespace-nowhere\".").await;
    assert!(warning.contains("[WARNING ]"), "{warning}");
    let nowhere = Fixture::new("namespace-nowhere").await;
    operator.wait_for_line("The namespace \"namespace-nowhere\" exists now.").await;
    nowhere.apply(&manifest("table", "of-nowhere", &["id"]));
    operator.wait_for_line("[namespace-nowhere/table] Creation is processed").await;
    assert_eq!(operator.count_lines("There is no namespace"), 1);
}

#[tokio::test]
async fn a_listing_of_one_namespace_keeps_the_objects_of_another() {
    let [a, b] = [Fixture::new("lists-a").await, Fixture::new("lists-b").await];
    let shared = Cluster::with_kopf_demo_crd().await;
    shared.apply(RBAC);
    bind(shared.kubectl(), "clusterrolebinding", "database-table-operator-cluster");
    bind_in(&a);
    b.apply(&manifest("table", "of-b", &["id"]));
    let (kubeconfig, database) =
        (shared.control_plane.kubeconfig_for(USER, &[], None).unwrap(), a.database_proxy().await);
    let command = a.operator().arg("-n").arg(&b.namespace).env("KUBECONFIG", kubeconfig);
    let operator = command.database_through(&database).start();
    a.apply(&manifest("ready", "of-a", &["id"]));
    a.until_ready("ready").await;
    operator.wait_for_line("cannot watch resource \"databasetables\"").await;

    // One namespace now has an object that waits for its retry while the other namespace is listed.
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
    assert_eq!(operator.count_lines("Deleted, really deleted"), 0);
    assert_eq!(operator.count_lines("There is no namespace"), 0, "without permission to ask, it can't know");
}
