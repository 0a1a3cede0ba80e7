use crate::support::{NoAnswer, World, columns, dropped, spec, table};
use database_table_operator::{
    error::TableError, outcome::Outcome, plan::PlanError, sqlstate::ErrorClass, status::ConditionReason,
};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn another_spelling_of_a_type_is_no_change() {
    let world = World::new("aliases").await;
    let aliases = [
        ("int4", "integer"),
        ("int", "INTEGER"),
        ("varchar(50)", "character varying(50)"),
        ("timestamp", "timestamp without time zone"),
        ("timestamptz", "timestamp with time zone"),
        ("numeric(10)", "numeric(10,0)"),
        ("decimal( 8 , 2 )", "numeric(8,2)"),
        ("float(24)", "real"),
        ("float8", "double precision"),
        ("int[3]", "integer[]"),
        ("bool", "pg_catalog.bool"),
        ("char(3)", "character(3)"),
        ("serial", "serial4"),
    ];
    let names: Vec<_> = (0..aliases.len()).map(|n| format!("c{n}")).collect();
    let spelled = |second: bool| {
        let types = aliases.iter().map(|pair| if second { pair.1 } else { pair.0 });
        spec("t", &names.iter().map(String::as_str).zip(types).collect::<Vec<_>>())
    };
    world.apply(&spelled(false)).await.unwrap();
    let before = world.snapshot().await;
    assert_eq!(world.apply(&spelled(true)).await.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn columns_are_added_and_rows_stay() {
    let world = World::new("add").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("INSERT INTO t VALUES (1)").await;
    let wanted = spec("t", &[("NEW", "text"), ("a", "integer"), ("\"Other\"", "date")]);
    let applied = world.apply(&wanted).await.unwrap();
    assert_eq!(applied.outcome, Outcome::ColumnsAdded(vec!["new".into(), "Other".into()]));
    assert_eq!(world.columns("t").await, columns(&[("a", "integer"), ("new", "text"), ("Other", "date")]));
    let reported: Vec<_> = applied.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(reported, ["new", "a", "Other"]);
    assert_eq!(world.sql.query("SELECT FROM t WHERE a = 1 AND new IS NULL", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_update_creates_a_missing_table() {
    let world = World::new("missing").await;
    let wanted = spec("t", &[("a", "integer")]);
    world.apply(&wanted).await.unwrap();
    world.run("DROP TABLE t").await;
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Created);
}

#[tokio::test]
async fn a_removed_or_changed_column_aborts_the_whole_update_until_it_is_put_back() {
    let world = World::new("removed").await;
    let first = spec("t", &[("a", "integer"), ("b", "varchar(50)")]);
    world.apply(&first).await.unwrap();
    for (wanted, why) in [
        (spec("t", &[("a", "integer")]), "\"b\" is in the table but not in the spec"),
        (spec("t", &[("a", "integer"), ("c", "text")]), "\"b\" is in the table but not in the spec"),
        (
            spec("t", &[("a", "text"), ("b", "varchar(50)")]),
            "\"a\" has the type integer, but text in the spec",
        ),
        (spec("t", &[("a", "integer"), ("b", "varchar(40)"), ("c", "text")]), "but character varying(40)"),
        (
            spec("t", &[("a", "integer"), ("\"B\"", "varchar(50)")]),
            "\"b\" is in the table but not in the spec",
        ),
    ] {
        let error = world.rejected(&wanted).await;
        assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, ConditionReason::UpdateAborted));
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(world.apply(&first).await.unwrap().outcome, Outcome::Unchanged);
    }
}

#[tokio::test]
async fn a_column_added_by_hand_stays_and_does_not_block_updates() {
    let world = World::new("extra").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("ALTER TABLE t ADD COLUMN audit text").await;
    let wanted = spec("t", &[("a", "integer"), ("b", "text")]);
    let applied = world.apply(&wanted).await.unwrap();
    assert_eq!(applied.outcome, Outcome::ColumnsAdded(vec!["b".into()]));
    assert_eq!(applied.extra_columns, ["audit"]);
    assert_eq!(applied.columns.len(), 2);
    // Once it is in the spec, it can't be removed from there any more.
    let all = spec("t", &[("a", "integer"), ("b", "text"), ("AUDIT", "text")]);
    assert_eq!(world.apply(&all).await.unwrap().outcome, Outcome::Unchanged);
    let error = world.rejected(&wanted).await;
    assert!(error.to_string().contains("\"audit\" is in the table but not in the spec"), "{error}");
}

#[tokio::test]
async fn a_removed_column_is_known_though_the_object_has_lost_its_status_and_its_last_spec() {
    let world = World::new("replaced").await;
    let (a, ab) = (spec("t", &[("a", "integer")]), spec("t", &[("a", "integer"), ("\"B c\"", "text")]));
    world.apply(&a).await.unwrap();
    world.apply(&ab).await.unwrap();
    world.run("ALTER TABLE t ADD COLUMN audit text").await;
    world.lose_the_status();
    let error = world.rejected(&a).await;
    assert_eq!(error.reason(), ConditionReason::UpdateAborted);
    assert!(error.to_string().contains("\"B c\" is in the table but not in the spec"), "{error}");
    assert_eq!(world.apply(&ab).await.unwrap().extra_columns, ["audit"]);

    // A table of before names no columns, until it is changed.
    world
        .run("DO $$ BEGIN EXECUTE format('COMMENT ON TABLE t IS %L', 'Mine.' || chr(10) || regexp_replace(obj_description('t'::regclass), ',\"columns\".*', '}')); END $$")
        .await;
    world.lose_the_status();
    assert_eq!(world.apply(&a).await.unwrap().extra_columns, ["B c", "audit"]);
    world.lose_the_status();
    let abd = spec("t", &[("a", "integer"), ("\"B c\"", "text"), ("d", "text")]);
    world.apply(&abd).await.unwrap();
    world.lose_the_status();
    assert_eq!(world.rejected(&ab).await.reason(), ConditionReason::UpdateAborted);
    let query = "SELECT obj_description('t'::regclass, 'pg_class')";
    let comment: String = world.sql.query_one(query, &[]).await.unwrap().get(0);
    assert!(
        comment.starts_with("Mine.\n") && comment.ends_with("\"columns\":[\"B c\",\"a\",\"d\"]}"),
        "{comment}"
    );
}

#[tokio::test]
async fn a_column_that_somebody_has_dropped_and_the_spec_has_lost_is_no_longer_the_objects() {
    let world = World::new("let_go").await;
    world.apply(&spec("t", &[("a", "integer"), ("b", "text")])).await.unwrap();
    world.run("ALTER TABLE t DROP COLUMN b").await;
    let small = spec("t", &[("a", "integer")]);
    world.apply(&small).await.unwrap();
    world.run("ALTER TABLE t ADD COLUMN b integer").await;
    assert_eq!(world.apply(&small).await.unwrap().extra_columns, ["b"]);
}

#[tokio::test]
async fn a_comment_with_the_columns_of_the_widest_table_is_kept_whole() {
    let world = World::new("widest").await;
    let names: Vec<_> = (0..1_500).map(|number| format!("{:x<63}", format!("c{number}"))).collect();
    let columns: Vec<_> = names.iter().map(|name| (name.as_str(), "boolean")).collect();
    world.apply(&spec("t", &columns)).await.unwrap();
    world.lose_the_status();
    assert_eq!(world.rejected(&spec("t", &columns[1..])).await.reason(), ConditionReason::UpdateAborted);
    assert_eq!(world.apply(&spec("t", &columns)).await.unwrap().outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn another_primary_key_is_rejected() {
    let world = World::new("key").await;
    let mut wanted = spec("t", &[("a", "integer"), ("b", "integer")]);
    wanted["primaryKey"] = json!(["b", "a"]);
    world.apply(&wanted).await.unwrap();
    for key in [json!(["a", "b"]), json!("a"), json!(null)] {
        wanted["primaryKey"] = key;
        let error = world.rejected(&wanted).await.to_string();
        assert!(error.contains("the primary key is (\"b\", \"a\"), but"), "{error}");
    }
    wanted["primaryKey"] = json!(["\"b\"", "A"]);
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn a_bad_type_among_new_columns_adds_none_of_them() {
    let world = World::new("bad_among").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let error = world.rejected(&spec("t", &[("a", "integer"), ("b", "text"), ("c", "varchar(0)")])).await;
    assert_eq!(error.reason(), ConditionReason::InvalidSpec);
}

#[tokio::test]
async fn a_new_table_name_is_rejected() {
    let world = World::new("rename").await;
    world.apply(&spec("old", &[("a", "integer")])).await.unwrap();
    let error = world.rejected(&spec("new", &[("a", "integer")])).await;
    assert!(
        matches!(&error, TableError::Plan(PlanError::Renamed { existing, .. }) if existing == "public.old"),
        "{error}"
    );
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, ConditionReason::UpdateAborted));
}

#[tokio::test]
async fn a_table_of_another_name_is_found_by_any_process_though_the_status_is_lost() {
    let mut world = World::new("renamed").await;
    world.apply_as("other", &spec("other", &[("a", "integer")])).await.unwrap();
    for restart in [false, true] {
        world.lose_the_status();
        world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
        world.lose_the_status();
        if restart {
            world.restart();
        }
        let error = world.rejected(&spec("u", &[("a", "integer")])).await;
        assert!(error.to_string().starts_with("this object's table is public.t, and"), "{error}");
    }
}

#[tokio::test]
async fn relations_of_others_are_left_alone() {
    let world = World::new("foreign").await;
    world.run("CREATE TABLE t (a integer); CREATE VIEW v AS SELECT 1 AS a; CREATE SEQUENCE s; CREATE INDEX i ON t (a)").await;
    world.apply_as("b", &spec("others", &[("a", "integer")])).await.unwrap();
    for (name, why) in [
        ("t", "doesn't belong to a DatabaseTable"),
        ("v", "is a view"),
        ("s", "is a sequence"),
        ("i", "is an index"),
        ("others", "belongs to the DatabaseTable shop/b"),
    ] {
        let error = world.rejected(&spec(name, &[("a", "integer"), ("b", "text")])).await;
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Environment, ConditionReason::Conflict),
            "{name}"
        );
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn an_update_waits_three_seconds_for_a_lock() {
    let world = World::new("lock").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("BEGIN; SELECT FROM t").await;
    let wanted = spec("t", &[("a", "integer"), ("b", "text")]);
    let start = Instant::now();
    let error = world.apply(&wanted).await.unwrap_err();
    assert!((2..15).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Temporary, ConditionReason::DatabaseUnavailable)
    );
    assert!(error.to_string().contains("lock timeout (SQLSTATE 55P03)"), "{error}");
    world.run("COMMIT").await;
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::ColumnsAdded(vec!["b".into()]));
}

#[tokio::test]
async fn an_update_without_changes_waits_for_no_lock() {
    let world = World::new("no_lock").await;
    let wanted = spec("t", &[("a", "integer")]);
    world.apply(&wanted).await.unwrap();
    world.run("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE").await;
    let run = tokio::time::timeout(Duration::from_secs(2), world.apply(&wanted)).await;
    assert_eq!(run.unwrap().unwrap().outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn missing_permissions_are_reported() {
    let world = World::new("denied").await;
    let superuser = world.database.connect_as_superuser().await.unwrap();
    let name = world.database.user.replace('"', "\"\"");
    superuser.batch_execute(&format!("ALTER SCHEMA public OWNER TO postgres; REVOKE ALL ON SCHEMA public FROM public, \"{name}\"; GRANT USAGE ON SCHEMA public TO public")).await.unwrap();
    let error = world.apply(&spec("t", &[("a", "integer")])).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::PermissionDenied));
    assert_eq!(error.to_string(), "ERROR: permission denied for schema public (SQLSTATE 42501)");
    superuser.batch_execute("DROP SCHEMA public").await.unwrap();
    let error = world.apply(&spec("t", &[("a", "integer")])).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::SchemaMissing));
    assert_eq!(error, TableError::NoSchema);
}

