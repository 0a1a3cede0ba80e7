mod adoption;
mod indexes;
mod key;
mod ownership;

use super::*;
use crate::{
    catalog::{
        CatalogColumn, CatalogIndex, ColumnDetail, Details, Generated, Head, Key, KeyForm, PgTypeId,
        UniqueIndex,
    },
    forms::Form,
    spec::{ColumnSettings, Method},
    types::ResolvedType,
};

const INT: u32 = 23;
const VARCHAR: u32 = 1043;

fn owner(name: &str) -> Owner {
    Owner { cluster: "c".into(), namespace: "shop".into(), name: name.into(), uid: "u".into() }
}

fn claim(name: &str, columns: &[&str]) -> Claim {
    let columns = columns.iter().map(ToString::to_string).collect();
    Claim { columns, ..Claim::new(owner(name)) }
}

fn type_name(oid: u32) -> &'static str {
    if oid == INT { "integer" } else { "character varying" }
}

fn wanted(columns: &[(&str, u32)], key: &[&str]) -> ResolvedTable {
    let resolved = |&(name, oid): &(&str, u32)| ResolvedColumn {
        name: Identifier::parse(name).unwrap(),
        type_: ResolvedType { id: PgTypeId { oid, typmod: -1 }, serial: false, name: type_name(oid).into() },
        settings: ColumnSettings::default(),
        form: Form::default(),
    };
    ResolvedTable {
        place: Place { schema: "public".into(), name: "users".into(), qualified: "public.users".into() },
        columns: columns.iter().map(resolved).collect(),
        primary_key: key.iter().map(|name| Identifier::parse(name).unwrap()).collect(),
        indexes: Vec::new(),
        creates_schema: false,
    }
}

fn table(columns: &[(&str, u32)], key: &[&str], marked: Option<Owner>) -> Found {
    let column = |&(name, oid): &(&str, u32)| CatalogColumn {
        name: name.into(),
        type_id: PgTypeId { oid, typmod: -1 },
        type_name: type_name(oid).into(),
        serial: false,
        generated: Generated::No,
    };
    let comment = marked.map(|owner| owner.mark_comment(None, &names(columns)));
    let relation = Relation {
        head: Head { oid: 1, kind: RelationKind::Table, comment, stranger: None },
        columns: columns.iter().map(column).collect(),
        key: plain_key(key),
        has_identity: !key.is_empty(),
        details: None,
    };
    Found { here: Some(relation), ..Found::default() }
}

fn names(columns: &[(&str, u32)]) -> FromSpec {
    FromSpec::of_columns(columns.iter().map(|(name, _)| (*name).to_owned()).collect())
}

/// Puts a line with these columns into the comment.
fn mark(found: &mut Found, columns: &[(&str, u32)]) {
    found.here.as_mut().unwrap().head.comment = Some(owner("a").mark_comment(None, &names(columns)));
}

/// Takes the columns out of the line, as an earlier operator wrote it.
fn forget_columns(found: &mut Found) {
    let comment = &mut found.here.as_mut().unwrap().head.comment;
    *comment = Some(format!("{}\"}}", owner("a").needle() + "\"u"));
}

fn plain_key(columns: &[&str]) -> Option<Key> {
    let columns: Vec<_> = columns.iter().map(ToString::to_string).collect();
    (!columns.is_empty()).then_some(Key { constraint: "users_pkey".into(), columns, form: KeyForm::Plain })
}

/// The plan for the object `a`, whose spec has had the columns `a`, `b`, `c` and `B`.
fn found_index(name: &str, column: &str) -> CatalogIndex {
    CatalogIndex {
        name: name.into(),
        columns: vec![column.into()],
        unique: false,
        method: "btree".into(),
        is_plain: true,
        is_valid: true,
        is_of_constraint: false,
        is_identity: false,
    }
}

fn planned(wanted: ResolvedTable, found: &Found) -> Result<Plan, PlanError> {
    plan(wanted, found, &claim("a", &["a", "b", "c", "B"]))
}

