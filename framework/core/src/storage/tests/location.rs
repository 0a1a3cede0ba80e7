//! Locations of what is stored.

use super::*;
use crate::{
    Part,
    body::Body,
    diff::Field,
    patch::{Edits, Finalizer, tests::merging},
};

fn in_status() -> Storage {
    StorageConfig { in_status: true, ..StorageConfig::default() }.storage("my-op").unwrap()
}

fn kopfs_status() -> Storage {
    StorageConfig { in_status: true, kopf: true, ..StorageConfig::default() }.storage("my-op").unwrap()
}

#[test]
fn an_operator_configures_its_prefix_and_its_finalizer() {
    let config = |kopf, prefix: Option<&str>, finalizer: Option<&str>| StorageConfig {
        kopf,
        prefix: prefix.map(Into::into),
        finalizer: finalizer.map(Into::into),
        ..StorageConfig::default()
    };
    let kopfs = "kopf.zalando.org/KopfFinalizerMarker";
    let cases = [
        (config(false, None, None), "my-op.korf.dev/fn.x", "my-op.korf.dev/finalizer"),
        (config(true, None, None), "kopf.zalando.org/fn.x", kopfs),
        (config(false, Some("a.example.com"), None), "a.example.com/fn.x", "a.example.com/finalizer"),
        (config(true, Some("a.example.com"), None), "a.example.com/fn.x", kopfs),
        (config(false, None, Some("b.example.com/Keep_it")), "my-op.korf.dev/fn.x", "b.example.com/Keep_it"),
    ];
    for (config, key, finalizer) in cases {
        let storage = config.storage("my-op").unwrap();
        let patch = storage.write_progress(&annotated(json!({})), &Progress::default(), &one());
        assert!(in_annotations(&patch).contains_key(key), "{patch}");
        assert_eq!(storage.finalizer(), finalizer);
    }
}

#[test]
fn names_that_kubernetes_rejects_are_rejected_with_a_reason() {
    let error = |config: StorageConfig| config.storage("my-op").unwrap_err().to_string();
    for prefix in ["", "Example.com", "a..b", "a/b", "-a.b", &"a".repeat(254)] {
        let said = error(StorageConfig { prefix: Some(prefix.into()), ..StorageConfig::default() });
        assert!(said.contains(&format!("{prefix:?}")) && said.contains("annotations"), "{said}");
    }
    for finalizer in
        ["", "finalizer", "a.b/", "/x", "a.b/c/d", "A.b/c", "a.b/-", &format!("a.b/{}", "x".repeat(64))]
    {
        let said = error(StorageConfig { finalizer: Some(finalizer.into()), ..StorageConfig::default() });
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
    let EssencePatch { patch, .. } =
        kopfs_status().write_diff_base(&body, &StoredEssence::Whole(json!({"spec": {"x": "é"}}).into()));
    let text = r#"{"spec":{"x":"\u00e9"}}"#;
    assert_eq!(patch, json!({"status": {"kopf": {"last-handled-configuration": text}}}));
    let own = in_status().write_progress(&body, &Progress::default(), &one());
    assert!(own["status"]["my-op"]["progress"]["fn/x"].is_object(), "{own}");
}

#[test]
fn progress_and_diff_bases_in_the_status_are_read_and_erased() {
    let body: Body = json!({"metadata": {}, "status": {"my-op": {"dummy": "2026"}, "other": 1}}).into();
    let storage = in_status();
    let body = merged(&body, &storage.write_progress(&body, &Progress::default(), &one()));
    assert_eq!(body.value()["status"]["my-op"].get("dummy"), None);
    assert_eq!(storage.read_progress(&body, ["fn/x"], now()), one());
    // What a record no longer has is taken out of it: a merge would leave it.
    let two = Progress::default().with("fn/x", record().postponed(None, None));
    let body = merged(&body, &storage.write_progress(&body, &one(), &two));
    assert_eq!(storage.read_progress(&body, ["fn/x"], now()), two);
    let essence = StoredEssence::Whole(json!({"spec": {"x": 1}}).into());
    let body = merged(&body, &storage.write_pending_diff_base(&body, &essence).patch);
    assert_eq!(
        (storage.read_pending_diff_base(&body), storage.read_diff_base(&body)),
        (Some(essence.clone()), None)
    );
    let body = merged(&body, &storage.write_diff_base(&body, &essence).patch);
    assert_eq!((storage.read_pending_diff_base(&body), storage.read_diff_base(&body)), (None, Some(essence)));
    let body = merged(&body, &storage.write_progress(&body, &two, &Progress::default()));
    let stored = json!({"progress": {}, "last-handled-configuration": r#"{"spec":{"x":1}}"#});
    assert_eq!(body.value()["status"], json!({"my-op": stored, "other": 1}));
    assert_eq!(body.value()["metadata"], json!({}));
}

#[test]
fn the_essence_has_nothing_of_what_is_stored_in_the_status() {
    let status = json!({"my-op": {"progress": {"fn": {}}, "korf-basis": "{}", "mine": 1}, "size": 1});
    let body: Body = json!({"metadata": {}, "status": status}).into();
    let essence = essence(&body, &in_status(), &[Field::from(["status"])]);
    assert_eq!(essence, json!({"status": {"my-op": {"mine": 1}, "size": 1}}));
}

#[test]
fn an_operator_that_migrates_to_the_status_continues_with_its_annotations_and_erases_them_later() {
    let (old, new) = (own(), in_status());
    let [first, second] = [1, 2].map(|x| StoredEssence::Whole(json!({"spec": {"x": x}}).into()));
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
fn the_part_that_closes_the_cycle_is_written_last() {
    let (object, status) = ([Part::Status, Part::Object], [Part::Object, Part::Status]);
    for (storage, order) in
        [(in_status(), status), (kopfs_status(), status), (own(), object), (kopf(), object)]
    {
        let mut edits = Edits::default();
        edits.set_closing(storage.part());
        assert_eq!(edits.order(), order);
        let mut both = merging([json!({"spec": {"x": 1}, "status": {"y": 1}})]);
        both.join(edits.clone());
        assert_eq!(both.order(), order);
        edits.set_finalizer(Finalizer::Remove("my-op/finalizer".to_owned()));
        assert_eq!(edits.order(), object, "what lets the object go comes after everything else");
    }
    let body: Body = json!({"metadata": {"uid": "u", "resourceVersion": "1"}}).into();
    let essence = StoredEssence::Whole(json!({}).into());
    let mut edits = merging([json!({"status": {"y": 1}})]);
    edits.store_essence(in_status().write_diff_base(&body, &essence));
    assert_eq!(edits.request(Part::Object, &body, true), None, "one write is enough");
    let request = edits.request(Part::Status, &body, true).unwrap().patch;
    assert_eq!(request["metadata"], json!({"resourceVersion": "1"}));
    assert!(request["status"]["my-op"].is_object() && request["status"]["y"] == 1, "{request}");
}
