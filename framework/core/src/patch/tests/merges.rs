//! Merge patches of handlers that touch our fields, or those of others.

use super::*;

const BASE: &str = "kopf.zalando.org/last-handled-configuration";
const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";

/// An object with a finalizer and an annotation of others, and with ours if it was handled before.
fn object(handled: bool) -> Value {
    let mut object = json!({
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "finalizers": ["other"],
                     "annotations": {"user": "x"}},
    });
    if handled {
        object["metadata"]["annotations"][BASE] = "{}".into();
        object["metadata"]["finalizers"] = json!(["other", FINALIZER]);
    }
    object
}

/// The metadata that a request names for a merge patch of the metadata, less the uid.
fn asked(object: &Value, stored: Option<&str>, metadata: &Value) -> Option<Value> {
    let mut edits = merging([json!({ "metadata": metadata })]);
    if let Some(stored) = stored {
        edits.store(json!({"metadata": {"annotations": {BASE: stored}}}));
    }
    let mut named = edits.request(Part::Object, &object.clone().into(), true)?.patch["metadata"].take();
    named.as_object_mut().unwrap().remove("uid");
    Some(named)
}

#[test]
fn a_merge_that_deletes_all_annotations_deletes_those_that_are_not_ours() {
    for whole in [json!({"annotations": null}), Value::Null] {
        let named = asked(&object(true), None, &whole).unwrap();
        assert_eq!(named["annotations"], json!({"user": null}), "{whole}");
    }
    let deletion = json!({"annotations": null});
    for (handled, annotations) in
        [(true, json!({"user": null, BASE: "new"})), (false, json!({"user": null, BASE: "new"}))]
    {
        let named = asked(&object(handled), Some("new"), &deletion).unwrap();
        assert_eq!(
            named["annotations"], annotations,
            "a value that is stored by the same request doesn't hide it"
        );
    }
    assert_eq!(asked(&object(false), None, &deletion), Some(deletion));
}

#[test]
fn a_merge_of_the_finalizers_is_versioned_and_leaves_ours() {
    let guarded = |names: Value| Some(json!({"resourceVersion": "7", "finalizers": names}));
    for (handled, asked_for, names) in [
        (true, json!([]), json!([FINALIZER])),
        (true, Value::Null, json!([FINALIZER])),
        (true, json!(["other", "mine"]), json!(["other", "mine", FINALIZER])),
        (false, json!(["other", "mine"]), json!(["other", "mine"])),
        (false, json!([]), json!([])),
        (false, json!(["other", FINALIZER, "mine"]), json!(["other", "mine"])),
    ] {
        let named = asked(&object(handled), None, &json!({ "finalizers": asked_for }));
        assert_eq!(named, guarded(names), "{asked_for} of {handled}");
    }
    assert_eq!(asked(&object(true), None, &json!({"finalizers": ["other"]})), None);
}

#[test]
fn a_merge_changes_nothing_of_ours_by_its_name() {
    let ours = json!({"annotations": {BASE: "theirs", "mine": "y"}});
    let named = asked(&object(true), None, &ours).unwrap();
    assert_eq!(named["annotations"], json!({"mine": "y"}));
}

#[test]
fn a_merge_after_one_that_deletes_a_mapping_brings_nothing_of_it_back() {
    let edits =
        merging([json!({"spec": null}), json!({"spec": {"b": {"new": 2}}}), json!({"spec": {"c": null}})]);
    let mut before = json!({"metadata": {"uid": "u"}, "spec": {"a": 1, "b": {"old": 1}}});
    let request = edits.request(Part::Object, &before.clone().into(), true).unwrap();
    json_patch::merge(&mut before, &request.patch);
    assert_eq!(before["spec"], json!({"b": {"new": 2}}));
}
