//! What is as the spec asks and yet may surprise its author.

use crate::support::{World, spec};
use database_table_operator::{marker::Owner, outcome::Outcome, status::ConditionReason};
use serde_json::{Value, json};

async fn warnings(world: &World, spec: &Value) -> Vec<String> {
    world.apply(spec).await.unwrap().warnings.iter().map(ToString::to_string).collect()
}

/// Whether the server lets rows of the table `t` be changed, in its own words.
async fn server_rejects(world: &World, statement: &str) -> bool {
    match world.sql.batch_execute(&format!("EXPLAIN {statement}")).await {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.code().unwrap().code(), "55000", "{error}");
            true
        }
    }
}

#[tokio::test]
async fn a_table_whose_rows_replication_can_not_tell_apart_is_told_whenever_the_server_rejects_changes() {
    let world = World::new("replicated").await;
    let sent = "FOR ALL TABLES";
    let mut cases = vec![
        ("", sent, "", true),
        ("", sent, "ALTER TABLE t REPLICA IDENTITY FULL", false),
        ("", "FOR ALL TABLES WITH (publish = 'insert')", "", false),
        ("", "FOR ALL TABLES WITH (publish = 'insert, update')", "", true),
        ("", "FOR ALL TABLES WITH (publish = 'delete')", "", true),
        ("", "FOR ALL TABLES WITH (publish = 'truncate')", "", false),
        ("", sent, "ALTER TABLE t SET UNLOGGED", false),
        // A unique index alone identifies nothing.
        ("", sent, "CREATE UNIQUE INDEX ON t (a)", true),
        ("a", sent, "", false),
        ("a", sent, "ALTER TABLE t REPLICA IDENTITY NOTHING", true),
        (
            "a",
            sent,
            "CREATE UNIQUE INDEX i ON t (b); ALTER TABLE t ALTER b SET NOT NULL, REPLICA IDENTITY USING INDEX i",
            false,
        ),
        (
            "a",
            sent,
            "CREATE UNIQUE INDEX i ON t (b); ALTER TABLE t ALTER b SET NOT NULL, REPLICA IDENTITY USING INDEX i; DROP INDEX i",
            true,
        ),
        ("a", sent, "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (a) DEFERRABLE", true),
        ("", "FOR TABLE others", "", false),
    ];
    if world.has_version(15, "publications of schemas").await {
        cases.push(("", "FOR TABLES IN SCHEMA public", "", true));
        cases.push(("", "FOR TABLES IN SCHEMA elsewhere", "", false));
    }
    world.run_as_superuser("CREATE SCHEMA elsewhere; CREATE TABLE public.others (a integer)").await;
    for (key, publication, change, expected) in cases {
        let mut wanted = spec("t", &[("a", "integer"), ("b", "integer")]);
        wanted["primaryKey"] = if key.is_empty() { json!(null) } else { json!(key) };
        world.run_as_superuser(&format!("CREATE PUBLICATION p {publication}")).await;
        let created = warnings(&world, &wanted).await;
        if change.is_empty() {
            assert_eq!(created.iter().any(|text| text.contains("\"p\"")), expected, "created: {publication}");
        }
        world.run(change).await;
        let truth = (
            server_rejects(&world, "UPDATE t SET a = a").await,
            server_rejects(&world, "DELETE FROM t").await,
        );
        let told = warnings(&world, &wanted).await.join("\n");
        let says = match truth {
            (true, true) => "UPDATE and DELETE will fail",
            (true, false) => "UPDATE will fail",
            (false, true) => "DELETE will fail",
            (false, false) => "",
        };
        assert_eq!(truth.0 || truth.1, expected, "{key} {publication} {change}");
        assert_eq!(told.contains("will fail"), expected, "{key} {publication} {change}: {told}");
        assert!(told.contains(says), "{key} {publication} {change}: {told}");
        world.run_as_superuser("DROP PUBLICATION p").await;
        let afterwards = warnings(&world, &wanted).await.join("\n");
        assert!(!afterwards.contains("will fail"), "{afterwards}");
        world.drop().await.unwrap();
        world.lose_the_status();
    }
}

