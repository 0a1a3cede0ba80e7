//! Faults of a database that is there: frozen, closed to the operator, slow, or replaced by its standby.

use crate::fixture::{Fixture, condition, manifest};
use futures::future::join_all;
use korf_sandbox::{Database, Postgres};
use serde_json::Value;
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio_postgres::Client;

/// What an administrator does to a database, and takes back; `{}` is its name, and that of its role.
struct Case {
    name: &'static str,
    wrong: &'static str,
    right: &'static str,
    reason: &'static str,
    message: &'static str,
    is_stalled: bool,
}

const CASES: [Case; 6] = [
    Case {
        name: "frozen",
        wrong: "ALTER DATABASE {} SET default_transaction_read_only = on",
        right: "ALTER DATABASE {} RESET default_transaction_read_only",
        reason: "DatabaseUnavailable",
        message: "default_transaction_read_only is on",
        is_stalled: false,
    },
    Case {
        name: "role_full",
        wrong: "ALTER ROLE {} CONNECTION LIMIT 0",
        right: "ALTER ROLE {} CONNECTION LIMIT -1",
        reason: "DatabaseUnavailable",
        message: "too many connections for role",
        is_stalled: false,
    },
    Case {
        name: "database_full",
        wrong: "ALTER DATABASE {} CONNECTION LIMIT 0",
        right: "ALTER DATABASE {} CONNECTION LIMIT -1",
        reason: "DatabaseUnavailable",
        message: "too many connections for database",
        is_stalled: false,
    },
    Case {
        name: "closed",
        wrong: "ALTER DATABASE {} ALLOW_CONNECTIONS false",
        right: "ALTER DATABASE {} ALLOW_CONNECTIONS true",
        reason: "DatabaseUnavailable",
        message: "is not currently accepting connections",
        is_stalled: true,
    },
    Case {
        name: "no_login",
        wrong: "ALTER ROLE {} NOLOGIN",
        right: "ALTER ROLE {} LOGIN",
        reason: "PermissionDenied",
        message: "is not permitted to log in",
        is_stalled: true,
    },
    Case {
        name: "no_connect",
        wrong: "ALTER DATABASE {} OWNER TO postgres; REVOKE CONNECT ON DATABASE {} FROM public",
        right: "ALTER DATABASE {} OWNER TO {}",
        reason: "PermissionDenied",
        message: "permission denied for database",
        is_stalled: true,
    },
];

impl Case {
    async fn try_out(&self) {
        let fixture = Fixture::new(&self.name.replace('_', "-")).await;
        let _operator = fixture.operator().start();
        fixture.apply(&manifest("a", "a", &["one"]));
        fixture.until_ready("a").await;
        let mut database = fixture.database.clone();
        database.name = "postgres".to_owned();
        let administrator = database.connect_as_superuser().await.unwrap();
        let run = async |statements: &str| {
            for statement in statements.replace("{}", self.name).split("; ") {
                administrator.batch_execute(statement).await.unwrap();
            }
        };
        run(self.wrong).await;
        end_connections(&administrator, self.name).await;
        fixture.apply(&manifest("a", "a", &["one", "two"]));
        let is_told = |object: &Value| condition(object, "Synced") == ["False", self.reason];
        let object = fixture.until("a", &format!("{} is told", self.name), is_told).await;
        let text = object["status"]["conditions"].to_string();
        assert!(text.contains(self.message), "{}: {text}", self.name);
        assert_eq!(condition(&object, "Stalled")[0] == "True", self.is_stalled, "{}", self.name);
        run(self.right).await;
        fixture.until_column_count("a", 2).await;
        fixture.until_ready("a").await;
    }
}

/// Ends the operator's connections to a database: they would go on with what was allowed when they were made.
async fn end_connections(administrator: &Client, database: &str) {
    let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
               WHERE datname = $1 AND application_name = 'database-table-operator'";
    administrator.query(end, &[&database]).await.unwrap();
}

#[tokio::test]
async fn what_an_administrator_forbids_for_a_while_is_told_and_done_once_it_is_allowed() {
    join_all(CASES.iter().map(Case::try_out)).await;
}

/// The longest time for which a reader has waited, and how many have read, until it is over.
async fn read(database: &Database, over: &AtomicBool) -> (Duration, usize) {
    let client = database.connect().await.unwrap();
    let (mut longest, mut count) = (Duration::ZERO, 0);
    while !over.load(Relaxed) {
        let begun = Instant::now();
        client.query("SELECT count(*) FROM busy", &[]).await.unwrap();
        (longest, count) = (longest.max(begun.elapsed()), count + 1);
    }
    (longest, count)
}

#[tokio::test]
async fn while_a_reader_keeps_its_lock_other_readers_wait_for_three_seconds_at_most() {
    let fixture = Fixture::new("busy-table").await;
    let operator = fixture.operator().start();
    fixture.apply(&manifest("busy", "busy", &["one"]));
    fixture.until_ready("busy").await;
    let reader = fixture.lock("SELECT count(*) FROM busy").await;
    let over = AtomicBool::new(false);
    let update = async {
        fixture.apply(&manifest("busy", "busy", &["one", "two"]));
        operator.wait_for_lines("Handler 'update_handler' failed", 3).await;
        let is_told = |object: &Value| condition(object, "Synced") == ["False", "DatabaseUnavailable"];
        let object = fixture.until("busy", "it waits for the lock", is_told).await;
        assert_eq!(condition(&object, "Stalled"), ["", ""], "nobody has to do anything");
        reader.release().await;
        fixture.until_column_count("busy", 2).await;
        over.store(true, Relaxed);
    };
    let ((), (longest, count)) = futures::join!(update, read(&fixture.database, &over));
    println!("of {count} readers, the slowest has waited for {longest:?}");
    // The operator's limit, and some time for a busy machine. Without it, they would wait until the first reader goes.
    assert!((2_000..8_000).contains(&longest.as_millis()), "{longest:?}");
    assert!(count > 10, "{count} have read between the attempts");
}

#[tokio::test]
async fn a_standby_that_takes_the_primary_s_place_is_found_and_has_the_tables() {
    let fixture = Fixture::new("fail-over").await;
    let primary = Postgres::start().await.unwrap();
    let database = primary.create_database("fail_over").await.unwrap();
    let standby = primary.standby().await.unwrap();
    // The standby first: its connections are no use before it is promoted.
    let hosts = format!("{},{}", standby.address(), primary.address());
    let url = database.url().replace(&primary.address().to_string(), &hosts);
    let mut operator = fixture.operator().env("DATABASE_URL", url).start();
    fixture.apply(&manifest("a", "a", &["one"]));
    fixture.until_ready("a").await;

    primary.stop().await.unwrap();
    fixture.apply(&manifest("a", "a", &["one", "two"]));
    let is_told = |object: &Value| condition(object, "Synced") == ["False", "DatabaseUnavailable"];
    let object = fixture.until("a", "there is no primary", is_told).await;
    let text = object["status"]["conditions"].to_string();
    assert!(text.contains("read-only now: it is a standby") && text.contains("refused"), "{text}");

    let copy = standby.copy_of(&database);
    copy.connect_as_superuser().await.unwrap().execute("SELECT pg_promote()", &[]).await.unwrap();
    fixture.until_column_count("a", 2).await;
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attnum > 0";
    let found = copy.connect().await.unwrap().query_one(columns, &[]).await.unwrap();
    assert_eq!(found.get::<_, i64>(0), 2);
    operator.terminate().await;
    assert_eq!(operator.count_lines("panicked"), 0);
}
