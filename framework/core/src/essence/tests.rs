use super::*;
use crate::storage::{
    Storage, StoredEssence,
    tests::{kopf, own},
};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

fn of(object: Value, storage: &Storage, extra: &[&str]) -> Value {
    let extra: Vec<_> = extra.iter().map(|field| Field::from(*field)).collect();
    essence(&object.into(), storage, &extra)
}

#[test]
fn essences_are_kopfs() {
    // `AnnotationsDiffBaseStorage().build(…)`, then `SmartProgressStorage().clear(…)`, of Kopf 1.45.2.
    let cases: [(Value, &[&str], Value); _] = [
        (json!({}), &[], json!({})),
        (
            json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n", "uid": "u"}, "spec": {"x": 1}, "status": {"s": 1}, "data": {"d": "1"}}),
            &[],
            json!({"spec": {"x": 1}, "data": {"d": "1"}}),
        ),
        (json!({"metadata": {"labels": {}, "annotations": {}}, "spec": {}}), &[], json!({"spec": {}})),
        (
            json!({"metadata": {"labels": {"l": "1"}, "annotations": {"a": "1", "kubectl.kubernetes.io/last-applied-configuration": "x"}}}),
            &[],
            json!({"metadata": {"labels": {"l": "1"}, "annotations": {"a": "1"}}}),
        ),
        (
            json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x"}}}),
            &[],
            json!({}),
        ),
        (
            json!({"metadata": {"annotations": {"kopf.zalando.org/x": "x", "sub.kopf.zalando.org/y": "y", "notkopf.zalando.org/z": "z", "kopf.zalando.org": "bare"}}}),
            &[],
            json!({"metadata": {"annotations": {"notkopf.zalando.org/z": "z", "kopf.zalando.org": "bare"}}}),
        ),
        (
            json!({"metadata": {"annotations": {"other.dev/kopf-managed": "yes", "other.dev/fn": "{}", "other.dev/last-handled-configuration": "{}", "sub.other.dev/a": "1", "other.dev.x/b": "1"}}}),
            &[],
            json!({"metadata": {"annotations": {"sub.other.dev/a": "1", "other.dev.x/b": "1"}}}),
        ),
        (
            json!({"metadata": {"annotations": {"kopf-managed": "yes", "a": "1"}}}),
            &[],
            json!({"metadata": {"annotations": {"kopf-managed": "yes", "a": "1"}}}),
        ),
        (
            json!({"metadata": {"labels": {"kopf.zalando.org/x": "1"}}}),
            &[],
            json!({"metadata": {"labels": {"kopf.zalando.org/x": "1"}}}),
        ),
        (
            json!({"spec": {"x": 1}, "status": {"s": 1, "t": {"u": 2, "v": 3}}}),
            &["status.t.u"],
            json!({"spec": {"x": 1}, "status": {"t": {"u": 2}}}),
        ),
        (
            json!({"spec": {"x": 1}, "status": {"s": 1}}),
            &["status.none", "other.x"],
            json!({"spec": {"x": 1}}),
        ),
        (json!({"status": {}}), &["status"], json!({})),
        (json!({"status": {"kopf": {"progress": {"fn": {}}}}}), &["status"], json!({})),
        (
            json!({"status": {"kopf": {"progress": {"fn": {}}}, "x": 1}}),
            &["status"],
            json!({"status": {"x": 1}}),
        ),
        (json!({"status": {"x": 1}}), &["status", "status.x"], json!({"status": {"x": 1}})),
        (json!({"metadata": {"name": "n"}}), &["metadata.name"], json!({"metadata": {"name": "n"}})),
        (
            json!({"metadata": {"finalizers": ["f"]}}),
            &["metadata.finalizers"],
            json!({"metadata": {"finalizers": ["f"]}}),
        ),
        (json!({"spec": null}), &[], json!({"spec": null})),
    ];
    for (object, extra, expected) in cases {
        assert_eq!(of(object.clone(), &kopf(), extra), expected, "{object} with {extra:?}");
    }
}

