//! Where things are kept.

use super::*;
use crate::{
    body::Body,
    diff::Field,
    patch::{Part, Patch},
};

fn in_status() -> Storage {
    Choice { in_status: true, ..Choice::default() }.storage("my-op").unwrap()
}

fn kopfs_status() -> Storage {
    Choice { in_status: true, kopf: true, ..Choice::default() }.storage("my-op").unwrap()
}

#[test]
fn an_operator_chooses_its_prefix_and_its_finalizer() {
    let choice = |kopf, prefix: Option<&str>, finalizer: Option<&str>| Choice {
        kopf,
        prefix: prefix.map(Into::into),
        finalizer: finalizer.map(Into::into),
        ..Choice::default()
    };
    let kopfs = "kopf.zalando.org/KopfFinalizerMarker";
    let cases = [
        (choice(false, None, None), "my-op.korf.dev/fn.x", "my-op.korf.dev/finalizer"),
        (choice(true, None, None), "kopf.zalando.org/fn.x", kopfs),
        (choice(false, Some("a.example.com"), None), "a.example.com/fn.x", "a.example.com/finalizer"),
        (choice(true, Some("a.example.com"), None), "a.example.com/fn.x", kopfs),
        (choice(false, None, Some("b.example.com/Keep_it")), "my-op.korf.dev/fn.x", "b.example.com/Keep_it"),
    ];
    for (choice, key, finalizer) in cases {
        let storage = choice.storage("my-op").unwrap();
        let patch = storage.write_progress(&annotated(json!({})), &Progress::default(), &one());
        assert!(in_annotations(&patch).contains_key(key), "{patch}");
        assert_eq!(storage.finalizer(), finalizer);
    }
}

#[test]
fn names_that_kubernetes_refuses_are_refused_with_a_reason() {
    let error = |choice: Choice| choice.storage("my-op").unwrap_err().to_string();
    for prefix in ["", "Example.com", "a..b", "a/b", "-a.b", &"a".repeat(254)] {
        let said = error(Choice { prefix: Some(prefix.into()), ..Choice::default() });
        assert!(said.contains(&format!("{prefix:?}")) && said.contains("annotations"), "{said}");
    }
    for finalizer in
        ["", "finalizer", "a.b/", "/x", "a.b/c/d", "A.b/c", "a.b/-", &format!("a.b/{}", "x".repeat(64))]
    {
        let said = error(Choice { finalizer: Some(finalizer.into()), ..Choice::default() });
        assert!(said.contains(&format!("{finalizer:?}")) && said.contains("finalizer"), "{said}");
    }
}

fn one() -> Progress {
    Progress::default().with("fn/x", record().postponed(Some(now()), Some("é")))
}

/// What `StatusProgressStorage().store(…)` and `StatusDiffBaseStorage().store(…)` of Kopf 1.45.2 write, less the nulls that
/// merge nothing away.
#[test]
fn the_status_is_written_as_kopf_does() {
    let body: Body = json!({"metadata": {}}).into();
    let patch = kopfs_status().write_progress(&body, &Progress::default(), &one());
    let record = json!({
        "started": "2026-11-22T14:53:30.883823+00:00", "delayed": "2026-11-22T14:53:30.883823+00:00", "purpose": "create",
        "retries": 1, "success": false, "failure": false, "message": "é",
    });
    assert_eq!(patch, json!({"status": {"kopf": {"progress": {"fn/x": record}}}}));
    let Written { patch, .. } =
        kopfs_status().write_diff_base(&body, &Kept::Whole(json!({"spec": {"x": "é"}})));
    let text = r#"{"spec":{"x":"\u00e9"}}"#;
    assert_eq!(patch, json!({"status": {"kopf": {"last-handled-configuration": text}}}));
    let own = in_status().write_progress(&body, &Progress::default(), &one());
    assert!(own["status"]["my-op"]["progress"]["fn/x"].is_object(), "{own}");
}

