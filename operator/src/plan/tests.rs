mod adoption;
mod key;

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

#[test]
fn a_table_without_an_owner_or_of_another_object_is_left_alone() {
    let wanted = wanted(&[("a", INT)], &[]);
    assert!(
        rejection(wanted.clone(), &table(&[("a", INT)], &[], None))
            .contains("doesn't belong to a DatabaseTable")
    );
    let message = rejection(wanted.clone(), &table(&[("a", INT)], &[], Some(owner("b"))));
    assert!(message.contains("belongs to the DatabaseTable shop/b, so"), "{message}");
    let foreign = Owner { cluster: "other".into(), ..owner("a") };
    assert!(
        rejection(wanted.clone(), &table(&[("a", INT)], &[], Some(foreign)))
            .contains("shop/a in another cluster")
    );
}

#[test]
fn a_table_without_an_owner_is_not_the_objects_where_its_own_is_in_another_database() {
    let moved = Claim { table: Some("public.t".into()), is_elsewhere: true, ..claim("a", &["a"]) };
    for adoption in [AdoptionPolicy::Never, AdoptionPolicy::IfCompatible] {
        for found in [table(&[("a", 23)], &[], None), Found::default()] {
            let claim = Claim { adoption, ..moved.clone() };
            let error = plan(wanted(&[("a", 23)], &[]), &found, &claim).unwrap_err();
            assert_eq!(error, PlanError::Elsewhere { table: "public.t".into() });
        }
    }
}

#[test]
fn a_view_is_left_alone() {
    let mut found = table(&[("a", INT)], &[], None);
    found.here.as_mut().unwrap().head.kind = RelationKind::Other("a view");
    assert!(rejection(wanted(&[("a", INT)], &[]), &found).contains("public.users is a view, not a table"));
}

#[test]
fn a_new_table_name_is_rejected_whatever_has_that_name() {
    let elsewhere = vec!["public.old".to_owned()];
    let wanted = wanted(&[("a", INT)], &[]);
    for here in [None, table(&[("a", INT)], &[], None).here, table(&[("a", INT)], &[], Some(owner("b"))).here]
    {
        let message =
            rejection(wanted.clone(), &Found { here, elsewhere: elsewhere.clone(), ..Found::default() });
        assert!(message.contains("this object's table is public.old"), "{message}");
    }
}

#[test]
fn an_owner_restored_from_a_backup_takes_its_table_over() {
    let mut found = table(&[("a", INT)], &[], None);
    let before = Owner { uid: "before".into(), ..owner("a") }
        .mark_comment(Some("Who signed up."), &names(&[("a", INT)]));
    found.here.as_mut().unwrap().head.comment = Some(before.clone());
    let plan = planned(wanted(&[("a", INT), ("b", INT)], &[]), &found).unwrap();
    assert!(plan.takes_over);
    let line = owner("a").mark_comment(Some(&before), &names(&[("a", INT), ("b", INT)]));
    assert!(line.contains("\"uid\":\"u\",\"former\":[\"before\"]"), "{line}");
    assert_eq!(plan.comment, Some(line));
    assert_eq!(added(&plan.changes), ["\"b\""]);
}

fn place(qualified: &str) -> Place {
    let (schema, name) = qualified.split_once('.').unwrap();
    Place { schema: schema.into(), name: name.into(), qualified: qualified.into() }
}

#[test]
fn the_table_to_drop_is_the_one_in_the_status_or_the_only_one_or_the_one_in_the_spec() {
    let (t, copy, moved) = (place("public.t"), place("copy.t"), place("public.u"));
    let recorded = Some("public.t");
    for (marked, status, spec, dropped) in [
        (vec![], None, Some(&t), Some(None)),
        (vec![], recorded, Some(&t), Some(None)),
        (vec![&t], recorded, None, Some(Some(&t))),
        (vec![&copy, &t], recorded, None, Some(Some(&t))),
        (vec![&copy, &t], recorded, Some(&copy), Some(Some(&t))),
        // The status names none that exists: the only one, or the one in the spec.
        (vec![&moved], None, Some(&t), Some(Some(&moved))),
        (vec![&copy, &t], None, Some(&t), Some(Some(&t))),
        (vec![&copy, &t], None, None, None),
        (vec![&copy, &moved], None, Some(&t), None),
        // The one in the status lacks the line.
        (vec![&copy], recorded, Some(&t), None),
        (vec![&copy], recorded, Some(&copy), None),
    ] {
        let marked: Vec<_> = marked.into_iter().cloned().collect();
        let found = table_to_drop(&marked, status, spec);
        assert_eq!(found.clone().ok(), dropped.map(|place| place.cloned()), "{marked:?} {status:?} {spec:?}");
        let Err(error) = found else { continue };
        let text = error.to_string();
        assert!(marked.iter().all(|place| text.contains(&place.qualified)), "{text}");
        assert_eq!(text.contains("the status names public.t"), status.is_some(), "{text}");
    }
}

