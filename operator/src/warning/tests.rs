use super::*;
use crate::{
    catalog::{CatalogColumn, Head, Key, PgTypeId, Place, Relation, RelationKind},
    forms::Form,
    spec::ColumnSettings,
    types::ResolvedColumn,
};
use serde_json::json;

const TIMESTAMP: u32 = 1114;

fn resolved(asked: &Table, oid: u32, typmod: i32, kept: &str) -> ResolvedTable {
    let type_ = ResolvedType { id: PgTypeId { oid, typmod }, serial: false, name: kept.into() };
    ResolvedTable {
        place: Place { schema: "public".into(), name: "t".into(), qualified: "public.t".into() },
        columns: vec![ResolvedColumn {
            name: asked.columns[0].name.clone(),
            type_,
            settings: ColumnSettings::default(),
            form: Form::default(),
        }],
        primary_key: Vec::new(),
        indexes: Vec::new(),
        creates_schema: false,
    }
}

fn asked(type_: &str) -> Table {
    Table::from_spec(Some(&json!({"tableName": "t", "columns": [{"A": type_}]}))).unwrap()
}

fn texts(asked: &Table, wanted: &ResolvedTable, found: &Found) -> Vec<String> {
    warnings(asked, wanted, found).iter().map(ToString::to_string).collect()
}

#[test]
fn a_precision_that_is_cut_is_told_with_what_became_of_it() {
    for (text, typmod, is_cut) in [
        ("timestamp(9)", 6, true),
        ("timestamp(0x9)", 6, true),
        ("timestamp(6)", 6, false),
        ("timestamp(06)", 6, false),
        ("timestamp(3)", 3, false),
        ("timestamp", -1, false),
    ] {
        let asked = asked(text);
        let kept = "timestamp(6) without time zone";
        let told = texts(&asked, &resolved(&asked, TIMESTAMP, typmod, kept), &Found::default());
        let expected = format!(
            "column \"a\": the type \"{text}\" became {kept}, because PostgreSQL keeps at most 6 digits of a second"
        );
        assert_eq!(told, if is_cut { vec![expected] } else { vec![] }, "{text}");
    }
}

#[test]
fn publications_are_told_by_what_they_send() {
    let asked = asked("integer");
    let wanted = resolved(&asked, 23, -1, "integer");
    let publication = |name: &str, updates, deletes| Publication { name: name.into(), updates, deletes };
    for (publications, begin) in [
        (vec![publication("p", true, true)], "UPDATE and DELETE will fail, because publication \"p\" would"),
        (vec![publication("p", true, false)], "UPDATE will fail"),
        (vec![publication("p", false, true)], "DELETE will fail"),
        (
            vec![publication("p", false, true), publication("q", true, false)],
            "UPDATE and DELETE will fail, because publications \"p\", \"q\" would",
        ),
    ] {
        let told = texts(&asked, &wanted, &Found { publications, ..Found::default() });
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(begin), "{told:?}");
        assert!(told[0].contains("ALTER TABLE public.t REPLICA IDENTITY FULL"), "{told:?}");
    }
}

#[test]
fn an_identity_column_and_a_deferrable_key_are_told() {
    let asked = asked("integer");
    let column = |name: &str, generated| CatalogColumn {
        name: name.into(),
        type_id: PgTypeId { oid: 23, typmod: -1 },
        type_name: "integer".into(),
        serial: false,
        generated,
    };
    let relation = Relation {
        head: Head { oid: 1, kind: RelationKind::Table, comment: None, stranger: None },
        // The second one isn't in the spec.
        columns: vec![column("a", Generated::Identity), column("b", Generated::Identity)],
        key: Some(Key { constraint: "t_pkey".into(), columns: vec!["a".into()], form: KeyForm::Deferrable }),
        has_identity: false,
        details: None,
    };
    let found = Found { here: Some(relation), ..Found::default() };
    assert_eq!(
        texts(&asked, &resolved(&asked, 23, -1, "integer"), &found),
        [
            "column \"a\" is GENERATED ALWAYS AS IDENTITY, so an INSERT that gives it a value fails",
            "the primary key is DEFERRABLE, so ON CONFLICT and foreign keys can't use it",
        ]
    );
}
