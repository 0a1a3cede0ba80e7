//! What a spec says of a column besides its type.

use crate::support::{World, spec};
use database_table_operator::{
    error::TableError, outcome::Outcome, plan::PlanError, sqlstate::ErrorClass, status::ConditionReason,
};
use serde_json::{Value, json};

/// A spec of the table `t` with a key `id` and these columns.
fn with(columns: &Value) -> Value {
    let mut all = vec![json!({"id": "integer"})];
    all.extend(columns.as_array().unwrap().iter().cloned());
    json!({"tableName": "t", "columns": all, "primaryKey": "id"})
}

/// A spec with a column `a` of this type, and these settings.
fn a(type_: &str, settings: &Value) -> Value {
    let mut column = json!({"type": type_});
    column.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    with(&json!([{"a": column}]))
}

/// What the catalog says of a column: NOT NULL, default or expression, comment, collation, identity, generated.
async fn found(world: &World, column: &str) -> String {
    let query = "SELECT concat_ws(' | ', CASE WHEN a.attnotnull THEN 'NOT NULL' END, pg_get_expr(d.adbin, d.adrelid), \
                   col_description(a.attrelid, a.attnum), \
                   (SELECT c.collname FROM pg_collation c WHERE c.oid = a.attcollation AND c.collname <> 'default'), \
                   NULLIF(a.attidentity::text, ''), NULLIF(a.attgenerated::text, '')) \
                 FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
                 WHERE a.attrelid = 't'::regclass AND a.attname = $1";
    world.sql.query_one(query, &[&column]).await.unwrap().get(0)
}