fn index_of(name: &str, column: &str) -> Index {
    let [name, column] = [name, column].map(|name| Identifier::parse(name).unwrap());
    Index { name, columns: vec![column], unique: false, method: Method::Btree }
}

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

#[test]
fn a_new_table_gets_its_indexes_and_its_schema_in_the_same_transaction() {
    let mut wanted = wanted(&[("a", INT)], &[]);
    wanted.indexes = vec![index_of("i", "a")];
    let missing = Found { lacks_schema: true, ..Found::default() };
    let error = planned(wanted.clone(), &missing).unwrap_err().to_string();
    assert_eq!(error, "the database has no schema \"public\": create it, or set spec.createSchema");
    wanted.creates_schema = true;
    let plan = planned(wanted.clone(), &missing).unwrap();
    let expected = [Change::CreateSchema, Change::CreateTable, Change::CreateIndex(index_of("i", "a"))];
    assert_eq!((&plan.changes[..], plan.steps.is_empty()), (&expected[..], true));
    assert!(plan.comment.unwrap().ends_with(",\"columns\":[\"a\"],\"indexes\":[\"i\"]}"));
    assert_eq!(planned(wanted, &Found::default()).unwrap().changes, expected[1..]);
}

#[test]
fn an_index_is_named_in_the_comment_before_it_is_made_and_until_it_is_gone() {
    let mut wanted = wanted(&[("a", INT)], &[]);
    let mut found = table(&[("a", INT)], &[], Some(owner("a")));
    let indexes_in =
        |comment: &str| marker::from_spec_in(comment).unwrap().indexes.into_iter().collect::<Vec<_>>();
    wanted.indexes = vec![index_of("i", "a")];
    let plan = planned(wanted.clone(), &found).unwrap();
    assert_eq!((plan.changes.len(), plan.steps.len()), (0, 1));
    assert_eq!(indexes_in(plan.comment.as_ref().unwrap()), ["i"]);

    found.here.as_mut().unwrap().head.comment = plan.comment;
    found.indexes.present = vec![found_index("i", "a")];
    let plan = planned(wanted.clone(), &found).unwrap();
    assert_eq!((plan.steps.len(), plan.comment), (0, None));

    wanted.indexes.clear();
    let plan = planned(wanted.clone(), &found).unwrap();
    assert_eq!((plan.steps.len(), plan.comment), (1, None), "still named");
    found.indexes.present.clear();
    let plan = planned(wanted, &found).unwrap();
    assert_eq!((plan.steps.len(), indexes_in(&plan.comment.unwrap()).len()), (0, 0));
}

#[test]
fn a_column_is_named_unique_in_the_comment_until_its_index_is_gone_and_its_build_is_ended() {
    let settings_in = |plan: &Plan| {
        let comment = plan.comment.as_ref().unwrap_or_else(|| panic!("{plan:?}"));
        marker::from_spec_in(comment).unwrap().settings.len()
    };
    let mut found = table(&[("a", INT)], &[], Some(owner("a")));
    let was_unique =
        FromSpec { settings: [("a".to_owned(), [Setting::Unique].into())].into(), ..names(&[("a", INT)]) };
    let unique = |name: &str| UniqueIndex {
        name: name.into(),
        is_valid: false,
        is_plain: true,
        is_key: false,
        constraint: None,
    };
    let here = found.here.as_mut().unwrap();
    here.head.comment = Some(owner("a").mark_comment(None, &was_unique));
    let detail = |unique| ColumnDetail { unique, ..ColumnDetail::default() };
    let with = |unique| Details { columns: [("a".to_owned(), detail(unique))].into(), ..Details::default() };
    for name in ["users_a_key", &ddl::unique_names("users", "a")[1]] {
        let here = found.here.as_mut().unwrap();
        here.details = Some(with(vec![unique(name), unique("theirs")]));
        found.indexes = FoundIndexes {
            present: vec![CatalogIndex { is_valid: false, unique: true, ..found_index(name, "a") }],
            building: vec![name.to_owned()],
            ..FoundIndexes::default()
        };
        // The build holds the lock that the comment needs.
        let plan = planned(wanted(&[("a", INT)], &[]), &found).unwrap();
        assert_eq!((&plan.changes[..], plan.steps.len()), (&[Change::CancelBuild(name.to_owned())][..], 1));
        assert!(plan.comment.is_none(), "still named: {plan:?}");
    }
    found.indexes = FoundIndexes::default();
    found.here.as_mut().unwrap().details = Some(with(vec![unique("theirs")]));
    let plan = planned(wanted(&[("a", INT)], &[]), &found).unwrap();
    assert_eq!((plan.steps.len(), settings_in(&plan)), (0, 0));
}

