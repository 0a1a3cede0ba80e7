//! A primary key that somebody has dropped, or with which a table was never restored.

use crate::{
    indexes::until_over,
    support::{World, spec},
};
use database_table_operator::{
    error::{TableError, Wait},
    outcome::Outcome,
    plan::{Obstacle, PlanError},
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use futures::future::join;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// A table `t` with the columns `a`, `b` and `c`, whose key is this.
fn keyed(key: &Value) -> Value {
    let mut wanted = spec("t", &[("a", "integer"), ("b", "integer"), ("c", "text")]);
    wanted["primaryKey"] = key.clone();
    wanted
}

/// The key, NOT NULL columns and all other constraints and indexes of the table.
async fn found(world: &World) -> Vec<String> {
    let query = "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype <> 'n' \
                 UNION ALL SELECT attname || ' NOT NULL' FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND attnotnull \
                 UNION ALL SELECT indexrelid::regclass || ' index' || CASE WHEN indisvalid THEN '' ELSE ' not valid' END FROM pg_index \
                   WHERE indrelid = 't'::regclass AND NOT indisprimary ORDER BY 1";
    world.sql.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// A table with rows that has lost its key.
async fn keyless(name: &str, key: &Value) -> World {
    let world = World::new(name).await;
    world.apply(&keyed(key)).await.unwrap();
    world.run("INSERT INTO t SELECT n, n, 'x' FROM generate_series(1, 100) n").await;
    world.run("ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ALTER a DROP NOT NULL").await;
    world
}

async fn unchanged(world: &World, wanted: &Value) {
    assert_eq!(world.apply(wanted).await.unwrap().outcome, Outcome::Unchanged, "{wanted}");
}

fn obstructed(error: &TableError) -> (&str, &[String]) {
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::UpdateAborted));
    let TableError::Plan(PlanError::Obstructed { obstacle, pending, .. }) = error else { panic!("{error}") };
    let query = match obstacle {
        Obstacle::KeyNulls { query, .. } | Obstacle::KeyDuplicates { query, .. } => query,
        other => panic!("{other}"),
    };
    assert!(error.to_string().contains(query.as_str()), "{error}");
    (query, pending)
}

#[tokio::test]
async fn a_key_that_somebody_has_dropped_is_added_again() {
    let world = keyless("key_lost", &json!(["b", "a"])).await;
    let wanted = keyed(&json!(["b", "a"]));
    world.lose_the_status();
    let outcome = world.apply(&wanted).await.unwrap().outcome;
    assert_eq!(outcome, Outcome::Changed(vec!["PRIMARY KEY (\"b\", \"a\")".to_owned()]));
    let all = ["a NOT NULL", "b NOT NULL", "t_pkey PRIMARY KEY (b, a)"];
    assert_eq!(found(&world).await, all);
    unchanged(&world, &wanted).await;
    assert_eq!(world.sql.query("SELECT FROM t", &[]).await.unwrap().len(), 100);
    // Together with what the spec has got meanwhile.
    world.run("ALTER TABLE t DROP CONSTRAINT t_pkey").await;
    let mut more = wanted.clone();
    more["columns"].as_array_mut().unwrap().push(json!({"d": {"type": "text", "default": "'x'"}}));
    more["indexes"] = json!([{"name": "by_c", "columns": ["c"]}]);
    assert_eq!(until_over(&world, &more).await, Ok(()));
    unchanged(&world, &more).await;
    assert_eq!(found(&world).await, ["a NOT NULL", "b NOT NULL", "by_c index", "t_pkey PRIMARY KEY (b, a)"]);
}

#[tokio::test]
async fn rows_that_are_the_same_or_have_no_value_are_in_the_way_of_a_key_and_nothing_of_it_is_left() {
    let world = keyless("key_rows", &json!("a")).await;
    let wanted = keyed(&json!("a"));
    world.run("INSERT INTO t VALUES (NULL, 101, 'x'), (7, 102, 'x')").await;
    let error = world.apply(&wanted).await.unwrap_err();
    let (query, _) = obstructed(&error);
    assert_eq!(world.sql.query(query, &[]).await.unwrap().len(), 1, "{query}");
    assert_eq!((error.wait(), found(&world).await), (Wait::ForRows, vec![]));

    world.run("UPDATE t SET a = b WHERE a IS NULL").await;
    let error = world.apply(&wanted).await.unwrap_err();
    let (query, pending) = obstructed(&error);
    let rows = world.sql.query(query, &[]).await.unwrap();
    assert_eq!((rows.len(), rows[0].get::<_, i32>(0)), (1, 7), "{query}");
    assert!(!error.to_string().contains("102"), "{error}");
    // It is tried again seldom: each time, all rows are read.
    assert_eq!((error.wait(), found(&world).await), (Wait::ForRows, vec!["a NOT NULL".to_owned()]));

    // A person can do it as well.
    world.run("DELETE FROM t WHERE b = 102").await;
    for statement in pending {
        world.run(statement).await;
    }
    unchanged(&world, &wanted).await;
}

