//! Mistakes in objects, with the messages that report them.

use serde_json::{Value, json};

/// An invalid object.
pub struct Case {
    pub name: &'static str,
    /// The spec. `null` means that the object has none.
    pub spec: Value,
    /// Part of the operator's message. Empty if the API server rejects the object even with the Kopf demo's
    /// CRD.
    pub operator_message: &'static str,
    /// Part of the API server's message with the full CRD. Empty if it accepts the object.
    pub api_server_message: &'static str,
}

fn case(
    name: &'static str,
    spec: Value,
    operator_message: &'static str,
    api_server_message: &'static str,
) -> Case {
    Case { name, spec, operator_message, api_server_message }
}

/// A spec with a valid name and these columns.
fn columns(columns: Value) -> Value {
    json!({ "tableName": "bad", "columns": columns })
}

/// A spec with this table name.
fn named(name: &str) -> Value {
    json!({ "tableName": name, "columns": [{ "ID": "integer" }] })
}

/// A spec with a column of this name.
fn column(name: &str) -> Value {
    columns(json!([{ "ID": "integer" }, { name: "text" }]))
}

/// A spec with a column of this type.
fn type_(type_: impl Into<Value>) -> Value {
    columns(json!([{ "ID": type_.into() }]))
}

/// A spec with this primary key.
fn key(key: impl Into<Value>) -> Value {
    json!({ "tableName": "bad", "columns": [{ "ID": "integer" }], "primaryKey": key.into() })
}

pub fn all() -> Vec<Case> {
    [shapes(), names(), types(), keys()].into_iter().flatten().collect()
}

fn shapes() -> Vec<Case> {
    let no_table = json!({ "columns": [{ "ID": "integer" }] });
    vec![
        case("spec-missing", Value::Null, "spec is missing: it needs tableName and columns", ""),
        case(
            "spec-empty",
            json!({}),
            "spec.tableName is missing: give the table a name",
            "spec.tableName: Required value",
        ),
        case("spec-a-text", "users".into(), "", "spec in body must be of type object"),
        case("spec-a-list", json!([{ "tableName": "bad" }]), "", "spec in body must be of type object"),
        case(
            "no-table-name",
            no_table,
            "spec.tableName is missing: give the table a name, such as",
            "spec.tableName: Required value",
        ),
        case(
            "no-columns",
            json!({ "tableName": "bad" }),
            "spec.columns is missing: list at least one column, such as",
            "spec.columns: Required value",
        ),
        case(
            "columns-null",
            columns(Value::Null),
            "spec.columns is missing: list at least one column",
            "spec.columns: Required value",
        ),
        case(
            "columns-empty",
            columns(json!([])),
            "spec.columns is empty: a table needs at least one column",
            "spec.columns in body should have at least 1 items",
        ),
        case(
            "columns-a-mapping",
            columns(json!({ "ID": "integer" })),
            "spec.columns must be a list of columns, NAME: TYPE, not a map",
            "spec.columns in body must be of type array: \"object\"",
        ),
        case(
            "columns-a-text",
            columns("ID".into()),
            "spec.columns must be a list of columns, NAME: TYPE, not a string",
            "spec.columns in body must be of type array: \"string\"",
        ),
        case(
            "column-a-text",
            columns(json!(["ID integer"])),
            "spec.columns[0] must be one column, NAME: TYPE, not a string",
            "spec.columns[0] in body must be of type object: \"string\"",
        ),
        case(
            "column-a-list",
            columns(json!([["ID", "integer"]])),
            "spec.columns[0] must be one column, NAME: TYPE, not a list",
            "spec.columns[0] in body must be of type object: \"array\"",
        ),
        case(
            "column-empty",
            columns(json!([{}])),
            "spec.columns[0] must have exactly one key, NAME: TYPE, but has none",
            "spec.columns[0] in body should have at least 1 properties",
        ),
        case(
            "column-of-two-keys",
            columns(json!([{ "ID": "integer", "AGE": "integer" }])),
            "spec.columns[0] must have exactly one key, NAME: TYPE, but has \"AGE\" and \"ID\"",
            "must have at most 1 item",
        ),
    ]
}

