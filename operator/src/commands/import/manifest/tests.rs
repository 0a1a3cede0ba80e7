use super::*;
use crate::catalog::{Details, Head, Key, PgTypeId, RelationKind};

fn found(name: &str, type_name: &str) -> CatalogColumn {
    CatalogColumn {
        name: name.into(),
        type_id: PgTypeId { oid: 25, typmod: -1 },
        type_name: type_name.into(),
        serial: false,
        generated: Generated::No,
    }
}

fn yaml(columns: Vec<(CatalogColumn, ColumnDetail)>, key: Option<Key>, indexes: &[CatalogIndex]) -> String {
    let details = columns.iter().map(|(column, detail)| (column.name.clone(), detail.clone())).collect();
    let relation = Relation {
        head: Head { oid: 1, kind: RelationKind::Table, comment: None, stranger: None },
        columns: columns.into_iter().map(|(column, _)| column).collect(),
        key,
        has_identity: true,
        details: Some(Details { columns: details, ..Details::default() }),
    };
    Manifest::of("Users", &relation, indexes, &mut Names::default()).yaml().unwrap()
}

fn with(change: impl FnOnce(&mut ColumnDetail)) -> ColumnDetail {
    let mut detail = ColumnDetail::default();
    change(&mut detail);
    detail
}

#[test]
fn a_manifest_says_what_a_spec_can_say_and_tells_the_rest() {
    let id = CatalogColumn { serial: true, ..found("id", "bigint") };
    let of = |text: &str| with(|detail| detail.expression = Some(text.into()));
    let columns = vec![
        (
            id,
            with(|detail| {
                (detail.not_null, detail.expression) = (true, Some("nextval('s'::regclass)".into()))
            }),
        ),
        (found("name", "character varying(50)"), with(|detail| detail.not_null = true)),
        (found("state", "text"), of("'it''s new'::text")),
        (found("at", "timestamp with time zone"), of("now()")),
        (found("odd", "text"), of("upper('x'::text)")),
        // As some libraries write it.
        (found("nick", "character varying(9)"), of("NULL::character varying")),
        (CatalogColumn { generated: Generated::Virtual, ..found("now", "integer") }, of("id + 1")),
        (CatalogColumn { generated: Generated::Stored, ..found("first", "text") }, of("$1")),
        (found("strange", "\"a--b\""), ColumnDetail::default()),
    ];
    let key = Key { columns: vec!["id".into()], form: KeyForm::Plain, constraint: "users_pkey".into() };
    let by_name = CatalogIndex {
        name: "by_name".into(),
        columns: vec!["name".into()],
        unique: true,
        method: "btree".into(),
        is_plain: true,
        is_valid: true,
        is_of_constraint: false,
        is_identity: false,
    };
    let indexes = [
        CatalogIndex { name: "bloomy".into(), method: "bloom".into(), ..by_name.clone() },
        CatalogIndex { name: "broken".into(), is_valid: false, ..by_name.clone() },
        CatalogIndex { name: "of_now".into(), columns: vec!["now".into()], ..by_name.clone() },
        CatalogIndex { name: "partial".into(), is_plain: false, ..by_name.clone() },
        by_name,
    ];
    let yaml = yaml(columns, Some(key), &indexes);
    let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(
        read["spec"],
        serde_json::json!({
            "tableName": "\"Users\"",
            "adoptionPolicy": "IfCompatible",
            "deletionPolicy": "Retain",
            "columns": [
                {"id": "bigserial"},
                {"name": {"type": "character varying(50)", "nullable": false}},
                {"state": {"type": "text", "default": "'it''s new'"}},
                {"at": {"type": "timestamp with time zone", "default": "now()"}},
                {"odd": "text"},
                {"nick": "character varying(9)"},
            ],
            "primaryKey": ["id"],
            "indexes": [{"name": "by_name", "columns": ["name"], "unique": true}],
        })
    );
    let comments: Vec<_> = yaml.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(
        comments,
        [
            "# column \"odd\" keeps its default, upper('x'::text)",
            "# column \"now\" is left alone, because a spec can't say it: it is computed when it is read",
            "# column \"first\" is left alone, because a spec can't say it: the expression contains '$', which isn't allowed: write one expression of columns, strings, numbers, operators and functions",
            "# column \"strange\" is left alone, because a spec can't say it: its type \"\\\"a--b\\\"\" contains a comment (-- or /*), which isn't allowed",
            "# index \"bloomy\" is left alone: a spec has no method bloom",
            "# index \"broken\" is left alone: it isn't valid: its build has ended early, or isn't over",
            "# index \"of_now\" is left alone: its column \"now\" isn't in the spec",
            "# index \"partial\" is left alone: it isn't one of columns alone",
        ]
    );
}

#[test]
fn whatever_a_database_says_is_a_value_or_stays_in_a_comment() {
    let evil = "x\n---\rapiVersion: v1\u{85}kind: Secret\u{2028}# \u{7} \\ ' \" : {[ ";
    let names =
        ["n", "y", "No", "null", "1_000", "0x1F", "12:30", "2026-01-01", "=", "<<", "~", "a b", "- a", evil];
    let mut columns: Vec<_> = names.map(|name| (found(name, "text"), ColumnDetail::default())).into();
    columns.push((found("odd", "text"), with(|detail| detail.expression = Some(format!("upper({evil})")))));
    let said = with(|detail| {
        detail.comment = Some(format!(" {evil}\n "));
        detail.collation = Some(evil.into());
    });
    columns.push((found("said", "text"), said));
    columns.push((found("typed", evil), ColumnDetail::default()));
    columns.push((
        CatalogColumn { generated: Generated::Virtual, ..found(evil, "text") },
        ColumnDetail::default(),
    ));
    let index = CatalogIndex {
        name: evil.into(),
        columns: vec![evil.into()],
        unique: true,
        method: "btree".into(),
        is_plain: false,
        is_valid: true,
        is_of_constraint: false,
        is_identity: false,
    };
    let yaml = yaml(columns, None, &[index]);
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&yaml).unwrap();
    let [document] = &*documents else { panic!("{yaml}") };
    let columns = document["spec"]["columns"].as_array().unwrap();
    for (name, column) in names.iter().zip(columns) {
        let key = column.as_object().unwrap().keys().next().unwrap();
        assert_eq!(Identifier::parse(key).unwrap().as_str(), *name);
        let is_quoted = key.starts_with('"');
        assert!(is_quoted, "{name} is something else to YAML 1.1");
    }
    assert_eq!(columns[names.len() + 1]["said"]["comment"], format!(" {evil}\n "));
    let comments: Vec<_> = yaml.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(comments.len(), 4, "{yaml}");
    let is_plain = |letter: char| letter == '\n' || !letter.is_control() && letter != '\u{2028}';
    assert!(yaml.chars().all(is_plain), "{yaml}");
}

#[test]
fn a_collation_of_the_server_is_named_alone() {
    for (printed, spec) in [
        ("pg_catalog.\"C\"", "C"),
        ("app.\"de x\"", "\"app\".\"de x\""),
        ("pg_catalog.\"de-x-icu\"", "de-x-icu"),
    ] {
        assert_eq!(collation(printed), spec);
    }
}

#[test]
fn objects_have_names_that_kubernetes_allows_and_no_two_the_same() {
    let mut names = Names::default();
    let given = ["website_users", "Website Users", "_x_", "é", "website-users"].map(|table| names.of(table));
    assert_eq!(given, ["website-users", "website-users-2", "x", "table", "website-users-3"]);
}
