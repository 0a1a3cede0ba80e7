//! Changes by someone else between the operator's reads and its writes.

use crate::support::{World, columns, spec, until};
use database_table_operator::{
    outcome::{Dropped, Outcome},
    status::ConditionReason,
};
use std::time::Duration;

impl World {
    /// Commits the other session's transaction once the operator waits for it.
    async fn commit_under_a_waiter(&self) {
        let waiters = "SELECT count(*) FROM pg_stat_activity \
                       WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let watch = self.database.connect_as_superuser().await.unwrap();
        let waits = async || watch.query_one(waiters, &[]).await.unwrap().get::<_, i64>(0) > 0;
        until("the operator waits", waits).await;
        self.run("COMMIT").await;
    }
}

#[tokio::test]
async fn a_table_that_someone_creates_at_the_same_time_is_left_alone() {
    let world = World::new("race_create").await;
    world.run("BEGIN; CREATE TABLE t (a integer)").await;
    let wanted = spec("t", &[("a", "integer")]);
    let (applied, ()) = futures::join!(world.apply(&wanted), world.commit_under_a_waiter());
    assert_eq!(applied.unwrap_err().reason(), ConditionReason::Conflict);
}

#[tokio::test]
async fn a_column_that_someone_adds_at_the_same_time_is_accepted() {
    let world = World::new("race_add").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("BEGIN; ALTER TABLE t ADD COLUMN b text").await;
    let wanted = spec("t", &[("a", "integer"), ("b", "text")]);
    let (applied, ()) = futures::join!(world.apply(&wanted), world.commit_under_a_waiter());
    assert_eq!(applied.unwrap().outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn a_table_that_someone_drops_at_the_same_time_is_gone() {
    let world = World::new("race_drop").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("BEGIN; DROP TABLE t").await;
    let (dropped, ()) = futures::join!(world.drop(), world.commit_under_a_waiter());
    assert_eq!(dropped.unwrap(), Dropped::Gone("public.t".into()));
}

#[tokio::test]
async fn a_table_that_takes_over_the_name_at_the_same_time_stays() {
    let world = World::new("race_swap").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    // Otherwise the new table could be the one that the status names without its line, and nothing would be
    // dropped.
    world.lose_the_status();
    world.run("BEGIN; ALTER TABLE t RENAME TO u; CREATE TABLE t (precious text)").await;
    let (dropped, ()) = futures::join!(world.drop(), world.commit_under_a_waiter());
    assert_eq!(dropped.unwrap(), Dropped::Table("public.u".to_owned()));
    assert_eq!(world.columns("t").await, columns(&[("precious", "text")]));
}

#[tokio::test]
async fn a_run_that_is_given_up_leaves_no_lock_and_no_broken_connection() {
    let world = World::new("given_up").await;
    world.run("BEGIN; CREATE TABLE t (a integer)").await;
    let wanted = spec("t", &[("a", "integer")]);
    for _ in 0..6 {
        let run = tokio::time::timeout(Duration::from_millis(100), world.apply(&wanted)).await;
        assert!(run.is_err(), "it waits for the other session");
    }
    world.run("ROLLBACK").await;
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Created);
}
