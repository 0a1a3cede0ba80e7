//! Kubernetes Events that tell of a table: what was done to it, and what is wrong with it.

use crate::fixture::{
    Cluster, Fixture, KOPF_DEMO_CR, OperatorProcess, condition, kopf_demo_cr_with_country, manifest,
};
use serde_json::Value;

fn is_synced(status: &'static str, reason: &'static str) -> impl Fn(&Value) -> bool {
    move |object| {
        let (generation, status_) = (&object["metadata"]["generation"], &object["status"]);
        status_["observedGeneration"] == *generation && condition(object, "Synced") == [status, reason]
    }
}

async fn restarted(mut operator: OperatorProcess, start: impl Fn() -> OperatorProcess) -> OperatorProcess {
    operator.terminate().await;
    start()
}

#[tokio::test]
async fn the_life_of_an_object_is_told_by_events_and_nothing_twice() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "told").await;
    let proxy = fixture.database_proxy().await;
    let start = || fixture.operator().database_through(&proxy).start();
    let operator = start();
    let (name, wanted) = ("website-users", kopf_demo_cr_with_country());
    fixture.apply(KOPF_DEMO_CR);
    fixture.until_ready(name).await;
    fixture.apply(&wanted);
    fixture.until_column_count(name, 6).await;

    fixture.apply(&wanted.replace("    - USER_EMAIL: varchar(100)\n", ""));
    fixture.until(name, "the update is aborted", is_synced("False", "UpdateAborted")).await;
    let operator = restarted(operator, start).await;
    operator.wait_for_line("Handler 'resume_handler' failed permanently").await;
    fixture.apply(&wanted);
    fixture.until(name, "the column is back", is_synced("True", "Applied")).await;

    proxy.cut();
    fixture.apply(&wanted.replace("  primaryKey", "    - PHONE: text\n  primaryKey"));
    fixture.until(name, "the database is away", is_synced("False", "DatabaseUnavailable")).await;
    operator.wait_for_lines("Handler 'update_handler' failed with an exception", 2).await;
    proxy.restore();
    fixture.until_column_count(name, 7).await;

    let told = ["Created", "ColumnsAdded", "UpdateAborted", "Applied", "DatabaseUnavailable", "ColumnsAdded"];
    fixture.until_told(name, &told).await;
    let output = fixture.kubectl().args(["describe", "databasetable", name]).output().unwrap();
    let described = String::from_utf8(output.stdout).unwrap();
    let (_, events) = described.split_once("\nEvents:").unwrap();
    let reasons: Vec<_> = events.lines().skip(3).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(reasons, told, "{described}");
    fixture.delete(name).await;
    fixture.until_gone(name).await;
    let notes = fixture.until_told(name, &[&told[..], &["Dropped"]].concat()).await;
    assert_eq!(
        (notes[0].as_str(), notes[1].as_str(), notes[6].as_str()),
        (
            "Table public.website_users was created, with 5 columns",
            "Added to table public.website_users: country",
            "Table public.website_users was dropped"
        )
    );
    assert!(notes[2].contains("column \"user_email\" is in the table but not in the spec"), "{notes:?}");
}

#[tokio::test]
async fn a_start_with_the_database_away_is_told_at_the_objects_whose_changes_wait() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "told-away").await;
    let proxy = fixture.database_proxy().await;
    let start = || fixture.operator().database_through(&proxy).start();
    let operator = start();
    for name in ["idle", "waiting"] {
        fixture.apply(&manifest(name, name, &["id"]));
        fixture.until_ready(name).await;
    }
    proxy.cut();
    let operator = restarted(operator, start).await;
    fixture.apply(&manifest("waiting", "waiting", &["id", "more"]));
    for name in ["idle", "waiting"] {
        fixture.until(name, "the database is away", is_synced("False", "DatabaseUnavailable")).await;
    }
    proxy.restore();
    fixture.until_column_count("waiting", 2).await;
    fixture.until("idle", "it was looked at", is_synced("True", "Applied")).await;
    fixture.until_told("waiting", &["Created", "DatabaseUnavailable", "ColumnsAdded"]).await;
    fixture.until_told("idle", &["Created"]).await;
    drop(operator);
}
