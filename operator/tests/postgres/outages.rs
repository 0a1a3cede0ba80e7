//! Servers that start, stop, crash, or go away in the middle of a commit.

use crate::support::{self, NoAnswer, World, claim, has_own_server, owner, spec, table};
use database_table_operator::{
    connection::Settings,
    database::Database,
    error::{TableError, Wait},
    outcome::Outcome,
    status::ConditionReason,
};
use korf_sandbox::{Postgres, Proxy};
use serde_json::Value;
use std::{fs, path::PathBuf, process::Command, time::Duration};
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

/// A server of a test's own, with a database on it; `None`, with a word why, if servers are given.
pub async fn own_server(name: &str) -> Option<(Postgres, World)> {
    if !has_own_server("a given server can't be stopped") {
        return None;
    }
    let server = Postgres::start().await.unwrap();
    let database = server.create_database(name).await.unwrap();
    Some((server, World::of(database).await))
}

fn wanted() -> Value {
    spec("t", &[("a", "integer")])
}

/// Waits until a query of one truth value says so.
async fn until(sql: &Client, query: &str) {
    support::until(query, async || sql.query_one(query, &[]).await.unwrap().get::<_, bool>(0)).await;
}

impl World {
    /// Tries again until the database is no longer away.
    pub async fn apply_until_there(&self, wanted: &Value) -> Outcome {
        let attempts = async {
            loop {
                match self.apply(wanted).await {
                    Err(error) => assert_is_away(&error),
                    Ok(applied) => break applied.outcome,
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(30), attempts).await.unwrap()
    }
}

pub fn assert_is_away(error: &TableError) {
    assert_eq!(
        (error.reason(), error.wait()),
        (ConditionReason::DatabaseUnavailable, Wait::ForDatabase),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_starts_is_waited_for() {
    let Some((server, world)) = own_server("starting").await else { return };
    let superuser = world.database.connect_as_superuser().await.unwrap();
    let folder: String = superuser.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
    let held = PathBuf::from(&folder).join("held");
    // It starts from an archive, which doesn't answer.
    for statement in [
        &format!("COPY (SELECT) TO '{folder}/recovery.signal'"),
        &format!("COPY (SELECT) TO '{}'", held.display()),
        &format!(
            "ALTER SYSTEM SET restore_command = 'while test -e {}; do sleep 0.1; done; false'",
            held.display()
        ),
    ] {
        superuser.batch_execute(statement).await.unwrap();
    }
    server.stop().await.unwrap();
    let attempts = async {
        loop {
            let error = world.apply(&wanted()).await.unwrap_err();
            assert_is_away(&error);
            if error.to_string().contains("FATAL: the database system is starting up (SQLSTATE 57P03)") {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        fs::remove_file(held).unwrap();
    };
    let (resumed, ()) = futures::join!(server.resume(), attempts);
    resumed.unwrap();
    // Queries may be answered before writes are accepted.
    assert_eq!(world.apply_until_there(&wanted()).await, Outcome::Created);
}

#[tokio::test]
async fn a_server_that_stops_or_crashes_in_the_middle_of_an_attempt_is_waited_for() {
    for way in ["stops", "crashes"] {
        let Some((server, mut world)) = own_server(way).await else { return };
        world.run("BEGIN; CREATE TABLE t (a integer)").await;
        let superuser = world.database.connect_as_superuser().await.unwrap();
        let end = async {
            until(&superuser, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                .await;
            if way == "stops" {
                server.stop().await.unwrap();
                return;
            }
            // A process that dies makes the server begin again with all of them.
            let pid: i32 = world.sql.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
            let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
            assert!(killed.success());
        };
        let wanted = wanted();
        let (applied, ()) = futures::join!(world.apply(&wanted), end);
        assert_is_away(&applied.unwrap_err());
        if way == "stops" {
            server.resume().await.unwrap();
        }
        assert_eq!(world.apply_until_there(&wanted).await, Outcome::Created, "{way}");
        world.sql = world.database.connect().await.unwrap();
        assert_eq!(world.columns("t").await.len(), 1, "{way}");
    }
}

/// Such a commit may be made or not, and nobody can tell. Here it waits for a synchronous standby that there is not, and is made
/// once there need not be one.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_in_the_catalog() {
    let Some((_server, world)) = own_server("in_doubt").await else { return };
    let superuser = world.database.connect_as_superuser().await.unwrap();
    let set = async |setting: &str| {
        superuser.batch_execute(&format!("ALTER SYSTEM {setting}")).await.unwrap();
        superuser.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    };
    world.run("ALTER ROLE in_doubt SET synchronous_commit = on").await;
    set("SET synchronous_standby_names = 'nobody'").await;
    until(&superuser, "SELECT current_setting('synchronous_standby_names') = 'nobody'").await;
    let proxy = Proxy::to(world.database.address).await.unwrap();
    let settings = Settings::read(Some(&world.database.url_through(proxy.address())), |_| None).unwrap();
    let tables = Database::new(settings.pool(2).unwrap());
    let (object, wanted) = (claim(owner("a")), table(&wanted()));
    let cut = async {
        until(&superuser, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'").await;
        proxy.cut();
    };
    let (applied, ()) = futures::join!(tables.apply(&NoAnswer, &object, &wanted), cut);
    assert_is_away(&applied.unwrap_err());
    proxy.restore();
    let error = tables.apply(&NoAnswer, &object, &wanted).await.unwrap_err();
    assert_eq!(error.wait(), Wait::ForBackoff, "the commit goes on, and holds its locks: {error}");
    set("RESET synchronous_standby_names").await;
    until(&superuser, "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'").await;
    let applied = tables.apply(&NoAnswer, &object, &wanted).await.unwrap();
    assert_eq!(applied.outcome, Outcome::Unchanged);
}