fn changes(wanted: ResolvedTable, found: &Found) -> Vec<Change> {
    planned(wanted, found).unwrap().changes
}

fn added(changes: &[Change]) -> Vec<String> {
    let name = |change: &Change| match change {
        Change::AddColumn(column) => column.name.to_string(),
        other => panic!("{other:?}"),
    };
    changes.iter().map(name).collect()
}

fn rejection(wanted: ResolvedTable, found: &Found) -> String {
    planned(wanted, found).expect_err("rejected").to_string()
}

#[test]
fn a_missing_table_is_created_with_its_owner_in_the_comment() {
    let wanted = wanted(&[("a", INT)], &[]);
    let expected = Plan {
        table: wanted.clone(),
        changes: vec![Change::CreateTable],
        steps: vec![],
        owned: names(&[("a", INT)]),
        comment: Some(owner("a").mark_comment(None, &names(&[("a", INT)]))),
        takes_over: false,
        adoption: None,
        extra_columns: vec![],
    };
    assert_eq!(planned(wanted, &Found::default()), Ok(expected));
}

#[test]
fn the_same_columns_in_any_order_are_no_change() {
    let found = table(&[("a", INT), ("b", VARCHAR)], &["a"], Some(owner("a")));
    for columns in [[("a", INT), ("b", VARCHAR)], [("b", VARCHAR), ("a", INT)]] {
        let plan = planned(wanted(&columns, &["a"]), &found).unwrap();
        assert_eq!((plan.changes, plan.comment, plan.takes_over), (vec![], None, false));
    }
}

#[test]
fn new_columns_are_added_in_the_order_of_the_spec() {
    let found = table(&[("b", INT)], &[], Some(owner("a")));
    let wanted = wanted(&[("c", INT), ("b", INT), ("\"B\"", INT), ("a", VARCHAR)], &[]);
    assert_eq!(added(&changes(wanted, &found)), ["\"c\"", "\"B\"", "\"a\""]);
}

#[test]
fn all_removed_and_changed_columns_are_named_in_the_error() {
    let found = table(&[("a", INT), ("b", INT), ("c", INT), ("B", INT)], &["a"], Some(owner("a")));
    let message = rejection(wanted(&[("a", INT), ("b", VARCHAR), ("new", INT)], &["b"]), &found);
    for part in [
        "public.users is aborted and nothing was changed",
        "\"b\" has the type integer, but character varying in the spec",
        "\"c\" is in the table but not in the spec",
        "\"B\" is in the table but not in the spec",
        "the primary key is (\"a\"), but (\"b\") in the spec",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!message.contains("new"), "{message}");
}

#[test]
fn a_column_that_was_never_in_the_spec_is_left_alone() {
    let mut found = table(&[("a", INT), ("audit", INT), ("B", INT)], &[], Some(owner("a")));
    mark(&mut found, &[("a", INT)]);
    let small = || wanted(&[("a", INT)], &[]);
    let known = claim("a", &["a"]);
    let unchanged = plan(small(), &found, &known).unwrap();
    assert_eq!(unchanged.changes, []);
    assert_eq!(unchanged.extra_columns, ["audit", "B"]);
    let extended = plan(wanted(&[("a", INT), ("b", INT)], &[]), &found, &known).unwrap();
    assert_eq!(added(&extended.changes), ["\"b\""]);
    let error =
        plan(small(), &found, &claim("a", &["a", "audit"])).expect_err("audit was in the spec").to_string();
    assert!(error.contains("\"audit\"") && !error.contains("\"B\""), "{error}");
}

