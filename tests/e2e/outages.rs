//! Outages of the database.

use crate::fixture::{Fixture, KOPF_DEMO_CR, condition, kopf_demo_cr_with_country, manifest};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn after_an_outage_of_ten_seconds_all_changes_are_applied() {
    let fixture = Fixture::new("database-away").await;
    let proxy = fixture.database_proxy().await;
    let operator = fixture.operator().database_through(&proxy).start();
    fixture.apply(KOPF_DEMO_CR);
    fixture.until_ready("website-users").await;

    proxy.cut();
    let start = Instant::now();
    fixture.apply(&kopf_demo_cr_with_country());
    fixture.apply(&manifest("late", "late", &["id"]));
    let unavailable =
        |object: &serde_json::Value| condition(object, "Synced") == ["False", "DatabaseUnavailable"];
    let known = fixture.until("website-users", "the database is unavailable", unavailable).await;
    assert_eq!(condition(&known, "Ready"), ["Unknown", "DatabaseUnavailable"]);
    let unknown = fixture.until("late", "the database is unavailable", unavailable).await;
    assert_eq!(condition(&unknown, "Ready"), ["Unknown", "DatabaseUnavailable"]);
    operator.wait_for_line("Handler 'update_handler' failed with an exception and will try again in").await;
    // A sleep, because the length of the outage is part of the test.
    tokio::time::sleep_until(start + Duration::from_secs(10)).await;
    let attempts = operator.count_lines("Handler 'update_handler' is invoked.");
    assert!((2..=6).contains(&attempts), "{attempts} attempts in ten seconds");

    proxy.restore();
    fixture.until_column_count("website-users", 6).await;
    let ready = fixture.until_ready("late").await;
    assert_eq!(condition(&ready, "Synced"), ["True", "Applied"]);
    assert_eq!(fixture.columns("website_users").await.len(), 6);
    assert_eq!(fixture.columns("late").await, ["id integer"]);
}
