//! Relists after a watch that can't be resumed (status 410).

use crate::fixture::{Cluster, Crd, Fixture, condition, manifest};
use serde_json::json;

#[tokio::test]
async fn changes_missed_before_a_410_are_found_by_the_relist() {
    let cluster = Cluster::start(Crd::KopfDemo).await;
    let fixture = Fixture::on(&cluster, "relist").await;
    let proxy = fixture.api_proxy().await;
    let operator = fixture.operator().kubeconfig_through(&proxy).start();
    let names = ["changed", "deleted", "vanished", "again", "same"];
    fixture.apply(&names.map(|name| manifest(name, name, &["id"])).join("\n---\n"));
    for name in names {
        fixture.until_ready(name).await;
    }

    // The link is stalled and not cut, so that the operator notices nothing and doesn't back off.
    proxy.stall();
    fixture.apply(&manifest("changed", "changed", &["id", "more"]));
    fixture.delete("deleted").await;
    // By force, as people do with objects whose deletion hangs.
    for name in ["vanished", "again"] {
        fixture.delete(name).await;
        fixture.patch(name, json!({"metadata": {"finalizers": null}})).await;
        fixture.until_gone(name).await;
    }
    fixture.apply(&manifest("again", "again", &["id", "more"]));
    fixture.apply(&manifest("new", "new", &["id"]));
    cluster.control_plane.restart_api_server().await.unwrap();
    proxy.cut();
    operator.wait_for_line("Connection reset by peer").await;
    proxy.restore();

    operator.wait_for_line("too old resource version: ").await;
    operator.wait_for_line("Watching databasetables.v1.kopf.demo works again.").await;
    for name in ["changed", "again"] {
        fixture.until_column_count(name, 2).await;
        assert_eq!(fixture.columns(name).await.len(), 2);
    }
    fixture.until_ready("new").await;
    fixture.until_gone("deleted").await;
    assert_eq!(fixture.all_tables().await, ["again", "changed", "new", "same", "vanished"]);
    let line = |name: &str, message: &str| format!("[{}/{name}] {message}", fixture.namespace);
    operator.wait_for_line(&line("vanished", "Deleted, really deleted, and we are notified.")).await;
    assert_eq!(operator.count_lines(&line("same", "Handler 'create_handler' is invoked.")), 1);
    assert_eq!(operator.count_lines(&line("same", "Handler 'update_handler' is invoked.")), 0);
    let same = fixture.table("same").await.unwrap();
    assert_eq!(condition(&same, "Ready"), ["True", "Applied"]);
}
