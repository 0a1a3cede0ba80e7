//! Integers that become longer: done where few rows are written again, and held back where there are many.

use crate::support::{World, spec};
use database_table_operator::{
    error::TableError,
    outcome::Outcome,
    plan::{Cause, IncompatibleChange, PlanError},
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use serde_json::{Value, json};

/// A table `t` with the key `id` and a column `a`, of these types.
fn of(id: &str, a: &Value) -> Value {
    let mut wanted = spec("t", &[("id", id)]);
    wanted["columns"].as_array_mut().unwrap().push(json!({"a": a}));
    wanted["primaryKey"] = json!("id");
    wanted
}

async fn changed(world: &World, wanted: &Value) -> Vec<String> {
    let Outcome::Changed(changes) = world.apply(wanted).await.unwrap().outcome else { panic!("{wanted}") };
    assert_eq!(world.apply(wanted).await.unwrap().outcome, Outcome::Unchanged, "{wanted}");
    changes
}

async fn one(world: &World, query: &str) -> String {
    world.sql.query_one(query, &[]).await.unwrap().get(0)
}

/// Fills the table until it and its indexes are larger than what is written at once.
async fn fill(world: &World) {
    world.run("ALTER TABLE t ADD COLUMN own text; ALTER TABLE t ALTER own SET STORAGE EXTERNAL").await;
    world
        .run("INSERT INTO t (id, a, own) SELECT n, n, repeat('x', 8000) FROM generate_series(1001, 18000) n")
        .await;
}

/// The statements that are held back, and why they are.
fn held_back(error: &TableError) -> (&Cause, String) {
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Permanent, ConditionReason::UpdateAborted),
        "{error}"
    );
    let TableError::Plan(PlanError::Incompatible { changes, pending, .. }) = error else { panic!("{error}") };
    let [IncompatibleChange::Rewrite { cause, .. }] = &**changes else { panic!("{error}") };
    (cause, pending.join("; "))
}

#[tokio::test]
async fn an_integer_becomes_a_bigint_at_once_and_keeps_values_keys_indexes_and_defaults() {
    let world = World::new("longer").await;
    let wanted = |id: &str, a: &str| {
        let mut wanted = of(id, &json!({"type": a, "default": 5, "nullable": false, "unique": true}));
        wanted["indexes"] = json!([{"name": "by_both", "columns": ["a", "id"]}]);
        wanted
    };
    world.apply(&wanted("integer", "smallint")).await.unwrap();
    world.run("INSERT INTO t SELECT n, n - 1 FROM generate_series(1, 100) n; CREATE INDEX theirs ON t ((a + 1)) WHERE a > 0").await;
    world.run("ALTER TABLE t ADD CHECK (a > -9)").await;
    let changes = changed(&world, &wanted("bigint", "integer")).await;
    assert_eq!(changes, ["type of column \"id\", now bigint", "type of column \"a\", now integer"]);
    changed(&world, &wanted("bigint", "bigint")).await;
    assert_eq!(one(&world, "SELECT sum(a)::text || ' ' || sum(id) FROM t").await, "4950 5050");
    let indexes =
        "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 't'";
    assert_eq!(one(&world, indexes).await, "by_both t_a_key t_pkey theirs");
    world.run("INSERT INTO t VALUES (3000000000, 3000000000)").await;
    // And not back.
    let error = world.rejected(&wanted("integer", "bigint")).await;
    assert!(error.to_string().contains("\"id\" has the type bigint, but integer in the spec"), "{error}");
}

