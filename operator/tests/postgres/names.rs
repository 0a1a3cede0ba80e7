//! Names of constraints and indexes that something else has already.

use crate::{indexes::until_over, support::World};
use database_table_operator::{outcome::Outcome, sqlstate::ErrorClass, status::ConditionReason};
use serde_json::{Value, json};

fn table(name: &str, columns: &Value) -> Value {
    json!({"tableName": name, "columns": columns})
}

/// The names of the constraints of a table by which a column is unique.
async fn unique_of(world: &World, table: &str, column: &str) -> Vec<String> {
    let query = "SELECT k.conname::text FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum] \
                 WHERE k.conrelid = $1::text::regclass AND k.contype = 'u' AND a.attname = $2 ORDER BY 1";
    world.sql.query(query, &[&table, &column]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_unique_column_gets_a_constraint_of_another_name_where_its_own_is_taken() {
    let world = World::new("taken_unique").await;
    let plain = json!([{"id": "integer"}, {"b_c": "integer"}]);
    let unique = json!([{"id": "integer"}, {"b_c": {"type": "integer", "unique": true}}]);
    // Of another table, which gets it as the same name: a new one, and one that is there.
    world
        .apply_as("other", &table("a_b", &json!([{"c": {"type": "integer", "unique": true}}])))
        .await
        .unwrap();
    assert_eq!(unique_of(&world, "a_b", "c").await, ["a_b_c_key"]);
    assert_eq!(world.apply(&table("a", &unique)).await.unwrap().outcome, Outcome::Created);
    assert_eq!(unique_of(&world, "a", "b_c").await, ["a_b_c_key1"]);
    assert_eq!(world.apply(&table("a", &unique)).await.unwrap().outcome, Outcome::Unchanged);
    world.apply(&table("a", &plain)).await.unwrap();
    assert_eq!(unique_of(&world, "a", "b_c").await, [""; 0]);
    world.apply(&table("a", &unique)).await.unwrap();
    let [other] = &unique_of(&world, "a", "b_c").await[..] else { panic!("none") };
    assert!(other.starts_with("korf_unique_"), "{other}");
    assert_eq!(world.apply(&table("a", &unique)).await.unwrap().outcome, Outcome::Unchanged);
    world.apply(&table("a", &plain)).await.unwrap();
    assert_eq!(unique_of(&world, "a", "b_c").await, [""; 0]);
}

#[tokio::test]
async fn a_column_with_the_former_name_of_another_one_becomes_unique() {
    let world = World::new("renamed_unique").await;
    let first = json!([{"id": "integer"}, {"a": {"type": "integer", "unique": true}}]);
    world.apply(&table("t", &first)).await.unwrap();
    let b = json!({"type": "integer", "unique": true, "renamedFrom": "a"});
    world.apply(&table("t", &json!([{"id": "integer"}, {"b": b}]))).await.unwrap();
    let unique = json!({"type": "integer", "unique": true});
    let both = table("t", &json!([{"id": "integer"}, {"b": unique.clone()}, {"a": unique}]));
    assert_eq!(until_over(&world, &both).await, Ok(()));
    assert_eq!(world.apply(&both).await.unwrap().outcome, Outcome::Unchanged);
    assert_eq!((unique_of(&world, "t", "a").await.len(), unique_of(&world, "t", "b").await.len()), (1, 1));
}

#[tokio::test]
async fn an_index_with_the_name_of_a_constraint_is_a_conflict_or_has_it_and_never_an_endless_retry() {
    let world = World::new("index_names").await;
    let email = |unique: bool| json!([{"id": "integer"}, {"email": {"type": "text", "unique": unique}}]);
    let mut wanted = table("t", &email(true));
    wanted["primaryKey"] = json!("id");
    for name in ["t_pkey", "t_email_key"] {
        wanted["indexes"] = json!([{"name": name, "columns": ["email"]}]);
        let error = world.rejected(&wanted).await;
        assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::Conflict));
        assert!(error.to_string().contains("its primary key or a UNIQUE column gets this name"), "{error}");
    }
    // An index that is there keeps its name.
    wanted["columns"] = email(false);
    world.apply(&wanted).await.unwrap();
    wanted["columns"] = email(true);
    assert_eq!(until_over(&world, &wanted).await, Ok(()));
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
    assert!(unique_of(&world, "t", "email").await[0].starts_with("korf_unique_"));
}
