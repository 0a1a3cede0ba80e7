mod functions;
mod laws;
mod merges;

use super::*;
use crate::{
    Part,
    body::Body,
    merge::difference,
    storage::{StorageConfig, tests::kopf},
};
use serde_json::{Map, Value, json};

impl Edits {
    /// As it is sent for this object by an operator with Kopf's storage.
    pub(crate) fn request(&self, part: Part, body: &Body, subresource: bool) -> Option<Request> {
        self.request_without(Omit::default(), part, body, subresource)
    }

    fn request_without(&self, omit: Omit, part: Part, body: &Body, subresource: bool) -> Option<Request> {
        self.draft(body, &kopf(), omit).request(part, body, subresource)
    }
}

/// Edits by these merge patches of handlers.
pub(crate) fn merging<const N: usize>(patches: [Value; N]) -> Edits {
    patches.into_iter().map(Edit::Merge).collect()
}

fn body() -> Body {
    json!({
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "finalizers": ["other"],
                     "annotations": {"k": "old"}},
        "status": {"ready": true},
    })
    .into()
}

fn add() -> Edits {
    Finalizer::Add("ours".into()).into()
}

/// Edits by these merge patches of handlers, and by a value that korf stores in an annotation.
fn storing<const N: usize>(value: &str, patches: [Value; N]) -> Edits {
    let mut edits = merging(patches);
    edits.store(json!({"metadata": {"annotations": {"k": value}}}));
    edits
}

fn with_status(status: Value) -> Edits {
    merging([json!({ "status": status })])
}

#[test]
fn every_request_is_guarded_by_what_it_changes() {
    let cases = [
        (storing("new", []), json!({"metadata": {"uid": "u", "annotations": {"k": "new"}}})),
        (add(), json!({"metadata": {"uid": "u", "resourceVersion": "7", "finalizers": ["other", "ours"]}})),
        (
            Finalizer::Remove("other".into()).into(),
            json!({"metadata": {"uid": "u", "resourceVersion": "7", "finalizers": []}}),
        ),
        (with_status(json!({"ready": false})), json!({"metadata": {"uid": "u"}, "status": {"ready": false}})),
    ];
    for (edits, expected) in cases {
        let request = edits.request(Part::Object, &body(), false);
        assert_eq!(request, Some(Request { part: Part::Object, patch: expected }));
    }
}

#[test]
fn the_status_subresource_comes_first_and_carries_the_resource_version() {
    let edits = storing("new", [json!({"status": {"ready": false}})]);
    let request = edits.request(Part::Status, &body(), true).expect("there is something to write");
    let expected = json!({"metadata": {"resourceVersion": "7"}, "status": {"ready": false}});
    assert_eq!(request, Request { part: Part::Status, patch: expected });
}

#[test]
fn a_value_that_is_there_already_is_not_written_again() {
    let mut edits = storing("old", [json!({"status": {"ready": true, "absent": null}})]);
    edits.set_finalizer(Finalizer::Add("other".into()));
    for (part, subresource) in [(Part::Status, true), (Part::Object, true), (Part::Object, false)] {
        assert_eq!(edits.request(part, &body(), subresource), None);
        assert_eq!(Edits::default().request(part, &json!({}).into(), subresource), None);
    }
}

// It writes 1.0 as 1, and 1e3 as 1000.
#[test]
fn a_number_that_the_api_server_writes_otherwise_is_there_already() {
    let body = json!({"metadata": {"uid": "u"}, "spec": {"all": [{"n": 1000}]}, "status": {"n": 1}});
    let body: Body = body.into();
    let edits = with_status(json!({"n": 1.0}));
    assert_eq!(edits.request(Part::Status, &body, true), None);
    let asked = json!({"metadata": {"uid": "u"}, "spec": {"all": [{"n": 1e3}]}, "status": {"n": 1.0}});
    assert_eq!(inconsistencies(asked.clone(), &body), [""; 0]);
    assert_eq!(difference(body.value(), &asked), None);
    assert_eq!(inconsistencies(json!({"status": {"n": true}}), &body), ["status.n"]);
}

#[test]
fn the_last_edit_of_a_field_wins_and_nulls_stay() {
    let edits = merging([
        json!({"spec": {"a": 1, "b": 1}, "status": {"x": 1}}),
        json!({"spec": {"b": null, "c": {"d": 2}}}),
        json!({"status": {"x": 2}}),
    ]);
    let object = edits.request(Part::Object, &body(), true).unwrap().patch;
    assert_eq!(object["spec"], json!({"a": 1, "b": null, "c": {"d": 2}}));
    let status = edits.request(Part::Status, &body(), true).unwrap().patch;
    assert_eq!(status["status"], json!({"x": 2}));
}

#[test]
fn joined_edits_come_in_their_order_and_korfs_own_come_last() {
    let mut edits =
        merging([json!({"metadata": {"annotations": {"k": "theirs"}}, "spec": {"a": 1, "b": 1}})]);
    let mut other = storing("new", [json!({"spec": {"b": 2}})]);
    other.set_finalizer(Finalizer::Add("ours".into()));
    edits.join(other);
    edits.join(Edits::default());
    let patch = edits.request(Part::Object, &body(), true).unwrap().patch;
    assert_eq!(patch["spec"], json!({"a": 1, "b": 2}));
    assert_eq!(patch["metadata"]["annotations"], json!({"k": "new"}));
    assert_eq!(patch["metadata"]["finalizers"], json!(["other", "ours"]));
}

