use super::*;
use crate::spec::Table;
use serde_json::json;

fn table(columns: &Value) -> Result<Table, String> {
    Table::from_spec(Some(&json!({"tableName": "t", "columns": columns, "primaryKey": "id"})))
        .map_err(|error| error.to_string())
}

/// The column `a` with these fields beside the type.
fn column(fields: &Value) -> Result<Column, String> {
    let mut long = json!({"type": "text"});
    long.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let table = table(&json!([{"id": "integer"}, {"A": long}]))?;
    Ok(table.columns[1].clone())
}

#[test]
fn the_long_form_of_a_type_alone_is_the_short_one() {
    let short = table(&json!([{"id": "integer"}, {"A": "text"}])).unwrap();
    for nothing in
        [json!({}), json!({"nullable": null, "default": null, "comment": null}), json!({"unique": false})]
    {
        assert_eq!(column(&nothing).unwrap(), short.columns[1], "{nothing}");
    }
}

#[test]
fn the_long_form_says_all_there_is_to_say() {
    let settings = column(&json!({
        "nullable": false, "default": "'x'", "unique": true, "comment": "Who.", "collation": "de-x-icu", "renamedFrom": "B",
    }))
    .unwrap()
    .settings;
    assert_eq!(settings.nullable, Some(false));
    assert_eq!(settings.default, Some(DefaultValue::Text("x".into())));
    assert!(settings.unique);
    assert_eq!(settings.comment.as_deref(), Some("Who."));
    assert_eq!(settings.collation.as_ref().unwrap().to_string(), "\"de-x-icu\"");
    assert_eq!(settings.renamed_from.as_ref().unwrap().as_str(), "b");
    let set = [Setting::NotNull, Setting::Default, Setting::Unique, Setting::Comment];
    assert_eq!(settings.names(), set.into());
    let of = |fields| column(&fields).unwrap().settings;
    assert_eq!(of(json!({"identity": "ByDefault"})).values, Values::Identity(Identity::ByDefault));
    assert_eq!(
        of(json!({"generated": "a || b"})).values,
        Values::Generated(Expression::parse("a || b").unwrap())
    );
    // What is said to be absent isn't taken back later.
    assert!(of(json!({"nullable": true, "default": "NULL", "comment": ""})).names().is_empty());
}

#[test]
fn collations_are_exact_names_or_as_in_a_statement() {
    for (text, sql) in [
        ("C", Some("\"C\"")),
        ("en_US.utf8", Some("\"en_US.utf8\"")),
        ("\"C\"", Some("\"C\"")),
        ("\"app\".\"my one\"", Some("\"app\".\"my one\"")),
        ("a\"b", Some("\"a\"\"b\"")),
        ("", None),
        ("\"", None),
        ("\"a\" b", None),
        ("a\0", None),
    ] {
        let read =
            column(&json!({"collation": text})).map(|column| column.settings.collation.unwrap().to_string());
        assert_eq!(read.ok().as_deref(), sql, "{text}");
    }
}

#[test]
fn the_error_names_the_column_and_the_mistake_in_the_long_form() {
    for (fields, why) in [
        (
            json!({"nulable": false}),
            "column \"a\": \"nulable\" isn't a field of a column: it can have type, nullable,",
        ),
        (json!({"type": null}), "column \"a\": type is missing"),
        (json!({"type": ""}), "column \"a\": its type is empty"),
        (json!({"type": 5}), "spec.columns[1].A.type must be a string such as varchar(50), not a number"),
        (json!({"nullable": "no"}), "spec.columns[1].A.nullable must be true or false, not a string"),
        (json!({"unique": 1}), "spec.columns[1].A.unique must be true or false, not a number"),
        (json!({"comment": ["x"]}), "spec.columns[1].A.comment must be a string, not a list"),
        (json!({"comment": "a\0"}), "comment contains a NUL"),
        (json!({"default": "hello"}), "column \"a\": default: \"hello\" is neither a literal nor"),
        (json!({"generated": "a;"}), "column \"a\": generated: the expression contains ';'"),
        (json!({"identity": "always"}), "column \"a\": identity is \"always\": write Always or ByDefault"),
        (json!({"identity": "Always", "generated": "1"}), "identity and generated exclude each other"),
        (json!({"identity": "Always", "default": 1}), "default and identity exclude each other"),
        (json!({"identity": "Always", "nullable": true}), "nullable: true and identity exclude each other"),
        (json!({"generated": "1", "default": 1}), "default and generated exclude each other"),
        (json!({"type": "serial", "default": 1}), "default and serial exclude each other"),
        (json!({"type": "serial", "nullable": true}), "nullable: true and serial exclude each other"),
        (json!({"type": "serial", "identity": "Always"}), "identity and serial exclude each other"),
        (json!({"renamedFrom": ""}), "renamedFrom: the name \"\" is empty"),
        (json!({"renamedFrom": "ID"}), "renamedFrom names \"id\", which is a column in spec.columns itself"),
        (json!({"renamedFrom": "a"}), "renamedFrom names \"a\", which is a column in spec.columns itself"),
    ] {
        let error = column(&fields).expect_err(why);
        assert!(error.contains(why), "{fields}: {error}");
    }
    for (columns, why) in [
        (
            json!([{"id": {"type": "int", "nullable": true}}]),
            "nullable: true and primaryKey exclude each other",
        ),
        (
            json!([{"id": "int"}, {"a": {"type": "int", "renamedFrom": "x"}}, {"b": {"type": "int", "renamedFrom": "X"}}]),
            "column \"b\": renamedFrom names \"x\", and so does that of another column",
        ),
    ] {
        let error = table(&columns).expect_err(why);
        assert!(error.contains(why), "{columns}: {error}");
    }
}
