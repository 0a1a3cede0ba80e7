//! Objects whose tables outlive them.

use crate::fixture::{Cluster, Fixture, KOPF_DEMO_CR, condition, kopf_demo_cr_with_country, manifest};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Shorter than any delay of an attempt that waits for somebody, or that has failed several times: up to twenty seconds.
const AT_ONCE: Duration = Duration::from_secs(10);
const KEPT: &str = "Kept table public.website_users, because deletionPolicy is Retain.";

fn policy(policy: &str) -> Value {
    json!({"spec": {"deletionPolicy": policy}})
}

fn is_stuck(reason: &str) -> impl Fn(&Value) -> bool {
    move |object| {
        object["metadata"]["deletionTimestamp"].is_string()
            && condition(object, "Synced") == ["False", reason]
    }
}

#[tokio::test]
async fn a_terminating_object_that_waits_for_the_database_goes_once_it_says_retain_and_the_outage_goes_on() {
    let fixture = Fixture::new("retained-away").await;
    let proxy = fixture.database_proxy().await;
    let operator = fixture.operator().database_through(&proxy).start();
    fixture.apply(KOPF_DEMO_CR);
    fixture.until_ready("website-users").await;
    proxy.cut();
    fixture.apply(&manifest("waiting", "waiting", &["id"]));
    fixture.delete("website-users").await;
    fixture.until("website-users", "the database is away", is_stuck("DatabaseUnavailable")).await;
    operator.wait_for_lines("Handler 'delete_handler' failed", 3).await;

    let asked = Instant::now();
    fixture.patch("website-users", policy("Retain")).await;
    fixture.until_gone("website-users").await;
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    operator.wait_for_line(KEPT).await;
    assert_eq!(operator.count_lines("Over after"), 0, "the database is still away");
    let notes = fixture.until_told("website-users", &["Created", "DatabaseUnavailable", "Retained"]).await;
    assert!(
        notes[1].ends_with("To let the object go and keep the table, set deletionPolicy: Retain"),
        "{notes:?}"
    );
    assert!(notes[2].contains("Table public.website_users stays in the database"), "{notes:?}");

    proxy.restore();
    fixture.until_ready("waiting").await;
    assert_eq!(fixture.columns("website_users").await.len(), 5);
    // An object of the same name takes the table up again.
    fixture.apply(&kopf_demo_cr_with_country());
    fixture.until_column_count("website-users", 6).await;
}

#[tokio::test]
async fn a_terminating_object_whose_table_can_not_be_dropped_goes_once_it_says_retain() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "retained-view").await;
    let operator = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    fixture.until_ready("website-users").await;
    fixture.sql("CREATE VIEW people AS SELECT user_name FROM website_users").await;
    fixture.delete("website-users").await;
    fixture.until("website-users", "a view depends on it", is_stuck("DependentsExist")).await;

    let asked = Instant::now();
    fixture.patch("website-users", policy("Retain")).await;
    fixture.until_gone("website-users").await;
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    operator.wait_for_line(KEPT).await;
    assert_eq!(fixture.columns("website_users").await.len(), 5);
}

#[tokio::test]
async fn a_policy_that_there_is_not_drops_nothing_until_it_is_put_right() {
    let fixture = Fixture::new("retained-typo").await;
    let operator = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    fixture.until_ready("website-users").await;
    fixture.patch("website-users", policy("retain")).await;
    fixture.delete("website-users").await;
    let is_unclear = |object: &Value| {
        let told = object["status"]["conditions"].to_string().contains("nothing is dropped as long as");
        told && is_stuck("InvalidSpec")(object)
    };
    let object = fixture.until("website-users", "the policy is unknown", is_unclear).await;
    assert_eq!(condition(&object, "Stalled"), ["True", "InvalidSpec"]);
    assert_eq!(fixture.columns("website_users").await.len(), 5);
    fixture.patch("website-users", policy("Delete")).await;
    fixture.until_gone("website-users").await;
    operator.wait_for_line("Dropped table public.website_users.").await;
    assert_eq!(fixture.columns("website_users").await, [""; 0]);
}