#[tokio::test]
async fn what_an_interrupted_attempt_has_left_of_a_key_is_used_or_built_again() {
    let world = keyless("key_left", &json!("a")).await;
    let wanted = keyed(&json!("a"));
    let all = ["a NOT NULL", "t_pkey PRIMARY KEY (a)"];
    let check = "ALTER TABLE t ADD CONSTRAINT korf_a_not_null CHECK (a IS NOT NULL)";
    let unproven = match world.has_native_not_null().await {
        true => "ALTER TABLE t ADD CONSTRAINT korf_a_not_null NOT NULL a NOT VALID".to_owned(),
        false => format!("{check}; ALTER TABLE t ALTER a SET NOT NULL"),
    };
    let invalid = "UPDATE t SET a = 1 WHERE a = 2; CREATE UNIQUE INDEX CONCURRENTLY t_pkey ON t (a)";
    for (left, is_valid) in [
        (format!("{check} NOT VALID"), true),
        (unproven, true),
        ("CREATE UNIQUE INDEX t_pkey ON t (a)".to_owned(), true),
        (invalid.to_owned(), false),
    ] {
        let mut result = Ok(());
        for statement in left.split("; ") {
            result = world.sql.batch_execute(statement).await;
        }
        assert_eq!(result.is_ok(), is_valid, "{left}");
        world.run("UPDATE t SET a = b").await;
        world.apply(&wanted).await.unwrap_or_else(|error| panic!("{left}: {error}"));
        assert_eq!(found(&world).await, all, "{left}");
        world.run("ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ALTER a DROP NOT NULL").await;
    }
}

#[tokio::test]
async fn a_key_gets_another_name_where_something_else_has_its_own() {
    let world = keyless("key_name", &json!("a")).await;
    world.run("CREATE UNIQUE INDEX t_pkey ON t (b)").await;
    world.apply(&keyed(&json!("a"))).await.unwrap();
    unchanged(&world, &keyed(&json!("a"))).await;
    assert_eq!(
        found(&world).await,
        ["a NOT NULL", "korf_pkey_af63e94c860202a3 PRIMARY KEY (a)", "t_pkey index"]
    );
}

#[tokio::test]
async fn an_object_that_gets_a_key_gives_it_to_its_table() {
    let world = World::new("key_first").await;
    world.apply(&keyed(&json!(null))).await.unwrap();
    world.apply(&keyed(&json!("a"))).await.unwrap();
    assert_eq!(found(&world).await, ["a NOT NULL", "t_pkey PRIMARY KEY (a)"]);
    // And no other one afterwards.
    let error = world.rejected(&keyed(&json!("b"))).await;
    assert!(error.to_string().contains("the primary key is (\"a\"), but (\"b\") in the spec"), "{error}");
}

#[tokio::test]
async fn while_a_key_is_added_nobody_waits_longer_than_the_operator_does_for_its_lock() {
    let world = keyless("key_lock", &json!("a")).await;
    world.run("ALTER TABLE t ALTER a SET NOT NULL").await;
    let wanted = keyed(&json!("a"));
    // It reads for minutes, as far as the operator can tell.
    let reader = world.database.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT FROM t LIMIT 1").await.unwrap();
    let (writer, over) = (world.database.connect().await.unwrap(), AtomicBool::new(false));
    let write = async {
        let (mut written, mut slowest) = (1000_i32, Duration::ZERO);
        while !over.load(Relaxed) {
            let begun = Instant::now();
            written += 1;
            writer.execute("INSERT INTO t VALUES ($1, $1, 'x')", &[&written]).await.unwrap();
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let apply = async {
        let result = until_over(&world, &wanted).await;
        over.store(true, Relaxed);
        result
    };
    let (result, slowest) = join(apply, write).await;
    let error = result.unwrap_err();
    assert_eq!((error.class(), error.wait()), (ErrorClass::Temporary, Wait::ForBackoff), "{error}");
    // The operator waits for three seconds, and writers wait behind it; the reader would go on for minutes.
    assert!(slowest < Duration::from_secs(12), "{slowest:?}");
    reader.batch_execute("COMMIT").await.unwrap();
    assert_eq!(until_over(&world, &wanted).await, Ok(()));
    assert_eq!(found(&world).await, ["a NOT NULL", "t_pkey PRIMARY KEY (a)"]);
}