#[test]
fn rejected_edits_are_left_out_and_korfs_own_writes_stay() {
    let edits = storing("new", [json!({"spec": {"a": 1}, "status": {"x": 1}})]);
    let own = json!({"metadata": {"uid": "u", "annotations": {"k": "new"}}});
    let with = |fields: Value| {
        let mut patch = own.clone();
        json_patch::merge(&mut patch, &fields);
        Some(patch)
    };
    let (status, object) = (json!({"status": {"x": 1}}), json!({"spec": {"a": 1}}));
    let cases = [
        (Omit::default(), with(json!({"spec": {"a": 1}, "status": {"x": 1}}))),
        (Omit { status: true, ..Omit::default() }, with(object)),
        (Omit { object: true, ..Omit::default() }, with(status)),
        (Omit::ALL, with(json!({}))),
    ];
    for (omit, expected) in cases {
        let request = edits.request_without(omit, Part::Object, &body(), false);
        assert_eq!(request.map(|request| request.patch), expected, "{omit:?}");
    }
}

#[test]
fn the_rejected_fields_tell_which_edits_to_leave_out() {
    let edited = json!({"metadata": {"labels": {"l": 1}}, "spec": {"a": [{"b": 1}]}, "status": {"x": 1}});
    let (ours, both) = (storing("new", []), storing("new", [edited.clone()]));
    let shared = storing("new", [edited, json!({"metadata": {"annotations": {"theirs": "x"}}})]);
    let (none, all) = (None, Some(Omit::ALL));
    let object = Some(Omit { object: true, ..Omit::default() });
    let status = Some(Omit { status: true, ..Omit::default() });
    type Case<'a> = (&'a Edits, Part, &'a [&'a str], Option<Omit>, Option<Omit>);
    let cases: [Case<'_>; 13] = [
        (&ours, Part::Object, &["metadata.annotations"], none, none),
        (&ours, Part::Object, &["metadata.annotations[k]"], none, none),
        (&ours, Part::Object, &[], none, none),
        (&both, Part::Object, &[], object, all),
        (&both, Part::Object, &["metadata.annotations"], none, none),
        (&both, Part::Object, &["metadata.annotations[k]"], none, none),
        (&both, Part::Object, &["metadata.labels"], object, all),
        (&both, Part::Object, &["metadata.annotations", "spec.a[0].b"], object, all),
        (&both, Part::Object, &["spec.other"], object, all),
        (&both, Part::Object, &["status.x"], object, all),
        (&both, Part::Status, &["status.x"], status, status),
        (&shared, Part::Object, &["metadata.annotations"], object, all),
        (&add(), Part::Object, &["metadata.finalizers[1]"], none, none),
    ];
    for (edits, part, fields, with_subresource, without) in cases {
        let body = body();
        let draft = edits.draft(&body, &kopf(), Omit::default());
        let omission = |subresource| draft.omission(part, fields.iter().copied(), subresource);
        assert_eq!((omission(true), omission(false)), (with_subresource, without), "{part:?} {fields:?}");
    }
}

#[test]
fn edits_that_were_left_out_before_stay_left_out() {
    let edits = merging([json!({"spec": {"a": 1}, "status": {"x": 1}})]);
    let omit = Omit { status: true, ..Omit::default() };
    let body = body();
    let draft = edits.draft(&body, &kopf(), omit);
    assert_eq!(draft.omission(Part::Object, ["spec.a"].into_iter(), true), Some(Omit::ALL));
    assert_eq!(draft.omission(Part::Status, ["status.x"].into_iter(), true), None, "it has none");
}

#[test]
fn an_object_that_goes_with_our_finalizer_gets_no_new_status() {
    let removing = |object: Value| {
        let mut edits = merging([json!({"spec": {"a": 1}, "status": {"x": 1}})]);
        edits.store(json!({"status": {"kopf": {"progress": {"f": null}}}}));
        edits.set_finalizer(Finalizer::Remove("other".into()));
        let body = Body::from(object);
        [(Part::Status, true), (Part::Object, true), (Part::Object, false)].map(|(part, subresource)| {
            edits.request(part, &body, subresource).map(|request| request.patch["status"].clone())
        })
    };
    let mut object = body().value().clone();
    object["status"] = json!({"kopf": {"progress": {"f": {}}}});
    let status = json!({"x": 1, "kopf": {"progress": {"f": null}}});
    assert_eq!(removing(object.clone()), [Some(status.clone()), Some(Value::Null), Some(status)]);
    object["metadata"]["deletionTimestamp"] = "2026-11-22T14:53:30Z".into();
    assert_eq!(removing(object), [None, Some(Value::Null), Some(Value::Null)]);
}

fn inconsistencies(patch: Value, body: &Body) -> Vec<String> {
    Request { part: Part::Object, patch }.inconsistencies(body)
}