#[test]
fn a_removed_column_that_only_the_comment_names_is_removed() {
    let mut found = table(&[("a", INT), ("b", INT), ("audit", INT)], &[], Some(owner("a")));
    mark(&mut found, &[("a", INT), ("b", INT)]);
    let lost = claim("a", &[]);
    let error = plan(wanted(&[("a", INT)], &[]), &found, &lost).unwrap_err().to_string();
    assert!(
        error.contains("\"b\" is in the table but not in the spec") && !error.contains("audit"),
        "{error}"
    );
    forget_columns(&mut found);
    assert_eq!(found.here.as_ref().unwrap().head.owner(), Some(owner("a")));
    assert_eq!(plan(wanted(&[("a", INT)], &[]), &found, &lost).unwrap().comment, None);
}

#[test]
fn the_comment_names_the_columns_of_the_spec_after_each_change() {
    let ab = [("a", INT), ("b", INT)];
    let comment =
        |found: &Found, columns: &[(&str, u32)]| planned(wanted(columns, &[]), found).unwrap().comment;
    let marked = |columns: &[(&str, u32)]| Some(owner("a").mark_comment(None, &names(columns)));
    let mut found = table(&[("a", INT)], &[], Some(owner("a")));
    assert_eq!(comment(&found, &[("a", INT)]), None);
    assert_eq!(comment(&found, &ab), marked(&ab), "a column is added");
    forget_columns(&mut found);
    assert_eq!(comment(&found, &[("a", INT)]), None, "it isn't worth a lock");
    assert_eq!(comment(&found, &ab), marked(&ab), "a line of before");
    // Somebody has dropped b, and it is no longer in the spec: if somebody adds it, it is somebody's.
    mark(&mut found, &ab);
    assert_eq!(comment(&found, &[("a", INT)]), marked(&[("a", INT)]));
    // Somebody has added b, and now it is in the spec, too.
    let mut found = table(&ab, &[], Some(owner("a")));
    mark(&mut found, &[("a", INT)]);
    assert_eq!(comment(&found, &ab), marked(&ab));
}

#[test]
fn a_different_modifier_is_a_different_type() {
    let mut found = table(&[("a", VARCHAR)], &[], Some(owner("a")));
    found.here.as_mut().unwrap().columns[0].type_id.typmod = -1;
    let mut shorter = wanted(&[("a", VARCHAR)], &[]);
    shorter.columns[0].type_.id.typmod = 54;
    assert!(rejection(shorter, &found).contains("\"a\" has the type"));
}

#[test]
fn a_serial_column_needs_a_sequence_and_an_integer_may_have_one() {
    let mut found = table(&[("a", INT)], &[], Some(owner("a")));
    let mut with_sequence = wanted(&[("a", INT)], &[]);
    with_sequence.columns[0].type_.serial = true;
    assert!(
        rejection(with_sequence.clone(), &found).contains("has the type integer, but serial in the spec")
    );
    found.here.as_mut().unwrap().columns[0].serial = true;
    assert_eq!(changes(with_sequence, &found), []);
    assert_eq!(changes(wanted(&[("a", INT)], &[]), &found), []);
}

#[test]
fn a_column_that_can_not_be_written_is_not_the_column_of_the_spec() {
    for (by, shown) in [
        (Generated::No, None),
        (Generated::Identity, None),
        (Generated::Stored, Some("column \"b\" is generated (STORED) and can't be written")),
        (Generated::Virtual, Some("column \"b\" is generated (VIRTUAL) and can't be written")),
    ] {
        let mut found = table(&[("a", INT), ("b", INT), ("extra", INT)], &[], Some(owner("a")));
        mark(&mut found, &[("a", INT), ("b", INT)]);
        found.here.as_mut().unwrap().columns[1].generated = by;
        // What isn't in the spec may be anything.
        found.here.as_mut().unwrap().columns[2].generated = Generated::Virtual;
        let message =
            planned(wanted(&[("a", INT), ("b", INT)], &[]), &found).err().map(|error| error.to_string());
        assert_eq!(message.is_some(), shown.is_some(), "{by:?}");
        assert!(message.unwrap_or_default().contains(shown.unwrap_or_default()), "{by:?}");
    }
}
