use super::*;
use crate::{
    catalog::{Head, PgTypeId, Place, RelationKind, UniqueIndex, Weight},
    forms::Form,
    identifier::Identifier,
    spec::{ColumnSettings, Expression, Identity},
    types::ResolvedType,
};
use std::collections::{BTreeMap, BTreeSet};

const INTEGER: u32 = 23;

fn wanted(settings: ColumnSettings) -> ResolvedTable {
    let expression = settings.default.as_ref().map(|default| format!("({default})"));
    let column = ResolvedColumn {
        name: Identifier::parse("a").unwrap(),
        type_: ResolvedType {
            id: PgTypeId { oid: INTEGER, typmod: -1 },
            serial: false,
            name: "integer".into(),
        },
        form: Form { expression, collation: None },
        settings,
    };
    let place = Place { schema: "public".into(), name: "t".into(), qualified: "public.t".into() };
    ResolvedTable {
        place,
        columns: vec![column],
        primary_key: Vec::new(),
        indexes: Vec::new(),
        creates_schema: false,
    }
}

fn relation(detail: ColumnDetail, checks: &[&str]) -> Relation {
    let column = CatalogColumn {
        name: "a".into(),
        type_id: PgTypeId { oid: INTEGER, typmod: -1 },
        type_name: "integer".into(),
        serial: false,
        generated: if detail.identity == Some(Identity::Always) {
            Generated::Identity
        } else {
            Generated::No
        },
    };
    let details = Details {
        checks: checks.iter().map(ToString::to_string).collect(),
        columns: BTreeMap::from([("a".to_owned(), detail)]),
        ..Details::default()
    };
    Relation {
        head: Head { oid: 1, kind: RelationKind::Table, comment: None, stranger: None },
        columns: vec![column],
        key: None,
        has_identity: false,
        details: Some(details),
    }
}

fn owned(settings: &[Setting]) -> FromSpec {
    let settings: BTreeSet<_> = settings.iter().copied().collect();
    FromSpec {
        columns: ["a".to_owned()].into(),
        settings: [("a".to_owned(), settings)].into(),
        ..FromSpec::default()
    }
}

/// What is done, in words.
fn told(
    settings: ColumnSettings,
    detail: &ColumnDetail,
    earlier: &[Setting],
    checks: &[&str],
) -> Vec<String> {
    let indexes = FoundIndexes::default();
    let differences =
        compare(&wanted(settings), &relation(detail.clone(), checks), &owned(earlier), &indexes);
    let changes = differences.changes.iter().map(ToString::to_string);
    let steps = differences.steps.iter().flat_map(|step| step.query.iter().chain(&step.statements).cloned());
    let refused =
        differences.refused.into_iter().map(|(change, held)| format!("{change}: {}", joined(&held)));
    changes.chain(steps).chain(refused).collect()
}

fn joined(held: &[Held]) -> String {
    held.iter().map(|held| held.statement.as_str()).collect::<Vec<_>>().join("; ")
}

fn index(name: &str, is_valid: bool, constraint: bool) -> UniqueIndex {
    UniqueIndex {
        name: name.into(),
        is_valid,
        is_key: false,
        is_identity: false,
        is_plain: true,
        constraint: constraint.then(|| name.to_owned()),
    }
}

#[test]
fn what_the_spec_does_not_say_is_left_unless_an_earlier_one_has_set_it() {
    let detail = ColumnDetail {
        not_null: true,
        expression: Some("5".into()),
        comment: Some("c".into()),
        unique: vec![index("u", true, true)],
        ..ColumnDetail::default()
    };
    assert_eq!(told(ColumnSettings::default(), &detail, &[], &[]), [""; 0]);
    let all = [Setting::NotNull, Setting::Default, Setting::Unique, Setting::Comment];
    assert_eq!(
        told(ColumnSettings::default(), &detail, &all, &[]),
        [
            "default of column \"a\", dropped",
            "NOT NULL of column \"a\", dropped",
            "constraint \"u\" of column \"a\", dropped",
            "comment of column \"a\"",
        ]
    );
}