#[tokio::test]
async fn a_publication_of_the_table_itself_and_of_what_it_is_a_partition_of_are_told() {
    let world = World::new("replicated_alone").await;
    let wanted = spec("t", &[("a", "integer")]);
    assert!(warnings(&world, &wanted).await.is_empty());
    world.run("CREATE TABLE whole (a integer) PARTITION BY LIST (a); ALTER TABLE whole ATTACH PARTITION t DEFAULT").await;
    for publication in ["FOR TABLE t", "FOR TABLE whole"] {
        world.run_as_superuser(&format!("CREATE PUBLICATION p {publication}")).await;
        assert!(server_rejects(&world, "UPDATE t SET a = a").await, "{publication}");
        let told = warnings(&world, &wanted).await;
        assert!(told.len() == 1 && told[0].contains("publication \"p\""), "{publication}: {told:?}");
        world.run_as_superuser("DROP PUBLICATION p").await;
    }
}

#[tokio::test]
async fn what_the_server_cuts_from_a_type_is_told_with_its_column() {
    let world = World::new("cut").await;
    let long = "long".repeat(20);
    let cut = format!("public.{}", &long[..63]);
    world.run(&format!("CREATE DOMAIN {cut} AS integer")).await;
    let types = [
        ("timestamp(7)", "timestamp(6) without time zone"),
        ("timestamptz(9)", "timestamp(6) with time zone"),
        ("timestamp(10) with time zone", "timestamp(6) with time zone"),
        ("time(7)", "time(6) without time zone"),
        ("timetz(8)", "time(6) with time zone"),
        ("interval(7)", "interval(6)"),
        ("interval second(7)", "interval second(6)"),
        ("interval day to second (9)", "interval day to second(6)"),
        ("timestamp(9)[]", "timestamp(6) without time zone[]"),
        ("interval(9) array", "interval(6)[]"),
        ("\"timestamp\"('8')", "timestamp(6) without time zone"),
        ("pg_catalog.timestamptz(12)", "timestamp(6) with time zone"),
        ("integer[3]", "integer[]"),
        ("text array[4]", "text[]"),
        ("integer[][]", "integer[]"),
        (&long, &cut),
        (&format!("public.{long}"), &cut),
    ];
    let names: Vec<_> = (0..types.len()).map(|number| format!("c{number}")).collect();
    let columns: Vec<_> =
        names.iter().zip(&types).map(|(name, (type_, _))| (name.as_str(), *type_)).collect();
    let wanted = spec("t", &columns);
    for outcome in [Outcome::Created, Outcome::Unchanged] {
        let applied = world.apply(&wanted).await.unwrap();
        assert_eq!(applied.outcome, outcome);
        let told: Vec<_> = applied.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), types.len(), "{told:#?}");
        for ((name, (asked, kept)), told) in names.iter().zip(&types).zip(&told) {
            let begin = format!("column \"{name}\": the type {asked:?} became {kept}, because PostgreSQL ");
            assert!(told.starts_with(&begin), "{told}");
        }
        let message = applied.message(&[]);
        assert!(
            message.contains(". WARNING: column \"c0\": ")
                && message.ends_with("7 more, which the operator's log has")
        );
    }
    let silent = [
        "timestamp(6)",
        "timestamp(3)",
        "interval(6)",
        "interval second(2)",
        "interval day to second",
        "time",
        "numeric(10, 2)",
        "float(25)",
        "varchar(6)",
        "integer[]",
        "bit(6)",
        "char(6)[]",
        "\"timestamp\"('6')",
        "name",
    ];
    let names: Vec<_> = (0..silent.len()).map(|number| format!("c{number}")).collect();
    let columns: Vec<_> = names.iter().map(String::as_str).zip(silent).collect();
    let applied = world.apply_as("silent", &spec("silent", &columns)).await.unwrap();
    assert_eq!(applied.warnings, []);
}

