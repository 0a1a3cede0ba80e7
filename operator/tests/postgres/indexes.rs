//! Indexes: made with a table, built and dropped while it is in use, and found again whatever has happened to a build.

use crate::support::{World, dropped, spec, until};
use database_table_operator::{
    error::{TableError, Wait},
    outcome::Outcome,
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use futures::future::join;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio_postgres::Client;

/// A spec of a table `t` with columns `a` and `b`, and these indexes.
fn indexed(indexes: &Value) -> Value {
    let mut wanted = spec("t", &[("a", "integer"), ("b", "integer")]);
    wanted["indexes"] = indexes.clone();
    wanted
}

fn index(name: &str, columns: &[&str]) -> Value {
    json!({"name": name, "columns": columns})
}

fn unique(name: &str, columns: &[&str]) -> Value {
    json!({"name": name, "columns": columns, "unique": true})
}

impl World {
    /// The definitions of a table's indexes; a `!` before one that isn't valid.
    async fn indexes(&self, table: &str) -> Vec<String> {
        let query = "SELECT CASE WHEN i.indisvalid THEN '' ELSE '!' END || \
                       regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE (.*) ON .* USING ', '\\1 ') \
                     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass($1::text) ORDER BY c.relname";
        let rows = self.sql.query(query, &[&table]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// A table with rows, as an object without indexes has it.
    async fn filled(name: &str, rows: u32) -> Self {
        let world = Self::new(name).await;
        world.apply(&indexed(&json!([]))).await.unwrap();
        world.run(&format!("INSERT INTO t SELECT n, n % 1000 FROM generate_series(1, {rows}) n")).await;
        world
    }

    /// A transaction that sees the table as it is now: no build is over before it is.
    async fn old_transaction(&self) -> Client {
        let client = self.database.connect().await.unwrap();
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM t LIMIT 1").await.unwrap();
        client
    }

    /// Waits until the server builds an index, and returns the process that does.
    async fn until_built_by(&self) -> i32 {
        let query = "SELECT pid FROM pg_stat_progress_create_index WHERE index_relid <> 0 AND datname = current_database()";
        let mut builder = None;
        let is_building = async || {
            let found = self.sql.query(query, &[]).await.unwrap();
            builder = found.first().map(|row| row.get(0));
            builder.is_some()
        };
        until("the server builds an index", is_building).await;
        builder.unwrap()
    }

    /// One whose index `by_a` is being built, by this process of the operator or by one of before; and the transaction that
    /// keeps the build from its end. That holds nothing of the table, and yet no build is over before it is.
    async fn building(name: &str, restart: bool) -> (Self, Client) {
        let mut world = Self::filled(&format!("{name}{}", if restart { "_later" } else { "" }), 1_000).await;
        let old = world.database.connect().await.unwrap();
        old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1")
            .await
            .unwrap();
        let error = world.apply(&indexed(&json!([index("by_a", &["a"])]))).await.unwrap_err();
        assert_eq!(error.reason(), ConditionReason::InProgress);
        if restart {
            world.restart();
        }
        (world, old)
    }

    async fn terminate(&self, pid: i32) {
        self.run_as_superuser(&format!("SELECT pg_terminate_backend({pid})")).await;
    }
}

/// Calls again what is still being done, as handlers do.
pub async fn until_over(world: &World, wanted: &Value) -> Result<(), TableError> {
    loop {
        match world.apply(wanted).await {
            Err(error) if error.reason() == ConditionReason::InProgress => {
                assert_eq!(error.class(), ErrorClass::Temporary, "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            result => return result.map(drop),
        }
    }
}

#[tokio::test]
async fn indexes_of_every_method_come_with_a_table_and_are_known_again() {
    let world = World::new("methods").await;
    let columns =
        [("a", "integer"), ("b", "text"), ("c", "integer[]"), ("d", "point"), ("\"E e\"", "varchar(9)")];
    let mut wanted = spec("t", &columns);
    wanted["indexes"] = json!([
        {"name": "By_A", "columns": ["A"]},
        {"name": "\"By E\"", "columns": ["\"E e\"", "a"], "unique": true},
        {"name": "hashes", "columns": ["b"], "method": "hash"},
        {"name": "parts", "columns": ["c"], "method": "gin"},
        {"name": "areas", "columns": ["d"], "method": "gist"},
        {"name": "ranges", "columns": ["a", "b"], "method": "brin"},
        {"name": "spaces", "columns": ["b"], "method": "spgist"},
    ]);
    let expected = [
        "UNIQUE INDEX \"By E\" btree (\"E e\", a)",
        "INDEX areas gist (d)",
        "INDEX by_a btree (a)",
        "INDEX hashes hash (b)",
        "INDEX parts gin (c)",
        "INDEX ranges brin (a, b)",
        "INDEX spaces spgist (b)",
    ];
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Created);
    assert_eq!(world.indexes("t").await, expected);
    let before = world.snapshot().await;
    for _ in 0..2 {
        assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
        world.lose_the_status();
    }
    assert_eq!(world.snapshot().await, before);
    // One by one, at a table that is there.
    world.run("DROP INDEX \"By E\", areas, by_a, hashes, parts, ranges, spaces").await;
    assert_eq!(until_over(&world, &wanted).await, Ok(()));
    assert_eq!(world.indexes("t").await, expected);
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn an_index_is_built_while_others_write() {
    let world = World::filled("writer", 300_000).await;
    let writer = world.database.connect().await.unwrap();
    let over = AtomicBool::new(false);
    let write = async {
        let (mut written, mut slowest) = (0_i64, Duration::ZERO);
        while !over.load(Relaxed) {
            let begun = Instant::now();
            writer.execute("INSERT INTO t VALUES (-$1::bigint, 1)", &[&written]).await.unwrap();
            writer.execute("UPDATE t SET b = b + 1 WHERE a = 7", &[]).await.unwrap();
            (written, slowest) = (written + 1, slowest.max(begun.elapsed()));
        }
        (written, slowest)
    };
    let build = async {
        let wanted = indexed(&json!([index("by_a", &["a"]), unique("by_both", &["b", "a"])]));
        let result = until_over(&world, &wanted).await;
        over.store(true, Relaxed);
        result
    };
    let (result, (written, slowest)) = join(build, write).await;
    assert_eq!(result, Ok(()));
    assert!(written > 0 && slowest < Duration::from_secs(3), "{written} rows, {slowest:?}");
    assert_eq!(world.indexes("t").await, ["INDEX by_a btree (a)", "UNIQUE INDEX by_both btree (b, a)"]);
    world.run("SET enable_seqscan = off; SET enable_bitmapscan = off").await;
    let count = "SELECT count(*) FROM t WHERE a <= 0";
    assert_eq!(world.sql.query_one(count, &[]).await.unwrap().get::<_, i64>(0), written);
}

#[tokio::test]
async fn a_build_that_is_cut_off_begins_again_at_once() {
    let world = World::filled("cut_off", 1_000).await;
    let wanted = indexed(&json!([unique("by_a", &["a"])]));
    let old = world.old_transaction().await;
    let cut = async {
        let pid = world.until_built_by().await;
        world.terminate(pid).await;
    };
    let (result, ()) = join(world.apply(&wanted), cut).await;
    let error = result.unwrap_err();
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Temporary, ConditionReason::DatabaseUnavailable),
        "{error}"
    );
    assert_eq!(world.indexes("t").await, ["!UNIQUE INDEX by_a btree (a)"]);
    old.batch_execute("COMMIT").await.unwrap();
    let begun = Instant::now();
    assert_eq!(until_over(&world, &wanted).await, Ok(()));
    // One that was called off is begun again after five minutes.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(world.indexes("t").await, ["UNIQUE INDEX by_a btree (a)"]);
}

#[tokio::test]
async fn a_build_that_somebody_cancels_is_not_begun_again_at_once() {
    let world = World::filled("called_off", 1_000).await;
    let wanted = indexed(&json!([index("by_a", &["a"])]));
    let old = world.old_transaction().await;
    let cancel = async {
        let pid = world.until_built_by().await;
        world.run_as_superuser(&format!("SELECT pg_cancel_backend({pid})")).await;
    };
    let (result, ()) = join(world.apply(&wanted), cancel).await;
    let error = result.unwrap_err();
    assert_eq!((error.class(), error.wait()), (ErrorClass::Temporary, Wait::ForRoom), "{error}");
    assert!(error.to_string().contains("is tried again after five minutes"), "{error}");
    old.batch_execute("COMMIT").await.unwrap();
    assert_eq!(until_over(&world, &wanted).await, Ok(()));
    assert_eq!(world.indexes("t").await, ["INDEX by_a btree (a)"]);
}

#[tokio::test]
async fn a_build_of_a_process_of_before_is_waited_for() {
    let mut world = World::filled("before", 1_000).await;
    let wanted = indexed(&json!([index("by_a", &["a"])]));
    let old = world.old_transaction().await;
    let error = world.apply(&wanted).await.unwrap_err();
    assert_eq!(error.to_string(), "table public.t is being changed: index \"by_a\"");
    assert_eq!((error.class(), error.reason()), (ErrorClass::Temporary, ConditionReason::InProgress));
    world.restart();
    let error = world.apply(&wanted).await.unwrap_err();
    assert!(error.to_string().contains("is being built by another connection"), "{error}");
    assert_eq!(error.reason(), ConditionReason::InProgress);
    old.batch_execute("COMMIT").await.unwrap();
    let oid = "SELECT 'by_a'::regclass::oid";
    let before: u32 = world.sql.query_one(oid, &[]).await.unwrap().get(0);
    assert_eq!(until_over(&world, &wanted).await, Ok(()));
    assert_eq!(world.indexes("t").await, ["INDEX by_a btree (a)"]);
    assert_eq!(world.sql.query_one(oid, &[]).await.unwrap().get::<_, u32>(0), before, "the same build");
}

#[tokio::test]
async fn a_deletion_does_not_wait_for_a_build() {
    for restart in [false, true] {
        let (world, old) = World::building("deleted", restart).await;
        let begun = Instant::now();
        assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
        // The build goes on until the old transaction ends.
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        old.batch_execute("COMMIT").await.unwrap();
    }
}

#[tokio::test]
async fn an_index_that_leaves_the_spec_while_it_is_built_is_given_up() {
    for restart in [false, true] {
        let (world, old) = World::building("index_given_up", restart).await;
        let give_up = async {
            let ended = "SELECT FROM pg_stat_progress_create_index WHERE datname = current_database()";
            while !world.sql.query(ended, &[]).await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // The drop waits for old transactions, too.
            old.batch_execute("COMMIT").await.unwrap();
        };
        let none = indexed(&json!([]));
        let (result, ()) = join(until_over(&world, &none), give_up).await;
        assert_eq!(result, Ok(()));
        assert_eq!(world.indexes("t").await, [""; 0]);
    }
}

#[tokio::test]
async fn duplicate_rows_keep_an_index_from_being_unique_and_leave_nothing_behind() {
    let world = World::filled("index_duplicates", 2_000).await;
    let wanted = indexed(&json!([unique("by_b", &["b"])]));
    let error = until_over(&world, &wanted).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::UpdateAborted));
    let text = error.to_string();
    assert!(
        text.starts_with(
            "rows have the same values in index \"by_b\", so it can't be unique: find them by SELECT"
        ),
        "{text}"
    );
    let TableError::Plan(error) = &error else { panic!("{error}") };
    assert_eq!(
        error.pending(),
        ["CREATE UNIQUE INDEX CONCURRENTLY \"by_b\" ON \"public\".\"t\" USING btree (\"b\")"]
    );
    assert!(!text.contains("(b)=("), "no values: {text}");
    assert_eq!(world.indexes("t").await, [""; 0]);
    // The message has a query that finds them.
    let query = text.split("SELECT").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    assert_eq!(world.sql.query(&format!("SELECT{query}"), &[]).await.unwrap().len(), 1_000);
    world.run("INSERT INTO t VALUES (1, 1); DELETE FROM t WHERE a > 1000 OR ctid <> (SELECT min(ctid) FROM t o WHERE o.b = t.b)").await;
    assert_eq!(until_over(&world, &wanted).await, Ok(()));
    assert_eq!(world.indexes("t").await, ["UNIQUE INDEX by_b btree (b)"]);
}

#[tokio::test]
async fn rows_that_were_in_the_way_are_looked_for_before_anything_is_built_again() {
    let world = World::filled("duplicates_again", 2_000).await;
    let mut unique_column = indexed(&json!([]));
    unique_column["columns"][1] = json!({"b": {"type": "integer", "unique": true}});
    for wanted in [indexed(&json!([unique("by_b", &["b"])])), unique_column] {
        world.claim.lock().unwrap().asks_first = false;
        let first = until_over(&world, &wanted).await.unwrap_err();
        // No build would be over before this one is.
        let old = world.old_transaction().await;
        world.claim.lock().unwrap().asks_first = true;
        assert_eq!(world.apply(&wanted).await.unwrap_err(), first);
        assert_eq!(world.indexes("t").await, [""; 0]);
        old.batch_execute("COMMIT").await.unwrap();
    }
    world.run("DELETE FROM t WHERE a > 1000").await;
    let both = indexed(&json!([unique("by_b", &["b"])]));
    assert_eq!(until_over(&world, &both).await, Ok(()));
}

#[tokio::test]
async fn an_index_follows_its_spec_and_those_of_others_stay() {
    let world = World::filled("follows", 1_000).await;
    world.run("CREATE INDEX mine ON t (b) WHERE b > 1; CREATE INDEX by_b ON t (b)").await;
    // One that is as the spec asks becomes the object's.
    let both = indexed(&json!([index("by_a", &["a"]), index("by_b", &["b"])]));
    assert_eq!(until_over(&world, &both).await, Ok(()));
    let mine = "INDEX mine btree (b) WHERE (b > 1)";
    assert_eq!(world.indexes("t").await, ["INDEX by_a btree (a)", "INDEX by_b btree (b)", mine]);
    let changed = indexed(&json!([
        unique("by_a", &["a", "b"]),
        json!({"name": "by_b", "columns": ["b"], "method": "hash"})
    ]));
    assert_eq!(until_over(&world, &changed).await, Ok(()));
    assert_eq!(world.indexes("t").await, ["UNIQUE INDEX by_a btree (a, b)", "INDEX by_b hash (b)", mine]);
    assert_eq!(until_over(&world, &indexed(&json!([]))).await, Ok(()));
    assert_eq!(world.indexes("t").await, [mine]);
    // It is the object's no more.
    world.run("CREATE INDEX by_a ON t (a)").await;
    assert_eq!(until_over(&world, &indexed(&json!([]))).await, Ok(()));
    assert_eq!(world.indexes("t").await, ["INDEX by_a btree (a)", mine]);
}

#[tokio::test]
async fn queries_have_an_index_while_it_is_replaced_and_a_crash_in_the_middle_is_made_good() {
    let world = World::filled("replaced_index", 1_000).await;
    assert_eq!(until_over(&world, &indexed(&json!([index("i", &["a"])]))).await, Ok(()));
    let wanted = indexed(&json!([index("i", &["b", "a"])]));
    // Cut off while the successor is built.
    let old = world.old_transaction().await;
    let cut = async {
        let pid = world.until_built_by().await;
        assert!(world.indexes("t").await.contains(&"INDEX i btree (a)".to_owned()));
        world.terminate(pid).await;
    };
    let (result, ()) = join(world.apply(&wanted), cut).await;
    assert_eq!(result.unwrap_err().class(), ErrorClass::Temporary);
    old.batch_execute("COMMIT").await.unwrap();
    assert_eq!(until_over(&world, &wanted).await, Ok(()));
    assert_eq!(world.indexes("t").await, ["INDEX i btree (b, a)"]);
    // Cut off before and after the names are swapped.
    world.run("CREATE INDEX korf_successor_af63e44c8601fa24 ON t (b)").await;
    let again = indexed(&json!([index("i", &["b"])]));
    assert_eq!(until_over(&world, &again).await, Ok(()));
    assert_eq!(world.indexes("t").await, ["INDEX i btree (b)"]);
    world.run("CREATE INDEX korf_successor_af63e44c8601fa24 ON t (a)").await;
    assert_eq!(until_over(&world, &again).await, Ok(()));
    assert_eq!(world.indexes("t").await, ["INDEX i btree (b)"]);
}

#[tokio::test]
async fn what_stands_in_the_way_of_an_index_is_left_alone() {
    let world = World::filled("taken_names", 10).await;
    world
        .run(
            "CREATE TABLE other (a integer); CREATE INDEX of_other ON other (a); CREATE VIEW v AS SELECT 1; \
             CREATE INDEX partial ON t (a) WHERE a > 1; CREATE INDEX ordered ON t (a DESC); CREATE INDEX more ON t (a) INCLUDE (b); \
             CREATE INDEX lower ON t (abs(a)); ALTER TABLE t ADD CONSTRAINT only_one UNIQUE (a)",
        )
        .await;
    for (name, why) in [
        ("other", "a table of its schema has this name"),
        ("of_other", "an index of another table"),
        ("v", "a view of its schema"),
        ("partial", "isn't the object's and isn't as spec.indexes asks"),
        ("ordered", "isn't as spec.indexes asks"),
        ("more", "isn't as spec.indexes asks"),
        ("lower", "isn't as spec.indexes asks"),
        ("only_one", "is that of a constraint"),
    ] {
        let error = world.rejected(&indexed(&json!([index(name, &["a"])]))).await;
        assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::Conflict));
        assert!(error.to_string().contains(why), "{name}: {error}");
    }
    // Where it is a new table, too.
    let mut wanted = spec("u", &[("a", "integer")]);
    wanted["indexes"] = json!([index("of_other", &["a"])]);
    let error = world.apply_as("u", &wanted).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::Conflict, "{error}");
    // One whose index is as the spec asks is what the spec asks for, and isn't dropped with it.
    assert_eq!(until_over(&world, &indexed(&json!([unique("only_one", &["a"])]))).await, Ok(()));
    assert_eq!(until_over(&world, &indexed(&json!([]))).await, Ok(()));
    assert!(world.indexes("t").await.contains(&"UNIQUE INDEX only_one btree (a)".to_owned()));
}