#[test]
fn what_the_spec_says_is_compared_with_the_catalog() {
    let none = ColumnDetail::default();
    let five = Some(DefaultValue::Number("5".into()));
    let said = || ColumnSettings {
        default: five.clone(),
        nullable: Some(true),
        comment: Some("c".into()),
        ..ColumnSettings::default()
    };
    assert_eq!(told(said(), &none, &[], &[]), ["default of column \"a\", now 5", "comment of column \"a\""]);
    let same =
        ColumnDetail { expression: Some("(5)".into()), comment: Some("c".into()), ..ColumnDetail::default() };
    assert_eq!(told(said(), &same, &[], &[]), [""; 0]);
    let nothing = ColumnSettings {
        default: Some(DefaultValue::Null),
        comment: Some(String::new()),
        ..ColumnSettings::default()
    };
    assert_eq!(
        told(nothing, &same, &[], &[]),
        ["default of column \"a\", dropped", "comment of column \"a\""]
    );
}

#[test]
fn not_null_goes_on_where_an_attempt_has_stopped() {
    let strict = || ColumnSettings { nullable: Some(false), ..ColumnSettings::default() };
    let query = "SELECT FROM \"public\".\"t\" WHERE \"a\" IS NULL LIMIT 1";
    let alter = |what: &str| format!("ALTER TABLE \"public\".\"t\" {what}");
    let add = alter("ADD CONSTRAINT \"korf_a_not_null\" CHECK (\"a\" IS NOT NULL) NOT VALID");
    let rest = [
        alter("VALIDATE CONSTRAINT \"korf_a_not_null\""),
        alter("ALTER COLUMN \"a\" SET NOT NULL"),
        alter("DROP CONSTRAINT \"korf_a_not_null\""),
    ];
    let none = ColumnDetail::default();
    let whole: Vec<_> = [query.to_owned(), add].into_iter().chain(rest.clone()).collect();
    assert_eq!(told(strict(), &none, &[], &[]), whole);
    let left: Vec<_> = [query.to_owned()].into_iter().chain(rest).collect();
    assert_eq!(told(strict(), &none, &[], &["korf_a_not_null"]), left);
    // PostgreSQL 18.
    let unproven =
        ColumnDetail { not_null: true, unproven: Some("theirs".into()), ..ColumnDetail::default() };
    let mut native = relation(unproven, &[]);
    native.details.as_mut().unwrap().has_native_not_null = true;
    let steps = compare(&wanted(strict()), &native, &owned(&[]), &FoundIndexes::default()).steps;
    assert_eq!(steps[1].statements, [alter("VALIDATE CONSTRAINT \"theirs\"")]);
    assert_eq!((steps.len(), &steps[1].undo), (2, &None), "somebody's own isn't dropped");
    // It is no longer asked for.
    let done = ColumnDetail { not_null: true, ..ColumnDetail::default() };
    assert_eq!(
        told(ColumnSettings::default(), &none, &[Setting::NotNull], &["korf_a_not_null"]),
        [
            "validation of constraint \"korf_a_not_null\", given up",
            "constraint \"korf_a_not_null\" of column \"a\", dropped"
        ]
    );
    assert_eq!(told(strict(), &done, &[], &[]), [""; 0]);
}

#[test]
fn an_index_of_no_use_is_dropped_and_built_again() {
    let unique = || ColumnSettings { unique: true, ..ColumnSettings::default() };
    let build = "CREATE UNIQUE INDEX CONCURRENTLY \"t_a_key\" ON \"public\".\"t\" (\"a\")";
    let drop = "DROP INDEX CONCURRENTLY IF EXISTS \"public\".\"t_a_key\"";
    let attach = "ALTER TABLE \"public\".\"t\" ADD CONSTRAINT \"t_a_key\" UNIQUE USING INDEX \"t_a_key\"";
    for (indexes, steps) in [
        (vec![], vec![build, attach]),
        (vec![index("t_a_key", false, false)], vec![drop, build, attach]),
        (vec![index("theirs", false, false)], vec![build, attach]),
        (vec![index("theirs", true, false)], vec![]),
    ] {
        let detail = ColumnDetail { unique: indexes, ..ColumnDetail::default() };
        assert_eq!(told(unique(), &detail, &[], &[]), steps);
    }
    let built = ColumnDetail {
        unique: vec![index("t_a_key", true, false), index("theirs", true, false)],
        ..ColumnDetail::default()
    };
    assert_eq!(told(ColumnSettings::default(), &built, &[Setting::Unique], &[]), [drop]);
}

