//! What only some versions of PostgreSQL have, and what somebody has made of a table since.

use crate::support::{World, spec};
use database_table_operator::{outcome::Outcome, sqlstate::ErrorClass, status::ConditionReason};
use serde_json::{Value, json};

fn keyed(columns: &[(&str, &str)], key: Value) -> Value {
    let mut wanted = spec("t", columns);
    wanted["primaryKey"] = key;
    wanted
}

/// Asserts that the spec isn't satisfied any more, and why.
async fn aborted(world: &World, wanted: &Value, why: &str) {
    let error = world.rejected(wanted).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, ConditionReason::UpdateAborted));
    assert!(error.to_string().contains(why), "{why}: {error}");
}

async fn unchanged(world: &World, wanted: &Value) -> Vec<String> {
    let applied = world.apply(wanted).await.unwrap();
    assert_eq!(applied.outcome, Outcome::Unchanged);
    applied.warnings.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_column_that_is_computed_is_not_the_column_of_the_spec() {
    let world = World::new("generated").await;
    let wanted = spec("t", &[("a", "integer"), ("b", "integer")]);
    let mut ways =
        vec![("GENERATED ALWAYS AS (a + 1) STORED", "\"b\" is generated (STORED) and can't be written")];
    if world.has_version(18, "virtual generated columns").await {
        ways.push((
            "GENERATED ALWAYS AS (a + 1) VIRTUAL",
            "\"b\" is generated (VIRTUAL) and can't be written",
        ));
        ways.push(("GENERATED ALWAYS AS (a + 1)", "\"b\" is generated (VIRTUAL) and can't be written"));
    }
    for (way, why) in ways {
        world.lose_the_status();
        let small = spec("t", &[("a", "integer")]);
        world.apply(&small).await.unwrap();
        world.run(&format!("ALTER TABLE t ADD b integer {way}")).await;
        assert_eq!(unchanged(&world, &small).await, [""; 0]);
        aborted(&world, &wanted, why).await;
        world.drop().await.unwrap();
    }
}

#[tokio::test]
async fn an_identity_column_is_an_integer_that_says_so_if_it_can_not_be_given() {
    let world = World::new("identity").await;
    let wanted = spec("t", &[("a", "integer"), ("n", "bigint")]);
    for (way, warned) in [("ALWAYS", true), ("BY DEFAULT", false)] {
        world.apply(&wanted).await.unwrap();
        world
            .run(&format!("ALTER TABLE t ALTER n SET NOT NULL, ALTER n ADD GENERATED {way} AS IDENTITY"))
            .await;
        let insert = world.sql.batch_execute("INSERT INTO t VALUES (1, 1)").await;
        assert_eq!(insert.is_err(), warned, "{way}");
        let told = unchanged(&world, &wanted).await.join("\n");
        assert_eq!(told.contains("column \"n\" is GENERATED ALWAYS AS IDENTITY"), warned, "{told}");
        world.drop().await.unwrap();
    }
}

#[tokio::test]
async fn a_deferrable_key_is_the_key_with_a_warning_and_an_index_with_more_columns_is_no_other_key() {
    let world = World::new("key_forms").await;
    let wanted = keyed(&[("a", "integer"), ("b", "integer")], json!(["a"]));
    world.apply(&wanted).await.unwrap();
    world
        .run("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (a) DEFERRABLE INITIALLY DEFERRED")
        .await;
    let told = unchanged(&world, &wanted).await;
    assert_eq!(told, ["the primary key is DEFERRABLE, so ON CONFLICT and foreign keys can't use it"]);
    assert!(world.sql.batch_execute("INSERT INTO t VALUES (1, 1) ON CONFLICT (a) DO NOTHING").await.is_err());
    world.run("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (a) INCLUDE (b)").await;
    assert_eq!(unchanged(&world, &wanted).await, [""; 0]);
    world.run("ALTER TABLE t DROP CONSTRAINT t_pkey; CREATE UNIQUE INDEX k ON t (a); ALTER TABLE t ADD CONSTRAINT other PRIMARY KEY USING INDEX k").await;
    assert_eq!(unchanged(&world, &wanted).await, [""; 0]);
    world.run("ALTER TABLE t DROP CONSTRAINT other; CREATE UNIQUE INDEX k ON t (a)").await;
    // An index alone, whosever it is, is no key, and stays.
    world.apply(&wanted).await.unwrap();
    assert_eq!(unchanged(&world, &wanted).await, [""; 0]);
    assert!(
        world.sql.batch_execute("ALTER INDEX k RENAME TO l; ALTER INDEX t_pkey RENAME TO m").await.is_ok()
    );
}

#[tokio::test]
async fn a_key_whose_index_is_not_valid_is_not_the_key() {
    let world = World::new("invalid_key").await;
    let wanted = keyed(&[("a", "integer"), ("b", "integer")], json!("a"));
    world.apply(&wanted).await.unwrap();
    let marker = "(SELECT quote_literal(obj_description('t'::regclass, 'pg_class')))";
    // A partitioned table in its place, whose partition has no key: two rows may have the same one.
    world
        .run(&format!(
            "DO $do$ DECLARE text text := {marker}; BEGIN DROP TABLE t; CREATE TABLE t (a integer NOT NULL, b integer) PARTITION BY LIST (a); \
             EXECUTE 'COMMENT ON TABLE t IS ' || text; CREATE TABLE part PARTITION OF t DEFAULT; ALTER TABLE ONLY t ADD PRIMARY KEY (a); END $do$"
        ))
        .await;
    world.run("INSERT INTO t VALUES (1, 1), (1, 2)").await;
    aborted(
        &world,
        &wanted,
        "the primary key is (\"a\") with an index that isn't valid, but (\"a\") in the spec",
    )
    .await;
    world.run("DELETE FROM t; ALTER TABLE part ADD PRIMARY KEY (a); ALTER INDEX t_pkey ATTACH PARTITION part_pkey").await;
    assert_eq!(unchanged(&world, &wanted).await, [""; 0]);
}

#[tokio::test]
async fn a_key_without_overlaps_is_not_the_key_of_the_spec() {
    let world = World::new("overlaps").await;
    if !world.has_version(18, "keys WITHOUT OVERLAPS").await {
        return;
    }
    world.run_as_superuser("CREATE EXTENSION IF NOT EXISTS btree_gist").await;
    let wanted = keyed(&[("id", "integer"), ("valid", "daterange")], json!(["id", "valid"]));
    world.apply(&wanted).await.unwrap();
    world.run("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, valid WITHOUT OVERLAPS)").await;
    let why = "the primary key is (\"id\", \"valid\" WITHOUT OVERLAPS), but (\"id\", \"valid\") in the spec";
    aborted(&world, &wanted, why).await;
    aborted(&world, &keyed(&[("id", "integer"), ("valid", "daterange")], json!(null)), "WITHOUT OVERLAPS")
        .await;
}

#[tokio::test]
async fn constraints_that_are_rows_of_the_catalog_are_no_change() {
    let world = World::new("constraints").await;
    let wanted = keyed(&[("a", "integer"), ("b", "integer")], json!("a"));
    world.apply(&wanted).await.unwrap();
    world.run("ALTER TABLE t ALTER b SET NOT NULL, ADD CHECK (b > 0) NOT VALID, ADD UNIQUE (b)").await;
    assert_eq!(unchanged(&world, &wanted).await, [""; 0]);
    if world.has_version(18, "constraints NOT ENFORCED, and NOT NULL constraints with a name").await {
        world
            .run("ALTER TABLE t ADD CONSTRAINT soft CHECK (b < 9) NOT ENFORCED, ALTER b DROP NOT NULL")
            .await;
        world.run("ALTER TABLE t ADD CONSTRAINT late NOT NULL b NOT VALID").await;
        assert_eq!(unchanged(&world, &wanted).await, [""; 0]);
    }
    // The key's columns stay NOT NULL without it.
    world.run("ALTER TABLE t DROP CONSTRAINT t_pkey").await;
    let outcome = world.apply(&wanted).await.unwrap().outcome;
    assert_eq!(outcome, Outcome::Changed(vec!["PRIMARY KEY (\"a\")".to_owned()]));
}