#[tokio::test]
async fn a_user_who_may_connect_and_create_in_a_schema_needs_no_more_but_temporary_tables_for_defaults() {
    let world = World::new("hardened").await;
    let [database, user] = [&world.database.name, &world.database.user].map(|name| name.replace('"', "\"\""));
    for statement in [
        format!("ALTER DATABASE \"{database}\" OWNER TO postgres"),
        format!(
            "REVOKE ALL ON DATABASE \"{database}\" FROM public; GRANT CONNECT ON DATABASE \"{database}\" TO \"{user}\""
        ),
        format!("GRANT USAGE, CREATE ON SCHEMA public TO \"{user}\""),
    ] {
        world.run_as_superuser(&statement).await;
    }
    let mut wanted = json!({
        "tableName": "t",
        "columns": [{"a": "serial"}, {"b": "varchar(9)"}, {"c": {"type": "bigint", "identity": "Always"}}],
        "primaryKey": "a",
    });
    world.apply(&wanted).await.unwrap();
    wanted["columns"][1] =
        json!({"b": {"type": "text", "nullable": false, "unique": true, "comment": "It."}});
    wanted["indexes"] = json!([{"name": "by_c", "columns": ["c", "b"]}]);
    assert!(matches!(world.apply(&wanted).await.unwrap().outcome, Outcome::Changed(_)));
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
    let before = wanted["columns"][1].clone();
    wanted["columns"][1]["b"]["default"] = json!("'x'");
    let error = world.rejected(&wanted).await;
    let expected = format!(
        "ERROR: permission denied to create temporary tables in database \"{database}\" (SQLSTATE 42501)"
    );
    assert_eq!((error.reason(), error.to_string()), (ConditionReason::PermissionDenied, expected));
    world.run_as_superuser(&format!("GRANT TEMPORARY ON DATABASE \"{database}\" TO \"{user}\"")).await;
    world.apply(&wanted).await.unwrap();
    wanted["columns"][1] = before;
    world.apply(&wanted).await.unwrap();
    assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
}

