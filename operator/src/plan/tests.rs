use super::*;
use crate::{catalog::PgTypeId, types::ResolvedType};

const INT: u32 = 23;
const VARCHAR: u32 = 1043;

fn owner(name: &str) -> Owner {
    Owner { cluster: "c".into(), namespace: "shop".into(), name: name.into(), uid: "u".into() }
}

fn claim(name: &str, columns: &[&str]) -> Claim {
    let columns = columns.iter().map(ToString::to_string).collect();
    Claim { owner: owner(name), table: None, columns }
}

fn type_name(oid: u32) -> &'static str {
    if oid == INT { "integer" } else { "character varying" }
}

fn wanted(columns: &[(&str, u32)], key: &[&str]) -> Wanted {
    let resolved = |&(name, oid): &(&str, u32)| ResolvedColumn {
        name: Identifier::parse(name).unwrap(),
        type_: ResolvedType { id: PgTypeId { oid, typmod: -1 }, serial: false, name: type_name(oid).into() },
    };
    Wanted {
        place: Place { schema: "public".into(), name: "users".into(), qualified: "public.users".into() },
        columns: columns.iter().map(resolved).collect(),
        primary_key: key.iter().map(|name| Identifier::parse(name).unwrap()).collect(),
    }
}

fn table(columns: &[(&str, u32)], key: &[&str], marked: Option<Owner>) -> Found {
    let column = |&(name, oid): &(&str, u32)| CatalogColumn {
        name: name.into(),
        id: PgTypeId { oid, typmod: -1 },
        type_name: type_name(oid).into(),
        serial: false,
    };
    let relation = Relation {
        kind: RelationKind::Table,
        columns: columns.iter().map(column).collect(),
        primary_key: key.iter().map(ToString::to_string).collect(),
        comment: marked.map(|owner| owner.mark_comment(None)),
    };
    Found { here: Some(relation), elsewhere: vec![] }
}

/// The plan for the object `a`, whose spec has had the columns `a`, `b`, `c` and `B`.
fn planned(wanted: Wanted, found: &Found) -> Result<Plan, PlanError> {
    plan(wanted, found, &claim("a", &["a", "b", "c", "B"]))
}

fn action(wanted: Wanted, found: &Found) -> Action {
    planned(wanted, found).unwrap().action
}

