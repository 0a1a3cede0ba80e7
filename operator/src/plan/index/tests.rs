use super::*;
use crate::{identifier::Identifier, spec::Method};

fn name(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn index(of: &str, columns: &[&str]) -> Index {
    let columns = columns.iter().map(|column| name(column)).collect();
    Index { name: name(of), columns, unique: false, method: Method::Btree }
}

fn found(of: &str, columns: &[&str]) -> CatalogIndex {
    CatalogIndex {
        name: of.to_owned(),
        columns: columns.iter().map(ToString::to_string).collect(),
        unique: false,
        method: "btree".to_owned(),
        is_plain: true,
        is_valid: true,
        is_of_constraint: false,
        is_identity: false,
    }
}

fn invalid(of: &str, columns: &[&str]) -> CatalogIndex {
    CatalogIndex { is_valid: false, ..found(of, columns) }
}

fn planned(wanted: &[Index], owned: &[&str], found: &FoundIndexes) -> Result<IndexPlan, IndexConflict> {
    let table = Place { schema: "app".into(), name: "t".into(), qualified: "app.t".into() };
    plan_indexes(&table, wanted, &owned.iter().map(ToString::to_string).collect(), found)
}

/// The steps in short, and the indexes that are the object's.
fn steps(
    wanted: &[Index],
    owned: &[&str],
    present: Vec<CatalogIndex>,
    building: &[&str],
) -> (String, String) {
    let building = building.iter().map(ToString::to_string).collect();
    let plan = planned(wanted, owned, &FoundIndexes { present, taken: vec![], building }).unwrap();
    let step = |step: &IndexStep| match step {
        IndexStep::Drop(name) => format!("drop {name}"),
        IndexStep::DropInvalid(name) => format!("clear {name}"),
        IndexStep::Build { name, index } => {
            format!("build {name} ({})", index.column_list().replace('"', ""))
        }
        IndexStep::Swap { name, successor } => format!("swap {name} {successor}"),
    };
    let cancelled = plan.cancelled.iter().map(|name| format!("cancel {name}"));
    let text = cancelled
        .chain(plan.steps.iter().map(step))
        .collect::<Vec<_>>()
        .join(", ")
        .replace(&successor("i"), "NEXT");
    (text, plan.owned.into_iter().collect::<Vec<_>>().join(" "))
}

#[test]
fn the_indexes_of_a_table_become_those_of_its_spec() {
    let next = successor("i");
    let i = || vec![index("i", &["a"])];
    let of = |constraint, identity, index: CatalogIndex| CatalogIndex {
        is_of_constraint: constraint,
        is_identity: identity,
        ..index
    };
    for (case, wanted, owned, present, building, expected, kept) in [
        ("missing", i(), &[][..], vec![], &[][..], "build i (a)", "i"),
        ("lost", i(), &["i"], vec![], &[], "build i (a)", "i"),
        ("as it should be", i(), &["i"], vec![found("i", &["a"])], &[], "", "i"),
        ("made by hand, as it should be", i(), &[], vec![found("i", &["a"])], &[], "", "i"),
        (
            "of a constraint, as it should be",
            i(),
            &[],
            vec![of(true, true, found("i", &["a"]))],
            &[],
            "",
            "i",
        ),
        ("left half built", i(), &["i"], vec![invalid("i", &["a"])], &[], "clear i, build i (a)", "i"),
        ("being built", i(), &["i"], vec![invalid("i", &["a"])], &["i"], "build i (a)", "i"),
        ("being built by somebody", i(), &[], vec![invalid("i", &["b"])], &["i"], "build i (a)", "i"),
        (
            "changed, and its successor being built",
            i(),
            &["i"],
            vec![found("i", &["b"]), invalid(&next, &["a"])],
            &[&next],
            "build i (a)",
            "i",
        ),
        (
            "left half built as it was before",
            i(),
            &["i"],
            vec![invalid("i", &["b"])],
            &[],
            "clear i, build i (a)",
            "i",
        ),
        (
            "no longer wanted so, and still being built",
            i(),
            &["i"],
            vec![invalid("i", &["b"])],
            &["i"],
            "cancel i, clear i, build i (a)",
            "i",
        ),
        (
            "changed",
            i(),
            &["i"],
            vec![found("i", &["b"])],
            &[],
            "build NEXT (a), swap i NEXT, drop NEXT",
            "i",
        ),
        (
            "changed, and its successor half built",
            i(),
            &["i"],
            vec![found("i", &["b"]), invalid(&next, &["a"])],
            &[],
            "clear NEXT, build NEXT (a), swap i NEXT, drop NEXT",
            "i",
        ),
        (
            "changed once more",
            i(),
            &["i"],
            vec![found("i", &["b"]), invalid(&next, &["c"])],
            &[&next],
            "cancel NEXT, clear NEXT, build NEXT (a), swap i NEXT, drop NEXT",
            "i",
        ),
        (
            "changed, and its successor whole",
            i(),
            &["i"],
            vec![found("i", &["b"]), found(&next, &["a"])],
            &[],
            "swap i NEXT, drop NEXT",
            "i",
        ),
        (
            "changed, and the names already swapped",
            i(),
            &["i"],
            vec![found("i", &["a"]), found(&next, &["b"])],
            &[],
            "drop NEXT",
            "i",
        ),
        (
            "changed, and lost meanwhile",
            i(),
            &["i"],
            vec![found(&next, &["a"])],
            &[],
            "drop NEXT, build i (a)",
            "i",
        ),
        ("no longer wanted", vec![], &["i"], vec![found("i", &["a"])], &[], "drop i", "i"),
        ("no longer wanted, and gone", vec![], &["i"], vec![], &[], "", ""),
        (
            "no longer wanted, and being built",
            vec![],
            &["i"],
            vec![invalid("i", &["a"])],
            &["i"],
            "cancel i, drop i",
            "i",
        ),
        (
            "no longer wanted in the middle of a change",
            vec![],
            &["i"],
            vec![found("i", &["b"]), invalid(&next, &["a"])],
            &[],
            "drop i, drop NEXT",
            "i",
        ),
        (
            "no longer wanted, and a constraint's by now",
            vec![],
            &["i"],
            vec![of(true, false, found("i", &["a"]))],
            &[],
            "",
            "",
        ),
        ("of others", vec![], &[], vec![found("x", &["a"]), invalid("y", &["a"])], &["y"], "", ""),
    ] {
        let (text, names) = steps(&wanted, owned, present, building);
        assert_eq!((text.as_str(), names.as_str()), (expected, kept), "{case}");
    }
}

#[test]
fn indexes_are_made_in_the_order_of_the_spec_before_others_are_dropped() {
    let wanted = [index("i", &["a"]), index("j", &["b", "a"])];
    let present = vec![found("j", &["a", "b"]), found("k", &["a"])];
    let (text, kept) = steps(&wanted, &["j", "k"], present, &[]);
    let next = successor("j");
    assert_eq!(text, format!("build i (a), build {next} (b, a), swap j {next}, drop {next}, drop k"));
    assert_eq!(kept, "i j k");
}

#[test]
fn each_part_of_a_definition_counts() {
    let wanted = index("i", &["a", "b"]);
    let other = |change: fn(&mut CatalogIndex)| {
        let mut index = found("i", &["a", "b"]);
        change(&mut index);
        index.is_as(&wanted)
    };
    assert!(other(|index| index.is_valid = false));
    for change in [
        (|index| index.unique = true) as fn(&mut CatalogIndex),
        |index| index.method = "gin".to_owned(),
        |index| index.is_plain = false,
        |index| index.columns.reverse(),
        |index| index.columns.truncate(1),
        |index| index.columns.push("c".to_owned()),
    ] {
        assert!(!other(change));
    }
}

#[test]
fn what_stands_in_the_way_of_an_index_is_named() {
    let next = successor("i");
    let taken =
        |name: &str, kind| FoundIndexes { taken: vec![(name.to_owned(), kind)], ..FoundIndexes::default() };
    let present = |index| FoundIndexes { present: vec![index], ..FoundIndexes::default() };
    let i = || vec![index("i", &["a"])];
    for (wanted, owned, found, why) in [
        (i(), &[][..], taken("i", RelationKind::Table), "a table of its schema has this name"),
        (
            i(),
            &["i"],
            taken("i", RelationKind::Other("an index")),
            "an index of another table of its schema has",
        ),
        (i(), &[], taken(&next, RelationKind::Other("a view")), "a view of its schema"),
        (i(), &[], present(found("i", &["b"])), "isn't the object's and isn't as spec.indexes asks"),
        (i(), &[], present(invalid("i", &["a"])), "isn't the object's and isn't valid"),
        (
            i(),
            &["i"],
            present(CatalogIndex { is_of_constraint: true, ..found("i", &["b"]) }),
            "is that of a constraint",
        ),
        (
            i(),
            &["i"],
            present(CatalogIndex { is_identity: true, ..found("i", &["b"]) }),
            "is its REPLICA IDENTITY",
        ),
        (
            vec![],
            &["i"],
            present(CatalogIndex { is_identity: true, ..found("i", &["a"]) }),
            "is its REPLICA IDENTITY",
        ),
    ] {
        let error = planned(&wanted, owned, &found).expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}
