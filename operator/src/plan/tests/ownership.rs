//! Which table is an object's, and which one is dropped with it.

use super::*;

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
            let forget = Forget::by(&claim.owner);
            assert_eq!(error, PlanError::Elsewhere { table: "public.t".into(), forget });
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
