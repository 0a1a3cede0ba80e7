//! Changes that go through all rows while nobody can use the table: done where there are few, held back where there are many.

use crate::support::World;
use database_table_operator::{outcome::Outcome, sqlstate::ErrorClass, status::ConditionReason};
use serde_json::{Value, json};

const DOMAINS: &str = "CREATE DOMAIN plain AS text DEFAULT 'x'; \
     CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%'); CREATE DOMAIN work_mail AS mail; \
     CREATE DOMAIN given AS text DEFAULT 'x' NOT NULL; \
     CREATE DOMAIN nr AS uuid DEFAULT gen_random_uuid(); CREATE DOMAIN other_nr AS nr";

/// A spec of the table `t` with a key, a column `a` of this type, and these columns.
fn with(a: &str, columns: &[Value]) -> Value {
    let all: Vec<_> =
        [json!({"id": "integer"}), json!({"a": a})].into_iter().chain(columns.to_vec()).collect();
    json!({"tableName": "t", "columns": all, "primaryKey": "id"})
}

/// A table with 136 MB of rows, most of it outside of the main file, and an index on a column and on an expression.
async fn large(name: &str) -> World {
    let world = World::new(name).await;
    world.run(DOMAINS).await;
    world.apply(&with("varchar", &[json!({"b": "varchar(50)"})])).await.unwrap();
    world.run("ALTER TABLE t ALTER a SET STORAGE EXTERNAL; CREATE INDEX plain_b ON t (b)").await;
    world.run("INSERT INTO t SELECT n, repeat('x', 8000), 'b@' || n FROM generate_series(1, 17000) n").await;
    world
}

/// Asserts that a spec isn't satisfied at once, and why.
async fn is_held_back(world: &World, wanted: &Value, why: &str) {
    let error = world.rejected(wanted).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, ConditionReason::UpdateAborted));
    assert!(error.to_string().contains(why), "{why}: {error}");
    assert_eq!(error.pending().len(), 1, "{:?}", error.pending());
}

/// The files of the table and its indexes.
async fn files(world: &World) -> Vec<(String, u32)> {
    let query = "SELECT c.relname::text, c.relfilenode FROM pg_class c WHERE c.oid = 't'::regclass \
                 OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 't'::regclass) ORDER BY 1";
    world.sql.query(query, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn what_would_write_many_rows_is_held_back_whatever_hides_it() {
    let world = large("hidden_rewrites").await;
    let b = json!({"b": "varchar(50)"});
    let own = "column \"c\" would get a value of its own in each row";
    let domain = "column \"c\" would be checked against its domain, or filled by it, in each row";
    let columns = [
        (json!({"type": "uuid", "default": "gen_random_uuid()"}), own),
        (json!("mail"), domain),
        (json!("work_mail"), domain),
        (json!("given"), domain),
        (json!("nr"), domain),
        (json!("other_nr"), domain),
        (json!({"type": "mail", "default": "'a@b'"}), domain),
    ];
    for (column, why) in &columns {
        is_held_back(&world, &with("varchar", &[b.clone(), json!({"c": column})]), why).await;
    }
    let before = files(&world).await;
    let harmless =
        [b, json!({"p": "plain"}), json!({"q": "mail[]"}), json!({"r": {"type": "text", "default": "'x'"}})];
    world.apply(&with("varchar", &harmless)).await.unwrap();
    assert_eq!(files(&world).await, before, "it wrote rows, and should have been held back");
}

#[tokio::test]
async fn a_wider_type_is_held_back_where_many_rows_are_behind_an_expression_or_a_check() {
    let world = large("wide_rewrites").await;
    let b = |type_: &str| with("varchar", &[json!({"b": type_})]);
    let before = files(&world).await;
    world.apply(&b("varchar(60)")).await.unwrap();
    assert_eq!(files(&world).await, before, "a plain index is used as it is");
    for (made, what, taken_back) in [
        ("CREATE INDEX lowered ON t (lower(b))", "index lowered", "DROP INDEX lowered"),
        ("CREATE INDEX part ON t (id) WHERE b LIKE 'b%'", "index part", "DROP INDEX part"),
        (
            "ALTER TABLE t ADD CONSTRAINT \"at\" CHECK (b LIKE '%@%')",
            "constraint at",
            "ALTER TABLE t DROP CONSTRAINT at",
        ),
    ] {
        world.run(made).await;
        let why = format!(
            "column \"b\" would get a wider type, for which {what} would be made again, and nobody could read the table while its 1"
        );
        is_held_back(&world, &b("varchar(70)"), &why).await;
        world.run(taken_back).await;
    }
    world.run("ALTER TABLE t ADD CHECK (b LIKE 'never') NOT VALID; CREATE INDEX ON t (lower(a))").await;
    world.apply(&b("varchar(70)")).await.unwrap();
    // By its former name, too.
    world.run("CREATE INDEX lowered ON t (lower(b))").await;
    let renamed = with("varchar", &[json!({"bb": {"type": "text", "renamedFrom": "b"}})]);
    let error = world.rejected(&renamed).await;
    assert!(
        error.to_string().contains("column \"bb\" would get a wider type, for which index lowered"),
        "{error}"
    );
}

#[tokio::test]
async fn the_rows_of_heirs_count() {
    let world = large("heirs").await;
    world.run("CREATE TABLE heir () INHERITS (t); CREATE INDEX lowered ON heir (lower(b)); INSERT INTO heir SELECT * FROM ONLY t; TRUNCATE ONLY t").await;
    is_held_back(
        &world,
        &with("varchar", &[json!({"b": "varchar(50)"}), json!({"c": "mail"})]),
        "checked against its domain",
    )
    .await;
    is_held_back(
        &world,
        &with("varchar", &[json!({"b": "text"})]),
        "for which index lowered would be made again",
    )
    .await;
}

#[tokio::test]
async fn what_goes_through_few_rows_is_done() {
    let world = World::new("few_rows").await;
    world.run(DOMAINS).await;
    world.apply(&with("varchar(5)", &[])).await.unwrap();
    world
        .run("INSERT INTO t VALUES (1, 'A'); CREATE INDEX ON t (lower(a)); ALTER TABLE t ADD CHECK (a <> '')")
        .await;
    let wanted = with("varchar(9)", &[json!({"c": "mail"}), json!({"d": "other_nr"}), json!({"e": "plain"})]);
    let outcome = world.apply(&wanted).await.unwrap().outcome;
    assert!(matches!(outcome, Outcome::Changed(_)), "{outcome:?}");
    let row = world
        .sql
        .query_one("SELECT d IS NOT NULL AND c IS NULL AND e = 'x' FROM t WHERE lower(a) = 'a'", &[])
        .await
        .unwrap();
    assert!(row.get::<_, bool>(0));
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
}