#[test]
fn own_annotations_are_left_out_with_the_marker_and_without() {
    for marker in [true, false] {
        let mut annotations = json!({"my-op.korf.dev/fn": "{}", "my-op.korf.dev.x/a": "1", "a": "1"});
        if marker {
            annotations["my-op.korf.dev/kopf-managed"] = "yes".into();
        }
        let expected = json!({"metadata": {"annotations": {"my-op.korf.dev.x/a": "1", "a": "1"}}});
        assert_eq!(of(json!({"metadata": {"annotations": annotations}}), &own(), &[]), expected);
    }
}

#[test]
fn a_handler_of_metadata_is_not_called_for_what_each_write_changes() {
    let metadata = json!({
        "name": "n", "resourceVersion": "1", "generation": 1, "managedFields": [{}],
        "finalizers": ["my-op.korf.dev/finalizer"],
        "annotations": {"my-op.korf.dev/fn": "{}", "kubectl.kubernetes.io/last-applied-configuration": "x"},
    });
    for extra in [&["metadata"] as &[_], &["metadata.annotations", "metadata.name", "metadata.finalizers"]] {
        let essence = of(json!({"metadata": metadata}), &own(), extra);
        assert_eq!(essence, json!({"metadata": {"name": "n"}}), "{extra:?}");
    }
}

#[test]
fn kopfs_fields_of_the_status_are_left_out_only_in_kopfs_storage() {
    let object =
        json!({"status": {"kopf": {"progress": {}, "dummy": "x", "last-handled-configuration": "{}"}}});
    assert_eq!(of(object.clone(), &kopf(), &["status"]), json!({}));
    assert_eq!(of(object.clone(), &own(), &["status"]), object);
}

#[test]
fn extra_fields_that_cannot_be_there_are_ignored() {
    let object = json!({"spec": {"x": 1}, "status": "text"});
    for extra in ["", "status.x", "spec.x.y", "none"] {
        assert_eq!(of(object.clone(), &own(), &[extra]), json!({"spec": {"x": 1}}), "{extra:?}");
    }
}

fn secret(uid: &str, data: Value) -> Value {
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"uid": uid}, "type": "Opaque", "data": data,
    });
    of(object, &own(), &[])
}

#[test]
fn the_data_of_secrets_is_replaced_by_digests() {
    let essence = secret("u", json!({"a": "c2VjcmV0", "b": "c2VjcmV0"}));
    let digest = |key: &str| essence["data"][key].as_str().unwrap().to_owned();
    assert_eq!(essence["type"], "Opaque");
    assert!(digest("a").starts_with("blake2b:") && digest("a").len() == 30, "{}", digest("a"));
    assert_ne!(digest("a"), digest("b"), "equal values of two keys look different");
}

#[test]
fn a_digest_changes_with_the_value_and_the_object_alone() {
    let of = |uid: &str, value: &str| secret(uid, json!({"a": value}));
    assert_eq!(of("u", "x"), of("u", "x"));
    assert_ne!(of("u", "x"), of("u", "y"));
    assert_ne!(of("u", "x"), of("v", "x"));
}

#[test]
fn only_secrets_of_the_core_group_are_concealed() {
    for (version, kind) in [("v1", "ConfigMap"), ("example.com/v1", "Secret")] {
        let object = json!({"apiVersion": version, "kind": kind, "data": {"a": "x"}});
        assert_eq!(of(object, &own(), &[]), json!({"data": {"a": "x"}}));
    }
}

fn any_object() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["a", "other.dev/a", "other.dev/kopf-managed", "my-op.korf.dev/x"]);
    let annotations = prop::collection::hash_map(key, "[a-c]{0,2}", 0..4);
    let labels = prop::option::of(prop::collection::hash_map("[a-c]", "[a-c]", 0..3));
    let spec = prop::collection::hash_map("[a-c]", prop::option::of(0..3), 0..3);
    (annotations, labels, spec, 0..3).prop_map(|(annotations, labels, spec, status)| {
        json!({
            "apiVersion": "example.com/v1", "kind": "X", "spec": spec, "status": {"x": status},
            "metadata": {"name": "n", "labels": labels, "annotations": annotations},
        })
    })
}

