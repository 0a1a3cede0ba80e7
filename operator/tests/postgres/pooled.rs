//! Connections that others have used before, as poolers in transaction mode hand them out.

use crate::support::{World, by_pooler, columns, dropped, pooler, spec};
use database_table_operator::{
    connection::Settings, database, outcome::Outcome, pool::Pool, sqlstate::ErrorClass,
    status::ConditionReason,
};

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
        "SET statement_timeout = '50ms'",
        "SET lock_timeout = '1ms'",
        "SET datestyle = 'SQL, DMY'",
        "SET timezone = 'Asia/Tokyo'",
        "SET bytea_output = 'escape'",
        "SET quote_all_identifiers = on",
    ];
    for (number, left) in leftovers.into_iter().enumerate() {
        let name = format!("t{number}");
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
    let gone = format!("DROP OWNED BY \"{user}_other\"; DROP ROLE \"{user}_other\"");
    superuser.batch_execute(&gone).await.unwrap();
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
    leave(&pool, "SET default_transaction_read_only = on").await;
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
    assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
}