#[test]
fn what_is_written_into_the_status_is_read_and_erased() {
    let body: Body = json!({"metadata": {}, "status": {"my-op": {"dummy": "2026"}, "other": 1}}).into();
    let storage = in_status();
    let body = merged(&body, &storage.write_progress(&body, &Progress::default(), &one()));
    assert_eq!(body.value()["status"]["my-op"].get("dummy"), None);
    assert_eq!(storage.read_progress(&body, ["fn/x"], now()), one());
    // What a record no longer has is taken out of it: a merge would leave it.
    let two = Progress::default().with("fn/x", record().postponed(None, None));
    let body = merged(&body, &storage.write_progress(&body, &one(), &two));
    assert_eq!(storage.read_progress(&body, ["fn/x"], now()), two);
    let essence = Kept::Whole(json!({"spec": {"x": 1}}));
    let body = merged(&body, &storage.write_basis(&body, &essence).patch);
    assert_eq!((storage.read_basis(&body), storage.read_diff_base(&body)), (Some(essence.clone()), None));
    let body = merged(&body, &storage.write_diff_base(&body, &essence).patch);
    assert_eq!((storage.read_basis(&body), storage.read_diff_base(&body)), (None, Some(essence)));
    let body = merged(&body, &storage.write_progress(&body, &two, &Progress::default()));
    let kept = json!({"progress": {}, "last-handled-configuration": r#"{"spec":{"x":1}}"#});
    assert_eq!(body.value()["status"], json!({"my-op": kept, "other": 1}));
    assert_eq!(body.value()["metadata"], json!({}));
}

#[test]
fn what_is_kept_in_the_status_is_not_the_users() {
    let status = json!({"my-op": {"progress": {"fn": {}}, "korf-basis": "{}", "mine": 1}, "size": 1});
    let body: Body = json!({"metadata": {}, "status": status}).into();
    let essence = essence::essence(&body, &in_status(), &[Field::from(["status"])]);
    assert_eq!(essence, json!({"status": {"my-op": {"mine": 1}, "size": 1}}));
}

#[test]
fn an_operator_that_moves_to_the_status_goes_on_with_its_annotations_and_erases_them_later() {
    let (old, new) = (own(), in_status());
    let [first, second] = [1, 2].map(|x| Kept::Whole(json!({"spec": {"x": x}})));
    let body = annotated(json!({}));
    let body = merged(&body, &old.write_diff_base(&body, &first).patch);
    let body = merged(&body, &old.write_progress(&body, &Progress::default(), &one()));
    assert_eq!(new.read_diff_base(&body), Some(first));
    assert_eq!(new.read_progress(&body, ["fn/x"], now()), one());
    // A crash between two requests loses nothing: the old one is there until the new one is.
    let body = merged(&body, &new.write_diff_base(&body, &second).patch);
    assert!(old.read_diff_base(&body).is_some());
    assert_eq!(new.read_diff_base(&body), Some(second.clone()));
    let body = merged(&body, &new.write_diff_base(&body, &second).patch);
    assert_eq!((old.read_diff_base(&body), new.read_diff_base(&body)), (None, Some(second)));
    let body = merged(&body, &new.write_progress(&body, &one(), &Progress::default()));
    assert!(old.read_progress(&body, ["fn/x"], now()).is_empty());
}

#[test]
fn a_kind_whose_status_keeps_nothing_has_annotations_instead() {
    let spare = in_status().outside_status().unwrap();
    let patch = spare.write_diff_base(&annotated(json!({})), &Kept::Whole(json!({}))).patch;
    assert!(in_annotations(&patch).contains_key("my-op.korf.dev/last-handled-configuration"), "{patch}");
    assert!(own().outside_status().is_none() && spare.outside_status().is_none());
}

#[test]
fn what_closes_the_cycle_is_written_last() {
    let body: Body = json!({"metadata": {"uid": "u", "resourceVersion": "1"}}).into();
    let essence = Kept::Whole(json!({}));
    for (storage, order) in
        [(in_status(), [Part::Object, Part::Status]), (own(), [Part::Status, Part::Object])]
    {
        let mut patch = Patch::of_merges([json!({"spec": {"x": 1}, "status": {"y": 1}})]);
        patch.keep(storage.write_diff_base(&body, &essence).patch);
        assert_eq!(patch.order(), order);
    }
    let mut patch = Patch::of_merges([json!({"status": {"y": 1}})]);
    patch.keep(in_status().write_diff_base(&body, &essence).patch);
    assert_eq!(patch.request(Part::Object, &body, true), None, "one write is enough");
    let request = patch.request(Part::Status, &body, true).unwrap().patch;
    assert_eq!(request["metadata"], json!({"resourceVersion": "1"}));
    assert!(request["status"]["my-op"].is_object() && request["status"]["y"] == 1, "{request}");
}

#[test]
fn a_status_that_drops_what_is_kept_in_it_is_noticed() {
    let body: Body = json!({"metadata": {}, "status": {"y": 1}}).into();
    let mut patch = Patch::of_merges([json!({"status": {"pruned": 1}})]);
    assert!(!patch.is_pruned(&body), "that isn't ours");
    patch.keep(in_status().write_diff_base(&body, &Kept::Whole(json!({}))).patch);
    assert!(patch.is_pruned(&body));
    let mut kept = body.value().clone();
    json_patch::merge(&mut kept, &patch.request(Part::Object, &body, false).unwrap().patch);
    assert!(!patch.is_pruned(&kept.into()));
}