#[tokio::test]
async fn the_table_stays_where_it_is_when_the_search_path_leads_elsewhere() {
    let world = World::new("moved_path").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let name = world.database.user.replace('"', "\"\"");
    let superuser = world.database.connect_as_superuser().await.unwrap();
    // The first schema in the default search path.
    superuser.batch_execute(&format!("CREATE SCHEMA \"{name}\" AUTHORIZATION \"{name}\"")).await.unwrap();
    let applied = world.apply(&spec("t", &[("a", "integer"), ("b", "text")])).await.unwrap();
    assert_eq!((applied.table.as_str(), world.columns("public.t").await.len()), ("public.t", 2));
    world.lose_the_status();
    let applied = world.apply(&spec("t", &[("a", "integer"), ("b", "text"), ("c", "text")])).await.unwrap();
    assert_eq!((applied.table.as_str(), world.columns("public.t").await.len()), ("public.t", 3));
    // Somebody moves it.
    world.run("CREATE SCHEMA attic; ALTER TABLE public.t SET SCHEMA attic").await;
    let applied = world
        .apply(&spec("t", &[("a", "integer"), ("b", "text"), ("c", "text"), ("d", "text")]))
        .await
        .unwrap();
    assert_eq!((applied.table.as_str(), world.columns("attic.t").await.len()), ("attic.t", 4));
    assert_eq!(world.drop().await.unwrap(), dropped("attic.t"));
}

