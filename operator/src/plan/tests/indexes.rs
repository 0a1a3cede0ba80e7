//! Indexes as a part of a plan.

use super::*;

fn index_of(name: &str, column: &str) -> Index {
    let [name, column] = [name, column].map(|name| Identifier::parse(name).unwrap());
    Index { name, columns: vec![column], unique: false, method: Method::Btree }
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
        is_identity: false,
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
