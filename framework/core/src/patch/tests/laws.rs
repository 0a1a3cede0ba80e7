//! Laws of all patches.

use super::*;
use proptest::prelude::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), (0..3).prop_map(Value::from), Just(json!({})), Just(json!([]))];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    (any_json(), prop::collection::btree_map("[a-c]", any_json(), 0..3), "[xy]{0,1}").prop_map(
        |(spec, status, label)| json!({"spec": spec, "status": status, "metadata": {"labels": {"l": label}}}),
    )
}

/// Without what is the same as absent: nulls, and empty mappings.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), bare(value)));
            let fields: Map<_, _> = fields.filter(|(_, value)| !value.is_null()).collect();
            if fields.is_empty() { Value::Null } else { fields.into() }
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        value => value.clone(),
    }
}

/// A merge patch of fields that are ours, and of others around them.
fn any_merge() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!(1)),
        Just(json!({})),
        Just(json!(["a", "my-op.korf.dev/finalizer"]))
    ];
    let key = prop::sample::select(vec![
        "metadata",
        "annotations",
        "finalizers",
        "status",
        "spec",
        "my-op",
        "progress",
        "my-op.korf.dev/x",
        "kopf",
        "kopf.zalando.org/x",
        "a.b/x",
        "uid",
        "kind",
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop::collection::btree_map(key.clone(), inner, 0..4).prop_map(|fields| {
            Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        })
    })
}

proptest! {
    #[test]
    fn a_merge_that_is_composed_without_a_copy_of_the_object_leaves_what_is_ours(
        body in any_merge(), patches in prop::collection::vec(any_merge(), 1..3), in_status in any::<bool>(), kopf in any::<bool>(),
    ) {
        // Kopf's storage is one that migrates: from the status to annotations.
        let storage = StorageConfig { in_status, kopf, ..StorageConfig::default() }.storage("my-op").unwrap();
        let body = Body::from(body);
        let edits: Edits = patches.into_iter().map(Edit::Merge).collect();
        let drafted = edits.draft(&body, &storage, Omit::default());
        let mut copied = Draft::new(&edits, false, Omit::default());
        copied.apply_to_copy(&body, &storage);
        copied.sort_out(&body);
        prop_assert_eq!(drafted, copied);
    }

    #[test]
    fn a_difference_turns_one_value_into_the_other(from in any_json(), to in any_json()) {
        let (from, to) = (json!({"x": from}), json!({"x": to}));
        let mut made = from.clone();
        if let Some(patch) = difference(&from, &to) {
            json_patch::merge(&mut made, &patch);
        }
        prop_assert_eq!(difference(&made, &to), None, "{} is made of {}", made, from);
        prop_assert_eq!(difference(&to, &to), None);
    }

    #[test]
    fn requests_make_the_edits_and_then_there_is_nothing_to_request(
        object in any_object(), asked in any_object(), stored in prop::option::of("[xy]"), subresource in any::<bool>(),
    ) {
        let stored = json!({"metadata": {"annotations": {"ours": stored}}});
        let mut before = object;
        before["metadata"]["uid"] = "u".into();
        let mut edits = merging([asked.clone()]);
        edits.store(stored.clone());
        let mut made = before.clone();
        for part in edits.order() {
            if let Some(request) = edits.request(part, &made.clone().into(), subresource) {
                json_patch::merge(&mut made, &request.patch);
                prop_assert_eq!(request.inconsistencies(&made.clone().into()), [""; 0]);
            }
        }
        made["metadata"]["resourceVersion"] = Value::Null;
        json_patch::merge(&mut before, &asked);
        json_patch::merge(&mut before, &stored);
        prop_assert_eq!(bare(&made), bare(&before));
        for part in [Part::Status, Part::Object] {
            prop_assert_eq!(edits.request(part, &made.clone().into(), subresource), None);
        }
    }
}