fn added(action: Action) -> Vec<String> {
    match action {
        Action::AddColumns(columns) => columns.iter().map(|c| c.name.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

fn refusal(wanted: Wanted, found: &Found) -> String {
    planned(wanted, found).expect_err("refused").to_string()
}

#[test]
fn a_missing_table_is_created_with_its_owner_in_the_comment() {
    let wanted = wanted(&[("a", INT)], &[]);
    let expected = Plan {
        table: wanted.clone(),
        action: Action::Create,
        comment: Some(owner("a").mark_comment(None)),
        takes_over: false,
        extra_columns: vec![],
    };
    assert_eq!(planned(wanted, &Found::default()), Ok(expected));
}

#[test]
fn the_same_columns_in_any_order_are_no_change() {
    let found = table(&[("a", INT), ("b", VARCHAR)], &["a"], Some(owner("a")));
    for columns in [[("a", INT), ("b", VARCHAR)], [("b", VARCHAR), ("a", INT)]] {
        let plan = planned(wanted(&columns, &["a"]), &found).unwrap();
        assert_eq!((plan.action, plan.comment, plan.takes_over), (Action::Nothing, None, false));
    }
}

#[test]
fn new_columns_are_added_in_the_order_of_the_spec() {
    let found = table(&[("b", INT)], &[], Some(owner("a")));
    let wanted = wanted(&[("c", INT), ("b", INT), ("\"B\"", INT), ("a", VARCHAR)], &[]);
    assert_eq!(added(action(wanted, &found)), ["\"c\"", "\"B\"", "\"a\""]);
}

#[test]
fn removed_and_changed_columns_are_refused_with_all_their_names() {
    let found = table(&[("a", INT), ("b", INT), ("c", INT), ("B", INT)], &["a"], Some(owner("a")));
    let message = refusal(wanted(&[("a", INT), ("b", VARCHAR), ("new", INT)], &["b"]), &found);
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
    let found = table(&[("a", INT), ("audit", INT), ("B", INT)], &[], Some(owner("a")));
    let small = || wanted(&[("a", INT)], &[]);
    let known = claim("a", &["a"]);
    let unchanged = plan(small(), &found, &known).unwrap();
    assert_eq!(unchanged.action, Action::Nothing);
    assert_eq!(unchanged.extra_columns, ["audit", "B"]);
    let extended = plan(wanted(&[("a", INT), ("b", INT)], &[]), &found, &known).unwrap();
    assert_eq!(added(extended.action), ["\"b\""]);
    let refused =
        plan(small(), &found, &claim("a", &["a", "audit"])).expect_err("audit was in the spec").to_string();
    assert!(refused.contains("\"audit\"") && !refused.contains("\"B\""), "{refused}");
}

#[test]
fn another_modifier_is_another_type() {
    let mut found = table(&[("a", VARCHAR)], &[], Some(owner("a")));
    found.here.as_mut().unwrap().columns[0].id.typmod = 54;
    assert!(refusal(wanted(&[("a", VARCHAR)], &[]), &found).contains("\"a\" has the type"));
}

#[test]
fn a_sequence_more_or_less_is_a_change() {
    let mut found = table(&[("a", INT)], &[], Some(owner("a")));
    let mut with_sequence = wanted(&[("a", INT)], &[]);
    with_sequence.columns[0].type_.serial = true;
    assert!(refusal(with_sequence.clone(), &found).contains("has the type integer, but serial in the spec"));
    found.here.as_mut().unwrap().columns[0].serial = true;
    assert_eq!(action(with_sequence, &found), Action::Nothing);
    assert!(refusal(wanted(&[("a", INT)], &[]), &found).contains("integer with a sequence, but integer"));
}

#[test]
fn a_primary_key_that_comes_goes_or_turns_is_refused() {
    let found = |key: &[&str]| table(&[("a", INT), ("b", INT)], key, Some(owner("a")));
    let wanted = |key: &[&str]| wanted(&[("a", INT), ("b", INT)], key);
    assert!(refusal(wanted(&["a"]), &found(&[])).contains("is absent, but (\"a\")"));
    assert!(refusal(wanted(&[]), &found(&["a"])).contains("is (\"a\"), but absent"));
    assert!(refusal(wanted(&["b", "a"]), &found(&["a", "b"])).contains("(\"a\", \"b\"), but (\"b\", \"a\")"));
}

#[test]
fn a_table_of_nobody_or_of_another_object_is_left_alone() {
    let wanted = wanted(&[("a", INT)], &[]);
    assert!(
        refusal(wanted.clone(), &table(&[("a", INT)], &[], None)).contains("belongs to no DatabaseTable")
    );
    let message = refusal(wanted.clone(), &table(&[("a", INT)], &[], Some(owner("b"))));
    assert!(message.contains("belongs to the DatabaseTable shop/b, so"), "{message}");
    let foreign = Owner { cluster: "other".into(), ..owner("a") };
    assert!(
        refusal(wanted.clone(), &table(&[("a", INT)], &[], Some(foreign)))
            .contains("shop/a of another cluster")
    );
}

#[test]
fn a_view_of_the_name_is_left_alone() {
    let mut found = table(&[("a", INT)], &[], None);
    found.here.as_mut().unwrap().kind = RelationKind::Other("a view");
    assert!(refusal(wanted(&[("a", INT)], &[]), &found).contains("public.users is a view and not a table"));
}

#[test]
fn a_new_table_name_is_refused_whatever_stands_there() {
    let elsewhere = vec!["public.old".to_owned()];
    let wanted = wanted(&[("a", INT)], &[]);
    for here in [None, table(&[("a", INT)], &[], None).here, table(&[("a", INT)], &[], Some(owner("b"))).here]
    {
        let message = refusal(wanted.clone(), &Found { here, elsewhere: elsewhere.clone() });
        assert!(message.contains("the table of this object is public.old"), "{message}");
    }
}

#[test]
fn an_owner_restored_from_a_backup_takes_its_table_over() {
    let mut found = table(&[("a", INT)], &[], None);
    let before = Owner { uid: "before".into(), ..owner("a") }.mark_comment(Some("Who signed up."));
    found.here.as_mut().unwrap().comment = Some(before);
    let plan = planned(wanted(&[("a", INT), ("b", INT)], &[]), &found).unwrap();
    assert!(plan.takes_over);
    assert_eq!(plan.comment, Some(owner("a").mark_comment(Some("Who signed up."))));
    assert_eq!(added(plan.action), ["\"b\""]);
}

fn place(qualified: &str) -> Place {
    let (schema, name) = qualified.split_once('.').unwrap();
    Place { schema: schema.into(), name: name.into(), qualified: qualified.into() }
}

#[test]
fn the_table_to_drop_is_the_statuss_the_only_one_or_the_specs() {
    let (t, copy, moved) = (place("public.t"), place("copy.t"), place("public.u"));
    let recorded = |there| (Some("public.t"), there);
    let lost = (None, false);
    for (marked, (status, there), spec, dropped) in [
        (vec![], lost, Some(&t), Some(None)),
        (vec![], recorded(true), Some(&t), Some(None)),
        (vec![&t], recorded(true), None, Some(Some(&t))),
        (vec![&copy, &t], recorded(true), None, Some(Some(&t))),
        (vec![&copy, &t], recorded(true), Some(&copy), Some(Some(&t))),
        // No status: the only one, or the one in the spec's place.
        (vec![&moved], lost, Some(&t), Some(Some(&moved))),
        (vec![&copy, &t], lost, Some(&t), Some(Some(&t))),
        (vec![&copy, &t], lost, None, None),
        (vec![&copy, &moved], lost, Some(&t), None),
        // The status's is gone.
        (vec![&moved], recorded(false), Some(&t), Some(Some(&moved))),
        (vec![&copy, &moved], recorded(false), Some(&t), None),
        // The status's is there and lacks the marker.
        (vec![&copy], recorded(true), Some(&t), None),
        (vec![&copy], recorded(true), Some(&copy), None),
    ] {
        let marked: Vec<_> = marked.into_iter().cloned().collect();
        let found = table_to_drop(&marked, status, there, spec);
        assert_eq!(
            found.clone().ok(),
            dropped.map(|place| place.cloned()),
            "{marked:?} {status:?} {there} {spec:?}"
        );
        let Err(refusal) = found else { continue };
        let text = refusal.to_string();
        assert!(marked.iter().all(|place| text.contains(&place.qualified)), "{text}");
        assert_eq!(text.contains("the status says that the object's table is public.t"), there, "{text}");
    }
}
