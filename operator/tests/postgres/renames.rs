//! What is named after a column, once the column has another name.

use crate::{indexes::until_over, support::World};
use database_table_operator::outcome::Outcome;
use serde_json::{Value, json};

/// A spec of the table `t` with a key `id` and these columns.
fn with(columns: &Value) -> Value {
    let mut all = vec![json!({"id": "integer"})];
    all.extend(columns.as_array().unwrap().iter().cloned());
    json!({"tableName": "t", "columns": all, "primaryKey": "id"})
}

/// The constraints of the table, but for the key, with their columns; and indexes without one.
async fn found(world: &World) -> Vec<String> {
    let query = "SELECT concat_ws(' ', k.conname, k.contype::text, a.attname, CASE WHEN NOT k.convalidated THEN 'not valid' END) \
                 FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum] \
                 WHERE k.conrelid = 't'::regclass AND a.attname <> 'id' \
                 UNION ALL SELECT concat_ws(' ', c.relname, 'index', a.attname, CASE WHEN NOT i.indisvalid THEN 'not valid' END) \
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                 WHERE i.indrelid = 't'::regclass AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid) ORDER BY 1";
    world.sql.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Applies a spec until all that takes long is over, and then finds nothing to do.
async fn settle(world: &World, wanted: &Value) {
    assert_eq!(until_over(world, wanted).await, Ok(()), "{wanted}");
    let again = world.apply(wanted).await.unwrap_or_else(|error| panic!("{wanted}: {error}"));
    assert_eq!(again.outcome, Outcome::Unchanged, "{wanted}");
}

#[tokio::test]
async fn a_unique_constraint_has_the_name_that_a_new_table_would_give_it() {
    let world = World::new("rename_unique").await;
    settle(&world, &with(&json!([{"a": {"type": "integer", "unique": true}}]))).await;
    let b = |unique: bool| json!({"b": {"type": "integer", "unique": unique, "renamedFrom": "a"}});
    settle(&world, &with(&json!([b(true)]))).await;
    assert_eq!(found(&world).await, ["t_b_key u b"]);
    // The former name is free for another column, and for its constraint.
    let a = json!({"a": {"type": "integer", "unique": true}});
    settle(&world, &with(&json!([{"b": {"type": "integer", "unique": true}}, a]))).await;
    assert_eq!(found(&world).await, ["t_a_key u a", "t_b_key u b"]);
    settle(&world, &with(&json!([{"b": "integer"}, a]))).await;
    assert_eq!(found(&world).await, ["t_a_key u a"]);
}

#[tokio::test]
async fn a_unique_constraint_keeps_its_name_where_the_new_one_is_taken_or_it_is_somebodys() {
    let world = World::new("rename_unique_taken").await;
    world.run("CREATE TABLE t_b_key (a integer)").await;
    let first = with(
        &json!([{"a": {"type": "integer", "unique": true}}, {"c": {"type": "integer", "unique": true}}]),
    );
    settle(&world, &first).await;
    world.run("ALTER TABLE t RENAME CONSTRAINT t_c_key TO mine").await;
    let second = with(&json!([
        {"b": {"type": "integer", "unique": true, "renamedFrom": "a"}},
        {"d": {"type": "integer", "unique": true, "renamedFrom": "c"}},
    ]));
    settle(&world, &second).await;
    let [b, d] = &found(&world).await[..] else { panic!("{:?}", found(&world).await) };
    assert!(b.starts_with("korf_unique_") && b.ends_with(" u b"), "{b}");
    assert_eq!(d, "mine u d");
}

#[tokio::test]
async fn an_index_that_was_to_become_unique_is_found_again_under_the_new_name() {
    let world = World::new("rename_unfinished").await;
    let a = |unique: bool| with(&json!([{"a": {"type": "integer", "unique": unique}}]));
    let b = |unique: bool| with(&json!([{"b": {"type": "integer", "unique": unique, "renamedFrom": "a"}}]));
    for (sql, is_valid) in [
        ("CREATE UNIQUE INDEX t_a_key ON t (a)", true),
        ("CREATE UNIQUE INDEX CONCURRENTLY t_a_key ON t (a)", false),
    ] {
        for unique in [true, false] {
            settle(&world, &a(false)).await;
            world.run("INSERT INTO t VALUES (1, 1), (2, 1)").await;
            // It is named in the comment before the rows are in its way.
            world.apply(&a(true)).await.unwrap_err();
            if is_valid {
                world.run("DELETE FROM t").await;
            }
            assert_eq!(world.sql.batch_execute(sql).await.is_ok(), is_valid);
            world.run("DELETE FROM t").await;
            settle(&world, &b(unique)).await;
            let expected: &[&str] = if unique { &["t_b_key u b"] } else { &[] };
            assert_eq!(found(&world).await, expected, "{sql}");
            world.drop().await.unwrap();
            world.lose_the_status();
        }
    }
}

#[tokio::test]
async fn a_not_null_follows_its_column_wherever_it_was_interrupted() {
    let world = World::new("rename_not_null").await;
    let of = |name: &str, from: Option<&str>, nullable: Option<bool>| {
        let mut column = json!({"type": "integer"});
        if let Some(from) = from {
            column["renamedFrom"] = json!(from);
        }
        if let Some(nullable) = nullable {
            column["nullable"] = json!(nullable);
        }
        with(&json!([{name: column}]))
    };
    for nullable in [Some(false), None] {
        settle(&world, &of("a", None, None)).await;
        world.run("INSERT INTO t VALUES (1, NULL)").await;
        world.apply(&of("a", None, Some(false))).await.unwrap_err();
        let constraint = match world.has_native_not_null().await {
            true => "NOT NULL a NOT VALID",
            false => "CHECK (a IS NOT NULL) NOT VALID",
        };
        world.run(&format!("ALTER TABLE t ADD CONSTRAINT korf_a_not_null {constraint}; DELETE FROM t")).await;
        settle(&world, &of("b", Some("a"), nullable)).await;
        let left = found(&world).await;
        assert!(
            left.iter().all(|found| !found.contains(" c ")
                && !found.contains("not valid")
                && !found.contains("_a_")),
            "{left:?}"
        );
        let null = world.sql.batch_execute("INSERT INTO t VALUES (2, NULL)").await;
        assert_eq!(null.is_ok(), nullable.is_none());
        world.drop().await.unwrap();
        world.lose_the_status();
    }
}

#[tokio::test]
async fn a_column_with_the_former_name_of_another_one_becomes_not_null_without_a_long_lock() {
    let world = World::new("rename_not_null_again").await;
    let strict = json!({"type": "integer", "nullable": false});
    settle(&world, &with(&json!([{"a": "integer"}]))).await;
    settle(&world, &with(&json!([{"a": strict}]))).await;
    // By the operator, and by hand: then the constraint keeps its name on PostgreSQL 18.
    for (name, from) in [("b", "a"), ("c", "b")] {
        if name == "b" {
            let renamed = json!({"b": {"type": "integer", "nullable": false, "renamedFrom": "a"}});
            settle(&world, &with(&json!([renamed]))).await;
        } else {
            world.run("ALTER TABLE t RENAME b TO c").await;
            world.run("COMMENT ON TABLE t IS NULL").await;
            world
                .run(&format!(
                    "COMMENT ON TABLE t IS '{}'",
                    world.owner.mark_comment(
                        None,
                        &database_table_operator::marker::FromSpec::of_columns(
                            ["id".into(), "c".into()].into()
                        )
                    )
                ))
                .await;
            world.lose_the_status();
        }
        let both = |of: &Value| with(&json!([{name: strict}, {from: of}]));
        settle(&world, &both(&json!("integer"))).await;
        settle(&world, &both(&strict)).await;
        assert!(world.sql.batch_execute("INSERT INTO t (id) VALUES (1)").await.is_err());
        let dropped = both(&json!({"type": "integer", "nullable": true}));
        settle(&world, &dropped).await;
        world.run(&format!("ALTER TABLE t DROP COLUMN {from}")).await;
        let only = with(&json!([{name: strict}]));
        settle(&world, &only).await;
    }
}

#[tokio::test]
async fn a_column_with_the_former_name_of_a_serial_one_gets_a_sequence_by_the_statements_that_are_held_back()
{
    let world = World::new("rename_serial").await;
    settle(&world, &with(&json!([{"a": "serial"}]))).await;
    settle(&world, &with(&json!([{"b": {"type": "serial", "renamedFrom": "a"}}]))).await;
    settle(&world, &with(&json!([{"b": "serial"}, {"a": "integer"}]))).await;
    world.run("INSERT INTO t VALUES (1, 1, 7), (2, 2, 9)").await;
    let wanted = with(&json!([{"b": "serial"}, {"a": "serial"}]));
    let error = world.rejected(&wanted).await;
    for statement in error.pending() {
        world.sql.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    settle(&world, &wanted).await;
    world.run("INSERT INTO t (id) VALUES (3)").await;
    assert_eq!(world.sql.query("SELECT FROM t WHERE a = 10", &[]).await.unwrap().len(), 1);
}