#[test]
fn an_index_of_a_new_table_has_no_name_that_a_constraint_of_it_gets() {
    for (name, key, unique) in [("users_pkey", true, false), ("users_a_key", false, true)] {
        for (is_asked, has_name) in [(true, true), (false, true), (true, false)] {
            let mut wanted = wanted(&[("a", INT)], if key && is_asked { &["a"] } else { &[] });
            wanted.columns[0].settings.unique = unique && is_asked;
            wanted.indexes = vec![index_of(if has_name { name } else { "i" }, "a")];
            let plan = planned(wanted, &Found::default());
            assert_eq!(plan.is_err(), is_asked && has_name, "{name}: {plan:?}");
            if let Err(error) = plan {
                let start = format!(
                    "index \"{name}\" can't be built on table public.users: its primary key or a UNIQUE"
                );
                assert!(error.to_string().starts_with(&start), "{error}");
            }
        }
    }
}

#[test]
fn an_index_of_a_renamed_column_is_the_same_index() {
    let mut wanted = wanted(&[("b", INT)], &[]);
    wanted.columns[0].settings.renamed_from = Some(Identifier::parse("a").unwrap());
    wanted.indexes = vec![index_of("i", "b")];
    let mut found = table(&[("a", INT)], &[], Some(owner("a")));
    found.indexes.present = vec![found_index("i", "a")];
    let plan = planned(wanted, &found).unwrap();
    assert_eq!((plan.changes.len(), plan.steps.len()), (1, 0), "{plan:?}");
}

#[test]
fn no_step_is_taken_at_a_table_with_partitions() {
    let mut wanted = wanted(&[("a", INT)], &[]);
    wanted.indexes = vec![index_of("i", "a")];
    let mut found = table(&[("a", INT)], &[], Some(owner("a")));
    found.here.as_mut().unwrap().head.kind = RelationKind::Partitioned;
    let error = planned(wanted.clone(), &found).unwrap_err().to_string();
    assert!(error.contains("has partitions, so its indexes can't be built"), "{error}");
    found.indexes.present = vec![found_index("i", "a")];
    assert!(planned(wanted, &found).is_ok());
}

#[test]
fn no_step_is_taken_while_another_process_builds_an_index_of_the_table() {
    let mut wanted = wanted(&[("a", INT), ("b", INT)], &[]);
    wanted.indexes = vec![index_of("i", "a")];
    let mut found = table(&[("a", INT)], &[], Some(owner("a")));
    found.indexes.present = vec![CatalogIndex { is_valid: false, ..found_index("i", "a") }];
    found.indexes.building = vec!["i".into()];
    let mut comment = names(&[("a", INT)]);
    comment.indexes = ["i".to_owned()].into();
    found.here.as_mut().unwrap().head.comment = Some(owner("a").mark_comment(None, &comment));
    let error = planned(wanted.clone(), &found).unwrap_err().to_string();
    assert_eq!(
        error,
        "index \"i\" of table public.users is being built by another connection of the operator's user"
    );
    // Unless it is no longer wanted: then it is ended before anything else, which would wait for it.
    wanted.indexes.clear();
    let plan = planned(wanted, &found).unwrap();
    assert_eq!(
        (&plan.changes[0], plan.changes.len(), plan.steps.len()),
        (&Change::CancelBuild("i".into()), 2, 1)
    );
}
