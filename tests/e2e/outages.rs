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

/// Each object would otherwise wait for its own backoff, up to a minute.
#[tokio::test]
async fn within_seconds_of_the_database_s_return_fifty_objects_are_ready_and_the_log_stays_short() {
    let fixture = Fixture::new("fifty-wait").await;
    let proxy = fixture.database_proxy().await;
    let operator = fixture.operator().not_verbose().database_through(&proxy).start();
    let names: Vec<_> = (0..50).map(|number| format!("waiting-{number}")).collect();
    let all = |columns: &[&str]| {
        let each = names.iter().map(|name| manifest(name, &name.replace('-', "_"), columns));
        fixture.apply(&each.collect::<Vec<_>>().join("\n---\n"))
    };
    all(&["id"]);
    for name in &names {
        fixture.until_ready(name).await;
    }
    proxy.cut();
    all(&["id", "more"]);
    operator.wait_for_line("Handlers wait for that: one of them is retried every 3 seconds").await;
    // Sleeps, because the length of the outage and of the recovery are what is tested.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let returned = Instant::now();
    proxy.restore();
    for name in &names {
        fixture.until_column_count(name, 2).await;
    }
    // The first of them is tried after three seconds at most. A busy machine needs a few for the fifty, and after their own backoffs
    // they would need tens of them; that one called all is in the log.
    let took = returned.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    let over = operator.wait_for_line("Over after ").await;
    assert!(over.ends_with(". 50 object(s) go on."), "{over}");
    let problems = ["[ERROR", "[WARNING"].map(|level| operator.count_lines(level));
    assert_eq!(problems, [1, 0], "{:#?}", operator.lines());
}

#[tokio::test]
async fn a_granted_right_is_noticed_within_thirty_seconds() {
    let fixture = Fixture::new("granted").await;
    fixture.sql("REVOKE CREATE ON SCHEMA public FROM pg_database_owner").await;
    let operator = fixture.operator().not_verbose().start();
    for name in ["one", "two", "three"] {
        fixture.apply(&manifest(name, name, &["id"]));
        let denied =
            |object: &serde_json::Value| condition(object, "Synced") == ["False", "PermissionDenied"];
        fixture.until(name, "a right is missing", denied).await;
    }
    fixture.sql("GRANT CREATE ON SCHEMA public TO pg_database_owner").await;
    let granted = Instant::now();
    for name in ["one", "two", "three"] {
        fixture.until_ready(name).await;
    }
    assert!(granted.elapsed() < Duration::from_secs(30), "{:?}", granted.elapsed());
    operator.assert_lines("[ERROR", 1).await;
}

#[tokio::test]
async fn a_new_password_in_a_file_is_used_without_a_restart() {
    let fixture = Fixture::new("rotation").await;
    let file = std::env::temp_dir().join(format!("korf-rotation-{}", std::process::id()));
    let url = fixture.database.url();
    std::fs::write(&file, &url).unwrap();
    let operator = fixture.operator().env_remove("DATABASE_URL").env("DATABASE_URL_FILE", &file).start();
    fixture.apply(&manifest("before", "before", &["id"]));
    fixture.until_ready("before").await;

    fixture.sql("ALTER ROLE rotation PASSWORD 'Geheim42'").await;
    fixture
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()")
        .await;
    fixture.apply(&manifest("after", "after", &["id"]));
    let denied = |object: &serde_json::Value| condition(object, "Synced") == ["False", "PermissionDenied"];
    fixture.until("after", "the password is rejected", denied).await;
    // Half of it first, as an editor may write it.
    std::fs::write(&file, "postgres://rotation:Geh").unwrap();
    fixture.apply(&manifest("other", "other", &["id"]));
    operator
        .wait_for_line("so new connections use those from before: the database URL can't be parsed")
        .await;
    std::fs::write(&file, url.replace(&fixture.database.password, "Geheim42")).unwrap();
    fixture.until_ready("after").await;
    fixture.until_ready("other").await;
    assert_eq!((operator.count_lines("use those from before"), operator.count_lines("Geh")), (1, 0));
    std::fs::remove_file(&file).unwrap();
}
