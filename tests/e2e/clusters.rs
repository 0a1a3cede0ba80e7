//! Two clusters with one database. A copy of a cluster has the same objects with the same uids: here, the same cluster with another
//! id stands for it.

use crate::fixture::{Fixture, KOPF_DEMO_CR, condition, kopf_demo_cr_with_country};
use serde_json::Value;

#[tokio::test]
async fn a_copy_with_an_id_of_its_own_reports_conflicts_and_its_deletions_leave_the_originals_tables() {
    let fixture = Fixture::new("copied-cluster").await;
    let mut original = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    fixture.until_ready("website-users").await;
    original.terminate().await;

    let copy = fixture.operator().arg("--cluster-id=copy").start();
    let is_conflict = |object: &Value| condition(object, "Synced") == ["False", "Conflict"];
    let object = fixture.until("website-users", "the table is the original's", is_conflict).await;
    let text = object["status"]["conditions"].to_string();
    assert!(text.contains("in another cluster") && text.contains("--cluster-id="), "{text}");
    fixture.apply(&kopf_demo_cr_with_country());
    copy.wait_for_line("Handler 'update_handler' failed").await;
    fixture.delete("website-users").await;
    fixture.until_gone("website-users").await;
    copy.wait_for_line("Table public.website_users stays in the database: by its comment, it belongs to")
        .await;
    assert_eq!(fixture.columns("website_users").await.len(), 5);
}
