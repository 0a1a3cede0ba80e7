//! Tables of objects whose comments no longer name them.

use crate::{
    adopt::comment,
    support::{Existing, World, claim, dropped, owner, spec, table},
};
use database_table_operator::{
    error::TableError,
    marker::{FromSpec, Owner},
    outcome::{Adoption, Applied, Dropped, Outcome},
    plan::{Claim, PlanError},
    spec::DriftPolicy,
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use serde_json::{Value, json};

const UID: &str = "1-2-3";

fn wanted() -> Value {
    let mut wanted = spec("t", &[("a", "integer"), ("b", "text")]);
    wanted["primaryKey"] = json!("a");
    wanted
}

/// A table with a row, and the status of its object.
async fn applied(name: &str) -> World {
    let world = World::new(name).await;
    world.apply(&wanted()).await.unwrap();
    world.run("INSERT INTO t VALUES (1, 'x'); COMMENT ON TABLE t IS 'Who signed up.'").await;
    world
}

/// Looks again, as this claim.
async fn look(world: &World, claim: &Claim, spec: &Value) -> Result<Applied, TableError> {
    world.tables.apply(&Existing(UID), claim, &table(spec)).await
}

fn known(world: &World) -> Claim {
    world.claim.lock().unwrap().clone()
}

/// Asserts that nothing was done to the table, and returns why.
async fn left_alone(world: &World, claim: &Claim, spec: &Value) -> String {
    let before = world.snapshot().await;
    let error = look(world, claim, spec).await.expect_err("it is left alone");
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Environment, ConditionReason::Conflict),
        "{error}"
    );
    assert_eq!(world.snapshot().await, before, "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_line_that_somebody_has_overwritten_is_written_again() {
    let mut world = applied("line_lost").await;
    world.restart();
    let again = look(&world, &known(&world), &wanted()).await.unwrap();
    assert_eq!((again.outcome, again.adoption), (Outcome::Unchanged, Some(Adoption::LineLost)));
    let text = comment(&world, "t").await.unwrap();
    assert!(text.starts_with("Who signed up.\n"), "{text}");
    assert_eq!(Owner::from_comment(&text), Some(world.owner.clone()));
    assert_eq!(look(&world, &known(&world), &wanted()).await.unwrap().adoption, None);
    assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
}

#[tokio::test]
async fn a_table_that_was_restored_without_comments_is_the_objects_again() {
    let mut world = applied("line_restored").await;
    world
        .run("CREATE TABLE dump AS TABLE t; DROP TABLE t; CREATE TABLE t (a integer PRIMARY KEY, b text, theirs text); INSERT INTO t TABLE dump")
        .await;
    world.restart();
    let again = look(&world, &known(&world), &wanted()).await.unwrap();
    assert_eq!((again.adoption, again.extra_columns), (Some(Adoption::LineLost), vec!["theirs".to_owned()]));
    // In whichever schema it was, whatever the search path is now.
    world.run("CREATE SCHEMA app; ALTER TABLE t SET SCHEMA app").await;
    look(&world, &known(&world), &wanted()).await.unwrap();
    let claim = Claim { table: Some("app.t".into()), ..known(&world) };
    world.run("COMMENT ON TABLE app.t IS NULL").await;
    assert_eq!(look(&world, &claim, &wanted()).await.unwrap().table, "app.t");
    assert!(world.columns("public.t").await.is_empty());
}

#[tokio::test]
async fn a_table_that_has_lost_its_line_and_is_not_as_the_spec_asks_is_left_alone() {
    let world = applied("line_differs").await;
    let mut more = wanted();
    more["columns"].as_array_mut().unwrap().push(json!({"c": "text"}));
    let text = left_alone(&world, &known(&world), &more).await;
    assert!(
        text.contains("it may be another one: column \"c\" is in the spec but not in the table"),
        "{text}"
    );
    world.run("ALTER TABLE t DROP CONSTRAINT t_pkey").await;
    let text = left_alone(&world, &known(&world), &wanted()).await;
    assert!(text.contains("PRIMARY KEY (\"a\")"), "{text}");
}

