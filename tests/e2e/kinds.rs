//! Kinds that come and go, and change, on a real API server.

use crate::fixture::{Cluster, Crd, Fixture, eventually, manifest};
use kube::{
    ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// The full CRD, with this done to it.
fn crd(change: impl FnOnce(&mut Value)) -> String {
    let mut crd: Value = serde_saphyr::from_str(Crd::Full.manifest()).unwrap();
    change(&mut crd);
    crd.to_string()
}

/// The full CRD with a second version, which has the same schema: whether each version is served, and which one is stored.
fn versions(v1_is_served: bool, stored: &str) -> String {
    crd(|crd| {
        let mut newer = crd["spec"]["versions"][0].clone();
        newer["name"] = "v2".into();
        let versions = crd["spec"]["versions"].as_array_mut().unwrap();
        versions.push(newer);
        versions[0]["served"] = v1_is_served.into();
        for version in versions {
            version["storage"] = (version["name"] == stored).into();
        }
    })
}

fn delete_crd(cluster: &Cluster) {
    let mut kubectl = cluster.kubectl();
    let deleted =
        kubectl.args(["delete", "crd", "databasetables.kopf.demo", "--timeout=60s"]).output().unwrap();
    assert!(deleted.status.success(), "{deleted:?}");
}

const SERVED_AGAIN: &str = "The API server knows databasetables.v1.kopf.demo now.";

#[tokio::test]
async fn a_crd_is_deleted_and_comes_back_and_changes() {
    let cluster = Cluster::start(Crd::Full).await;
    let fixture = Fixture::on(&cluster, "coming-going").await;
    let operator = fixture.operator().arg("--set=watching.absence=1s").start();
    fixture.apply(&manifest("before", "before", &["id"]));
    fixture.until_ready("before").await;

    // The API server deletes the objects first, and their finalizers are respected.
    delete_crd(&cluster);
    operator.wait_for_line("[coming-going/before] Deletion is processed: 1 succeeded; 0 failed.").await;
    operator.wait_for_line("The API server doesn't know databasetables.v1.kopf.demo.").await;
    fixture.install(Crd::Full.manifest());
    operator.wait_for_line(SERVED_AGAIN).await;
    fixture.apply(&manifest("before", "before", &["id"]));
    fixture.until_ready("before").await;
    operator.wait_for_lines("[coming-going/before] Creation is processed: 1 succeeded; 0 failed.", 2).await;

    // Without a status subresource, the status is part of the object.
    let subresources = |crd: &mut Value| crd["spec"]["versions"][0]["subresources"].take();
    fixture.install(&crd(|crd| drop(subresources(crd))));
    fixture.apply(&manifest("before", "before", &["id", "more"]));
    fixture.until_column_count("before", 2).await;
    fixture.install(Crd::Full.manifest());
    fixture.apply(&manifest("before", "before", &["id", "more", "most"]));
    fixture.until_column_count("before", 3).await;
    assert_eq!(operator.count_lines("[ERROR"), 0, "{:#?}", operator.lines());
}

#[tokio::test]
async fn a_version_that_is_no_longer_served_is_awaited_with_its_objects() {
    let cluster = Cluster::start(Crd::Full).await;
    let fixture = Fixture::on(&cluster, "version-away").await;
    fixture.install(&versions(true, "v1"));
    let operator = fixture.operator().arg("--set=watching.absence=1s").start();
    fixture.apply(&manifest("table", "of-version", &["id"]));
    fixture.until_ready("table").await;

    fixture.install(&versions(false, "v2"));
    let warning = operator.wait_for_line("serves databasetables.v1.kopf.demo as v2 alone").await;
    assert!(warning.contains("[WARNING"), "{warning}");
    let newer = fixture.api("kopf.demo/v2", "DatabaseTable", "databasetables");
    let changed = json!({"spec": {"columns": [{"id": "integer"}, {"more": "integer"}]}});
    let patch = Patch::Merge(changed);
    let patched = async || newer.patch("table", &PatchParams::default(), &patch).await.is_ok();
    eventually("v2 takes a patch", patched, |done| *done).await;

    fixture.install(&versions(true, "v2"));
    operator.wait_for_line(SERVED_AGAIN).await;
    fixture.until_column_count("table", 2).await;
    operator.wait_for_line("[version-away/table] Updating is processed: 1 succeeded; 0 failed.").await;
    assert_eq!(operator.count_lines("[version-away/table] Creation is processed"), 1);
    assert_eq!(operator.count_lines("really deleted"), 0);
}

#[tokio::test]
async fn an_object_is_the_same_in_whatever_version_it_is_written_and_stored() {
    let cluster = Cluster::start(Crd::Full).await;
    let fixture = Fixture::on(&cluster, "two-versions").await;
    fixture.install(&versions(true, "v1"));
    let mut operator = fixture.operator().start();
    fixture.apply(&manifest("old", "old", &["id"]));
    let in_v2 = |columns: &[&str]| manifest("new", "new", columns).replace("kopf.demo/v1", "kopf.demo/v2");
    fixture.apply(&in_v2(&["id"]));
    for name in ["old", "new"] {
        fixture.until_ready(name).await;
    }
    // Everything is stored in the other version from now on: what is written is stored there, though nothing differs.
    fixture.install(&versions(true, "v2"));
    for (name, version) in [("old", "v2"), ("new", "v1")] {
        let tables = fixture.api(&format!("kopf.demo/{version}"), "DatabaseTable", "databasetables");
        let before = tables.get(name).await.unwrap();
        let stored = async || tables.replace(name, &PostParams::default(), &before).await.unwrap();
        let is_newer = |after: &DynamicObject| after.resource_version() != before.resource_version();
        eventually("it is stored in v2", stored, is_newer).await;
    }
    assert!(operator.terminate().await.success());
    assert_eq!(operator.count_lines("Updating is processed"), 0, "{:#?}", operator.lines());
    let operator = fixture.operator().start();
    fixture.apply(&in_v2(&["id", "more"]));
    fixture.until_column_count("new", 2).await;
    operator.wait_for_line("[two-versions/new] Updating is processed: 1 succeeded; 0 failed.").await;
    assert_eq!(operator.count_lines("[two-versions/old] Updating"), 0, "{:#?}", operator.lines());
    assert_eq!(operator.count_lines("Creation is"), 0, "{:#?}", operator.lines());
}
