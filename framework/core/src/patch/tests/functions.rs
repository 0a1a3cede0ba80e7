//! Functions that handlers leave.

use super::*;
use std::sync::Arc;

fn object() -> Value {
    json!({
        "apiVersion": "v1", "kind": "X",
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "7",
                     "finalizers": ["other", "kopf.zalando.org/KopfFinalizerMarker"],
                     "annotations": {"user": "x", "kopf.zalando.org/last-handled-configuration": "{}"}},
        "spec": {"list": [1]}, "status": {"log": ["a"]},
    })
}

fn function(modify: impl Fn(&mut Value) + Send + Sync + 'static) -> Edit {
    Edit::Modify(Function { handler: "f".into(), modify: Arc::new(modify) })
}

fn push(object: &mut Value, pointer: &str, item: i64) {
    object.pointer_mut(pointer).unwrap().as_array_mut().unwrap().push(item.into());
}

/// Drafts edits for an object, and passes the draft on.
fn drafted<T>(object: Value, edits: impl IntoIterator<Item = Edit>, then: impl FnOnce(&Draft<'_>) -> T) -> T {
    let edits: Edits = edits.into_iter().collect();
    then(&edits.draft(&object.into(), &kopf(), Omit::default()))
}

/// The merge patch of the object, for a kind with a status subresource.
fn drafted_patch(edits: impl IntoIterator<Item = Edit>) -> Value {
    drafted(object(), edits, |draft| {
        draft.request(Part::Object, &object().into(), true).expect("it changes something").patch
    })
}

/// What a function asks for of a kind without a status subresource, less the guards.
fn asked(modify: impl Fn(&mut Value) + Send + Sync + 'static) -> Option<Value> {
    let request =
        drafted(object(), [function(modify)], |draft| draft.request(Part::Object, &object().into(), false));
    let mut patch = request?.patch;
    let metadata = patch["metadata"].as_object_mut().unwrap();
    assert_eq!(metadata.remove("uid"), Some("u".into()));
    assert_eq!(
        metadata.remove("resourceVersion"),
        Some("7".into()),
        "the object must not have changed since"
    );
    if metadata.is_empty() {
        patch.as_object_mut().unwrap().remove("metadata");
    }
    Some(patch)
}

#[test]
fn the_changes_of_a_function_become_part_of_the_merge_patch() {
    type Case = (&'static str, fn(&mut Value), Option<Value>);
    let cases: [Case; 12] = [
        ("an item more", |o| push(o, "/spec/list", 2), Some(json!({"spec": {"list": [1, 2]}}))),
        (
            "a field gone",
            |o| drop(o["spec"].as_object_mut().unwrap().remove("list")),
            Some(json!({"spec": {"list": null}})),
        ),
        ("a field null", |o| o["spec"]["list"] = Value::Null, Some(json!({"spec": {"list": null}}))),
        (
            "a new mapping",
            |o| o["spec"]["a"] = json!({"b": {}, "c": null}),
            Some(json!({"spec": {"a": {"b": {}}}})),
        ),
        ("an empty mapping", |o| o["spec"]["a"] = json!({}), Some(json!({"spec": {"a": {}}}))),
        ("another type", |o| o["spec"] = json!([1]), Some(json!({"spec": [1]}))),
        ("nothing", |_| (), None),
        ("a look at what isn't there", |o| assert!(o["spec"]["a"]["b"].as_array_mut().is_none()), None),
        ("a look into a list", |o| o["spec"]["list"] = json!([1]), None),
        ("the status taken away", |o| o["status"] = Value::Null, Some(json!({"status": {"log": null}}))),
        (
            "all but nothing",
            |o| *o = json!({"metadata": {}, "spec": {}}),
            Some(json!({
                "metadata": {"annotations": {"user": null}, "finalizers": ["kopf.zalando.org/KopfFinalizerMarker"]},
                "spec": {"list": null}, "status": {"log": null},
            })),
        ),
        (
            "there and back",
            |o| {
                push(o, "/spec/list", 2);
                o["spec"]["list"] = json!([1]);
            },
            None,
        ),
    ];
    for (name, modify, expected) in cases {
        assert_eq!(asked(modify), expected, "{name}");
    }
}

#[test]
fn merge_patches_and_functions_have_their_effects_in_their_order() {
    let add = |item| function(move |object| push(object, "/spec/list", item));
    let edits = [
        Edit::Merge(json!({"spec": {"list": [7], "a": {"b": 1}}})),
        add(8),
        add(9),
        Edit::Merge(json!({"spec": {"a": null}})),
        function(|object| object["spec"]["a"]["c"] = 2.into()),
    ];
    let patch = drafted_patch(edits);
    assert_eq!(patch["spec"], json!({"list": [7, 8, 9], "a": {"c": 2}}));
}

#[test]
fn a_function_that_changes_nothing_guards_nothing() {
    let patch = drafted_patch([function(|_| ()), Edit::Merge(json!({"spec": {"a": 1}}))]);
    assert_eq!(patch, json!({"metadata": {"uid": "u"}, "spec": {"a": 1}}));
}

#[test]
fn a_function_is_called_once_for_status_and_object() {
    let both = function(|object| {
        if object["status"]["done"].is_null() {
            object["status"]["done"] = true.into();
            push(object, "/spec/list", 2);
        }
    });
    let (edits, later): (Edits, Edits) = ([both.clone()].into_iter().collect(), [both].into_iter().collect());
    let drafted_for = object().into();
    let draft = edits.draft(&drafted_for, &kopf(), Omit::default());
    let status = draft.request(Part::Status, &object().into(), true).unwrap().patch;
    assert_eq!(status, json!({"metadata": {"resourceVersion": "7"}, "status": {"done": true}}));
    let mut after = object();
    after["status"]["done"] = true.into();
    after["metadata"]["resourceVersion"] = "8".into();
    let rest = draft.request(Part::Object, &after.clone().into(), true).unwrap().patch;
    let guards = json!({"uid": "u", "resourceVersion": "8"});
    assert_eq!(rest, json!({"metadata": guards, "spec": {"list": [1, 2]}}));
    assert_eq!(later.request(Part::Object, &after.into(), true), None);
}

#[test]
fn our_fields_stay_whatever_a_function_does() {
    let cases: [fn(&mut Value); 4] = [
        |o| o["metadata"]["annotations"]["kopf.zalando.org/last-handled-configuration"] = "mine".into(),
        |o| o["metadata"]["annotations"]["kopf.zalando.org/new"] = "mine".into(),
        |o| drop(o["metadata"]["finalizers"].as_array_mut().unwrap().remove(1)),
        |o| o["status"]["kopf"] = json!({"progress": {"f": {}}}),
    ];
    for modify in cases {
        assert_eq!(asked(modify), None);
    }
    let replaced = asked(|o| o["metadata"]["annotations"] = json!({"mine": "y"})).unwrap();
    assert_eq!(replaced, json!({"metadata": {"annotations": {"mine": "y", "user": null}}}));
    let gone = asked(|o| drop(o["metadata"].as_object_mut().unwrap().remove("annotations"))).unwrap();
    assert_eq!(gone, json!({"metadata": {"annotations": {"user": null}}}));
}

#[test]
fn our_own_finalizer_goes_in_the_same_list_as_those_of_a_function() {
    let function = function(|object| object["metadata"]["finalizers"] = json!(["mine"]));
    let mut edits: Edits = [function].into_iter().collect();
    edits.set_finalizer(Finalizer::Remove("kopf.zalando.org/KopfFinalizerMarker".into()));
    let request = edits.request(Part::Object, &object().into(), true).unwrap();
    assert_eq!(request.patch["metadata"]["finalizers"], json!(["mine"]));
}

#[test]
fn fields_that_identify_the_object_are_left_out_and_reported() {
    let fields = ["metadata.name", "metadata.uid", "metadata.resourceVersion"];
    let other = json!({"metadata": {"name": "b", "uid": "v", "resourceVersion": "1"}, "spec": {"a": 1}});
    let merged = other.clone();
    for edit in [function(move |object| json_patch::merge(object, &other)), Edit::Merge(merged)] {
        let patch = drafted_patch([edit.clone()]);
        assert_eq!(patch["spec"], json!({"a": 1}));
        assert!(patch["metadata"]["name"].is_null() && patch["metadata"]["uid"] == "u", "{patch}");
        assert!(patch["metadata"]["resourceVersion"] != "1", "{patch}");
        let left_out = fields.map(|field| format!("handlers can't change `{field}`"));
        drafted(object(), [edit], |draft| assert_eq!(draft.left_out(), left_out));
    }
    drafted(object(), [Edit::Merge(json!({"kind": "X", "metadata": {"name": "a"}}))], |same| {
        assert_eq!((same.request(Part::Object, &object().into(), true), same.left_out()), (None, &[][..]));
    });
}

#[test]
fn a_function_that_panics_is_left_out_and_all_others_have_their_effect() {
    let edits = [
        function(|object| push(object, "/spec/list", 2)),
        function(|object| {
            push(object, "/spec/list", 3);
            panic!("boom")
        }),
        function(|object| *object = json!(5)),
        function(|object| push(object, "/spec/list", 4)),
    ];
    assert_eq!(drafted_patch(edits.clone())["spec"], json!({"list": [1, 2, 4]}));
    let left_out = [
        "a function of handler 'f' has no effect: it panicked: boom",
        "a function of handler 'f' has no effect: the object that it leaves isn't a mapping",
    ];
    drafted(object(), edits, |draft| assert_eq!(draft.left_out(), left_out));
}

fn changing_both() -> Edits {
    let function = function(|object| {
        push(object, "/spec/list", 2);
        object["status"]["done"] = true.into();
    });
    [function].into_iter().collect()
}

#[test]
fn without_the_status_a_function_changes_the_rest() {
    let mut edits = changing_both();
    edits.store(json!({"status": {"kopf": {"x": "y"}}}));
    let omit = Omit { status: true, ..Omit::default() };
    let patch = edits.request_without(omit, Part::Object, &object().into(), false).unwrap().patch;
    assert_eq!((&patch["spec"], &patch["status"]), (&json!({"list": [1, 2]}), &json!({"kopf": {"x": "y"}})));
}

#[test]
fn without_the_object_a_function_changes_the_status_alone() {
    let (edits, omit) = (changing_both(), Omit { object: true, ..Omit::default() });
    assert_eq!(edits.request_without(omit, Part::Object, &object().into(), true), None);
    let status = edits.request_without(omit, Part::Status, &object().into(), true).unwrap().patch;
    assert_eq!(status["status"], json!({"done": true}));
}
