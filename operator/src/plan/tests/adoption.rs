//! Tables that have no owner.

use super::*;

fn adopted(wanted: ResolvedTable, found: &Found) -> Result<Plan, PlanError> {
    plan(wanted, found, &adopting(&[]))
}

/// The claim of an object whose policy allows it to adopt a table.
fn adopting(columns: &[&str]) -> Claim {
    Claim { adoption: AdoptionPolicy::IfCompatible, ..claim("a", columns) }
}

fn relation(found: Found) -> Relation {
    found.here.unwrap()
}

#[test]
fn a_table_without_an_owner_is_adopted_if_the_policy_allows_it_and_gets_the_line_and_nothing_else() {
    let mut found = table(&[("a", INT), ("b", VARCHAR)], &["a"], None);
    found.here.as_mut().unwrap().head.comment = Some("Who signed up.".into());
    let wanted = wanted(&[("b", VARCHAR), ("a", INT)], &["a"]);
    let never = plan(wanted.clone(), &found, &claim("a", &[]));
    assert_eq!(never, Err(PlanError::Unmarked { table: "public.users".into() }));
    let text = never.unwrap_err().to_string();
    assert!(text.contains("set adoptionPolicy: IfCompatible to take it over as it is"), "{text}");

    let plan = adopted(wanted, &found).unwrap();
    assert_eq!(
        (plan.changes.is_empty(), plan.steps.is_empty(), plan.adoption, plan.takes_over),
        (true, true, Some(Adoption::ByPolicy), true)
    );
    let line = owner("a").mark_comment(Some("Who signed up."), &names(&[("a", INT), ("b", VARCHAR)]));
    assert_eq!(plan.comment, Some(line));
}

#[test]
fn columns_that_the_spec_does_not_have_stay_in_an_adopted_table_and_are_not_the_objects() {
    let found = table(&[("a", INT), ("theirs", VARCHAR)], &[], None);
    let plan = adopted(wanted(&[("a", INT)], &[]), &found).unwrap();
    assert_eq!(plan.extra_columns, ["theirs"]);
    assert_eq!(marker::from_spec_in(&plan.comment.unwrap()), Some(names(&[("a", INT)])));
}

#[test]
fn a_table_that_has_lost_its_line_is_adopted_again_and_its_columns_are_still_the_objects() {
    let found = table(&[("a", INT), ("b", INT)], &[], None);
    let claim = Claim { table: Some("public.users".into()), ..adopting(&["a", "b"]) };
    let adopted =
        |columns: &[(&str, u32)]| plan(wanted(columns, &[]), &found, &claim).map(|plan| plan.adoption);
    assert_eq!(adopted(&[("a", INT), ("b", INT)]), Ok(Some(Adoption::ByPolicy)));
    let text = adopted(&[("a", INT)]).unwrap_err().to_string();
    assert!(text.contains("column \"b\" is in the table but not in the spec"), "{text}");
}

#[test]
fn a_line_that_was_lost_is_written_again_where_the_status_is_the_objects_own_and_nothing_has_to_be_changed() {
    let found = table(&[("a", INT)], &[], None);
    let known = Claim { table: Some("public.users".into()), is_first_hand: true, ..claim("a", &["a"]) };
    let of = |claim: &Claim, columns: &[(&str, u32)]| plan(wanted(columns, &[]), &found, claim);
    let again = of(&known, &[("a", INT)]).unwrap();
    assert_eq!((again.adoption, again.takes_over), (Some(Adoption::LineLost), true));
    assert_eq!(again.comment, Some(owner("a").mark_comment(None, &names(&[("a", INT)]))));
    let told = |claim: &Claim, columns: &[(&str, u32)]| of(claim, columns).unwrap_err().to_string();
    let unmarked = "doesn't belong to a DatabaseTable, so it is left alone";
    for (claim, why) in [
        (Claim { is_first_hand: false, ..known.clone() }, unmarked),
        (Claim { is_elsewhere: true, ..known.clone() }, "in another database than the one"),
        (Claim { table: Some("public.other".into()), ..known.clone() }, unmarked),
        (Claim { table: None, ..known.clone() }, unmarked),
        (Claim { drift: DriftPolicy::Report, ..known.clone() }, "because driftPolicy is Report"),
    ] {
        assert!(told(&claim, &[("a", INT)]).contains(why), "{claim:?}");
    }
    let text = told(&known, &[("a", INT), ("b", INT)]);
    assert!(text.contains("column \"b\" is in the spec but not in the table. If it is this"), "{text}");
    let both = Claim { drift: DriftPolicy::Report, adoption: AdoptionPolicy::IfCompatible, ..known };
    assert_eq!(of(&both, &[("a", INT)]).unwrap().adoption, Some(Adoption::ByPolicy));
}

