//! Primary keys.

use super::*;
use crate::catalog::{ColumnDetail, Details};

#[test]
fn a_removed_or_reordered_primary_key_is_rejected() {
    let found = |key: &[&str]| table(&[("a", INT), ("b", INT)], key, Some(owner("a")));
    let wanted = |key: &[&str]| wanted(&[("a", INT), ("b", INT)], key);
    assert!(rejection(wanted(&[]), &found(&["a"])).contains("is (\"a\"), but absent"));
    assert!(
        rejection(wanted(&["b", "a"]), &found(&["a", "b"])).contains("(\"a\", \"b\"), but (\"b\", \"a\")")
    );
}

#[test]
fn a_key_that_lets_rows_be_equal_is_not_the_key_of_the_spec() {
    for (form, shown) in [
        (KeyForm::Plain, None),
        (KeyForm::Deferrable, None),
        (KeyForm::WithoutOverlaps, Some("(\"a\", \"b\" WITHOUT OVERLAPS)")),
        (KeyForm::Invalid, Some("(\"a\", \"b\") with an index that isn't valid")),
    ] {
        let mut found = table(&[("a", INT), ("b", INT)], &["a", "b"], Some(owner("a")));
        found.here.as_mut().unwrap().key.as_mut().unwrap().form = form;
        let planned = planned(wanted(&[("a", INT), ("b", INT)], &["a", "b"]), &found);
        let message = planned.err().map(|error| error.to_string());
        assert_eq!(message.is_some(), shown.is_some(), "{form:?}");
        let (message, shown) = (message.unwrap_or_default(), shown.unwrap_or_default());
        assert!(message.contains(shown), "{form:?}: {message}");
    }
}

/// A table of the object `a` that lacks its key, with what is known of its columns and its indexes.
fn keyless(columns: &[(&str, ColumnDetail)], indexes: Vec<CatalogIndex>) -> Found {
    let pairs: Vec<_> = columns.iter().map(|(name, _)| (*name, INT)).collect();
    let mut found = table(&pairs, &[], Some(owner("a")));
    let columns = columns.iter().map(|(name, detail)| ((*name).to_owned(), detail.clone())).collect();
    found.here.as_mut().unwrap().details = Some(Details { columns, ..Details::default() });
    found.indexes.present = indexes;
    found
}

fn not_null() -> ColumnDetail {
    ColumnDetail { not_null: true, ..ColumnDetail::default() }
}

/// The index of a key, as it is built.
fn index_of_key(name: &str, columns: &[&str]) -> CatalogIndex {
    let columns = columns.iter().map(ToString::to_string).collect();
    CatalogIndex { columns, unique: true, ..found_index(name, "a") }
}

fn statements(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().flat_map(|step| &step.statements).map(String::as_str).collect()
}

const BUILD: &str = "CREATE UNIQUE INDEX CONCURRENTLY \"users_pkey\" ON \"public\".\"users\" (\"a\")";
const DROP: &str = "DROP INDEX CONCURRENTLY IF EXISTS \"public\".\"users_pkey\"";
const ADD: &str =
    "ALTER TABLE \"public\".\"users\" ADD CONSTRAINT \"users_pkey\" PRIMARY KEY USING INDEX \"users_pkey\"";
const OTHER_BUILD: &str =
    "CREATE UNIQUE INDEX CONCURRENTLY \"korf_pkey_42288471628c3333\" ON \"public\".\"users\" (\"a\")";
const OTHER_ADD: &str = "ALTER TABLE \"public\".\"users\" ADD CONSTRAINT \"korf_pkey_42288471628c3333\" PRIMARY KEY USING INDEX \"korf_pkey_42288471628c3333\"";

