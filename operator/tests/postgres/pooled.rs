//! Connections that others have used before, as poolers in transaction mode hand them out.

use crate::support::{NoAnswer, World, by_pooler, claim, columns, dropped, owner, pooler, spec, table};
use database_table_operator::{
    connection::Settings, database, outcome::Outcome, pool::Pool, sqlstate::ErrorClass,
    status::ConditionReason,
};
use futures::{StreamExt, stream};
use serde_json::json;
use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use tokio_postgres::NoTls;

/// A pool of one connection, so that a test meets the one that the operator uses.
fn one_connection(world: &mut World) -> Pool {
    let settings = Settings::read(Some(&by_pooler(&world.database)), |_| None).unwrap();
    let pool = settings.pool(1).unwrap();
    world.tables = database::Database::new(pool.clone());
    pool
}

async fn leave(pool: &Pool, sql: &str) {
    pool.get().await.unwrap().batch_execute(sql).await.unwrap();
}

/// Tables take longer from now on than the limit that another client has left.
const SLOWLY: &str =
    "CREATE FUNCTION slowly() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.7); END';
    CREATE EVENT TRIGGER slowly ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION slowly()";

#[tokio::test]
async fn what_another_client_has_left_on_the_connection_decides_nothing() {
    let mut world = World::new("leftovers").await;
    let pool = one_connection(&mut world);
    let superuser = world.database.connect_as_superuser().await.unwrap();
    let user = world.database.user.replace('"', "\"\"");
    superuser
        .batch_execute(&format!(
            "CREATE ROLE \"{user}_other\"; GRANT \"{user}_other\" TO \"{user}\"; CREATE SCHEMA other; GRANT ALL ON SCHEMA other, public \
             TO \"{user}_other\", \"{user}\""
        ))
        .await
        .unwrap();
    let leftovers = [
        "SET search_path = other",
        "SET search_path = ''",
        &format!("SET role = \"{user}_other\""),
        "SET standard_conforming_strings = off",
        "SET default_transaction_isolation = serializable",
        "SET default_transaction_deferrable = on",
        "SET statement_timeout = '500ms'",
        "SET lock_timeout = '1ms'",
        "SET datestyle = 'SQL, DMY'",
        "SET timezone = 'Asia/Tokyo'",
        "SET bytea_output = 'escape'",
        "SET quote_all_identifiers = on",
    ];
    for (number, left) in leftovers.into_iter().enumerate() {
        let name = format!("t{number}");
        if left.contains("statement_timeout") {
            superuser.batch_execute(SLOWLY).await.unwrap();
        }
        leave(&pool, left).await;
        world.lose_the_status();
        let applied = world
            .apply(&spec(&name, &[("a", "varchar(7)")]))
            .await
            .unwrap_or_else(|error| panic!("{left}: {error}"));
        assert_eq!(applied.table, format!("public.{name}"), "{left}");
        leave(&pool, left).await;
        world.apply(&spec(&name, &[("a", "varchar(7)"), ("b", "timestamp(3)")])).await.unwrap();
        assert_eq!(world.columns(&name).await[1].1, "timestamp(3) without time zone", "{left}");
        let owner = format!("SELECT tableowner = '{user}' FROM pg_tables WHERE tablename = '{name}'");
        assert!(world.sql.query_one(&owner, &[]).await.unwrap().get::<_, bool>(0), "{left}");
        leave(&pool, left).await;
        assert_eq!(world.drop().await.unwrap(), dropped(&format!("public.{name}")), "{left}");
    }
    let gone =
        format!("DROP EVENT TRIGGER slowly; DROP OWNED BY \"{user}_other\"; DROP ROLE \"{user}_other\"");
    superuser.batch_execute(&gone).await.unwrap();
}

/// A build is no part of a transaction, so it can't set anything for itself.
#[tokio::test]
async fn what_another_client_has_left_on_the_connection_decides_nothing_about_an_index_but_how_long_it_may_take()
 {
    let mut world = World::new("index_leftovers").await;
    let pool = one_connection(&mut world);
    world.run("CREATE SCHEMA other; CREATE TABLE other.t (a text)").await;
    let mut wanted = spec("t", &[("a", "integer")]);
    world.apply(&wanted).await.unwrap();
    world.run("INSERT INTO t SELECT generate_series(1, 200000)").await;
    for (number, left) in [
        "SET search_path = other",
        "SET search_path = ''",
        "SET standard_conforming_strings = off",
        "SET default_transaction_isolation = serializable",
        "SET default_transaction_deferrable = on",
        "SET quote_all_identifiers = on",
    ]
    .into_iter()
    .enumerate()
    {
        leave(&pool, left).await;
        wanted["indexes"] = json!([{"name": format!("\"By \\ {number}\""), "columns": ["a"]}]);
        world.apply(&wanted).await.unwrap_or_else(|error| panic!("{left}: {error}"));
        let names = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename = 't'";
        let rows = world.sql.query(names, &[]).await.unwrap();
        assert_eq!(
            rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(),
            [format!("By \\ {number}")],
            "{left}"
        );
    }
    // Through a pooler, it may be another connection.
    if pooler().is_some() {
        return;
    }
    // That connection is closed, and another one will do.
    let superuser = world.database.connect_as_superuser().await.unwrap();
    let user = world.database.user.replace('"', "\"\"");
    let role = format!("CREATE ROLE \"{user}_other\"; GRANT \"{user}_other\" TO \"{user}\"");
    superuser.batch_execute(&role).await.unwrap();
    leave(&pool, &format!("SET role = \"{user}_other\"")).await;
    wanted["indexes"] = json!([{"name": "by_role", "columns": ["a"]}]);
    world.apply(&wanted).await.unwrap();
    superuser.batch_execute(&format!("DROP ROLE \"{user}_other\"")).await.unwrap();
    leave(&pool, "SET statement_timeout = '500ms'").await;
    wanted["indexes"] = json!([{"name": "i", "columns": ["a"]}]);
    // No build is over before this is.
    world.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM t LIMIT 1").await;
    let error = world.apply(&wanted).await.unwrap_err();
    world.run("COMMIT").await;
    assert_eq!(error.class(), ErrorClass::Temporary);
    assert!(error.to_string().contains("statement timeout"), "{error}");
    leave(&pool, "SET statement_timeout = 0").await;
    world.apply(&wanted).await.unwrap();
}