#[test]
fn an_index_whose_build_was_the_end_of_an_attempt_becomes_the_constraint() {
    let unique = || ColumnSettings { unique: true, ..ColumnSettings::default() };
    let attach = "ALTER TABLE \"public\".\"t\" ADD CONSTRAINT \"t_a_key\" UNIQUE USING INDEX \"t_a_key\"";
    let built = || index("t_a_key", true, false);
    let theirs = UniqueIndex { is_plain: false, ..built() };
    for (index, earlier, steps) in [
        (built(), vec![Setting::Unique], vec![attach]),
        (index("t_a_key", true, true), vec![Setting::Unique], vec![]),
        (built(), vec![], vec![]),
        (theirs, vec![Setting::Unique], vec![]),
    ] {
        let detail = ColumnDetail { unique: vec![index], ..ColumnDetail::default() };
        assert_eq!(told(unique(), &detail, &earlier, &[]), steps, "{detail:?}, {earlier:?}");
    }
}

#[test]
fn where_values_come_from_is_not_changed_but_shown() {
    let by = |values| ColumnSettings { values, ..ColumnSettings::default() };
    let none = ColumnDetail::default();
    let always = ColumnDetail { not_null: true, identity: Some(Identity::Always), ..ColumnDetail::default() };
    for (settings, detail, earlier, expected) in [
        (
            by(Values::Identity(Identity::Always)),
            &none,
            vec![],
            "column \"a\" isn't an identity column, but it is in the spec: ALTER TABLE \"public\".\"t\"\n  ALTER COLUMN \"a\" SET NOT NULL,\n  \
             ALTER COLUMN \"a\" ADD GENERATED ALWAYS AS IDENTITY; SELECT setval(pg_get_serial_sequence('\"public\".\"t\"', 'a'), \
             GREATEST(max(\"a\"), 0) + 1, false) FROM \"public\".\"t\"",
        ),
        (
            by(Values::Identity(Identity::ByDefault)),
            &always,
            vec![],
            "identity of column \"a\", now BY DEFAULT",
        ),
        (
            ColumnSettings::default(),
            &always,
            vec![Setting::Identity],
            "column \"a\" is an identity column, but not in the spec: ALTER TABLE \"public\".\"t\" ALTER COLUMN \"a\" DROP IDENTITY",
        ),
        (
            by(Values::Generated(Expression::parse("b+1").unwrap())),
            &none,
            vec![],
            "column \"a\" is plain, but generated by b + 1 in the spec: ALTER TABLE \"public\".\"t\" DROP COLUMN \"a\"; ALTER TABLE \"public\".\"t\" \
             ADD COLUMN \"a\" integer GENERATED ALWAYS AS (b + 1) STORED",
        ),
    ] {
        assert_eq!(told(settings, detail, &earlier, &[]), [expected]);
    }
    assert_eq!(told(ColumnSettings::default(), &always, &[], &[]), [""; 0], "somebody has made it one");
}

