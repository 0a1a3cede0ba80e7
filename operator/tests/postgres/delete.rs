use crate::support::{NoAnswer, World, columns, dropped, spec};
use database_table_operator::{outcome::Dropped, sqlstate::ErrorClass, status::ConditionReason};

#[tokio::test]
async fn the_table_is_found_by_its_comment_and_dropped_once() {
    let world = World::new("drop").await;
    world.apply(&spec("\"My Table\"", &[("a", "integer")])).await.unwrap();
    assert_eq!(world.drop().await.unwrap(), dropped("public.\"My Table\""));
    assert!(world.snapshot().await.is_empty());
    assert_eq!(world.drop().await.unwrap(), Dropped::Gone("public.\"My Table\"".into()));
}

#[tokio::test]
async fn a_moved_table_is_dropped_where_it_is() {
    let world = World::new("moved").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("CREATE SCHEMA other; ALTER TABLE t SET SCHEMA other; ALTER TABLE other.t RENAME TO u").await;
    assert_eq!(world.drop().await.unwrap(), dropped("other.u"));
}

#[tokio::test]
async fn other_tables_stay() {
    let world = World::new("others").await;
    world.run("CREATE TABLE unmarked (a integer)").await;
    world.apply_as("ab", &spec("longer", &[("a", "integer")])).await.unwrap();
    world.apply(&spec("unmarked", &[("a", "integer")])).await.unwrap_err();
    assert_eq!(world.drop().await.unwrap(), Dropped::NoTable);
    for table in ["unmarked", "longer"] {
        assert_eq!(world.columns(table).await, columns(&[("a", "integer")]));
    }
}

#[tokio::test]
async fn a_table_with_dependents_stays_and_the_error_names_them() {
    let world = World::new("view").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT a FROM t").await;
    let error = world.drop().await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::DependentsExist));
    assert_eq!(
        error.to_string(),
        "ERROR: cannot drop table t because other objects depend on it. view v depends on table t; view w depends on table t. \
         Drop what depends on it first (SQLSTATE 2BP01)"
    );
    world.run("DROP VIEW v, w").await;
    assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
}

#[tokio::test]
async fn a_locked_table_is_dropped_later() {
    let world = World::new("drop_lock").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("BEGIN; SELECT FROM t").await;
    let error = world.drop().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Temporary, "{error}");
    world.run("COMMIT").await;
    assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
}

/// A table and its copy in another schema, as a restored dump leaves it.
async fn with_a_copy(name: &str) -> World {
    let world = World::new(name).await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let sql = "CREATE SCHEMA copy; CREATE TABLE copy.t (a integer); \
               DO $$ BEGIN EXECUTE format('COMMENT ON TABLE copy.t IS %L', obj_description('public.t'::regclass)); END $$";
    world.run(sql).await;
    world
}

#[tokio::test]
async fn a_copy_in_another_schema_stays() {
    let world = with_a_copy("copy").await;
    assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
    assert_eq!(world.columns("copy.t").await, columns(&[("a", "integer")]));
}

#[tokio::test]
async fn without_a_status_the_table_in_the_spec_is_dropped_and_its_copy_stays() {
    let world = with_a_copy("copy_no_status").await;
    world.lose_the_status();
    assert_eq!(world.drop_named(Some("T")).await.unwrap(), dropped("public.t"));
    assert_eq!(world.columns("copy.t").await, columns(&[("a", "integer")]));
}

#[tokio::test]
async fn a_table_that_can_not_be_told_from_its_copy_stays() {
    let world = with_a_copy("copy_unclear").await;
    world.run("ALTER TABLE t RENAME TO u").await;
    let error = world.drop_named(Some("T")).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::Conflict));
    let text = error.to_string();
    assert!(text.contains("copy.t, public.u, so nothing was dropped"), "{text}");
    world.run("COMMENT ON TABLE copy.t IS NULL").await;
    assert_eq!(world.drop_named(Some("T")).await.unwrap(), dropped("public.u"));
}