#[test]
fn a_key_that_the_table_lacks_is_added_in_steps_and_what_an_earlier_attempt_has_left_is_used_or_built_again()
{
    let invalid = |index: CatalogIndex| CatalogIndex { is_valid: false, ..index };
    let of_constraint = |index: CatalogIndex| CatalogIndex { is_of_constraint: true, ..index };
    let taken = |name: &str| (name.to_owned(), RelationKind::Other("a view"));
    let own = || index_of_key("users_pkey", &["a"]);
    for (present, taken, expected) in [
        (vec![], vec![], vec![BUILD, ADD]),
        (vec![own()], vec![], vec![ADD]),
        (vec![invalid(own())], vec![], vec![DROP, BUILD, ADD]),
        // Somebody else's stays somebody else's.
        (vec![index_of_key("theirs", &["a"])], vec![], vec![BUILD, ADD]),
        (vec![found_index("users_pkey", "a")], vec![], vec![OTHER_BUILD, OTHER_ADD]),
        (vec![index_of_key("users_pkey", &["b"])], vec![], vec![OTHER_BUILD, OTHER_ADD]),
        (vec![of_constraint(own())], vec![], vec![OTHER_BUILD, OTHER_ADD]),
        (vec![], vec![taken("users_pkey")], vec![OTHER_BUILD, OTHER_ADD]),
        (
            vec![index_of_key("korf_pkey_42288471628c3333", &["a"])],
            vec![taken("users_pkey")],
            vec![OTHER_ADD],
        ),
    ] {
        let mut found = keyless(&[("a", not_null()), ("b", not_null())], present.clone());
        found.indexes.taken = taken;
        let plan = planned(wanted(&[("a", INT), ("b", INT)], &["a"]), &found).unwrap();
        assert_eq!(statements(&plan), expected, "{present:?}");
        assert!(plan.changes.is_empty() && plan.comment.is_none(), "{plan:?}");
        assert!(plan.steps.iter().all(|step| step.what == "PRIMARY KEY (\"a\")"), "{plan:?}");
    }
}

#[test]
fn columns_of_a_key_that_the_table_lacks_become_not_null_first_and_a_check_of_before_is_used() {
    let mut found = keyless(&[("a", ColumnDetail::default()), ("b", not_null())], vec![]);
    let key = || wanted(&[("a", INT), ("b", INT)], &["b", "a"]);
    let plan = planned(key(), &found).unwrap();
    let told = statements(&plan);
    assert!(told[0].ends_with("ADD CONSTRAINT \"korf_a_not_null\" CHECK (\"a\" IS NOT NULL) NOT VALID"));
    assert!(told[4].ends_with("\"users_pkey\" ON \"public\".\"users\" (\"b\", \"a\")"), "{told:?}");
    assert_eq!(told.len(), 6, "{told:?}");
    let obstacle = plan.steps[0].obstacle.as_ref().unwrap().to_string();
    assert!(
        obstacle.contains("find them by SELECT * FROM \"public\".\"users\" WHERE \"a\" IS NULL; and"),
        "{obstacle}"
    );
    let details = found.here.as_mut().unwrap().details.as_mut().unwrap();
    details.checks.insert("korf_a_not_null".into());
    let plan = planned(key(), &found).unwrap();
    assert!(plan.changes.is_empty(), "{:?}", plan.changes);
    assert!(statements(&plan)[0].ends_with("VALIDATE CONSTRAINT \"korf_a_not_null\""), "{plan:?}");
}

#[test]
fn a_key_is_held_back_where_it_can_not_be_added_beside_the_use_of_the_table() {
    let held_back = |error: PlanError| {
        assert!(error.to_string().contains("the primary key is absent, but (\"a\") in the spec"), "{error}");
        error.pending().to_vec()
    };
    let mut partitioned = keyless(&[("a", not_null())], vec![]);
    partitioned.here.as_mut().unwrap().head.kind = RelationKind::Partitioned;
    let error = planned(wanted(&[("a", INT)], &["a"]), &partitioned).unwrap_err();
    let add = "ALTER TABLE \"public\".\"users\" ADD PRIMARY KEY (\"a\")";
    assert_eq!(held_back(error), [add]);
    // Somebody has dropped its column with it, and the statements can be run in their order.
    let lost = keyless(&[("b", not_null())], vec![]);
    let error = planned(wanted(&[("a", INT), ("b", INT)], &["a"]), &lost).unwrap_err();
    assert_eq!(held_back(error), ["ALTER TABLE \"public\".\"users\" ADD COLUMN \"a\" integer", add]);
}

#[test]
fn a_table_without_a_key_is_not_adopted_by_an_object_that_has_one() {
    let found = table(&[("a", INT)], &[], None);
    let claim = Claim { adoption: AdoptionPolicy::IfCompatible, ..claim("a", &[]) };
    let error = plan(wanted(&[("a", INT)], &["a"]), &found, &claim).unwrap_err();
    assert!(error.to_string().contains("that would change it: PRIMARY KEY (\"a\")"), "{error}");
    assert!(error.pending().last().unwrap().contains("PRIMARY KEY USING INDEX"), "{error:?}");
}