fn names() -> Vec<Case> {
    let long: &str = "a23456789_123456789_123456789_123456789_123456789_123456789_1234";
    let dot = "has a dot outside quotes: give the name alone, or quote it if the dot is part of it: '\"";
    let quotes = "is quoted incorrectly: put a double quote before and after it, and double those inside";
    vec![
        case(
            "name-a-number",
            json!({ "tableName": 5, "columns": [{ "ID": "integer" }] }),
            "spec.tableName must be a string, not a number",
            "spec.tableName in body must be of type string: \"integer\"",
        ),
        case(
            "name-empty",
            named(""),
            "spec.tableName: the name \"\" is empty",
            "spec.tableName in body should be at least 1 chars long",
        ),
        case("name-blank", named("  "), "spec.tableName: the name \"  \" is empty", ""),
        case("name-empty-in-quotes", named("\"\""), "is empty", ""),
        case(
            "name-of-64-bytes",
            named(long),
            "has 64 bytes, and PostgreSQL keeps at most 63: choose a shorter one",
            "",
        ),
        case(
            "name-of-32-letters-and-64-bytes",
            named(&"é".repeat(32)),
            "has 64 bytes, and PostgreSQL keeps at most 63",
            "",
        ),
        case(
            "name-of-129-letters",
            named(&"a".repeat(129)),
            "has 129 bytes",
            "spec.tableName: Too long: may not be more than 128",
        ),
        case("name-with-nul", named("a\0b"), "contains a NUL character, which PostgreSQL can't store", ""),
        case("name-with-a-dot", named("public.bad"), dot, ""),
        case("name-with-broken-quotes", named("\"bad"), quotes, ""),
        case("name-with-a-quote-inside", named("ba\"d"), quotes, ""),
        case("name-with-a-blank", named("two words"), "has white space outside quotes", ""),
        case("column-name-empty", column(""), "spec.columns[1]: the name \"\" is empty", ""),
        case("column-name-of-64-bytes", column(long), "spec.columns[1]: the name", ""),
        case("column-name-with-nul", column("a\0b"), "contains a NUL character", ""),
        case("column-name-with-a-dot", column("bad.id"), dot, ""),
        case("column-name-with-broken-quotes", column("\"a\"b\""), quotes, ""),
        case(
            "system-column",
            column("CTID"),
            "\"ctid\" is a system column that every table has: choose another name",
            "",
        ),
        case("column-twice", column("ID"), "spec.columns has the column \"id\" twice", ""),
        case("column-twice-when-folded", column("Id"), "twice (unquoted names are folded to lower case)", ""),
        case("column-twice-with-quotes", column("\"id\""), "spec.columns has the column \"id\" twice", ""),
    ]
}

fn types() -> Vec<Case> {
    let text = "must be a string such as varchar(50), or a map such as {type: text, nullable: false}, not";
    let comment = "contains a comment (-- or /*), which isn't allowed";
    let rejected = "column \"id\": the type";
    let in_body = "spec.columns[0].ID.type in body must be of type string";
    vec![
        case("type-empty", type_(""), "its type is empty: give a type such as integer or varchar(50)", ""),
        case("type-a-number", type_(5), text, ""),
        case("type-null", type_(Value::Null), text, "in body should have at least 1 properties"),
        case("type-a-list", type_(json!(["integer"])), text, ""),
        case(
            "type-nested",
            type_(json!({ "type": { "name": "integer" } })),
            "must be a string such as varchar(50), not a map",
            in_body,
        ),
        case("type-with-a-statement", type_("integer); DROP TABLE x; --"), comment, ""),
        case(
            "type-with-a-statement-and-no-comment",
            type_("integer); DROP TABLE x; CREATE TABLE y (id integer"),
            rejected,
            "",
        ),
        case("type-with-a-comment", type_("integer /* of people */"), comment, ""),
        case("type-with-a-default", type_("integer DEFAULT 1"), rejected, ""),
        case("type-with-nul", type_("int\0eger"), "contains a NUL character", ""),
        case("type-of-no-column", type_("anyelement"), "it is a pseudo-type, which no column can have", ""),
        case("type-with-a-bad-length", type_("varchar(0)"), rejected, ""),
    ]
}

fn keys() -> Vec<Case> {
    let expected = "spec.primaryKey must be the name of a column or a list of names, not";
    vec![
        case(
            "key-of-no-column",
            key("NAME"),
            "spec.primaryKey names \"name\", which isn't a column in spec.columns",
            "",
        ),
        case(
            "key-of-no-column-in-quotes",
            key("\"ID\""),
            "spec.primaryKey names \"ID\", which isn't a column",
            "",
        ),
        case("key-twice", key(json!(["ID", "id"])), "spec.primaryKey names the column \"id\" twice", ""),
        case("key-empty", key(""), "spec.primaryKey: the name \"\" is empty", "spec.primaryKey"),
        case("key-an-empty-list", key(json!([])), "not an empty list", "spec.primaryKey"),
        case("key-a-mapping", key(json!({ "ID": true })), expected, ""),
        case("key-a-number", key(1), expected, ""),
        case("key-a-list-of-lists", key(json!([["ID"]])), expected, ""),
    ]
}
