use crate::support::{World, columns, spec};
use database_table_operator::{marker::Owner, outcome::Outcome};
use serde_json::json;

#[tokio::test]
async fn the_table_of_the_kopf_demo_is_created_and_can_be_queried_with_its_names() {
    let world = World::new("demo_create").await;
    let text = include_str!("../../manifests/kopf-demo-cr.yaml");
    let object: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    let applied = world.apply(&object["spec"]).await.unwrap();
    assert_eq!((applied.outcome, applied.table.as_str()), (Outcome::Created, "public.website_users"));
    assert_eq!(applied.primary_key, ["user_id"]);
    let expected = columns(&[
        ("user_id", "integer"),
        ("user_name", "character varying(50)"),
        ("user_email", "character varying(100)"),
        ("signup_date", "date"),
        ("last_login", "timestamp without time zone"),
    ]);
    assert_eq!(world.columns("website_users").await, expected);
    let reported: Vec<_> = applied.columns.into_iter().map(|column| (column.name, column.type_)).collect();
    assert_eq!(reported, expected);
    world.run("INSERT INTO WEBSITE_USERS (USER_ID) VALUES (1)").await;
    assert!(world.sql.batch_execute("INSERT INTO WEBSITE_USERS (USER_ID) VALUES (1)").await.is_err());
}