/// The constraints and indexes of the table, but for the key.
async fn constraints(world: &World) -> Vec<String> {
    let query = "SELECT conname || ' ' || contype::text || CASE WHEN convalidated THEN '' ELSE ' not valid' END FROM pg_constraint \
                 WHERE conrelid = 't'::regclass AND contype NOT IN ('p', 'n') \
                 UNION ALL SELECT c.relname || ' index' || CASE WHEN i.indisvalid THEN '' ELSE ' not valid' END \
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 't'::regclass AND NOT i.indisprimary ORDER BY 1";
    world.sql.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Applies a spec twice, and returns what the first one did: the second finds nothing to do.
async fn settled(world: &World, wanted: &Value) -> Outcome {
    let outcome = world.apply(wanted).await.unwrap_or_else(|error| panic!("{wanted}: {error}")).outcome;
    let before = world.snapshot().await;
    assert_eq!(world.apply(wanted).await.unwrap().outcome, Outcome::Unchanged, "{wanted}");
    assert_eq!(world.snapshot().await, before, "{wanted}");
    outcome
}

#[tokio::test]
async fn a_table_has_all_that_the_spec_says_of_its_columns() {
    let world = World::new("long_form").await;
    let columns = json!([
        {"EMAIL": {"type": "varchar(50)", "nullable": false, "default": "'it''s \\ '", "unique": true, "comment": "Who's", "collation": "C"}},
        {"nr": {"type": "bigint", "identity": "ByDefault"}},
        {"full": {"type": "text", "generated": "upper(email) || '!'"}},
    ]);
    assert_eq!(settled(&world, &with(&columns)).await, Outcome::Created);
    assert_eq!(found(&world, "email").await, r"NOT NULL | 'it''s \ '::character varying | Who's | C");
    assert_eq!(found(&world, "nr").await, "NOT NULL | d");
    assert!(found(&world, "full").await.ends_with("| s"), "{}", found(&world, "full").await);
    assert_eq!(constraints(&world).await, ["t_email_key index", "t_email_key u"]);
    world.run("INSERT INTO t (id) VALUES (1)").await;
    // Another process knows none of the server's forms.
    let mut world = world;
    world.restart();
    assert_eq!(world.apply(&with(&columns)).await.unwrap().outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn a_column_with_all_of_it_is_added_to_a_table_with_rows() {
    let world = World::new("long_added").await;
    settled(&world, &with(&json!([]))).await;
    world.run("INSERT INTO t SELECT generate_series(1, 3)").await;
    let columns = json!([
        {"a": {"type": "text", "nullable": false, "default": "'x'", "comment": "c", "collation": "C"}},
        {"b": {"type": "uuid", "default": "gen_random_uuid()", "unique": true}},
        {"c": {"type": "integer", "identity": "Always"}},
        {"d": {"type": "integer", "generated": "id * 2"}},
    ]);
    let outcome = settled(&world, &with(&columns)).await;
    let changes = [
        "column \"a\"",
        "comment of column \"a\"",
        "column \"b\"",
        "column \"c\"",
        "column \"d\"",
        "UNIQUE of column \"b\"",
    ];
    assert_eq!(outcome, Outcome::Changed(changes.map(str::to_owned).into()));
    assert_eq!(found(&world, "a").await, "NOT NULL | 'x'::text | c | C");
    let rows = world
        .sql
        .query("SELECT FROM t WHERE a = 'x' AND b IS NOT NULL AND c > 0 AND d = id * 2", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(constraints(&world).await, ["t_b_key index", "t_b_key u"]);
}

#[tokio::test]
async fn a_default_is_the_same_however_the_server_writes_it() {
    let world = World::new("default_forms").await;
    world.run("CREATE TYPE mood AS ENUM ('ok', 'Sad'); CREATE DOMAIN short AS varchar(3)").await;
    for (number, (type_, default)) in [
        ("integer", json!(5)),
        ("integer", json!(-5)),
        ("smallint", json!("5")),
        ("bigint", json!(9_000_000_000_i64)),
        ("numeric(10,2)", json!(1.5)),
        ("numeric", json!("1e10")),
        ("real", json!("-1.5")),
        ("text", json!(5)),
        ("varchar(9)", json!("'x'")),
        ("char(9)", json!("'x'")),
        ("text", json!("'it''s'")),
        ("text", json!("'\\'")),
        ("text", json!("'now'")),
        ("boolean", json!(true)),
        ("boolean", json!("'no'")),
        ("jsonb", json!("'{\"a\": [1]}'")),
        ("json", json!("'{}'::json")),
        ("text[]", json!("'{}'")),
        ("timestamptz", json!("now()")),
        ("timestamp", json!("CURRENT_TIMESTAMP")),
        ("timestamp(3)", json!("LOCALTIMESTAMP(3)")),
        ("timestamp", json!("'2026-01-01'")),
        ("date", json!("CURRENT_DATE")),
        ("time", json!("LOCALTIME")),
        ("interval", json!("'1 day 2 hours'")),
        ("uuid", json!("gen_random_uuid()")),
        ("text", json!("CURRENT_USER")),
        ("mood", json!("'Sad'")),
        ("short", json!("'abc'")),
        ("bytea", json!("'\\x00ff'")),
        ("inet", json!("'10.0.0.1/8'")),
        ("bit(3)", json!("'101'")),
        ("money", json!(5)),
        ("text", json!("NULL")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("c{number}");
        let mut wanted = spec("t", &[("id", "integer")]);
        wanted["tableName"] = json!(name);
        wanted["columns"].as_array_mut().unwrap().push(json!({"a": {"type": type_, "default": default}}));
        let made =
            world.apply_as(&name, &wanted).await.unwrap_or_else(|error| panic!("{type_} {default}: {error}"));
        assert_eq!(made.outcome, Outcome::Created);
        let again =
            world.apply_as(&name, &wanted).await.unwrap_or_else(|error| panic!("{type_} {default}: {error}"));
        assert_eq!(again.outcome, Outcome::Unchanged, "{type_} {default}");
        world.run(&format!("INSERT INTO {name} (id) VALUES (1)")).await;
    }
}

#[tokio::test]
async fn a_default_is_set_changed_and_taken_back_and_somebodys_own_is_left() {
    let world = World::new("defaults").await;
    settled(&world, &a("integer", &json!({}))).await;
    world.run("ALTER TABLE t ALTER a SET DEFAULT 7").await;
    assert_eq!(settled(&world, &a("integer", &json!({}))).await, Outcome::Unchanged);
    assert_eq!(found(&world, "a").await, "7", "it is somebody's own");
    for (settings, after) in [
        (json!({"default": 5}), "5"),
        (json!({"default": "6"}), "6"),
        (json!({"default": "NULL"}), ""),
        (json!({"default": 8}), "8"),
        (json!({}), ""),
    ] {
        let outcome = settled(&world, &a("integer", &settings)).await;
        assert!(matches!(outcome, Outcome::Changed(_)), "{settings}: {outcome:?}");
        assert_eq!(found(&world, "a").await, after, "{settings}");
        world.lose_the_status();
    }
}

#[tokio::test]
async fn not_null_is_set_and_taken_back() {
    let world = World::new("not_null").await;
    settled(&world, &a("integer", &json!({}))).await;
    world.run("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    for (settings, after) in [
        (json!({"nullable": false}), "NOT NULL"),
        (json!({"nullable": true}), ""),
        (json!({"nullable": false}), "NOT NULL"),
        (json!({}), ""),
    ] {
        settled(&world, &a("integer", &settings)).await;
        assert_eq!(found(&world, "a").await, after, "{settings}");
        assert!(constraints(&world).await.is_empty(), "{settings}");
    }
    world.run("ALTER TABLE t ALTER a SET NOT NULL").await;
    settled(&world, &a("integer", &json!({}))).await;
    assert_eq!(found(&world, "a").await, "NOT NULL", "it is somebody's own");
}

#[tokio::test]
async fn rows_without_a_value_are_in_the_way_of_not_null_and_nothing_of_it_is_left() {
    let world = World::new("nulls").await;
    settled(&world, &a("integer", &json!({}))).await;
    world.run("INSERT INTO t VALUES (1, 1), (2, NULL)").await;
    let strict = with(&json!([{"a": {"type": "integer", "nullable": false}}, {"b": "text"}]));
    let error = world.apply(&strict).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::UpdateAborted));
    assert!(
        error
            .to_string()
            .starts_with("rows have no value in column \"a\", so it can't become NOT NULL: give them one"),
        "{error}"
    );
    let TableError::Plan(PlanError::Obstructed { pending, .. }) = &error else { panic!("{error:?}") };
    assert!(pending.concat().contains("\"a\""), "{pending:?}");
    // What isn't in the way is done, and writers go on as before.
    assert_eq!(found(&world, "b").await, "");
    assert!(constraints(&world).await.is_empty());
    world.run("INSERT INTO t VALUES (3, NULL); UPDATE t SET id = 4 WHERE id = 3").await;
    world.run("UPDATE t SET a = 0 WHERE a IS NULL").await;
    settled(&world, &strict).await;
    assert_eq!(found(&world, "a").await, "NOT NULL");
}

#[tokio::test]
async fn the_statements_that_are_held_back_do_what_is_held_back() {
    let world = World::new("pending").await;
    let first = with(&json!([{"a": "integer"}, {"b": "text"}, {"c": "varchar(9)"}]));
    settled(&world, &first).await;
    world.run("INSERT INTO t VALUES (1, 1, 'x', 'y')").await;
    let mut changed = with(&json!([
        {"a": {"type": "bigint", "nullable": false}},
        {"c": {"type": "varchar(5)", "collation": "C", "default": "'z'"}},
        {"d": {"type": "integer", "unique": true}},
    ]));
    changed["primaryKey"] = json!(["id", "a"]);
    let error = world.rejected(&changed).await;
    let TableError::Plan(PlanError::Incompatible { pending, .. }) = error else { panic!("{error}") };
    for statement in &pending {
        world.run(statement).await;
    }
    world.apply(&changed).await.unwrap();
    settled(&world, &changed).await;
    assert_eq!(found(&world, "c").await, "'z'::character varying | C");
    assert_eq!(world.sql.query("SELECT FROM t WHERE a = 1 AND c = 'y'", &[]).await.unwrap().len(), 1);
}

/// Runs what an error holds back, in order, until the spec is satisfied.
pub async fn made_by_hand(world: &World, wanted: &Value) {
    for _ in 0..3 {
        let Err(error) = world.apply(wanted).await else { return };
        assert!(!error.pending().is_empty(), "{error}");
        for statement in error.pending() {
            world.sql.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
    }
    panic!("{}", world.apply(wanted).await.unwrap_err());
}

#[tokio::test]
async fn what_is_held_back_can_be_run_in_its_order_whatever_it_is() {
    let world = World::new("pending_order").await;
    let first = with(&json!([{"a": "integer"}, {"b": "integer"}, {"c": "text"}]));
    settled(&world, &first).await;
    world.run("INSERT INTO t VALUES (1, 7, 8, 'x'), (2, 3, 4, 'y')").await;
    world.run("ALTER TABLE t ALTER b SET DEFAULT 5").await;
    // A sequence for a column that has none; one that becomes an identity; a key of a new column; and another name and type.
    let mut second = with(&json!([
        {"a": "bigserial"},
        {"b": {"type": "integer", "identity": "ByDefault"}},
        {"cc": {"type": "varchar(3)", "renamedFrom": "c"}},
        {"tenant": {"type": "integer", "default": 1}},
        {"sum": {"type": "integer", "generated": "tenant + id"}},
    ]));
    second["primaryKey"] = json!(["tenant", "id"]);
    made_by_hand(&world, &second).await;
    settled(&world, &second).await;
    world.run("INSERT INTO t (id, cc) VALUES (3, 'z')").await;
    let query = "SELECT concat_ws(' ', a, b, cc, tenant, sum) FROM t ORDER BY id";
    let rows: Vec<String> = world.sql.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, ["7 8 x 1 2", "3 4 y 1 3", "8 9 z 1 4"]);
}

#[tokio::test]
async fn a_computed_column_becomes_a_plain_one_by_hand_and_keeps_its_values() {
    let world = World::new("pending_computed").await;
    let mut ways = vec!["STORED"];
    if world.has_version(18, "virtual generated columns").await {
        ways.push("VIRTUAL");
    }
    let wanted = a("integer", &json!({}));
    for way in ways {
        settled(&world, &wanted).await;
        world.run(&format!("INSERT INTO t VALUES (7, 1); ALTER TABLE t DROP a; ALTER TABLE t ADD a integer GENERATED ALWAYS AS (id * 2) {way}")).await;
        made_by_hand(&world, &wanted).await;
        assert_eq!(world.sql.query("SELECT FROM t WHERE a = 14", &[]).await.unwrap().len(), 1, "{way}");
        world.drop().await.unwrap();
    }
}

#[tokio::test]
async fn rows_are_looked_at_while_others_write() {
    let world = World::new("writers").await;
    settled(&world, &a("integer", &json!({}))).await;
    world.run("INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n").await;
    // An interrupted attempt has left its check.
    if !world.has_native_not_null().await {
        world.run("ALTER TABLE t ADD CONSTRAINT korf_a_not_null CHECK (a IS NOT NULL) NOT VALID").await;
        world.run("BEGIN; UPDATE t SET a = 2 WHERE id = 1").await;
        let error = world.apply(&a("integer", &json!({"nullable": false}))).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Temporary, "{error}");
        world.run("COMMIT").await;
        assert_eq!(constraints(&world).await, ["korf_a_not_null c"], "it has been validated");
    }
    settled(&world, &a("integer", &json!({"nullable": false}))).await;
    assert_eq!(found(&world, "a").await, "NOT NULL");
    assert!(constraints(&world).await.is_empty());
}

#[tokio::test]
async fn what_an_interrupted_attempt_has_left_goes_away_when_the_spec_no_longer_asks_for_it() {
    let world = World::new("left_check").await;
    settled(&world, &a("integer", &json!({}))).await;
    world.run("INSERT INTO t VALUES (1, NULL), (2, NULL)").await;
    world.apply(&a("integer", &json!({"nullable": false, "unique": true}))).await.unwrap_err();
    world.run("ALTER TABLE t ADD CONSTRAINT korf_a_not_null CHECK (a IS NOT NULL) NOT VALID").await;
    world.run("CREATE UNIQUE INDEX t_a_key ON t (a)").await;
    settled(&world, &a("integer", &json!({}))).await;
    assert!(constraints(&world).await.is_empty(), "{:?}", constraints(&world).await);
}

#[tokio::test]
async fn a_column_becomes_unique_and_no_longer_is() {
    let world = World::new("unique").await;
    settled(&world, &a("integer", &json!({}))).await;
    world.run("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    settled(&world, &a("integer", &json!({"unique": true}))).await;
    assert_eq!(constraints(&world).await, ["t_a_key index", "t_a_key u"]);
    settled(&world, &a("integer", &json!({}))).await;
    assert!(constraints(&world).await.is_empty());
    // Somebody's own index will do, and stays.
    world.run("CREATE UNIQUE INDEX own ON t (a)").await;
    settled(&world, &a("integer", &json!({"unique": true}))).await;
    settled(&world, &a("integer", &json!({}))).await;
    assert_eq!(constraints(&world).await, ["own index"]);
}

#[tokio::test]
async fn rows_with_the_same_value_are_in_the_way_of_unique_and_nothing_of_it_is_left() {
    let world = World::new("duplicates").await;
    settled(&world, &a("integer", &json!({}))).await;
    world.run("INSERT INTO t VALUES (1, 71), (2, 71)").await;
    let unique = a("integer", &json!({"unique": true}));
    let error = world.apply(&unique).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::UpdateAborted));
    let text = error.to_string();
    assert!(text.starts_with("rows have the same value in column \"a\"") && !text.contains("71"), "{text}");
    assert!(constraints(&world).await.is_empty());
    // An operator that was killed meanwhile has left an index of no use.
    drop(world.sql.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY t_a_key ON t (a)").await.unwrap_err());
    assert_eq!(constraints(&world).await, ["t_a_key index not valid"]);
    world.run("UPDATE t SET a = id").await;
    settled(&world, &unique).await;
    assert_eq!(constraints(&world).await, ["t_a_key index", "t_a_key u"]);
}

#[tokio::test]
async fn a_comment_is_set_and_taken_back_and_somebodys_own_is_left() {
    let world = World::new("column_comments").await;
    settled(&world, &a("integer", &json!({}))).await;
    world.run("COMMENT ON COLUMN t.a IS 'mine'").await;
    assert_eq!(settled(&world, &a("integer", &json!({}))).await, Outcome::Unchanged);
    for (settings, after) in [
        (json!({"comment": "it's \\ so"}), "it's \\ so"),
        (json!({"comment": "b\nc"}), "b\nc"),
        (json!({}), ""),
        (json!({"comment": "d"}), "d"),
        (json!({"comment": ""}), ""),
    ] {
        settled(&world, &a("integer", &settings)).await;
        assert_eq!(found(&world, "a").await, after, "{settings}");
    }
}

#[tokio::test]
async fn a_column_is_renamed_with_its_rows_and_settings() {
    let world = World::new("renamed_column").await;
    let mut first = with(
        &json!([{"MAIL": {"type": "text", "nullable": false, "unique": true}}, {"d": {"type": "text", "generated": "upper(mail)"}}]),
    );
    first["primaryKey"] = json!(["id", "mail"]);
    settled(&world, &first).await;
    world.run("INSERT INTO t VALUES (1, 'x')").await;
    let mut second = with(&json!([
        {"EMAIL": {"type": "text", "nullable": false, "unique": true, "renamedFrom": "MAIL"}},
        {"d": {"type": "text", "generated": "upper(email)"}},
    ]));
    second["primaryKey"] = json!(["id", "email"]);
    let outcome = settled(&world, &second).await;
    let changes = [
        "name of column \"email\", formerly \"mail\"",
        "name of index \"t_email_key\", formerly \"t_mail_key\"",
    ];
    assert_eq!(outcome, Outcome::Changed(changes.map(str::to_owned).into()));
    assert_eq!(world.sql.query("SELECT FROM t WHERE email = 'x' AND d = 'X'", &[]).await.unwrap().len(), 1);
    world.lose_the_status();
    second["columns"][1]["EMAIL"].as_object_mut().unwrap().remove("renamedFrom");
    assert_eq!(settled(&world, &second).await, Outcome::Unchanged);

    // One that was never in the spec isn't taken.
    world.run("ALTER TABLE t ADD COLUMN theirs text").await;
    let mut third = second.clone();
    third["columns"].as_array_mut().unwrap().push(json!({"ours": {"type": "text", "renamedFrom": "theirs"}}));
    let error = world.rejected(&third).await;
    assert!(
        error
            .to_string()
            .contains("column \"theirs\" was never in the spec, so it isn't renamed to \"ours\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_type_becomes_wider_without_a_row_being_written() {
    let world = World::new("wider").await;
    let file = async || -> u32 {
        world
            .sql
            .query_one("SELECT relfilenode FROM pg_class WHERE oid = 't'::regclass", &[])
            .await
            .unwrap()
            .get(0)
    };
    let columns = |types: [&str; 4]| {
        let [c, v, n, s] = types;
        with(&json!([{"c": {"type": c, "default": "'x'"}}, {"v": v}, {"n": n}, {"s": s}]))
    };
    settled(&world, &columns(["varchar(5)", "varchar(5)", "numeric(5,2)", "timestamp(3)"])).await;
    world.run("ALTER TABLE t ALTER v TYPE varchar(5) COLLATE \"C\"; INSERT INTO t VALUES (1, 'a', 'b', 1.5, '2026-01-01'); CREATE INDEX ON t (c)").await;
    let before = file().await;
    settled(&world, &columns(["varchar(9)", "varchar", "numeric(7,2)", "timestamp(4)"])).await;
    settled(&world, &columns(["text", "text", "numeric", "timestamp"])).await;
    assert_eq!(file().await, before);
    assert_eq!(found(&world, "v").await, "C", "it would have lost its collation");
    assert_eq!(found(&world, "c").await, "'x'::text");
    let error = world.rejected(&columns(["varchar(5)", "text", "numeric", "timestamp"])).await;
    assert!(
        error.to_string().contains("column \"c\" has the type text, but character varying(5) in the spec"),
        "{error}"
    );
}

#[tokio::test]
async fn a_column_that_rewrites_many_rows_is_held_back() {
    let world = World::new("rewrite").await;
    settled(&world, &with(&json!([{"a": "text"}]))).await;
    world.run("ALTER TABLE t ALTER a SET STORAGE PLAIN; INSERT INTO t SELECT n, repeat('x', 8000) FROM generate_series(1, 17000) n").await;
    for column in [
        json!({"b": {"type": "uuid", "default": "gen_random_uuid()"}}),
        json!({"b": {"type": "integer", "identity": "Always"}}),
        json!({"b": {"type": "integer", "generated": "id"}}),
        json!({"b": "serial"}),
    ] {
        let error = world.rejected(&with(&json!([{"a": "text"}, column]))).await;
        assert!(
            error.to_string().contains("column \"b\" would get a value of its own in each row"),
            "{error}"
        );
        assert_eq!(error.class(), ErrorClass::Permanent);
    }
    settled(
        &world,
        &with(&json!([{"a": "text"}, {"b": {"type": "timestamptz", "nullable": false, "default": "now()"}}])),
    )
    .await;
}

#[tokio::test]
async fn identity_columns_change_whether_a_row_may_bring_its_value_and_nothing_else() {
    let world = World::new("identities").await;
    settled(&world, &a("bigint", &json!({"identity": "ByDefault"}))).await;
    settled(&world, &a("bigint", &json!({"identity": "Always"}))).await;
    assert_eq!(found(&world, "a").await, "NOT NULL | a");
    let error = world.rejected(&a("bigint", &json!({}))).await;
    assert!(error.to_string().contains("column \"a\" is an identity column, but not in the spec"), "{error}");
    let plain = with(&json!([{"b": "integer"}, {"a": {"type": "bigint", "identity": "Always"}}]));
    settled(&world, &plain).await;
    let error = world.rejected(&with(&json!([{"b": {"type": "integer", "identity": "Always"}}, {"a": {"type": "bigint", "identity": "Always"}}]))).await;
    assert!(
        error.to_string().contains("column \"b\" isn't an identity column, but it is in the spec"),
        "{error}"
    );
}

#[tokio::test]
async fn another_expression_or_collation_is_held_back() {
    let world = World::new("expressions").await;
    let of = |b: Value| with(&json!([{"a": "text"}, {"b": b}]));
    settled(&world, &of(json!({"type": "text", "generated": "upper( a )||'x'", "collation": "C"}))).await;
    settled(&world, &of(json!({"type": "text", "generated": "upper(a) || 'x'::text", "collation": "C"})))
        .await;
    for (b, why) in [
        (
            json!({"type": "text", "generated": "lower(a)", "collation": "C"}),
            "but by lower ( a ) in the spec",
        ),
        (
            json!({"type": "text", "generated": "upper(a) || 'x'", "collation": "POSIX"}),
            "has the collation pg_catalog.\"C\", but \"POSIX\" in the spec",
        ),
        (json!("text"), "is generated (STORED) and can't be written, but is plain in the spec"),
    ] {
        let error = world.rejected(&of(b)).await;
        assert!(error.to_string().contains(why), "{error}");
    }
    let error = world.rejected(&with(&json!([{"a": {"type": "text", "generated": "'x'"}}, {"b": {"type": "text", "generated": "upper(id::text)"}}]))).await;
    assert!(error.to_string().contains("column \"a\" is plain, but generated by 'x' in the spec"), "{error}");
}

#[tokio::test]
async fn the_error_names_the_column_that_the_server_rejects() {
    let world = World::new("bad_settings").await;
    for (type_, settings, why) in [
        (
            "integer",
            json!({"default": "'x'"}),
            "column \"a\": the default 'x' is rejected: invalid input syntax for type integer",
        ),
        (
            "integer",
            json!({"default": true}),
            "the default true is rejected: column \"a\" is of type integer but default expression is of type boolean",
        ),
        ("date", json!({"default": "'2026-13-01'"}), "date/time field value out of range"),
        ("timestamp", json!({"default": "'now'"}), "write now() or CURRENT_DATE"),
        (
            "integer",
            json!({"collation": "C"}),
            "the collation \"C\" is rejected: collations are not supported by type integer",
        ),
        ("text", json!({"generated": "now()::text"}), "generation expression is not immutable"),
        ("text", json!({"generated": "(select 1)::text"}), "cannot use subquery"),
        ("text", json!({"generated": "nobody || 'x'"}), "column \"nobody\" does not exist"),
        ("text", json!({"generated": "id +"}), "syntax error"),
        (
            "text",
            json!({"generated": "a || 'x'"}),
            "cannot use generated column \"a\" in column generation expression",
        ),
        ("text", json!({"identity": "Always"}), "identity column type must be smallint, integer, or bigint"),
    ] {
        let error = world.rejected(&a(type_, &settings)).await;
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Permanent, ConditionReason::InvalidSpec),
            "{error}"
        );
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn what_an_extension_may_bring_later_is_waited_for() {
    let world = World::new("missing_parts").await;
    let mut later = vec![];
    for (settings, why) in [
        (
            json!({"collation": "nowhere"}),
            "column \"a\": the collation \"nowhere\" is rejected: collation \"nowhere\" for encoding \"UTF8\" does not exist. Create it",
        ),
        (
            json!({"generated": "bare(id)"}),
            "column \"a\": the expression bare ( id ) is rejected: function bare(integer) does not exist. Create it",
        ),
        (json!({"generated": "'x' ~~~ 'y'::text"}), "operator does not exist"),
    ] {
        let error = world.rejected(&a("text", &settings)).await;
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Environment, ConditionReason::TypeMissing),
            "{error}"
        );
        assert!(error.to_string().contains(why), "{error}");
        later.push(settings);
    }
    world
        .run("CREATE FUNCTION bare(integer) RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT $1::text$$")
        .await;
    settled(&world, &a("text", &later[1])).await;
}

#[tokio::test]
async fn very_many_columns_may_have_defaults_and_nothing_is_left_of_the_question_what_these_are() {
    let mut world = World::new("many_defaults").await;
    let column = |n: u32| json!({format!("c{n}"): {"type": "text", "default": format!("'{}'", n % 120)}});
    let wanted = with(&json!((0..300).map(column).collect::<Vec<_>>()));
    settled(&world, &wanted).await;
    assert_eq!(found(&world, "c299").await, "'59'::text");
    world.restart();
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
    let left = "SELECT FROM pg_attribute WHERE attname = 'korf_probed'";
    assert!(world.sql.query(left, &[]).await.unwrap().is_empty());
    let error =
        world.rejected(&with(&json!([{"Other": {"type": "integer", "default": true}}]))).await.to_string();
    assert!(error.contains("column \"other\" is of type integer") && !error.contains("korf"), "{error}");
}

#[tokio::test]
async fn a_column_that_no_row_can_have_is_rejected_with_what_to_do() {
    let world = World::new("no_default").await;
    settled(&world, &with(&json!([]))).await;
    world.run("INSERT INTO t VALUES (1)").await;
    let error = world.rejected(&a("integer", &json!({"nullable": false}))).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, ConditionReason::InvalidSpec));
    assert!(error.to_string().contains("column \"a\" of relation \"t\" contains null values. The table has rows: give the column a default"), "{error}");
}