#[tokio::test]
async fn a_precision_of_six_digits_is_no_change() {
    let world = World::new("six_digits").await;
    let pairs = [
        ("timestamp", "timestamp(6)"),
        ("timestamptz", "timestamptz(6)"),
        ("time", "time(6)"),
        ("timetz", "timetz(6)"),
        ("interval", "interval(6)"),
        ("interval day to second", "interval day to second(6)"),
        ("interval second", "interval second(6)"),
        ("timestamp[]", "timestamp(6)[]"),
        ("timestamptz[]", "timestamptz(6)[]"),
        ("time[]", "time(6)[]"),
        ("timetz[]", "timetz(6)[]"),
        ("interval[]", "interval(6)[]"),
        ("numeric(10)", "numeric(10,0)"),
        ("bit", "bit(1)"),
        ("char", "char(1)"),
    ];
    for (number, (one, other)) in pairs.into_iter().enumerate() {
        for (name, first, second) in [(format!("s{number}"), one, other), (format!("t{number}"), other, one)]
        {
            world.apply_as(&name, &spec(&name, &[("a", first)])).await.unwrap();
            let again = world.apply_as(&name, &spec(&name, &[("a", second)])).await;
            assert_eq!(again.map(|applied| applied.outcome), Ok(Outcome::Unchanged), "{first}, {second}");
        }
    }
    for (first, second) in [
        ("timestamp", "timestamp(5)"),
        ("interval(6)", "interval second(6)"),
        ("interval", "interval day to second"),
        ("numeric", "numeric(6)"),
        ("varchar", "varchar(6)"),
    ] {
        world.lose_the_status();
        world.apply(&spec("u", &[("a", first)])).await.unwrap();
        assert_eq!(
            world.rejected(&spec("u", &[("a", second)])).await.reason(),
            ConditionReason::UpdateAborted
        );
        world.drop().await.unwrap();
    }
}

async fn comment(world: &World, table: &str) -> String {
    let query = "SELECT obj_description(to_regclass($1::text), 'pg_class')";
    world.sql.query_one(query, &[&table]).await.unwrap().get(0)
}

/// An event trigger that runs a statement for the table `%1$s` after commands of these tags.
async fn add_trigger(world: &World, tags: &str, statement: &str) {
    let sql = format!(
        "CREATE FUNCTION public.react() RETURNS event_trigger LANGUAGE plpgsql AS $f$ DECLARE o record; BEGIN \
           FOR o IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' LOOP \
             EXECUTE format($s${statement}$s$, o.objid::regclass); \
           END LOOP; END $f$; \
         CREATE EVENT TRIGGER react ON ddl_command_end WHEN TAG IN ({tags}) EXECUTE FUNCTION public.react()"
    );
    world.run_as_superuser(&sql).await;
}

#[tokio::test]
async fn the_comment_that_an_event_trigger_gives_a_new_table_is_kept_beside_the_owner() {
    let world = World::new("trigger_comment").await;
    add_trigger(
        &world,
        "'CREATE TABLE'",
        "COMMENT ON TABLE %1$s IS E'Data of team one.\\nRetention: 30 days.'",
    )
    .await;
    let wanted = spec("t", &[("a", "integer")]);
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Created);
    let text = comment(&world, "t").await;
    assert!(text.starts_with("Data of team one.\nRetention: 30 days.\ndatabase-table-operator: {"), "{text}");
    assert_eq!(Owner::from_comment(&text), Some(world.owner.clone()));
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(comment(&world, "t").await, text);
    world.apply(&spec("t", &[("a", "integer"), ("b", "integer")])).await.unwrap();
    world.drop().await.unwrap();

    // A trigger that is switched off, and one that adds a line to what is there.
    world.run_as_superuser("ALTER EVENT TRIGGER react DISABLE").await;
    world.apply(&wanted).await.unwrap();
    assert!(comment(&world, "t").await.starts_with("database-table-operator: {"));
}

#[tokio::test]
async fn an_event_trigger_that_removes_the_owner_from_the_comment_stops_the_change_and_is_named() {
    let world = World::new("trigger_replaces").await;
    let wanted = spec("t", &[("a", "integer")]);
    add_trigger(
        &world,
        "'COMMENT'",
        "UPDATE pg_description SET description = 'classified' WHERE objoid = %1$L::regclass AND objsubid = 0",
    )
    .await;
    world.run_as_superuser("ALTER FUNCTION public.react() SECURITY DEFINER").await;
    let error = world.rejected(&wanted).await;
    assert_eq!(error.reason(), ConditionReason::Conflict);
    assert!(
        error.to_string().contains("an event trigger of the database replaces the comment of table public.t"),
        "{error}"
    );
    world.run_as_superuser("DROP EVENT TRIGGER react; DROP FUNCTION public.react").await;
    world.apply(&wanted).await.unwrap();

    add_trigger(&world, "'ALTER TABLE'", "COMMENT ON TABLE %1$s IS 'classified'").await;
    world.apply(&spec("t", &[("a", "integer"), ("b", "integer")])).await.unwrap();
    let text = comment(&world, "t").await;
    assert!(text.starts_with("classified\ndatabase-table-operator: {"), "{text}");
}
