mod functions;
mod laws;
mod merges;

use super::*;

impl Patch {
    /// As it is sent for this object, by an operator that is in Kopf's place.
    pub(crate) fn request(&self, part: Part, body: &Body, subresource: bool) -> Option<Request> {
        self.draft(body, &Storage::kopf()).request(part, body, subresource)
    }
}

fn body() -> Body {
    json!({
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "finalizers": ["other"],
                     "annotations": {"k": "old"}},
        "status": {"ready": true},
    })
    .into()
}

fn add() -> Patch {
    Patch::of_finalizer(Finalizer::Add("ours".into()))
}

fn annotated(value: Value) -> Patch {
    let mut patch = Patch::default();
    patch.keep(json!({"metadata": {"annotations": {"k": value}}}));
    patch
}

fn with_status(status: Value) -> Patch {
    let mut patch = Patch::default();
    patch.status(status);
    patch
}

#[test]
fn every_request_is_guarded_by_what_it_changes() {
    let cases = [
        (annotated(json!("new")), json!({"metadata": {"uid": "u", "annotations": {"k": "new"}}})),
        (add(), json!({"metadata": {"uid": "u", "resourceVersion": "7", "finalizers": ["other", "ours"]}})),
        (
            Patch::of_finalizer(Finalizer::Remove("other".into())),
            json!({"metadata": {"uid": "u", "resourceVersion": "7", "finalizers": []}}),
        ),
        (with_status(json!({"ready": false})), json!({"metadata": {"uid": "u"}, "status": {"ready": false}})),
    ];
    for (patch, expected) in cases {
        let request = patch.request(Part::Object, &body(), false);
        assert_eq!(request, Some(Request { part: Part::Object, patch: expected }));
    }
}

#[test]
fn the_status_subresource_comes_first_and_carries_the_resource_version() {
    let mut patch = annotated(json!("new"));
    patch.status(json!({"ready": false}));
    let request = patch.request(Part::Status, &body(), true).expect("there is something to write");
    let expected = json!({"metadata": {"resourceVersion": "7"}, "status": {"ready": false}});
    assert_eq!(request, Request { part: Part::Status, patch: expected });
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let mut patch = annotated(json!("old"));
    patch.status(json!({"ready": true, "absent": null}));
    patch.finalizer(Finalizer::Add("other".into()));
    for (part, subresource) in [(Part::Status, true), (Part::Object, true), (Part::Object, false)] {
        assert_eq!(patch.request(part, &body(), subresource), None);
        assert_eq!(Patch::default().request(part, &json!({}).into(), subresource), None);
    }
}

// It writes 1.0 as 1, and 1e3 as 1000.
#[test]
fn a_number_that_the_api_server_writes_otherwise_is_there_already() {
    let body = json!({"metadata": {"uid": "u"}, "spec": {"all": [{"n": 1000}]}, "status": {"n": 1}});
    let body: Body = body.into();
    let patch = with_status(json!({"n": 1.0}));
    assert_eq!(patch.request(Part::Status, &body, true), None);
    let asked = json!({"metadata": {"uid": "u"}, "spec": {"all": [{"n": 1e3}]}, "status": {"n": 1.0}});
    assert_eq!(inconsistencies(&asked, &body), [""; 0]);
    assert_eq!(difference(body.value(), &asked), None);
    assert_eq!(inconsistencies(&json!({"status": {"n": true}}), &body), ["status.n"]);
}

#[test]
fn the_last_word_on_a_field_wins_and_nulls_are_kept() {
    let mut patch = Patch::default();
    patch.merge(json!({"spec": {"a": 1, "b": 1}, "status": {"x": 1}}));
    patch.merge(json!({"spec": {"b": null, "c": {"d": 2}}}));
    patch.status(json!({"x": 2}));
    let object = patch.request(Part::Object, &body(), true).unwrap().patch;
    assert_eq!(object["spec"], json!({"a": 1, "b": null, "c": {"d": 2}}));
    let status = patch.request(Part::Status, &body(), true).unwrap().patch;
    assert_eq!(status["status"], json!({"x": 2}));
}

#[test]
fn a_refused_addition_leaves_our_own_writes() {
    let mut patch = annotated(json!("new"));
    patch.merge(json!({"spec": {"a": 1}, "status": {"x": 1}}));
    assert_eq!(patch.without_additions(), annotated(json!("new")));
}

#[test]
fn the_fields_that_are_refused_say_whom_to_blame() {
    let ours = annotated(json!("new"));
    let mut both = ours.clone();
    both.merge(json!({"metadata": {"labels": {"l": 1}}, "spec": {"a": [{"b": 1}]}}));
    let mut shared = both.clone();
    shared.merge(json!({"metadata": {"annotations": {"theirs": "x"}}}));
    let cases: [(&Patch, &[&str], bool); 9] = [
        (&ours, &["metadata.annotations"], true),
        (&ours, &["metadata.annotations[k]"], true),
        (&ours, &[], false),
        (&both, &["metadata.annotations"], true),
        (&both, &["metadata.labels"], false),
        (&both, &["metadata.annotations", "spec.a[0].b"], false),
        (&both, &["spec.other"], false),
        (&shared, &["metadata.annotations"], false),
        (&add(), &["metadata.finalizers[1]"], true),
    ];
    for (patch, fields, alone) in cases {
        let draft = patch.draft(&body(), &Storage::kopf());
        assert_eq!(draft.keeps_alone(fields.iter().copied()), alone, "{fields:?}");
    }
}