#[tokio::test]
async fn after_a_crash_behind_the_commit_nothing_is_left_to_do() {
    let world = World::new("crash").await;
    let spec = spec("t", &[("a", "integer"), ("b", "varchar(50)")]);
    world.apply(&spec).await.unwrap();
    world.lose_the_status();
    let before = world.snapshot().await;
    let again = world.apply(&spec).await.unwrap();
    assert_eq!((again.outcome, again.table.as_str()), (Outcome::Unchanged, "public.t"));
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn the_comment_names_the_object() {
    let world = World::new("marker").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let row = world.sql.query_one("SELECT obj_description('t'::regclass, 'pg_class')", &[]).await.unwrap();
    assert_eq!(Owner::from_comment(row.get(0)), Some(world.owner.clone()));
}

#[tokio::test]
async fn all_sorts_of_names_work() {
    let world = World::new("names").await;
    for (n, (name, qualified)) in [
        ("user", "public.\"user\""),
        ("\"Two Words\"", "public.\"Two Words\""),
        ("\"say \"\"hi\"\"\"", "public.\"say \"\"hi\"\"\""),
        ("\"x'; DROP TABLE y; --\"", "public.\"x'; DROP TABLE y; --\""),
        ("Straße", "public.\"straße\""),
        ("таблица", "public.\"таблица\""),
        ("日本語", "public.\"日本語\""),
        ("مستخدم", "public.\"مستخدم\""),
        ("\"🦀\"", "public.\"🦀\""),
        ("\"back\\slash\"", "public.\"back\\slash\""),
    ]
    .into_iter()
    .enumerate()
    {
        let mut spec = spec(name, &[(name, "integer"), ("select", "text"), ("\"A b\"", "text")]);
        spec["primaryKey"] = json!([name, "\"A b\""]);
        let object = format!("object-{n}");
        let applied = world.apply_as(&object, &spec).await.unwrap();
        assert_eq!((applied.outcome, applied.table.as_str()), (Outcome::Created, qualified));
        let again = world.apply_as(&object, &spec).await.unwrap();
        assert_eq!(again.outcome, Outcome::Unchanged, "{name}");
    }
}

#[tokio::test]
async fn every_type_is_stored_as_the_server_prints_it() {
    let world = World::new("types").await;
    world.run("CREATE DOMAIN email AS varchar(99) NOT NULL; CREATE TYPE mood AS ENUM ('ok'); CREATE TYPE pair AS (a int, b text)").await;
    let spec = spec(
        "t",
        &[
            ("a", "email"),
            ("b", "mood"),
            ("c", "mood[]"),
            ("d", "pair"),
            ("e", "char"),
            ("f", "\"char\""),
            ("g", "bit varying(3)"),
            ("h", "interval day to second(3)"),
            ("i", "timestamp(3) with time zone"),
            ("j", "numeric(10, 2)[]"),
            ("k", "bpchar"),
            ("l", "email[]"),
        ],
    );
    world.apply(&spec).await.unwrap();
    let types: Vec<_> = world.columns("t").await.into_iter().map(|(_, type_)| type_).collect();
    let expected = [
        "email",
        "mood",
        "mood[]",
        "pair",
        "character(1)",
        "\"char\"",
        "bit varying(3)",
        "interval day to second(3)",
        "timestamp(3) with time zone",
        "numeric(10,2)[]",
        "bpchar",
        "email[]",
    ];
    assert_eq!(types[..10], expected[..10]);
    assert_eq!(types[11], expected[11]);
    assert_eq!(world.apply(&spec).await.unwrap().outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn serial_columns_get_a_sequence_and_are_unchanged_afterwards() {
    let world = World::new("serial").await;
    let mut wanted = vec![("id", "serial"), ("big", "BIGSERIAL"), ("x", "text")];
    world.apply(&spec("t", &wanted)).await.unwrap();
    world.run("INSERT INTO t (x) VALUES ('a'), ('b')").await;
    let row = world.sql.query_one("SELECT sum(id)::bigint, sum(big)::bigint FROM t", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3, 3));
    assert_eq!(world.apply(&spec("t", &wanted)).await.unwrap().outcome, Outcome::Unchanged);
    wanted.push(("small", "serial2"));
    let added = world.apply(&spec("t", &wanted)).await.unwrap();
    assert_eq!(added.outcome, Outcome::ColumnsAdded(vec!["small".into()]));
    assert_eq!(world.apply(&spec("t", &wanted)).await.unwrap().outcome, Outcome::Unchanged);
    wanted[0] = ("id", "integer");
    assert_eq!(world.apply(&spec("t", &wanted)).await.unwrap().outcome, Outcome::Unchanged);
    wanted[2] = ("x", "serial");
    let error = world.rejected(&spec("t", &wanted)).await.to_string();
    assert!(error.contains("\"x\" has the type text, but serial"), "{error}");
}

#[tokio::test]
async fn concurrent_runs_create_one_table() {
    let world = World::new("at_once").await;
    let spec = spec("t", &[("a", "integer")]);
    let runs = futures::future::join_all((0..4).map(|_| world.apply(&spec))).await;
    let created = runs.iter().filter(|run| run.as_ref().unwrap().outcome == Outcome::Created).count();
    assert_eq!(created, 1, "{runs:?}");
}

#[tokio::test]
async fn concurrent_objects_do_not_share_a_table() {
    let world = World::new("two_objects").await;
    let spec = spec("t", &[("a", "integer")]);
    let (one, two) = futures::join!(world.apply_as("one", &spec), world.apply_as("two", &spec));
    let error = match (one, two) {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error.to_string(),
        both => panic!("{both:?}"),
    };
    assert!(error.contains("belongs to the DatabaseTable shop/"), "{error}");
}

#[tokio::test]
async fn a_type_that_was_made_again_is_not_taken_for_the_old_one() {
    let world = World::new("new_type").await;
    world.run("CREATE TYPE mood AS ENUM ('good')").await;
    let spec = |table| spec(table, &[("a", "mood"), ("b", "varchar(7)")]);
    for table in ["s", "t"] {
        world.apply_as(table, &spec(table)).await.unwrap();
    }
    world.run("DROP TABLE s, t; DROP TYPE mood; CREATE TYPE mood AS ENUM ('bad', 'worse')").await;
    let applied = world.apply_as("u", &spec("u")).await.unwrap();
    assert_eq!(applied.columns[1].type_, "character varying(7)");
    world.run("INSERT INTO u VALUES ('worse', '')").await;
    world.run("DROP TABLE u; DROP TYPE mood").await;
    let error = world.apply_as("v", &spec("v")).await.unwrap_err().to_string();
    assert!(error.contains("there is no such type"), "{error}");
}
