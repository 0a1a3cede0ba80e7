use super::*;
use crate::{catalog::PgTypeId, forms::Form, spec::ColumnSettings, types::ResolvedType};
use proptest::prelude::*;

fn column(name: &str, type_: &str, serial: bool) -> ResolvedColumn {
    let id = PgTypeId { oid: if type_ == "bigint" { 20 } else { 23 }, typmod: -1 };
    let name = Identifier::parse(name).unwrap();
    let type_ = ResolvedType { id, serial, name: type_.into() };
    ResolvedColumn { name, type_, settings: ColumnSettings::default(), form: Form::default() }
}

fn wanted(columns: Vec<ResolvedColumn>, key: &[&str]) -> ResolvedTable {
    ResolvedTable {
        place: Place { schema: "My \"Schema\"".into(), name: "user".into(), qualified: String::new() },
        columns,
        primary_key: key.iter().map(|name| Identifier::parse(name).unwrap()).collect(),
        indexes: Vec::new(),
        creates_schema: false,
    }
}

/// A plan without a new comment.
fn plan(table: ResolvedTable, changes: Vec<Change>) -> Plan {
    let owned = table.from_spec();
    Plan {
        table,
        changes,
        steps: vec![],
        owned,
        comment: None,
        takes_over: false,
        adoption: None,
        extra_columns: vec![],
    }
}

#[test]
fn a_create_is_followed_by_the_comment() {
    let columns = vec![column("ID", "bigint", true), column("\"Two Words\"", "character varying(50)", false)];
    let plan = plan(wanted(columns, &["id", "\"Two Words\""]), vec![Change::CreateTable]);
    assert_eq!(
        statements(&Plan { comment: Some("it's\nours".into()), ..plan }),
        [
            "CREATE TABLE \"My \"\"Schema\"\"\".\"user\" (\n  \"id\" bigserial,\n  \"Two Words\" character varying(50),\n  PRIMARY KEY (\"id\", \"Two Words\")\n)",
            "COMMENT ON TABLE \"My \"\"Schema\"\"\".\"user\" IS 'it''s\nours'",
        ]
    );
}

#[test]
fn all_new_columns_go_into_one_statement() {
    let columns = vec![column("a", "integer", false), column("b", "text", false)];
    let added = columns.into_iter().map(Change::AddColumn).collect();
    assert_eq!(
        statements(&plan(wanted(vec![], &[]), added)),
        ["ALTER TABLE \"My \"\"Schema\"\"\".\"user\"\n  ADD COLUMN \"a\" integer,\n  ADD COLUMN \"b\" text"]
    );
}

#[test]
fn a_plan_without_changes_has_no_statements_but_for_a_new_comment() {
    let plan = plan(wanted(vec![], &[]), vec![]);
    assert!(statements(&plan).is_empty());
    let new_owner = Plan { comment: Some("ours".into()), takes_over: true, ..plan };
    assert_eq!(statements(&new_owner), ["COMMENT ON TABLE \"My \"\"Schema\"\"\".\"user\" IS 'ours'"]);
}

#[test]
fn a_drop_never_cascades() {
    let place = wanted(vec![], &[]).place;
    assert_eq!(drop_table(&place), "DROP TABLE \"My \"\"Schema\"\"\".\"user\" RESTRICT");
    assert!(lock_table(&place).ends_with("IN ACCESS EXCLUSIVE MODE"));
}

proptest! {
    /// Without quoted names and literals, nothing is left that could end a statement or begin a comment.
    #[test]
    fn no_name_escapes_from_its_quotes(schema in "[^\0]{0,9}", table in "[^\0]{1,9}", name in "[^\0]{1,9}", text in "[^\0]{0,19}") {
        let mut wanted = wanted(vec![column(&quote(&name), "integer", false)], &[]);
        wanted.place = Place { schema, name: table, qualified: String::new() };
        wanted.primary_key = vec![wanted.columns[0].name.clone()];
        let plan = Plan { comment: Some(text), ..plan(wanted, vec![Change::CreateTable]) };
        let frame = ["CREATE TABLE . (\n   integer,\n  PRIMARY KEY ()\n)", "COMMENT ON TABLE . IS "];
        let emitted = statements(&plan);
        let bare: Vec<_> = emitted.iter().map(|statement| outside_quotes(statement)).collect();
        prop_assert_eq!(bare[0].as_str(), frame[0]);
        prop_assert_eq!(bare[1].trim_end_matches('E'), frame[1]);
    }
}

/// The text outside `"…"`, `'…'` and `E'…'`, as a lexer sees it.
fn outside_quotes(sql: &str) -> String {
    let mut out = String::new();
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '"' && c != '\'' {
            out.push(c);
            continue;
        }
        let escapes = c == '\'' && out.ends_with('E');
        while let Some(inner) = chars.next() {
            if escapes && inner == '\\' {
                chars.next();
            } else if inner == c && chars.next_if_eq(&c).is_none() {
                break;
            }
        }
    }
    out
}