#[tokio::test]
async fn a_line_is_not_written_again_for_a_copy_of_the_object_or_where_changes_are_only_reported() {
    let world = applied("line_not_ours").await;
    let reported = Claim { drift: DriftPolicy::Report, ..known(&world) };
    let text = left_alone(&world, &reported, &wanted()).await;
    assert!(text.contains("driftPolicy is Report: set it to Repair"), "{text}");
    let copy = |owner: Owner| Claim { is_first_hand: false, table: Some("public.t".into()), ..claim(owner) };
    for copy in [
        copy(Owner { cluster: "copy".into(), ..owner("a") }),
        copy(owner("b")),
        Claim { table: Some("public.other".into()), ..known(&world) },
    ] {
        let text = left_alone(&world, &copy, &wanted()).await;
        assert!(text.contains("doesn't belong to a DatabaseTable"), "{text}");
    }
    // Its own table is in another database.
    let elsewhere = Claim { is_elsewhere: true, ..known(&world) };
    let error = look(&world, &elsewhere, &wanted()).await.unwrap_err();
    assert!(matches!(error, TableError::Plan(PlanError::Elsewhere { .. })), "{error}");
    look(&world, &known(&world), &wanted()).await.unwrap();
}

#[tokio::test]
async fn a_table_in_place_of_the_objects_own_is_left_alone() {
    let world = World::new("line_replaced").await;
    world.apply(&wanted()).await.unwrap();
    world.run("ALTER TABLE t RENAME TO old; CREATE TABLE t (a integer PRIMARY KEY, b text)").await;
    let error = look(&world, &known(&world), &wanted()).await.unwrap_err();
    assert!(matches!(error, TableError::Plan(PlanError::Renamed { .. })), "{error}");
    assert_eq!(comment(&world, "t").await, None);
}

#[tokio::test]
async fn a_deletion_says_what_becomes_of_the_table_that_the_status_names() {
    let line = |owner: Owner| owner.mark_comment(None, &FromSpec::default());
    let comment = |text: &str| format!("COMMENT ON TABLE t IS '{text}'");
    let lost = Dropped::LineLost { table: "public.t".into(), is_first_hand: true };
    let anothers = |owner: Owner, foreign| Dropped::Anothers { table: "public.t".into(), owner, foreign };
    let stranger = Owner { cluster: "copy".into(), ..owner("a") };
    let world = applied("line_outcomes").await;
    for (sql, expected) in [
        (comment(""), lost.clone()),
        (comment("Who signed up."), lost.clone()),
        (comment(&line(owner("b"))), anothers(owner("b"), false)),
        (comment(&line(stranger.clone())), anothers(stranger, true)),
        ("DROP TABLE t; CREATE TABLE t (x text)".to_owned(), lost.clone()),
        ("DROP TABLE t; CREATE TABLE t (x text) PARTITION BY LIST (x)".to_owned(), lost),
        ("DROP TABLE t; CREATE VIEW t AS SELECT 1".to_owned(), Dropped::NoTable),
        ("DROP VIEW t".to_owned(), Dropped::Gone("public.t".into())),
    ] {
        world.run(&sql).await;
        let before = world.snapshot().await;
        assert_eq!(world.drop_named(Some("t")).await.unwrap(), expected, "{sql}");
        assert_eq!(world.snapshot().await, before, "{sql}");
    }
    // The status is a copy of another object's.
    world.run("CREATE TABLE t (a integer)").await;
    world.claim.lock().unwrap().is_first_hand = false;
    let unknown = Dropped::LineLost { table: "public.t".into(), is_first_hand: false };
    assert_eq!(world.drop().await.unwrap(), unknown);
}

#[tokio::test]
async fn no_table_is_dropped_that_has_lost_its_line_and_no_object_that_is_gone_gets_one() {
    let world = applied("line_dropped").await;
    assert_eq!(
        world.drop_named(Some("t")).await.unwrap(),
        Dropped::LineLost { table: "public.t".into(), is_first_hand: true }
    );
    assert_eq!(comment(&world, "t").await.as_deref(), Some("Who signed up."));
    let error = world.tables.apply(&Existing("9"), &known(&world), &table(&wanted())).await.unwrap_err();
    assert_eq!(error, TableError::ObjectGone { table: "public.t".into() });
}
