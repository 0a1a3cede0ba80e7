use super::*;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn differences_are_kopfs_and_print_as_kopfs() {
    // What `kopf._cogs.structs.diffs.diff` of Kopf 1.45.2 prints; where there are several items, sorted.
    let cases = [
        (json!(null), json!(null), r#"()"#),
        (json!({}), json!({}), r#"()"#),
        (json!(null), json!({"spec": {"x": 1}}), r#"(('add', (), None, {'spec': {'x': 1}}),)"#),
        (json!({"spec": {"x": 1}}), json!(null), r#"(('remove', (), {'spec': {'x': 1}}, None),)"#),
        (json!({}), json!({"spec": {"x": 1}}), r#"(('add', ('spec',), None, {'x': 1}),)"#),
        (
            json!({"spec": {"x": 1, "y": 2}}),
            json!({"spec": {"x": 2, "z": 3}}),
            r#"(('change', ('spec', 'x'), 1, 2), ('remove', ('spec', 'y'), 2, None), ('add', ('spec', 'z'), None, 3))"#,
        ),
        (json!({"a": null}), json!({}), r#"()"#),
        (json!({}), json!({"a": null}), r#"()"#),
        (json!({"a": {"b": null}}), json!({"a": {}}), r#"()"#),
        (json!({}), json!({"a": {"b": null}}), r#"(('add', ('a',), None, {'b': None}),)"#),
        (json!({"a": null}), json!({"a": 1}), r#"(('add', ('a',), None, 1),)"#),
        (json!({"a": [1, 2]}), json!({"a": [1, 2, 3]}), r#"(('change', ('a',), [1, 2], [1, 2, 3]),)"#),
        (json!({"a": [{"x": null}]}), json!({"a": [{}]}), r#"(('change', ('a',), [{'x': None}], [{}]),)"#),
        (json!({"a": {"b": 1}}), json!({"a": "text"}), r#"(('change', ('a',), {'b': 1}, 'text'),)"#),
        (json!({"a": [1]}), json!({"a": {"0": 1}}), r#"(('change', ('a',), [1], {'0': 1}),)"#),
        (json!(1), json!(2), r#"(('change', (), 1, 2),)"#),
        (json!("a"), json!(null), r#"(('remove', (), 'a', None),)"#),
        (json!({"a": 1}), json!({"a": 1.0}), r#"()"#),
        (json!({"a": {}}), json!({}), r#"(('remove', ('a',), {}, None),)"#),
        (json!({"a": {"b": 1}}), json!({"a": {}}), r#"(('remove', ('a', 'b'), 1, None),)"#),
        (json!({"a": false}), json!({"a": null}), r#"(('remove', ('a',), False, None),)"#),
        (json!({"a": 0}), json!({"a": ""}), r#"(('change', ('a',), 0, ''),)"#),
        (
            json!({"spec": {"t": "it's"}}),
            json!({"spec": {"t": "say \"x\""}}),
            r#"(('change', ('spec', 't'), "it's", 'say "x"'),)"#,
        ),
        (
            json!({"t": null}),
            json!({"t": "it's \"x\"\n\t\\\r\0\u{7f}\u{1b} é e\u{301} 日本 😀 \u{200b} \u{2028} \u{e000}"}),
            concat!(
                r#"(('add', ('t',), None, 'it\'s "x"\n\t\\\r\x00\x7f\x1b é e"#,
                "\u{301}",
                r#" 日本 😀 \u200b \u2028 \ue000'),)"#
            ),
        ),
        (
            json!({}),
            json!({"f": 1.5, "e": 1e+30, "n": null, "l": [true, null, {"k": "v"}]}),
            r#"(('add', ('e',), None, 1e+30), ('add', ('f',), None, 1.5), ('add', ('l',), None, [True, None, {'k': 'v'}]))"#,
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(diff(&old, &new).to_string(), expected, "{old} -> {new}");
    }
}

#[test]
fn the_debug_form_is_rusts() {
    let shown = format!("{:?}", diff(&json!({"a": null}), &json!({"a": 1})));
    assert!(shown.starts_with("Diff([DiffItem { op: Add, field: Field([\"a\"]), old: Null"), "{shown}");
}

#[test]
fn reduced_differences_are_kopfs() {
    // What `kopf._cogs.structs.diffs.reduce` of Kopf 1.45.2 prints.
    let change = || (json!({"spec": {"x": 1}}), json!({"spec": {"x": 2}}));
    let creation = || (json!(null), json!({"spec": {"x": 1, "y": {"z": 2}}}));
    let (deep, shallow) = (json!({"spec": {"x": {"d": 1}}}), json!({"spec": {"x": 2}}));
    let cases: [((Value, Value), &[&str], &str); _] = [
        (creation(), &["spec", "y"], "(('add', (), None, {'z': 2}),)"),
        (creation(), &["spec", "y", "z"], "(('add', (), None, 2),)"),
        (creation(), &["spec", "none"], "()"),
        (change(), &["spec"], "(('change', ('x',), 1, 2),)"),
        (change(), &["spec", "x"], "(('change', (), 1, 2),)"),
        (change(), &[], "(('change', ('spec', 'x'), 1, 2),)"),
        (change(), &["spec", "x", "deeper"], "()"),
        (change(), &["status"], "()"),
        ((deep.clone(), shallow), &["spec", "x", "d"], "(('remove', (), 1, None),)"),
        ((deep, json!({"spec": {"x": [1]}})), &["spec", "x"], "(('change', (), {'d': 1}, [1]),)"),
        ((json!({"spec": {"x": 1}}), json!({})), &["spec", "x"], "(('remove', (), 1, None),)"),
        ((json!({"spec": {"xy": 1}}), json!({"spec": {"xy": 2}})), &["spec", "x"], "()"),
    ];
    for ((old, new), path, expected) in cases {
        let reduced = diff(&old, &new).reduce(path);
        assert_eq!(reduced.to_string(), expected, "{old} -> {new} at {path:?}");
        assert_eq!(diff(&old, &new).contains(path), expected != "()");
    }
}

#[test]
fn no_number_is_a_boolean_though_it_is_in_python() {
    assert!(!diff(&json!({"a": true}), &json!({"a": 1})).is_empty());
    assert!(!diff(&json!([false]), &json!([0])).is_empty());
}

#[test]
fn numbers_compare_by_value_and_exactly() {
    let same = [("1", "1.0"), ("-0.0", "0"), ("1e3", "1000"), ("9007199254740992", "9007199254740992.0")];
    let different = [
        ("9007199254740993", "9007199254740992.0"),
        ("18446744073709551615", "18446744073709551616.0"),
        ("18446744073709551615", "-1"),
        ("1", "1.5"),
        ("1e300", "2e300"),
    ];
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for (a, b) in same {
        assert!(equal(&number(a), &number(b)), "{a} {b}");
        assert!(equal(&json!([{"x": number(b)}]), &json!([{"x": number(a)}])), "{a} {b} in a list");
    }
    for (a, b) in different {
        assert!(!equal(&number(a), &number(b)), "{a} {b}");
    }
}

#[test]
fn a_field_is_split_at_dots_unless_its_keys_are_given() {
    assert_eq!(Field::from("spec.size").keys(), ["spec", "size"]);
    assert_eq!(Field::from(["metadata", "labels", "a.b/c"]).keys(), ["metadata", "labels", "a.b/c"]);
    assert!(Field::from("").is_root());
    assert_eq!(Field::from(["spec", "size"]).to_string(), "spec.size");
}

/// Applies a diff to a value.
fn apply(value: &Value, changes: &Diff) -> Value {
    changes.iter().fold(value.clone(), |mut value, item| {
        let mut place = &mut value;
        for key in item.field.keys() {
            place = &mut place[key];
        }
        *place = item.new.clone();
        value
    })
}

/// Without nulls in mappings, except for those in lists, which count.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let there = map.iter().filter(|(_, value)| !value.is_null());
            there.map(|(key, value)| (key.clone(), without_nulls(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        (-2i32..3).prop_map(|n| Value::from(f64::from(n) / 2.0)),
        "[ab']{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[a-c]", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(value in any_json()) {
        prop_assert!(diff(&value, &value).is_empty());
        prop_assert!(diff(&value, &without_nulls(&value)).is_empty());
    }

    #[test]
    fn the_old_value_with_the_diff_applied_is_the_new_one(old in any_json(), new in any_json()) {
        let applied = apply(&old, &diff(&old, &new));
        prop_assert!(equal(&without_nulls(&applied), &without_nulls(&new)), "{applied}");
    }

    #[test]
    fn the_way_back_has_the_same_fields(old in any_json(), new in any_json()) {
        let (there, back) = (diff(&old, &new), diff(&new, &old));
        prop_assert_eq!(there.len(), back.len());
        for (a, b) in there.iter().zip(&back) {
            prop_assert_eq!((&a.field, &a.old, &a.new), (&b.field, &b.new, &b.old));
        }
    }

    #[test]
    fn a_reduced_diff_is_the_diff_of_the_field(old in any_json(), new in any_json()) {
        let path = ["a", "b"];
        let direct = diff(resolve(&old, &path), resolve(&new, &path));
        prop_assert_eq!(diff(&old, &new).reduce(&path), direct);
    }
}