#[tokio::test]
async fn no_named_statement_is_left_on_a_connection() {
    let mut world = World::new("no_names").await;
    let pool = one_connection(&mut world);
    world.run("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN short AS varchar(3); CREATE TYPE pair AS (a integer, b text)").await;
    let types = [
        "integer",
        "varchar(50)",
        "varchar(50)[]",
        "numeric(10, 2)",
        "timestamp(3)",
        "interval day to second(3)",
        "bit(3)",
        "mood",
        "mood[]",
        "short",
        "short[]",
        "pair",
        "char(2)",
        "serial",
        "\"char\"",
        "int4range",
        "xml",
    ];
    for (number, type_) in types.into_iter().enumerate() {
        let name = format!("t{number}");
        world
            .apply_as(&name, &spec(&name, &[("a", type_)]))
            .await
            .unwrap_or_else(|error| panic!("{type_}: {error}"));
        assert_eq!(
            world.apply_as(&name, &spec(&name, &[("a", type_)])).await.unwrap().outcome,
            Outcome::Unchanged,
            "{type_}"
        );
        let row = pool
            .get()
            .await
            .unwrap()
            .query_typed_one("SELECT count(*) FROM pg_prepared_statements", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), 0, "{type_}");
    }
}

#[tokio::test]
async fn the_modifier_of_a_type_that_is_not_built_in_is_known_and_leaves_nothing_behind() {
    let mut world = World::new("own_base_type").await;
    let pool = one_connection(&mut world);
    let superuser = world.database.connect_as_superuser().await.unwrap();
    superuser
        .batch_execute(
            "CREATE TYPE label; \
             CREATE FUNCTION label_in(cstring, oid, integer) RETURNS label LANGUAGE internal IMMUTABLE STRICT AS 'varcharin'; \
             CREATE FUNCTION label_out(label) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'varcharout'; \
             CREATE TYPE label (INPUT = label_in, OUTPUT = label_out, TYPMOD_IN = varchartypmodin, TYPMOD_OUT = varchartypmodout, LIKE = varchar)",
        )
        .await
        .unwrap();
    world.apply(&spec("t", &[("a", "label(7)"), ("b", "label(9)[]"), ("c", "label")])).await.unwrap();
    let stored = columns(&[("a", "label(7)"), ("b", "label(9)[]"), ("c", "label")]);
    assert_eq!(world.columns("t").await, stored);
    let count = "SELECT count(*) FROM pg_class WHERE relname = 'korf_type'";
    let row = pool.get().await.unwrap().query_typed_one(count, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_read_only_connection_is_given_up_and_a_read_only_database_is_respected() {
    let mut world = World::new("read_only").await;
    let pool = one_connection(&mut world);
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();

    // A standby's connection, say: another one may reach the primary. Through a pooler, it would be the same one.
    if pooler().is_none() {
        leave(&pool, "SET default_transaction_read_only = on").await;
    }
    world.apply(&spec("t", &[("a", "integer"), ("b", "integer")])).await.unwrap();

    let name = world.database.name.replace('"', "\"\"");
    let superuser = world.database.connect_as_superuser().await.unwrap();
    superuser
        .batch_execute(&format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on"))
        .await
        .unwrap();
    // A pooler's connections keep the setting that the database had when they were made.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename <> current_user";
    if pooler().is_some() {
        superuser.batch_execute(end).await.unwrap();
        world.sql = world.database.connect().await.unwrap();
    } else {
        leave(&pool, "SET default_transaction_read_only = on").await;
    }
    let wanted = spec("t", &[("a", "integer"), ("b", "integer"), ("c", "integer")]);
    for error in [world.rejected(&wanted).await, world.drop().await.unwrap_err()] {
        let expected = (ErrorClass::Temporary, ConditionReason::DatabaseUnavailable);
        assert_eq!((error.class(), error.reason()), expected, "{error}");
    }
    assert_eq!(world.columns("t").await.len(), 2);

    superuser
        .batch_execute(&format!("ALTER DATABASE \"{name}\" RESET default_transaction_read_only"))
        .await
        .unwrap();
    if pooler().is_some() {
        superuser.batch_execute(end).await.unwrap();
    }
    // A pooler may hand out a connection before it sees that it has ended.
    let drop = async {
        loop {
            match world.drop().await {
                Err(error) if pooler().is_some() && error.class() == ErrorClass::Temporary => {}
                result => break result,
            }
        }
    };
    let result = tokio::time::timeout(Duration::from_secs(30), drop).await.unwrap();
    assert_eq!(result.unwrap(), dropped("public.t"));
}

/// The variable with the database of [`one_process_of_two`].
const PROCESS_URL: &str = "KORF_PROCESS_URL";
/// The variable with the number of objects of each of two processes.
const OBJECTS: &str = "KORF_POOLED_OBJECTS";

/// Two processes of the operator number what they ask in the same way, so behind a pooler each would meet the other's names.
#[tokio::test]
async fn two_processes_with_two_pools_each_get_no_wrong_answer() {
    let world = World::new("processes").await;
    let (url, program) = (by_pooler(&world.database), std::env::current_exe().unwrap());
    let processes = ["one", "two"].map(|name| {
        let mut process = Command::new(&program);
        process.args(["--exact", "pooled::one_process_of_two", "--ignored", "--nocapture"]);
        process.env(PROCESS_URL, &url).env("KORF_PROCESS_NAME", name);
        tokio::task::spawn_blocking(move || process.output().unwrap())
    });
    for process in processes {
        let output = process.await.unwrap();
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success(), "{text}");
    }
    let count = objects_of_each_process();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(world.sql.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 2 * count);
}

fn objects_of_each_process() -> i64 {
    std::env::var(OBJECTS).map_or(20, |count| count.parse::<i64>().unwrap() / 2)
}

/// Objects that have types nobody has seen before, by turns in two pools, while others hold connections of the pooler, and leave
/// prepared statements on them.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn one_process_of_two() {
    let (Ok(url), Ok(name)) = (std::env::var(PROCESS_URL), std::env::var("KORF_PROCESS_NAME")) else {
        return;
    };
    let settings = Settings::read(Some(&url), |_| None).unwrap();
    let tables = [2, 3].map(|size| database::Database::new(settings.pool(size).unwrap()));
    let over = AtomicBool::new(false);
    let work = async {
        let objects = stream::iter(0..objects_of_each_process());
        objects.for_each_concurrent(4, |number| one_object(&tables, &url, &name, number)).await;
        over.store(true, Relaxed);
    };
    futures::join!(work, hold(&url, &over), hold(&url, &over));
}

/// Holds a connection of the pooler for a while, again and again, and names a statement on it.
async fn hold(url: &str, over: &AtomicBool) {
    while !over.load(Relaxed) {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client
            .batch_execute("BEGIN; PREPARE s0 AS SELECT 'wrong'; PREPARE s1 AS SELECT 1; COMMIT")
            .await
            .ok();
        client.batch_execute("BEGIN; SELECT pg_sleep(0.01); COMMIT").await.ok();
        drop(client);
        connection.await.unwrap().ok();
    }
}

async fn one_object(tables: &[database::Database; 2], url: &str, process: &str, number: i64) {
    let name = format!("{process}_{number}");
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(&format!("CREATE TYPE mood_{name} AS ENUM ('ok')")).await.unwrap();
    let (mood, moods, text, amount) = (
        format!("mood_{name}"),
        format!("mood_{name}[]"),
        format!("varchar({})", number % 90 + 1),
        format!("numeric({},{})", number % 30 + 5, number % 5),
    );
    let wanted = [("a", mood.as_str()), ("b", text.as_str()), ("c", amount.as_str()), ("d", moods.as_str())];
    for (round, count) in [3, 4, 4].into_iter().enumerate() {
        let object = claim(owner(&name));
        let turn = usize::try_from(number).unwrap() + round;
        let applied =
            tables[turn % 2].apply(&NoAnswer, &object, &table(&spec(&name, &wanted[..count]))).await.unwrap();
        let outcome = match round {
            0 => Outcome::Created,
            1 => Outcome::ColumnsAdded(vec!["d".into()]),
            _ => Outcome::Unchanged,
        };
        assert_eq!(applied.outcome, outcome, "{name}");
        assert_eq!(applied.table, format!("public.{name}"));
    }
    // In the simple protocol, which names nothing.
    let query = format!(
        "SELECT string_agg(format_type(atttypid, atttypmod), ';' ORDER BY attnum) FROM pg_attribute \
         WHERE attrelid = 'public.{name}'::regclass AND attnum > 0"
    );
    let rows = client.simple_query(&query).await.unwrap();
    let found = rows.iter().find_map(|row| match row {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(ToOwned::to_owned),
        _ => None,
    });
    let expected = [mood, text.replace("varchar", "character varying"), amount, moods].join(";");
    assert_eq!(found, Some(expected), "{name}");
    drop(client);
    connection.await.unwrap().ok();
}
