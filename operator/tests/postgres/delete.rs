use crate::support::{World, columns, spec};
use database_table_operator::sqlstate::Class;
use database_table_operator::status::Reason;

#[tokio::test]
async fn the_table_is_found_by_its_marker_and_dropped_once() {
    let world = World::new("drop").await;
    world.apply(&spec("\"My Table\"", &[("a", "integer")])).await.unwrap();
    assert_eq!(world.drop().await.unwrap(), ["public.\"My Table\""]);
    assert!(world.picture().await.is_empty());
    assert!(world.drop().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_table_that_a_person_moved_is_dropped_where_it_is() {
    let world = World::new("moved").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("CREATE SCHEMA other; ALTER TABLE t SET SCHEMA other; ALTER TABLE other.t RENAME TO u").await;
    assert_eq!(world.drop().await.unwrap(), ["other.u"]);
}

#[tokio::test]
async fn tables_of_others_stay() {
    let world = World::new("others").await;
    world.run("CREATE TABLE unmarked (a integer)").await;
    world.apply_as("ab", &spec("longer", &[("a", "integer")])).await.unwrap();
    world.apply(&spec("unmarked", &[("a", "integer")])).await.unwrap_err();
    assert!(world.drop().await.unwrap().is_empty());
    for table in ["unmarked", "longer"] {
        assert_eq!(world.columns(table).await, columns(&[("a", "integer")]));
    }
}

#[tokio::test]
async fn what_depends_on_the_table_keeps_it_and_is_named() {
    let world = World::new("view").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT a FROM t").await;
    let error = world.drop().await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (Class::Environment, Reason::DependentsExist));
    assert_eq!(
        error.to_string(),
        "ERROR: cannot drop table t because other objects depend on it. view v depends on table t; view w depends on table t. \
         Drop what depends on it first (SQLSTATE 2BP01)"
    );
    world.run("DROP VIEW v, w").await;
    assert_eq!(world.drop().await.unwrap(), ["public.t"]);
}

#[tokio::test]
async fn a_held_lock_keeps_the_table_for_now() {
    let world = World::new("drop_lock").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("BEGIN; SELECT FROM t").await;
    let error = world.drop().await.unwrap_err();
    assert_eq!(error.class(), Class::Temporary, "{error}");
    world.run("COMMIT").await;
    assert_eq!(world.drop().await.unwrap(), ["public.t"]);
}