#[test]
fn what_goes_through_many_rows_is_held_back() {
    const TEXT: u32 = 25;
    const VARCHAR: u32 = 1043;
    const DOMAIN: u32 = 99_999;
    let weight = |bytes| Weight {
        bytes,
        remade: [("a".to_owned(), vec!["index i".to_owned(), "constraint c".to_owned()])].into(),
        written: [DOMAIN].into(),
        ..Weight::default()
    };
    let of_type = |name: &str, oid, type_: &str| {
        let mut column = wanted(ColumnSettings::default()).columns.remove(0);
        column.name = Identifier::parse(name).unwrap();
        column.type_ = ResolvedType { id: PgTypeId { oid, typmod: -1 }, serial: false, name: type_.into() };
        column
    };
    let spec = |columns| ResolvedTable { columns, ..wanted(ColumnSettings::default()) };
    let found = |bytes| {
        let mut found = relation(ColumnDetail::default(), &[]);
        found.columns[0].type_id.oid = VARCHAR;
        found.details.as_mut().unwrap().weight = weight(bytes);
        found
    };
    let differences =
        |columns, bytes| compare(&spec(columns), &found(bytes), &owned(&[]), &FoundIndexes::default());
    let wider = || vec![of_type("a", TEXT, "text")];
    let domain = || vec![of_type("a", VARCHAR, "character varying"), of_type("m", DOMAIN, "mail")];
    let plain = || vec![of_type("a", VARCHAR, "character varying"), of_type("m", TEXT, "text")];
    let (small, large) = (128 << 20, 129 << 20);
    for (columns, bytes) in [(wider(), small), (domain(), small), (plain(), large)] {
        let differences = differences(columns, bytes);
        assert_eq!((differences.changes.len(), differences.refused.len()), (1, 0), "{differences:?}");
    }
    for (columns, expected) in [
        (
            wider(),
            "column \"a\" would get a wider type, for which index i, constraint c would be made again, and nobody could read the \
             table while its 129 MiB are gone through: ALTER TABLE \"public\".\"t\" ALTER COLUMN \"a\" TYPE text",
        ),
        (
            domain(),
            "column \"m\" would be checked against its domain, or filled by it, in each row, and nobody could read the table while \
             its 129 MiB are written again: ALTER TABLE \"public\".\"t\" ADD COLUMN \"m\" mail",
        ),
    ] {
        assert!(needs_weight(&spec(columns.clone()), &found(large)));
        let refused = differences(columns, large).refused;
        let [(change, held)] = &refused[..] else { panic!("{refused:?}") };
        assert_eq!(format!("{change}: {}", joined(held)), expected);
    }
    assert!(!needs_weight(&spec(plain()), &found(large)));
}

#[test]
fn a_longer_integer_is_done_where_all_that_is_gone_through_is_little() {
    const BIGINT: u32 = 20;
    let mut longer = wanted(ColumnSettings::default());
    longer.columns[0].type_ =
        ResolvedType { id: PgTypeId { oid: BIGINT, typmod: -1 }, serial: false, name: "bigint".into() };
    let key = |bytes| [("a".to_owned(), vec![("foreign key k".to_owned(), bytes)])];
    let sequence = |oid| [("a".to_owned(), ("public.s".to_owned(), PgTypeId { oid, typmod: -1 }))];
    let alter = "ALTER TABLE \"public\".\"t\" ALTER COLUMN \"a\" TYPE bigint";
    for (bytes, foreign, of, done, held_back) in [
        (1, 0, INTEGER, 2, vec![]),
        (1, 0, BIGINT, 1, vec![]),
        (100 << 20, 28 << 20, BIGINT, 1, vec![]),
        (129 << 20, 0, INTEGER, 0, vec![alter, "ALTER SEQUENCE public.s AS bigint"]),
        (100 << 20, 29 << 20, BIGINT, 0, vec![alter]),
    ] {
        let mut found = relation(ColumnDetail::default(), &[]);
        let (foreign, sequences) = (key(foreign).into(), sequence(of).into());
        found.details.as_mut().unwrap().weight = Weight { bytes, foreign, sequences, ..Weight::default() };
        let differences = compare(&longer, &found, &owned(&[]), &FoundIndexes::default());
        assert_eq!(differences.changes.len(), done, "{differences:?}");
        let statements: Vec<_> =
            differences.refused.iter().flat_map(|(_, held)| held).map(|held| &held.statement).collect();
        assert_eq!(statements, held_back);
    }
}