#[tokio::test]
async fn an_index_that_something_depends_on_is_not_dropped() {
    let world = World::filled("needed", 10).await;
    assert_eq!(until_over(&world, &indexed(&json!([unique("by_a", &["a"])]))).await, Ok(()));
    let none = indexed(&json!([]));
    world.run("CREATE TABLE child (a integer REFERENCES t (a))").await;
    let error = until_over(&world, &none).await.unwrap_err();
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Environment, ConditionReason::DependentsExist),
        "{error}"
    );
    world
        .run("DROP TABLE child; ALTER TABLE t ALTER a SET NOT NULL, REPLICA IDENTITY USING INDEX by_a")
        .await;
    let error = until_over(&world, &none).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::Conflict);
    assert!(error.to_string().contains("is its REPLICA IDENTITY"), "{error}");
    world.run("ALTER TABLE t REPLICA IDENTITY DEFAULT").await;
    assert_eq!(until_over(&world, &none).await, Ok(()));
    assert_eq!(world.indexes("t").await, [""; 0]);
}

#[tokio::test]
async fn columns_and_their_indexes_come_together() {
    let world = World::filled("together", 100).await;
    let mut wanted = indexed(&json!([index("by_c", &["c", "a"])]));
    wanted["columns"].as_array_mut().unwrap().push(json!({"c": "text"}));
    assert_eq!(until_over(&world, &wanted).await, Ok(()));
    assert_eq!(world.indexes("t").await, ["INDEX by_c btree (c, a)"]);
}

#[tokio::test]
async fn a_type_that_an_index_can_not_have_is_rejected() {
    let world = World::new("no_operators").await;
    let mut wanted = spec("t", &[("a", "text"), ("j", "json")]);
    for (column, method) in [("a", "gin"), ("a", "gist"), ("j", "btree")] {
        wanted["indexes"] = json!([{"name": "i", "columns": [column], "method": method}]);
        let error = world.rejected(&wanted).await;
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Environment, ConditionReason::InvalidSpec),
            "{error}"
        );
        assert!(error.to_string().contains("has no default operator class"), "{error}");
    }
}
