use super::*;
use serde_json::json;

fn name(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

#[test]
fn the_spec_of_the_kopf_demo_is_read() {
    let table = Table::from_spec(Some(&json!({
        "tableName": "WEBSITE_USERS",
        "columns": [{"USER_ID": "integer"}, {"USER_NAME": "varchar(50)"}, {"LAST_LOGIN": "timestamp"}],
        "primaryKey": "USER_ID",
    })))
    .unwrap();
    assert_eq!(table.name.as_str(), "website_users");
    let columns: Vec<_> = table.columns.iter().map(|c| (c.name.as_str(), c.type_.as_str())).collect();
    assert_eq!(columns, [("user_id", "integer"), ("user_name", "varchar(50)"), ("last_login", "timestamp")]);
    assert_eq!(table.primary_key, [name("user_id")]);
}

#[test]
fn the_primary_key_is_a_name_a_list_of_names_or_absent() {
    for (key, columns) in
        [(json!("A"), vec!["a"]), (json!(["a", "\"B c\""]), vec!["a", "B c"]), (json!(null), vec![])]
    {
        let spec =
            json!({"tableName": "t", "columns": [{"a": "int"}, {"\"B c\"": "int"}], "primaryKey": key});
        let table = Table::from_spec(Some(&spec)).unwrap();
        let names: Vec<_> = table.primary_key.iter().map(Identifier::as_str).collect();
        assert_eq!(names, columns, "{key}");
    }
    let table = Table::from_spec(Some(&json!({"tableName": "t", "columns": [{"a": "int"}]}))).unwrap();
    assert!(table.primary_key.is_empty());
}

#[test]
fn the_error_names_the_mistake_in_a_spec_of_another_shape() {
    for (spec, why) in [
        (json!(null), "spec is missing"),
        (json!("x"), "spec must be a map with tableName and columns, not a string"),
        (json!([]), "spec must be a map with tableName and columns, not an empty list"),
        (json!({}), "spec.tableName is missing"),
        (json!({"tableName": null, "columns": [{"a": "int"}]}), "spec.tableName is missing"),
        (json!({"columns": [{"a": "int"}]}), "spec.tableName is missing"),
        (json!({"tableName": 7, "columns": [{"a": "int"}]}), "spec.tableName must be a string, not a number"),
        (json!({"tableName": "t"}), "spec.columns is missing"),
        (json!({"tableName": "t", "columns": []}), "spec.columns is empty"),
        (
            json!({"tableName": "t", "columns": {"a": "int"}}),
            "spec.columns must be a list of columns, NAME: TYPE, not a map",
        ),
    ] {
        let error = Table::from_spec(Some(&spec)).expect_err(why).to_string();
        assert!(error.contains(why), "{spec}: {error}");
    }
    assert_eq!(Table::from_spec(None), Err(SpecError::NoSpec));
}

#[test]
fn the_error_names_the_column_and_the_mistake() {
    for (columns, why) in [
        (json!(["a"]), "spec.columns[0] must be one column, NAME: TYPE, not a string"),
        (
            json!([{"a": "int"}, {"b": "int", "c": "int"}]),
            "spec.columns[1] must have exactly one key, NAME: TYPE, but has \"b\" and \"c\"",
        ),
        (json!([{}]), "but has none"),
        (
            json!([{"a": null}]),
            "the type of \"a\" must be a string such as varchar(50), or a map such as {type: text, nullable: false}, not null",
        ),
        (json!([{"a": 3}]), "not a number"),
        (json!([{"a": ["int"]}]), "not a list"),
        (json!([{"a": {}}]), "column \"a\": type is missing"),
        (json!([{"a": ""}]), "column \"a\": its type is empty"),
        (json!([{"a": "integer); DROP TABLE x; --"}]), "contains a comment"),
        (json!([{"a": "int"}, {"A": "text"}]), "has the column \"a\" twice"),
        (json!([{"a": "int"}, {"\"a\"": "text"}]), "has the column \"a\" twice"),
        (json!([{"": "int"}]), "spec.columns[0]: the name \"\" is empty"),
        (json!([{"a.b": "int"}]), "dot outside quotes"),
        (json!([{"ctid": "int"}]), "\"ctid\" is a system column"),
        (json!([{"x".repeat(64): "int"}]), "64 bytes"),
    ] {
        let spec = json!({"tableName": "t", "columns": columns});
        let error = Table::from_spec(Some(&spec)).expect_err(why).to_string();
        assert!(error.contains(why), "{spec}: {error}");
    }
}

#[test]
fn the_error_names_the_mistake_in_a_primary_key() {
    for (key, why) in [
        (json!("b"), "names \"b\", which isn't a column"),
        (json!(["a", "b"]), "names \"b\", which isn't a column"),
        (json!("\"A\""), "names \"A\", which isn't a column"),
        (json!(["a", "A"]), "names the column \"a\" twice"),
        (json!([]), "must be the name of a column or a list of names, not an empty list"),
        (json!(1), "not a number"),
        (json!([1]), "not a number"),
        (json!({"a": 1}), "not a map"),
        (json!(""), "the name \"\" is empty"),
    ] {
        let spec = json!({"tableName": "t", "columns": [{"a": "int"}], "primaryKey": key});
        let error = Table::from_spec(Some(&spec)).expect_err(why).to_string();
        assert!(error.contains(why), "{spec}: {error}");
    }
}

#[test]
fn a_schema_is_named_and_may_be_created() {
    let read = |schema: &Value, create: &Value| {
        let spec =
            json!({"tableName": "t", "columns": [{"a": "int"}], "schema": schema, "createSchema": create});
        Table::from_spec(Some(&spec)).map(|table| (table.schema, table.create_schema))
    };
    for (schema, create, expected) in [
        (json!(null), json!(null), (None, false)),
        (json!(null), json!(false), (None, false)),
        (json!("App"), json!(null), (Some(name("app")), false)),
        (json!("\"App\""), json!(true), (Some(name("\"App\"")), true)),
    ] {
        assert_eq!(read(&schema, &create), Ok(expected), "{schema} {create}");
    }
    for (schema, create, why) in [
        (json!(1), json!(null), "spec.schema must be a string, not a number"),
        (json!(""), json!(null), "spec.schema: the name \"\" is empty"),
        (json!("a.b"), json!(null), "spec.schema: the name \"a.b\" has a dot outside quotes"),
        (json!("PG_TEMP"), json!(true), "spec.schema: \"pg_temp\" is one of PostgreSQL's own schemas"),
        (json!("information_schema"), json!(null), "is one of PostgreSQL's own schemas"),
        (json!("app"), json!("yes"), "spec.createSchema must be true or false, not a string"),
        (json!(null), json!(true), "no spec.schema says which one"),
    ] {
        let error = read(&schema, &create).expect_err(why).to_string();
        assert!(error.contains(why), "{schema} {create}: {error}");
    }
}

#[test]
fn column_names_are_found_in_an_invalid_spec_too() {
    let spec = json!({"tableName": 7, "columns": [{"A": "int"}, {"\"B\"": 3}, {"": "int"}, "c", {"d": "int", "e": "int"}]});
    assert_eq!(column_names(&spec), ["a", "B", "d", "e"].map(str::to_owned).into());
    for nonsense in [json!(null), json!("x"), json!({"columns": "x"})] {
        assert!(column_names(&nonsense).is_empty(), "{nonsense}");
    }
}

#[test]
fn names_that_yaml_took_for_booleans_and_unknown_fields_cause_warnings() {
    let spec = json!({"tableName": "t", "columns": [{"false": "text"}, {"a": "int"}], "primarykey": "a"});
    let found = warnings(&spec);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("spec.primarykey"), "{found:?}");
    assert!(found[1].contains("named false"), "{found:?}");
    assert!(warnings(&json!({"tableName": "t", "columns": [{"a": "int"}]})).is_empty());
    assert!(warnings(&json!("nonsense")).is_empty());
}
