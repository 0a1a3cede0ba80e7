//! Two changes of a spec of which one is held back and stands in the way of the other one: what is held back can be run in its order.

use crate::{
    columns::made_by_hand,
    support::{World, columns},
};
use database_table_operator::{outcome::Outcome, status::ConditionReason};
use serde_json::{Value, json};

/// A spec of the table `t` with a key `id` and these columns.
fn with(columns: &Value, more: &Value) -> Value {
    let mut all = vec![json!({"id": "integer"})];
    all.extend(columns.as_array().unwrap().iter().cloned());
    let mut spec = json!({"tableName": "t", "columns": all, "primaryKey": "id"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

#[tokio::test]
async fn what_is_held_back_can_be_run_in_its_order_whatever_else_changes_with_it() {
    let nothing = || json!({});
    let index = |columns: &Value, method: &str| json!({"indexes": [{"name": "i", "columns": columns, "method": method}]});
    let key = |columns: &Value| json!({"primaryKey": columns});
    let pairs = [
        (
            "an expression, and the type of the column that it is made of",
            with(&json!([{"a": "integer"}, {"d": {"type": "text", "generated": "a::text"}}]), &nothing()),
            with(&json!([{"a": "text"}, {"d": {"type": "text", "generated": "lower(a)"}}]), &nothing()),
        ),
        (
            "the type of a column that another one is made of",
            with(&json!([{"a": "varchar(9)"}, {"d": {"type": "text", "generated": "upper(a)"}}]), &nothing()),
            with(
                &json!([{"a": "integer"}, {"d": {"type": "text", "generated": "upper(a::text)"}}]),
                &nothing(),
            ),
        ),
        (
            "a wider type of a column that another one is made of",
            with(
                &json!([{"a": "varchar(9)"}, {"d": {"type": "integer", "generated": "length(a)"}}]),
                &nothing(),
            ),
            with(
                &json!([{"a": "varchar(20)"}, {"d": {"type": "integer", "generated": "length(a)"}}]),
                &nothing(),
            ),
        ),
        (
            "a longer integer that another column is made of, which is longer, too",
            with(&json!([{"a": "integer"}, {"d": {"type": "integer", "generated": "a * 2"}}]), &nothing()),
            with(&json!([{"a": "bigint"}, {"d": {"type": "bigint", "generated": "a * 2"}}]), &nothing()),
        ),
        (
            "the collation of a column that another one is made of",
            with(&json!([{"a": "text"}, {"d": {"type": "text", "generated": "upper(a)"}}]), &nothing()),
            with(
                &json!([{"a": {"type": "text", "collation": "C"}}, {"d": {"type": "text", "generated": "upper(a)"}}]),
                &nothing(),
            ),
        ),
        (
            "a column that is removed, and was part of an expression",
            with(
                &json!([{"a": "integer"}, {"b": "integer"}, {"d": {"type": "integer", "generated": "a + b"}}]),
                &nothing(),
            ),
            with(&json!([{"a": "integer"}, {"d": {"type": "integer", "generated": "a + 1"}}]), &nothing()),
        ),
        (
            "a column that is removed, with one that was made of it",
            with(&json!([{"a": "integer"}, {"d": {"type": "integer", "generated": "a + 1"}}]), &nothing()),
            with(&json!([{"b": "integer"}]), &nothing()),
        ),
        (
            "the type of a computed column",
            with(
                &json!([{"a": "integer"}, {"d": {"type": "text", "generated": "(a * 2)::text", "unique": true}}]),
                &nothing(),
            ),
            with(&json!([{"a": "integer"}, {"d": {"type": "integer", "generated": "a * 2"}}]), &nothing()),
        ),
        (
            "a computed column that becomes a plain one of another type",
            with(&json!([{"a": "integer"}, {"d": {"type": "text", "generated": "a::text"}}]), &nothing()),
            with(&json!([{"a": "integer"}, {"d": "integer"}]), &nothing()),
        ),
        (
            "a plain column that becomes a computed one of another type",
            with(&json!([{"a": "integer"}, {"d": {"type": "jsonb", "unique": true}}]), &nothing()),
            with(&json!([{"a": "integer"}, {"d": {"type": "integer", "generated": "a * 2"}}]), &nothing()),
        ),
        (
            "a name, a type and an expression",
            with(&json!([{"a": "integer"}, {"d": {"type": "text", "generated": "a::text"}}]), &nothing()),
            with(
                &json!([{"b": {"type": "text", "renamedFrom": "a"}}, {"d": {"type": "text", "generated": "lower(b)"}}]),
                &nothing(),
            ),
        ),
        (
            "a default and a type",
            with(&json!([{"a": {"type": "text", "default": "'7'"}}]), &nothing()),
            with(&json!([{"a": {"type": "integer", "default": 8}}]), &nothing()),
        ),
        (
            "a default that goes and a type",
            with(&json!([{"a": {"type": "text", "default": "'seven'"}}]), &nothing()),
            with(&json!([{"a": "integer"}]), &nothing()),
        ),
        (
            "a default, an identity and a type",
            with(&json!([{"a": {"type": "text", "default": "'seven'"}}]), &nothing()),
            with(&json!([{"a": {"type": "integer", "identity": "Always"}}]), &nothing()),
        ),
        (
            "a serial of another type with a default",
            with(&json!([{"a": {"type": "text", "default": "'seven'"}}]), &nothing()),
            with(&json!([{"a": "serial"}]), &nothing()),
        ),
        (
            "an identity that goes, and a type that can't have one",
            with(&json!([{"a": {"type": "integer", "identity": "Always"}}]), &nothing()),
            with(&json!([{"a": {"type": "text", "default": "'x'"}}]), &nothing()),
        ),
        (
            "UNIQUE that goes, and a type that can't have it",
            with(&json!([{"a": {"type": "text", "unique": true}}]), &nothing()),
            with(&json!([{"a": {"type": "json", "nullable": true}}]), &nothing()),
        ),
        (
            "UNIQUE, and a type that can have it now",
            with(&json!([{"a": "json"}]), &nothing()),
            with(&json!([{"a": {"type": "jsonb", "unique": true, "nullable": false}}]), &nothing()),
        ),
        (
            "another method of an index, and a type that only that one has",
            with(&json!([{"a": "integer[]"}]), &index(&json!(["a"]), "gin")),
            with(&json!([{"a": "text"}]), &index(&json!(["a"]), "btree")),
        ),
        (
            "an index that goes, and a type that can't have it",
            with(&json!([{"a": "text"}]), &index(&json!(["a"]), "btree")),
            with(&json!([{"a": "json"}]), &nothing()),
        ),
        (
            "a column that is removed, and an index without it",
            with(&json!([{"a": "integer"}, {"b": "integer"}]), &index(&json!(["a", "b"]), "btree")),
            with(&json!([{"a": "integer"}]), &index(&json!(["a"]), "btree")),
        ),
        (
            "an index of a computed column that is computed in another way",
            with(
                &json!([{"a": "integer"}, {"d": {"type": "integer", "generated": "a * 2"}}]),
                &index(&json!(["d"]), "btree"),
            ),
            with(
                &json!([{"a": "integer"}, {"d": {"type": "integer", "generated": "a * 3"}}]),
                &index(&json!(["d", "a"]), "btree"),
            ),
        ),
        (
            "a column that is removed, and a key without it",
            with(&json!([{"a": "integer"}, {"b": "integer"}]), &key(&json!(["a", "b"]))),
            with(&json!([{"a": "integer"}]), &key(&json!(["a"]))),
        ),
        (
            "another key, and a type that the former one can't have",
            with(&json!([{"a": {"type": "text", "nullable": false}}]), &key(&json!(["a"]))),
            with(&json!([{"a": {"type": "json", "nullable": true}}]), &key(&json!(["id"]))),
        ),
        (
            "a key of a computed column that is computed in another way",
            with(
                &json!([{"a": "integer"}, {"d": {"type": "integer", "generated": "a * 2"}}]),
                &key(&json!(["d"])),
            ),
            with(
                &json!([{"a": "integer"}, {"d": {"type": "integer", "generated": "a * 3"}}]),
                &key(&json!(["d", "id"])),
            ),
        ),
    ];
    for (number, (what, first, second)) in pairs.into_iter().enumerate() {
        let world = World::new(&format!("pairs_{number}")).await;
        world.apply(&first).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let error = world.rejected(&second).await;
        assert_eq!(error.reason(), ConditionReason::UpdateAborted, "{what}: {error}");
        made_by_hand(&world, &second).await;
        let again = world.apply(&second).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(again.outcome, Outcome::Unchanged, "{what}");
        let names = columns_of(&second);
        assert!(world.columns("t").await.iter().all(|(name, _)| names.contains(name)), "{what}");
    }
}

fn columns_of(spec: &Value) -> Vec<String> {
    spec["columns"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|column| column.as_object().unwrap().keys().cloned())
        .collect()
}

#[tokio::test]
async fn a_computed_column_of_somebody_is_computed_again_behind_the_change_that_it_stands_in_the_way_of() {
    let world = World::new("pairs_theirs").await;
    world.apply(&with(&json!([{"a": "varchar(9)"}]), &json!({}))).await.unwrap();
    world.run("INSERT INTO t VALUES (1, 'x'); ALTER TABLE t ADD \"Theirs\" integer NOT NULL GENERATED ALWAYS AS (length(a)) STORED").await;
    let wider = with(&json!([{"a": "varchar(20)"}]), &json!({}));
    let error = world.rejected(&wider).await;
    assert!(error.to_string().contains("\"Theirs\""), "{error}");
    made_by_hand(&world, &wider).await;
    assert_eq!(
        world.columns("t").await,
        columns(&[("id", "integer"), ("a", "character varying(20)"), ("Theirs", "integer")])
    );
    assert_eq!(world.sql.query("SELECT FROM t WHERE \"Theirs\" = 1", &[]).await.unwrap().len(), 1);
}