#[tokio::test]
async fn the_sequence_of_a_longer_integer_goes_on_beyond_the_end_of_the_shorter_one() {
    let world = World::new("longer_sequences").await;
    world.apply(&of("serial", &json!({"type": "integer", "identity": "ByDefault"}))).await.unwrap();
    world.run("ALTER SEQUENCE t_id_seq RENAME TO \"Own\"").await;
    // The spec may say that there is a sequence, or leave it as it is.
    let changes = changed(&world, &of("bigint", &json!({"type": "bigint", "identity": "ByDefault"}))).await;
    assert_eq!(
        changes,
        [
            "type of column \"id\", now bigint",
            "type of the sequence of column \"id\", now bigint",
            "type of column \"a\", now bigint"
        ]
    );
    world.run("SELECT setval('\"Own\"', 2147483647), setval('t_a_seq', 2147483647); INSERT INTO t DEFAULT VALUES").await;
    assert_eq!(one(&world, "SELECT id || ' ' || a FROM t").await, "2147483648 2147483648");
    assert_eq!(
        world
            .apply(&of("bigserial", &json!({"type": "bigint", "identity": "ByDefault"})))
            .await
            .unwrap()
            .outcome,
        Outcome::Unchanged
    );

    world.drop().await.unwrap();
    world.lose_the_status();
    world.apply(&of("smallserial", &json!("text"))).await.unwrap();
    changed(&world, &of("bigserial", &json!("text"))).await;
    world.run("SELECT setval('t_id_seq', 2147483647); INSERT INTO t DEFAULT VALUES").await;
    // A sequence can't come by a longer type.
    world.drop().await.unwrap();
    world.lose_the_status();
    world.apply(&of("integer", &json!("text"))).await.unwrap();
    let error = world.rejected(&of("bigserial", &json!("text"))).await;
    assert!(error.to_string().contains("\"id\" has the type integer, but bigserial in the spec"), "{error}");
}

#[tokio::test]
async fn a_longer_integer_of_many_rows_is_held_back_with_the_statements_that_make_it() {
    let world = World::new("longer_large").await;
    world.apply(&of("serial", &json!("integer"))).await.unwrap();
    fill(&world).await;
    let wanted = of("bigserial", &json!("integer"));
    let error = world.rejected(&wanted).await;
    let (cause, pending) = held_back(&error);
    assert_eq!(*cause, Cause::Longer { type_: "bigint".into(), keys: vec![] });
    assert!(
        error.to_string().contains("column \"id\" would become bigint, for which all rows are written again"),
        "{error}"
    );
    world.run(&pending).await;
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
    world.run("SELECT setval('t_id_seq', 2147483647); INSERT INTO t (a) VALUES (1)").await;
}

#[tokio::test]
async fn a_foreign_key_is_checked_again_where_both_sides_are_small() {
    let world = World::new("longer_foreign").await;
    let wanted = |id: &str| of(id, &json!("integer"));
    world.apply(&wanted("integer")).await.unwrap();
    world
        .run(
            "INSERT INTO t SELECT n, n FROM generate_series(1, 100) n; CREATE TABLE lines (t integer REFERENCES t, u integer, own text); \
             INSERT INTO lines SELECT n, n FROM generate_series(1, 100) n; ALTER TABLE t ADD CONSTRAINT self FOREIGN KEY (a) REFERENCES t",
        )
        .await;
    changed(&world, &wanted("bigint")).await;
    let keys = "SELECT string_agg(conname || CASE WHEN convalidated THEN '' ELSE ' not valid' END, ' ' ORDER BY conname) \
                FROM pg_constraint WHERE contype = 'f'";
    assert_eq!(one(&world, keys).await, "lines_t_fkey self");
    assert!(world.sql.batch_execute("INSERT INTO lines VALUES (101)").await.is_err());
    // However small the table is itself.
    world.run("ALTER TABLE t ADD UNIQUE (a); ALTER TABLE lines ADD CONSTRAINT late FOREIGN KEY (u) REFERENCES t (a)").await;
    world.run("ALTER TABLE lines ALTER own SET STORAGE EXTERNAL").await;
    world.run("INSERT INTO lines SELECT 1, 1, repeat('x', 8000) FROM generate_series(1, 17000) n").await;
    let error = world.rejected(&of("bigint", &json!("bigint"))).await;
    let (cause, pending) = held_back(&error);
    let keys = ["foreign key late", "foreign key self"].map(str::to_owned).into();
    assert_eq!(*cause, Cause::Longer { type_: "bigint".into(), keys });
    world.run(&pending).await;
    assert_eq!(world.apply(&of("bigint", &json!("bigint"))).await.unwrap().outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn a_longer_integer_of_a_view_waits_for_somebody_to_drop_it() {
    let world = World::new("longer_view").await;
    world.apply(&of("integer", &json!("integer"))).await.unwrap();
    world.run("CREATE VIEW v AS SELECT a FROM t").await;
    let wanted = of("integer", &json!("bigint"));
    let error = world.rejected(&wanted).await;
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Environment, ConditionReason::DependentsExist),
        "{error}"
    );
    world.run("DROP VIEW v").await;
    changed(&world, &wanted).await;
}