#[tokio::test]
async fn a_copy_is_not_dropped_instead_of_a_table_that_lost_its_line() {
    let world = with_a_copy("copy_unmarked").await;
    world.run("COMMENT ON TABLE t IS 'Who signed up.'").await;
    let error = world.drop_named(Some("T")).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::Conflict));
    assert!(error.to_string().contains("the status names public.t as the object's table, but"), "{error}");
    world.run("COMMENT ON TABLE copy.t IS NULL").await;
    assert_eq!(
        world.drop_named(Some("T")).await.unwrap(),
        Dropped::LineLost { table: "public.t".into(), is_first_hand: true }
    );
}

#[tokio::test]
async fn nothing_is_dropped_while_the_api_server_does_not_answer() {
    let world = World::new("silent").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let claim = world.claim.lock().unwrap().clone();
    let error = world.tables.drop_table(&NoAnswer, &claim, None).await.unwrap_err();
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Temporary, ConditionReason::ClusterUnavailable),
        "{error}"
    );
    assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
}

#[tokio::test]
async fn a_partitioned_table_in_its_place_is_not_dropped() {
    let world = World::new("partitioned").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world
        .run(
            "DO $$ DECLARE line text := obj_description('t'::regclass); BEGIN DROP TABLE t; \
               CREATE TABLE t (a integer) PARTITION BY RANGE (a); CREATE TABLE t_1 PARTITION OF t DEFAULT; \
               INSERT INTO t VALUES (1); EXECUTE format('COMMENT ON TABLE t IS %L', line); END $$",
        )
        .await;
    for _ in 0..2 {
        let error = world.drop().await.unwrap_err();
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Environment, ConditionReason::Conflict),
            "{error}"
        );
        assert!(error.to_string().contains("table public.t has partitions"), "{error}");
        world.lose_the_status();
    }
    let rows: i64 = world.sql.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn what_is_no_table_in_its_place_is_not_dropped() {
    let world = World::new("not_a_table").await;
    let server = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; \
                  GRANT USAGE ON FOREIGN SERVER s TO PUBLIC";
    world.run_as_superuser(server).await;
    for (kind, create) in [
        ("VIEW", "CREATE VIEW t AS SELECT 1 AS a"),
        ("MATERIALIZED VIEW", "CREATE MATERIALIZED VIEW t AS SELECT 1 AS a"),
        ("FOREIGN TABLE", "CREATE FOREIGN TABLE t (a integer) SERVER s"),
    ] {
        world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
        let replace = format!(
            "DO $$ DECLARE line text := obj_description('t'::regclass); BEGIN DROP TABLE t; {create}; \
             EXECUTE format('COMMENT ON {kind} t IS %L', line); END $$"
        );
        world.run(&replace).await;
        let error = world.drop().await.unwrap_err();
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Environment, ConditionReason::Conflict),
            "{error}"
        );
        let text = format!("public.t is a {}, not a table, so nothing was dropped", kind.to_lowercase());
        assert!(error.to_string().starts_with(&text), "{error}");
        world.run(&format!("COMMENT ON {kind} t IS NULL")).await;
        assert_eq!(world.drop().await.unwrap(), Dropped::NoTable);
        world.run(&format!("DROP {kind} t")).await;
        world.lose_the_status();
    }
}

#[tokio::test]
async fn what_is_not_to_be_dropped_is_not_locked() {
    let world = World::new("not_locked").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world
        .run(
            "DO $$ DECLARE line text := obj_description('t'::regclass); BEGIN DROP TABLE t; \
               CREATE TABLE t (a integer) PARTITION BY RANGE (a); EXECUTE format('COMMENT ON TABLE t IS %L', line); END $$",
        )
        .await;
    world.run("BEGIN; SELECT FROM t").await;
    for _ in 0..2 {
        let error = world.drop().await.unwrap_err();
        assert_eq!(error.reason(), ConditionReason::Conflict, "{error}");
        world.lose_the_status();
    }
}
