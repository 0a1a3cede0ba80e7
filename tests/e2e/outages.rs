//! The database goes away and comes back.

use crate::stage::{SEED_CR, Stage, condition, manifest, seed_cr_with_country};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn a_database_that_is_away_for_ten_seconds_is_awaited_and_then_all_is_made_up_for() {
    let stage = Stage::new("database-away").await;
    let proxy = stage.database_proxy().await;
    let operator = stage.operator().database_through(&proxy).start();
    stage.apply(SEED_CR);
    stage.until_ready("website-users").await;

    proxy.cut();
    let begun = Instant::now();
    stage.apply(&seed_cr_with_country());
    stage.apply(&manifest("late", "late", &["id"]));
    let unavailable =
        |object: &serde_json::Value| condition(object, "Synced") == ["False", "DatabaseUnavailable"];
    let known = stage.until("website-users", "the database is away", unavailable).await;
    assert_eq!(condition(&known, "Ready"), ["True", "Applied"], "an outage says nothing about the table");
    let unknown = stage.until("late", "the database is away", unavailable).await;
    assert_eq!(condition(&unknown, "Ready"), ["Unknown", "DatabaseUnavailable"]);
    operator.wait_for_line("Handler 'update_handler' failed with an exception and will try again in").await;
    // The outage itself: nothing is awaited here.
    tokio::time::sleep_until(begun + Duration::from_secs(10)).await;
    let attempts = operator.count("Handler 'update_handler' is invoked.");
    assert!((2..=6).contains(&attempts), "{attempts} attempts in ten seconds");

    proxy.restore();
    stage.until_column_count("website-users", 6).await;
    let ready = stage.until_ready("late").await;
    assert_eq!(condition(&ready, "Synced"), ["True", "Applied"]);
    assert_eq!(stage.columns("website_users").await.len(), 6);
    assert_eq!(stage.columns("late").await, ["id integer"]);
}
