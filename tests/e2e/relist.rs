//! A watch that can't go on where it was (410) begins anew, and nothing that happened meanwhile is lost.

use crate::stage::{Cluster, Crd, Stage, condition, manifest};
use serde_json::json;

#[tokio::test]
async fn what_happened_before_a_410_is_found_by_the_listing_after_it() {
    let cluster = Cluster::start(Crd::Seed).await;
    let stage = Stage::on(&cluster, "relist").await;
    let proxy = stage.api_proxy().await;
    let operator = stage.operator().kubeconfig_through(&proxy).start();
    let names = ["changed", "deleted", "vanished", "again", "same"];
    stage.apply(&names.map(|name| manifest(name, name, &["id"])).join("\n---\n"));
    for name in names {
        stage.until_ready(name).await;
    }

    // A line that is silent, not cut: the operator notices nothing, and doesn't wait longer and longer.
    proxy.stall();
    stage.apply(&manifest("changed", "changed", &["id", "more"]));
    stage.delete("deleted").await;
    // Without the operator's consent, as people do with objects that won't go.
    for name in ["vanished", "again"] {
        stage.delete(name).await;
        stage.patch(name, json!({"metadata": {"finalizers": null}})).await;
        stage.until_gone(name).await;
    }
    stage.apply(&manifest("again", "again", &["id", "more"]));
    stage.apply(&manifest("new", "new", &["id"]));
    cluster.control_plane.restart_api_server().await.unwrap();
    proxy.cut();
    operator.wait_for_line("Connection reset by peer").await;
    proxy.restore();

    operator.wait_for_line("fails: too old resource version: ").await;
    operator.wait_for_line("Watching databasetables.v1.kopf.demo works again.").await;
    for name in ["changed", "again"] {
        stage.until_column_count(name, 2).await;
        assert_eq!(stage.columns(name).await.len(), 2);
    }
    stage.until_ready("new").await;
    stage.until_gone("deleted").await;
    assert_eq!(stage.all_tables().await, ["again", "changed", "new", "same", "vanished"]);
    let here = |name: &str, words: &str| format!("[{}/{name}] {words}", stage.namespace);
    operator.wait_for_line(&here("vanished", "Deleted, really deleted, and we are notified.")).await;
    assert_eq!(operator.count(&here("same", "Handler 'create_handler' is invoked.")), 1);
    assert_eq!(operator.count(&here("same", "Handler 'update_handler' is invoked.")), 0);
    let same = stage.table("same").await.unwrap();
    assert_eq!(condition(&same, "Ready"), ["True", "Applied"]);
}
