use crate::support::{World, spec};
use database_table_operator::{sqlstate::ErrorClass, status::ConditionReason};
use serde_json::json;

#[tokio::test]
async fn an_invalid_type_is_rejected_with_its_column() {
    let world = World::new("bad_types").await;
    world.run("CREATE TABLE x (a integer)").await;
    for (type_, why) in [
        ("nonsense", "there is no such type"),
        ("nosuchschema.integer", "there is no such type"),
        ("integer); DROP TABLE x", "syntax error at or near \")\""),
        ("integer; DROP TABLE x", "syntax error at or near \";\""),
        ("integer, b integer", "syntax error at or near \",\""),
        ("integer DEFAULT 1", "syntax error at or near \"DEFAULT\""),
        ("integer NOT NULL", "syntax error at or near \"NOT\""),
        ("integer PRIMARY KEY", "syntax error"),
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
        ("serial[]", "no such type"),
        ("x.a%TYPE", "syntax error"),
        ("'integer'", "syntax error"),
        ("integer COLLATE \"C\"", "syntax error"),
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