#[test]
fn a_table_that_would_have_to_be_changed_is_not_adopted_and_the_error_says_how_it_differs() {
    let found = table(&[("a", INT), ("b", INT)], &["a"], None);
    let partitioned = |mut found: Found| {
        found.here.as_mut().unwrap().head.kind = RelationKind::Partitioned;
        found
    };
    for (columns, key, found, why) in [
        (
            vec![("a", INT), ("b", INT), ("c", INT)],
            "a",
            found.clone(),
            "column \"c\" is in the spec but not in the table",
        ),
        (
            vec![("a", VARCHAR), ("b", INT)],
            "a",
            found.clone(),
            "column \"a\" has the type integer, but character varying in the spec",
        ),
        (
            vec![("a", INT), ("b", INT)],
            "b",
            found.clone(),
            "the primary key is (\"a\"), but (\"b\") in the spec",
        ),
        (vec![("a", INT), ("b", INT)], "a", partitioned(found.clone()), "the table is partitioned"),
    ] {
        let text = adopted(wanted(&columns, &[key]), &found).expect_err(why).to_string();
        assert!(text.contains(why) && text.contains("it isn't taken over"), "{text}");
    }
}

#[test]
fn what_belongs_to_another_object_or_cluster_or_is_no_table_is_never_adopted() {
    let wanted = wanted(&[("a", INT)], &[]);
    for (other, way) in [
        (owner("b"), "if that object is gone, remove its line from the table's comment"),
        (
            Owner { cluster: "d".into(), ..owner("a") },
            "in another cluster, so it is left alone: delete this object and create one with another tableName, or, if this \
             cluster has replaced that one, run the operator with --cluster-id=\"d\"",
        ),
    ] {
        let text =
            adopted(wanted.clone(), &table(&[("a", INT)], &[], Some(other))).expect_err(way).to_string();
        assert!(text.contains(way), "{text}");
    }
    let mut view = table(&[("a", INT)], &[], None);
    view.here.as_mut().unwrap().head.kind = RelationKind::Other("a view");
    assert!(matches!(adopted(wanted.clone(), &view), Err(PlanError::NotATable { .. })));
    let elsewhere = Found { elsewhere: vec!["public.old".into()], ..table(&[("a", INT)], &[], None) };
    assert!(matches!(adopted(wanted, &elsewhere), Err(PlanError::Renamed { .. })));
}

#[test]
fn a_table_is_handed_over_only_if_it_is_exactly_as_it_was_made() {
    let made = wanted(&[("a", INT), ("b", VARCHAR)], &["a"]);
    let strangeness = |columns: &[(&str, u32)], key: &[&str]| {
        let differences = strangeness(&made, &relation(table(columns, key, None)));
        differences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(strangeness(&[("b", VARCHAR), ("a", INT)], &["a"]), [""; 0]);
    assert_eq!(
        strangeness(&[("a", INT), ("b", VARCHAR), ("c", INT)], &["a"]),
        ["column \"c\" is in the table but not in the spec"]
    );
    assert_eq!(
        strangeness(&[("a", VARCHAR)], &[]),
        [
            "column \"b\" is in the spec but not in the table",
            "column \"a\" has the type character varying, but integer in the spec",
            "the primary key is absent, but (\"a\") in the spec"
        ]
    );
}