proptest! {
    #[test]
    fn the_essence_of_an_essence_is_itself(object in any_object()) {
        let once = of(object, &own(), &["status.x"]);
        prop_assert_eq!(of(once.clone(), &own(), &["status.x"]), once);
    }

    #[test]
    fn own_annotations_make_no_difference(object in any_object(), name in "[a-z]{1,5}", text in any::<String>()) {
        for (storage, prefix) in [(own(), "my-op.korf.dev"), (kopf(), "kopf.zalando.org")] {
            let mut written = object.clone();
            written["metadata"]["annotations"][format!("{prefix}/{name}")] = text.clone().into();
            written["metadata"]["resourceVersion"] = text.clone().into();
            prop_assert_eq!(of(written, &storage, &[]), of(object.clone(), &storage, &[]));
        }
    }

    #[test]
    fn a_written_diff_base_is_no_change(object in any_object(), as_kopf in any::<bool>()) {
        let storage = if as_kopf { kopf() } else { own() };
        let before = of(object.clone(), &storage, &[]);
        let mut written = object.clone();
        json_patch::merge(&mut written, &storage.write_diff_base(&object.into(), &StoredEssence::Whole(before.into())).patch);
        let body = Body::from(written);
        prop_assert_eq!(storage.read_diff_base(&body), Some(StoredEssence::Whole(essence(&body, &storage, &[]).into())));
    }

    #[test]
    fn a_diff_base_reads_the_same_whether_or_not_the_present_essence_is_known(
        object in any_object(), later in prop::option::of(any_object()), escaped in any::<bool>(),
    ) {
        let storage = kopf();
        let base = StoredEssence::Whole(of(object.clone(), &storage, &[]).into());
        let mut patch = storage.write_diff_base(&object.clone().into(), &base).patch;
        let text = &mut patch["metadata"]["annotations"]["kopf.zalando.org/last-handled-configuration"];
        if escaped {
            *text = text.as_str().unwrap().replace('a', "\\u0061").into();
        }
        let mut written = later.unwrap_or(object);
        json_patch::merge(&mut written, &patch);
        let body = Body::from(written);
        let present = Arc::new(essence(&body, &storage, &[]));
        let known = storage.read_essences(&body, Some(&present)).diff_base.unwrap();
        let unknown = storage.read_diff_base(&body).unwrap();
        prop_assert_eq!(known.diff(&present), unknown.diff(&present));
        prop_assert_eq!(known, unknown);
    }
}

#[test]
fn an_essence_keeps_the_fields_that_users_write() {
    let value = Value::from("a value");
    for (field, is_kept) in [
        ("spec.size", true),
        ("status.phase", true),
        ("metadata.name", true),
        ("metadata.labels.app", true),
        ("metadata.finalizers", true),
        ("metadata.generation", false),
        ("metadata.resourceVersion", false),
        ("metadata.managedFields.x", false),
        ("data.key", true),
    ] {
        let expected = if is_kept { &value } else { &Value::Null };
        assert_eq!(kept("v1", "ConfigMap", &field.into(), &value, &own()), *expected, "{field}");
    }
    let annotation = |key: &str| kept("v1", "Pod", &["metadata", "annotations", key].into(), &value, &kopf());
    assert_eq!(annotation("example.com/note"), value);
    assert_eq!(annotation("kopf.zalando.org/last-handled-configuration"), Value::Null);
    assert_eq!(annotation("kubectl.kubernetes.io/last-applied-configuration"), Value::Null);
}

#[test]
fn an_essence_has_digests_of_a_secrets_data_whether_one_names_all_of_it_or_a_part() {
    let of_secret = |field: &str, value: &Value| kept("v1", "Secret", &field.into(), value, &own());
    let is_digest = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("blake2b:"));
    assert!(is_digest(&of_secret("data.key", &"eA==".into())));
    assert!(is_digest(&of_secret("data", &json!({"key": "eA=="}))["key"]));
    for (field, value) in [("data", json!({})), ("data.key", Value::Null), ("type", "Opaque".into())] {
        assert_eq!(of_secret(field, &value), value, "{field}");
    }
}
