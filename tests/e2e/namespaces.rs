//! Operators of several namespaces.

use crate::fixture::{Cluster, Fixture, condition, manifest};
use serde_json::Value;
use std::process::Command;
use tokio::sync::OnceCell;

const RBAC: &str = include_str!("roles.yaml");

const USER: &str = "namespaced-reader";

/// Applies the roles to the shared cluster, once: of two tests that do it at the same time, one fails, since `kubectl apply` doesn't
/// expect that somebody else creates what wasn't there when it looked.
async fn apply_roles(cluster: &Cluster) {
    static APPLIED: OnceCell<()> = OnceCell::const_new();
    APPLIED.get_or_init(async || drop(cluster.apply(RBAC))).await;
}

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
    // What comes after that has been handled, and a watch of c would have shown its objects.
    a.apply(&manifest("last", "two-a-last", &["id"]));
    a.until_ready("last").await;
    assert_eq!(
        a.all_tables().await,
        ["two-a-after", "two-a-before", "two-a-last", "two-b-after", "two-b-before"]
    );
    assert_eq!(c.table("before").await, untouched);
    assert_eq!(c.table("after").await.unwrap()["metadata"]["finalizers"], Value::Null);
    assert_eq!(operator.count_lines("two-c"), 0);
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_reported_and_served_once_it_does() {
    let here = Fixture::new("namespace-here").await;
    // As the administrator: nobody can have a Role in a namespace that doesn't exist.
    let command = here.operator().by_administrator().arg("-n").arg("namespace-nowhere");
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
    apply_roles(shared).await;
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

/// Ends a namespace as its controller does, which is no part of this control plane.
async fn finalize(fixture: &Fixture<'_>, namespace: &str) {
    let finalized = format!("/api/v1/namespaces/{namespace}/finalize");
    let body = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}, "spec": {"finalizers": []},
    });
    let client = fixture.cluster.control_plane.client().await.unwrap();
    let request = http::Request::put(finalized).body(serde_json::to_vec(&body).unwrap()).unwrap();
    client.request::<Value>(request).await.unwrap();
}

fn kubectl(fixture: &Fixture<'_>, arguments: &[&str]) {
    let output = fixture.cluster.kubectl().args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn namespaces_that_fit_a_glob_are_served_as_they_come_and_go() {
    let here = Fixture::new("globs").await;
    let operator = here.operator().arg("--namespace=glob-*,!glob-x").start();
    operator.wait_for_line("in namespace \"globs\": no objects yet.").await;
    let table = |namespace: &str| {
        let table = manifest("table", &format!("of-{namespace}"), &["id"]);
        table.replace("  name: table\n", &format!("  name: table\n  namespace: {namespace}\n"))
    };
    for namespace in ["glob-a", "glob-x"] {
        here.cluster.control_plane.create_namespace(namespace).await.unwrap();
        here.cluster.apply(&table(namespace));
    }
    operator.wait_for_line("[glob-a/table] Creation is processed: 1 succeeded; 0 failed.").await;
    operator.wait_for_line("in namespace \"glob-a\": ").await;

    // It is served until it is gone.
    kubectl(&here, &["delete", "namespace", "glob-a", "--wait=false"]);
    kubectl(&here, &["delete", "databasetable", "table", "--namespace=glob-a", "--timeout=30s"]);
    operator.wait_for_line("[glob-a/table] Deletion is processed: 1 succeeded; 0 failed.").await;
    finalize(&here, "glob-a").await;
    operator.wait_for_line("The namespace \"glob-a\" is gone, and so are its objects.").await;

    let again = async || here.cluster.control_plane.create_namespace("glob-a").await.is_ok();
    crate::fixture::eventually("the namespace is there again", again, |created| *created).await;
    here.cluster.apply(&table("glob-a"));
    operator.wait_for_lines("[glob-a/table] Creation is processed: 1 succeeded; 0 failed.", 2).await;
    assert_eq!(operator.count_lines("glob-x"), 0, "{:#?}", operator.lines());
    kubectl(&here, &["delete", "databasetable", "table", "--namespace=glob-a", "--timeout=30s"]);
}

#[tokio::test]
async fn a_missing_right_to_watch_namespaces_is_told_once_and_the_named_ones_are_served() {
    const READER: &str = "glob-reader";
    let here = Fixture::new("named").await;
    let cluster = here.cluster;
    apply_roles(cluster).await;
    let bound = |mut command: Command, arguments: &[&str]| {
        let output = command.arg("create").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let user = format!("--user={READER}");
    let everywhere = "--clusterrole=database-table-operator-cluster";
    bound(cluster.kubectl(), &["clusterrolebinding", READER, everywhere, &user]);
    bound(here.kubectl(), &["rolebinding", READER, "--clusterrole=database-table-operator", &user]);
    let kubeconfig = cluster.control_plane.kubeconfig_for(READER, &[], None).unwrap();
    let operator =
        here.operator().not_verbose().arg("-n").arg("right-*").env("KUBECONFIG", kubeconfig).start();
    let warning = operator.wait_for_line("Watching namespaces fails: ").await;
    assert!(
        warning.contains("[WARNING ]") && warning.contains("cannot list resource \"namespaces\""),
        "{warning}"
    );
    here.apply(&manifest("table", "of-named", &["id"]));
    here.until_ready("table").await;

    let there = Fixture::new("right-there").await;
    there.apply(&manifest("table", "of-right", &["id"]));
    bound(there.kubectl(), &["rolebinding", READER, "--clusterrole=database-table-operator", &user]);
    bound(cluster.kubectl(), &["clusterrole", READER, "--verb=list,watch", "--resource=namespaces"]);
    let role = format!("--clusterrole={READER}");
    bound(cluster.kubectl(), &["clusterrolebinding", "glob-reader-namespaces", &role, &user]);
    operator.wait_for_line("Watching namespaces works again.").await;
    operator.wait_for_line("[right-there/table] Handler 'create_handler' succeeded.").await;
    assert_eq!(operator.count_lines("Watching namespaces fails"), 1);
}
