use super::*;
use crate::catalog::TypeId;
use crate::types::ResolvedType;
use proptest::prelude::*;

fn column(name: &str, type_: &str, serial: bool) -> ResolvedColumn {
    let id = TypeId { oid: if type_ == "bigint" { 20 } else { 23 }, typmod: -1 };
    let name = Identifier::parse(name).unwrap();
    ResolvedColumn { name, type_: ResolvedType { id, serial, name: type_.into() } }
}

fn wanted(columns: Vec<ResolvedColumn>, key: &[&str]) -> Wanted {
    Wanted {
        place: Place { schema: "My \"Schema\"".into(), name: "user".into(), shown: String::new() },
        columns,
        primary_key: key.iter().map(|name| Identifier::parse(name).unwrap()).collect(),
    }
}

fn owner() -> Owner {
    Owner { cluster: "c".into(), namespace: "shop".into(), name: "it's".into(), uid: "u".into() }
}

#[test]
fn a_create_is_followed_by_the_marker() {
    let columns = vec![column("ID", "bigint", true), column("\"Two Words\"", "character varying(50)", false)];
    let statements = statements(&Plan::Create, &wanted(columns, &["id", "\"Two Words\""]), &owner());
    assert_eq!(
        statements,
        [
            "CREATE TABLE \"My \"\"Schema\"\"\".\"user\" (\n  \"id\" bigserial,\n  \"Two Words\" character varying(50),\n  PRIMARY KEY (\"id\", \"Two Words\")\n)",
            "COMMENT ON TABLE \"My \"\"Schema\"\"\".\"user\" IS 'database-table-operator: {\"cluster\":\"c\",\"namespace\":\"shop\",\"name\":\"it''s\",\"uid\":\"u\"}'",
        ]
    );
}

#[test]
fn all_new_columns_go_into_one_statement() {
    let wanted = wanted(vec![], &[]);
    let plan = Plan::Add(vec![column("a", "integer", false), column("b", "text", false)]);
    assert_eq!(
        statements(&plan, &wanted, &owner()),
        ["ALTER TABLE \"My \"\"Schema\"\"\".\"user\"\n  ADD COLUMN \"a\" integer,\n  ADD COLUMN \"b\" text"]
    );
    assert!(statements(&Plan::Nothing, &wanted, &owner()).is_empty());
}

#[test]
fn a_drop_never_cascades() {
    let wanted = wanted(vec![], &[]);
    assert_eq!(drop(&wanted.place), "DROP TABLE \"My \"\"Schema\"\"\".\"user\" RESTRICT");
    assert!(lock(&wanted.place).ends_with("IN ACCESS EXCLUSIVE MODE"));
}

proptest! {
    /// With quoted names and literals taken out, nothing is left that could end a statement or begin a
    /// comment.
    #[test]
    fn no_name_escapes_from_its_quotes(schema in "[^\0]{0,9}", table in "[^\0]{1,9}", name in "[^\0]{1,9}", own in ".{0,9}") {
        let mut wanted = wanted(vec![column(&quote(&name), "integer", false)], &[]);
        wanted.place = Place { schema, name: table, shown: String::new() };
        wanted.primary_key = vec![wanted.columns[0].name.clone()];
        let owner = Owner { cluster: own.clone(), namespace: own.clone(), name: own.clone(), uid: own };
        let frame = ["CREATE TABLE . (\n   integer,\n  PRIMARY KEY ()\n)", "COMMENT ON TABLE . IS "];
        let emitted = statements(&Plan::Create, &wanted, &owner);
        let bare: Vec<_> = emitted.iter().map(|statement| outside_quotes(statement)).collect();
        prop_assert_eq!(bare[0].as_str(), frame[0]);
        prop_assert_eq!(bare[1].trim_end_matches('E'), frame[1]);
    }
}

/// What a lexer sees outside `"…"`, `'…'` and `E'…'`.
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
