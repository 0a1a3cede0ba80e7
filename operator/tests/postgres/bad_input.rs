use crate::support::{World, spec};
use database_table_operator::{sqlstate::ErrorClass, status::ConditionReason};
use serde_json::json;

#[tokio::test]
async fn an_invalid_type_is_rejected_with_its_column() {
    let world = World::new("bad_types").await;
    world.run("CREATE TABLE x (a integer)").await;
    for (type_, why) in [
        ("integer); DROP TABLE x", "syntax error at or near \")\""),
        ("integer; DROP TABLE x", "syntax error at or near \";\""),
        ("integer, b integer", "syntax error at or near \",\""),
        ("integer DEFAULT 1", "aren't part of a type: remove DEFAULT and"),
        ("integer NOT NULL", "aren't part of a type: remove NOT and"),
        ("int not null default 5", "remove NOT and what belongs to it"),
        ("integer null", "remove NULL and"),
        ("integer unique", "remove UNIQUE and"),
        ("bigint generated always as identity", "remove GENERATED and"),
        ("integer PRIMARY KEY", "name the column in spec.primaryKey"),
        ("varchar((select 1))", "syntax error"),
        ("varchar(0)", "must be at least 1"),
        ("numeric(2000)", "must be between 1 and 1000"),
        ("integer(3)", "syntax error at or near \"(\""),
        ("int4(3)", "type modifier is not allowed"),
        ("setof integer", "setof"),
        ("record", "pseudo-type"),
        ("unknown", "pseudo-type"),
        ("anyelement", "pseudo-type"),
        ("record[]", "pseudo-type"),
        ("trigger", "pseudo-type"),
        ("x.a%TYPE", "syntax error"),
        ("'integer'", "syntax error"),
        ("integer COLLATE \"C\"", "remove COLLATE and"),
        ("\"", "unterminated quoted identifier"),
        ("$1", "syntax error"),
    ] {
        let error = world.rejected(&spec("t", &[("fine", "integer"), ("BAD", type_)])).await;
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Permanent, ConditionReason::InvalidSpec),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.starts_with(&format!("column \"bad\": the type {type_:?} is rejected: ")), "{text}");
        assert!(text.contains(why), "{type_}: {text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn the_server_rejects_a_type_that_can_not_be_a_key() {
    let world = World::new("json_key").await;
    let mut wanted = spec("t", &[("a", "json")]);
    wanted["primaryKey"] = json!("a");
    let error = world.rejected(&wanted).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::InvalidSpec));
    assert!(error.to_string().contains("json has no default operator class"), "{error}");
}

#[tokio::test]
async fn more_columns_than_a_table_can_have_are_rejected() {
    let world = World::new("many").await;
    let names: Vec<_> = (0..1601).map(|n| format!("c{n}")).collect();
    let columns: Vec<_> = names.iter().map(|name| (name.as_str(), "integer")).collect();
    let error = world.rejected(&spec("t", &columns)).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, ConditionReason::InvalidSpec));
    assert_eq!(error.to_string(), "ERROR: tables can have at most 1600 columns (SQLSTATE 54011)");
    world.apply(&spec("t", &columns[..1600])).await.unwrap();
}

#[tokio::test]
async fn the_error_of_a_change_tells_whose_fault_it_is() {
    let world = World::new("faults").await;
    world
        .run("CREATE DOMAIN filled AS text NOT NULL; CREATE DOMAIN email AS text; CREATE SEQUENCE taken")
        .await;
    let apply = async |wanted: &[(&str, &str)]| {
        world.apply(&spec("t", wanted)).await.map_err(|error| (error.class(), error.reason()))
    };
    apply(&[("a", "integer")]).await.unwrap();
    world.run("INSERT INTO t VALUES (1)").await;
    // No row can have it: the spec asks for the impossible.
    let error = apply(&[("a", "integer"), ("b", "filled")]).await.unwrap_err();
    assert_eq!(error, (ErrorClass::Permanent, ConditionReason::InvalidSpec));
    // A type has the table's name: as a table would.
    let error = world.apply_as("b", &spec("email", &[("a", "integer")])).await.unwrap_err();
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Environment, ConditionReason::Conflict),
        "{error}"
    );
    // Another table has rows of this one.
    world.run("CREATE TABLE user_of_rows (r t)").await;
    let error = apply(&[("a", "integer"), ("b", "serial")]).await.unwrap_err();
    assert_eq!(error, (ErrorClass::Environment, ConditionReason::DependentsExist));
    world.run("DROP TABLE user_of_rows").await;
    // The database's owner forbids changes for now.
    let superuser = world.database.connect_as_superuser().await.unwrap();
    superuser
        .batch_execute(
            "CREATE FUNCTION frozen() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'ddl is frozen. ask the dba'; END $$; \
             CREATE EVENT TRIGGER frozen ON ddl_command_start EXECUTE FUNCTION frozen()",
        )
        .await
        .unwrap();
    let error = apply(&[("a", "integer"), ("b", "integer")]).await.unwrap_err();
    assert_eq!(error, (ErrorClass::Environment, ConditionReason::PermissionDenied));
    let error = world.drop().await.unwrap_err();
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Environment, ConditionReason::PermissionDenied),
        "{error}"
    );
    superuser.batch_execute("DROP EVENT TRIGGER frozen").await.unwrap();
    apply(&[("a", "integer"), ("b", "integer")]).await.unwrap();
}

#[tokio::test]
async fn a_key_whose_type_is_made_of_one_without_an_order_is_rejected() {
    let world = World::new("made_of_others").await;
    world
        .run(
            "CREATE TYPE pair AS (a integer, b json); CREATE DOMAIN docs AS json[]; CREATE TYPE nested AS (p pair); CREATE TYPE mood AS ENUM ('ok'); \
             CREATE TYPE good AS (a integer, b varchar(3)[], c mood); CREATE DOMAIN short AS varchar(3)",
        )
        .await;
    let keyed = |table: &str, type_: &str| {
        let mut wanted = spec(table, &[("id", "integer"), ("k", type_)]);
        wanted["primaryKey"] = json!(["id", "k"]);
        wanted
    };
    for type_ in ["json[]", "point[]", "xml[]", "pair", "pair[]", "docs", "nested"] {
        let error = world.rejected(&keyed("t", type_)).await;
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Permanent, ConditionReason::InvalidSpec),
            "{type_}"
        );
        assert!(error.to_string().contains("has no order"), "{error}");
    }
    for (number, type_) in [
        "integer[]",
        "varchar(3)[]",
        "good",
        "good[]",
        "short",
        "short[]",
        "mood[]",
        "cidr[]",
        "int4range[]",
        "jsonb[]",
        "inet[]",
        "\"char\"[]",
        "regclass[]",
        "int4multirange",
    ]
    .into_iter()
    .enumerate()
    {
        world
            .apply_as(&format!("o{number}"), &keyed(&format!("t{number}"), type_))
            .await
            .unwrap_or_else(|error| panic!("{type_}: {error}"));
    }
}