#[tokio::test]
async fn a_table_that_is_there_already_is_adopted_and_the_object_tells_it() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "adopted").await;
    fixture.sql("CREATE TABLE old (id integer); INSERT INTO old VALUES (1)").await;
    let operator = fixture.operator().start();
    fixture.apply(&manifest("adopter", "old", &["id"]));
    let is_conflict = |object: &Value| condition(object, "Synced") == ["False", "Conflict"];
    fixture.until("adopter", "the table has no owner", is_conflict).await;
    let asked = Instant::now();
    fixture.patch("adopter", json!({"spec": {"adoptionPolicy": "IfCompatible"}})).await;
    fixture.until_ready("adopter").await;
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    operator.wait_for_line("Adopted table public.old: it is as the spec asks").await;
    let notes = fixture.until_told("adopter", &["OwnershipConflict", "Adopted"]).await;
    assert!(notes[1].contains("Table public.old belongs to this object now"), "{notes:?}");
    assert_eq!(fixture.query("SELECT id::text FROM old").await, ["1"]);
}

#[tokio::test]
async fn a_comment_that_somebody_has_replaced_gets_the_owners_line_again_and_a_copy_of_the_status_is_no_claim()
 {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "line-lost").await;
    let operator = fixture.operator().start();
    fixture.apply(&manifest("own", "own", &["id"]));
    fixture.until_ready("own").await;
    fixture.apply(&manifest("other", "other", &["id"]));
    fixture.until_ready("other").await;
    // Somebody gives one object the status of the other.
    let status = json!({"status": {"owner": "0123456789abcdef"}});
    fixture.tables().patch_status("other", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    fixture.sql("COMMENT ON TABLE own IS 'mine'; COMMENT ON TABLE other IS NULL").await;
    for name in ["own", "other"] {
        fixture.patch(name, json!({"metadata": {"annotations": {"looked": "now"}}})).await;
    }
    operator.wait_for_line("Table public.own got its owner's line again, which its comment had lost").await;
    let is_conflict = |object: &Value| condition(object, "Synced") == ["False", "Conflict"];
    fixture.until("other", "nobody knows whose it is", is_conflict).await;
    fixture.until_told("own", &["Created", "OwnerRestored"]).await;
    let comment = "SELECT split_part(obj_description('own'::regclass), E'\\n', 1)";
    assert_eq!(fixture.query(comment).await, ["mine"]);
    fixture.delete("own").await;
    fixture.until_gone("own").await;
    assert_eq!(fixture.columns("own").await, [""; 0]);
    // The one without a line stays, and somebody learns it.
    fixture.delete("other").await;
    fixture.until_gone("other").await;
    fixture.until_told("other", &["Created", "OwnershipConflict", "DropSkipped"]).await;
    operator.wait_for_line("Table public.other stays in the database: the status names it").await;
    assert_eq!(fixture.columns("other").await, ["id integer"]);
}

#[tokio::test]
async fn a_table_that_has_lost_its_line_outlives_its_object_and_the_object_tells_it() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "line-lost-deleted").await;
    let operator = fixture.operator().start();
    fixture.apply(&manifest("kept", "kept", &["id"]));
    fixture.until_ready("kept").await;
    fixture.sql("INSERT INTO kept VALUES (1); COMMENT ON TABLE kept IS 'mine'").await;
    fixture.delete("kept").await;
    fixture.until_gone("kept").await;
    let notes = fixture.until_told("kept", &["Created", "DropSkipped"]).await;
    assert!(notes[1].contains("If nobody needs the table: DROP TABLE public.kept"), "{notes:?}");
    operator.wait_for_line("Table public.kept stays in the database, with its rows").await;
    assert_eq!(fixture.query("SELECT id::text FROM kept").await, ["1"]);
}