#[tokio::test]
async fn a_sequence_that_somebody_gives_to_a_column_is_no_change_of_its_type() {
    let world = World::new("sequences").await;
    for (number, (type_, change)) in [
        ("integer", "CREATE SEQUENCE s OWNED BY {t}.num"),
        ("integer", "ALTER TABLE {t} ALTER num SET NOT NULL, ALTER num ADD GENERATED ALWAYS AS IDENTITY"),
        ("integer", "CREATE SEQUENCE free; ALTER TABLE {t} ALTER num SET DEFAULT nextval('free')"),
        ("serial", "ALTER SEQUENCE {t}_num_seq OWNED BY NONE"),
        ("serial", "ALTER TABLE {t} ALTER num DROP DEFAULT; DROP SEQUENCE {t}_num_seq; ALTER TABLE {t} ALTER num ADD GENERATED BY DEFAULT AS IDENTITY"),
        ("timestamp", "ALTER TABLE {t} ALTER num TYPE timestamp(6)"),
        ("timestamptz(6)", "ALTER TABLE {t} ALTER num TYPE timestamptz"),
        ("interval", "ALTER TABLE {t} ALTER num TYPE interval(6)"),
        ("time(6)", "ALTER TABLE {t} ALTER num TYPE time"),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("t{number}");
        world.apply_as(&table, &spec(&table, &[("num", type_)])).await.unwrap();
        world.run(&change.replace("{t}", &table)).await;
        let applied = world.apply_as(&table, &spec(&table, &[("num", type_), ("more", "text")])).await;
        assert_eq!(applied.map(|_| ()), Ok(()), "{change}");
    }
    world.apply(&spec("plain", &[("num", "integer")])).await.unwrap();
    let error = world.rejected(&spec("plain", &[("num", "serial")])).await;
    assert_eq!(error.reason(), ConditionReason::UpdateAborted);
}

#[tokio::test]
async fn what_took_too_long_is_not_tried_again_until_the_spec_asks_for_something_else() {
    let world = World::new("too_slow").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let wanted = spec("t", &[("a", "integer"), ("b", "text")]);
    let before = world.claim.lock().unwrap().clone();
    let preview = world.tables.preview(&NoAnswer, &before, &table(&wanted)).await.unwrap();
    world.claim.lock().unwrap().too_slow = Some(preview.statements.clone());
    let error = world.rejected(&wanted).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, ConditionReason::UpdateAborted));
    assert!(error.to_string().contains("took longer than 60 s"), "{error}");
    assert_eq!(error.pending(), preview.statements);
    let other = spec("t", &[("a", "integer"), ("c", "text")]);
    assert_eq!(world.apply(&other).await.unwrap().outcome, Outcome::ColumnsAdded(vec!["c".into()]));
    // Somebody has run them.
    world.run("ALTER TABLE t ADD COLUMN b text").await;
    let all = spec("t", &[("a", "integer"), ("b", "text"), ("c", "text")]);
    assert_eq!(world.apply(&all).await.unwrap().outcome, Outcome::Unchanged);
}
