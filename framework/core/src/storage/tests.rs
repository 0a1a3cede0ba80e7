mod arbitrary;
mod cleaning;
mod encoding;
mod keys;
mod location;

use super::*;
use crate::{
    Reason,
    body::size_of_annotations,
    essence::essence,
    kopf::{DIFF_BASE, PREFIX as KOPF_PREFIX},
};
use proptest::prelude::*;
use serde_json::json;

/// Kopf's storage.
pub(crate) fn kopf() -> Storage {
    StorageConfig { kopf: true, ..StorageConfig::default() }.storage("my-op").unwrap()
}

/// The storage of an operator that configures nothing.
pub(crate) fn own() -> Storage {
    StorageConfig::default().storage("my-op").unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    time("2026-11-22T14:53:30.883823Z")
}

fn annotations() -> InAnnotations {
    InAnnotations::new("my-op.korf.dev").unwrap()
}

fn whole(essence: Value) -> Option<StoredEssence> {
    Some(StoredEssence::Whole(essence.into()))
}

/// The annotations of a merge patch.
fn in_annotations(patch: &Value) -> Map<String, Value> {
    patch["metadata"]["annotations"].as_object().cloned().unwrap_or_default()
}

fn record() -> Record {
    Record::new(now(), Reason::Create)
}

fn annotated(annotations: Value) -> Body {
    json!({"kind": "X", "metadata": {"uid": "u", "annotations": annotations}}).into()
}

/// The object after a merge patch.
fn merged(body: &Body, patch: &Value) -> Body {
    let mut object = body.value().clone();
    json_patch::merge(&mut object, patch);
    object.into()
}

#[test]
fn kopfs_storage_has_kopfs_finalizer_and_no_marker() {
    let storage = kopf();
    assert_eq!(storage.finalizer(), "kopf.zalando.org/KopfFinalizerMarker");
    assert_eq!(InAnnotations::kopf().marker(), None);
}

#[test]
fn an_operators_storage_is_named_after_it_and_marked() {
    assert_eq!(own().finalizer(), "my-op.korf.dev/finalizer");
    assert_eq!(annotations().marker(), Some(("my-op.korf.dev/kopf-managed".to_owned(), "yes")));
}

#[test]
fn a_record_is_written_under_all_its_keys_and_read_back() {
    let id = "x".repeat(47);
    let body = annotated(json!({}));
    let new = Progress::default().with(&id, record());
    let changes = in_annotations(&kopf().write_progress(&body, &Progress::default(), &new));
    assert_eq!(changes.len(), 2);
    assert!(changes.values().all(|text| text == &record().to_json()));
    for key in changes.keys() {
        let body = annotated(json!({key: changes[key]}));
        assert_eq!(kopf().read_progress(&body, [id.as_str()], now()), new);
    }
}

#[test]
fn nothing_is_written_where_nothing_changes() {
    let progress = Progress::default().with("fn", record());
    assert_eq!(own().write_progress(&annotated(json!({})), &progress, &progress), json!({}));
    // Removed, but never written: the object doesn't have it.
    assert_eq!(own().write_progress(&annotated(json!({})), &progress, &Progress::default()), json!({}));
}

#[test]
fn a_write_marks_the_prefix_unless_it_is_marked() {
    let new = Progress::default().with("fn", record());
    let first = in_annotations(&own().write_progress(&annotated(json!({})), &Progress::default(), &new));
    assert_eq!(first["my-op.korf.dev/kopf-managed"], "yes");
    let marker = "my-op.korf.dev/kopf-managed";
    let marked = annotated(json!({marker: "yes"}));
    assert!(!in_annotations(&own().write_progress(&marked, &Progress::default(), &new)).contains_key(marker));
    let empty = StoredEssence::Whole(json!({}).into());
    assert!(!in_annotations(&own().write_diff_base(&marked, &empty).patch).contains_key(marker));
    assert!(in_annotations(&own().write_diff_base(&annotated(json!({})), &empty).patch).contains_key(marker));
}

#[test]
fn what_is_stored_names_the_object_that_it_is_for_but_not_under_kopfs_names() {
    let (key, empty) = ("my-op.korf.dev/korf-uid", StoredEssence::Whole(json!({}).into()));
    let (none, new) = (Progress::default(), Progress::default().with("fn", record()));
    for (stored, known) in [
        (json!({}), StoredFor::Unknown),
        (json!({key: "null"}), StoredFor::Unknown),
        (json!({key: "\"other\""}), StoredFor::Another),
        (json!({key: "\"u\""}), StoredFor::This),
    ] {
        let body = annotated(stored);
        assert_eq!(own().stored_for(&body), known);
        let is_new = known != StoredFor::This;
        let written = |patch: &Value| in_annotations(patch).get(key).cloned();
        let uid = Some(json!("\"u\""));
        assert_eq!(written(&own().write_diff_base(&body, &empty).patch), uid);
        assert_eq!(written(&own().write_progress(&body, &none, &new)), uid.clone().filter(|_| is_new));
        assert_eq!(written(&own().write_pending_diff_base(&body, &empty).patch), uid.filter(|_| is_new));
        let erased = merged(&body, &own().erase_essences(&body));
        assert_eq!(erased.annotation(key), None);
    }
    let all = [
        kopf().write_diff_base(&annotated(json!({})), &empty).patch,
        kopf().write_progress(&annotated(json!({})), &none, &new),
    ];
    assert!(all.iter().all(|patch| !patch.to_string().contains("korf-uid")));
    assert_eq!(
        kopf().stored_for(&annotated(json!({"kopf.zalando.org/korf-uid": "\"other\""}))),
        StoredFor::Unknown
    );
}

#[test]
fn the_uid_goes_with_the_diff_base_from_one_place_to_another() {
    let config = StorageConfig { in_status: true, ..StorageConfig::default() };
    let storage = config.storage("my-op").unwrap();
    let empty = StoredEssence::Whole(json!({}).into());
    let old = annotated(
        json!({"my-op.korf.dev/korf-uid": "\"u\"", "my-op.korf.dev/last-handled-configuration": "{}"}),
    );
    let once = merged(&old, &storage.write_diff_base(&old, &empty).patch);
    let twice = merged(&once, &storage.write_diff_base(&once, &empty).patch);
    assert_eq!(twice.value()["status"]["my-op"]["korf-uid"], "\"u\"");
    assert_eq!(twice.annotations().map_or(0, |annotations| annotations.len()), 0);
    assert_eq!(storage.stored_for(&twice), StoredFor::This);
}

#[test]
fn a_removed_record_is_erased_with_its_sub_handlers_and_kopfs_touch() {
    let old = Progress::default().with("fn", record().with_subrefs(["fn/a", "fn/b"])).with("other", record());
    let body = annotated(json!({
        "kopf.zalando.org/fn": "{}", "kopf.zalando.org/fn.a": "{}", "kopf.zalando.org/other": "{}",
        "kopf.zalando.org/touch-dummy": "2026", "kopf.zalando.org/another": "{}",
    }));
    let changes = kopf().write_progress(&body, &old, &Progress::default().with("other", record()));
    let erased = json!({
        "kopf.zalando.org/fn": null, "kopf.zalando.org/fn.a": null, "kopf.zalando.org/touch-dummy": null,
    });
    assert_eq!(changes, json!({"metadata": {"annotations": erased}}));
}

#[test]
fn a_sub_handler_stays_as_long_as_its_parent_names_it() {
    let parent = record().with_subrefs(["fn/a"]);
    let old = Progress::default().with("fn", parent.clone()).with("fn/a", record());
    let body = annotated(json!({"my-op.korf.dev/fn.a": "{}", "my-op.korf.dev/kopf-managed": "yes"}));
    let new = Progress::default().with("fn", parent);
    assert_eq!(own().write_progress(&body, &old, &new), json!({}));
    let restarted = Progress::default().with("fn", record());
    let changes = in_annotations(&own().write_progress(&body, &old, &restarted));
    assert_eq!(changes.get("my-op.korf.dev/fn.a"), Some(&Value::Null));
}

#[test]
fn unreadable_records_are_reported_and_erased_at_the_end() {
    let body = annotated(json!({
        "my-op.korf.dev/fn": "{", "my-op.korf.dev/gn": r#"{"retries":"many"}"#, "my-op.korf.dev/hn": "null",
        "my-op.korf.dev/in": r#"{"started":"yesterday"}"#,
    }));
    let progress = own().read_progress(&body, ["fn", "gn", "hn", "in", "none"], now());
    assert!(progress.is_empty());
    let paths: Vec<_> = progress.unreadable().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["my-op.korf.dev/fn", "my-op.korf.dev/gn", "my-op.korf.dev/in"]);
    let changes = in_annotations(&own().write_progress(&body, &progress, &Progress::default()));
    assert_eq!(changes.len(), 3);
    assert!(changes.values().all(Value::is_null));
    let started =
        in_annotations(&own().write_progress(&body, &progress, &progress.clone().with("fn", record())));
    assert_eq!(started["my-op.korf.dev/fn"], record().to_json());
}

#[test]
fn kopfs_status_is_read_after_the_annotations_and_erased() {
    let body: Body = json!({
        "metadata": {"annotations": {"kopf.zalando.org/fn": r#"{"retries":1}"#}},
        "status": {"kopf": {"progress": {"fn": {"retries": 2}, "gn/x": {"retries": 3}}}},
    })
    .into();
    let progress = kopf().read_progress(&body, ["fn", "gn/x"], now());
    assert_eq!(progress.get("fn").map(|record| record.retries), Some(1));
    assert_eq!(progress.get("gn/x").map(|record| record.retries), Some(3));
    let patch = kopf().write_progress(&body, &progress, &Progress::default());
    assert_eq!(patch["status"], json!({"kopf": {"progress": {"fn": null, "gn/x": null}}}));
    assert_eq!(kopf().write_progress(&body, &progress, &progress), json!({}));
    assert!(own().read_progress(&body, ["fn", "gn/x"], now()).is_empty());
    assert_eq!(own().write_progress(&body, &progress, &Progress::default()), json!({}));
}

#[test]
fn a_diff_base_is_the_text_that_kopf_writes() {
    // Kopf 1.45.2: `AnnotationsDiffBaseStorage().store(…)`, with the keys in this order.
    let essence = json!({"spec": {"l": [null, true], "n": 1.5, "t": "é 😀 \"x\"\n"}});
    let expected = "{\"spec\":{\"l\":[null,true],\"n\":1.5,\"t\":\"\\u00e9 \\ud83d\\ude00 \\\"x\\\"\\n\"}}\n";
    let body = annotated(json!({}));
    let EssencePatch { patch, encoding } =
        kopf().write_diff_base(&body, &StoredEssence::Whole(essence.clone().into()));
    let annotations = json!({"kopf.zalando.org/last-handled-configuration": expected});
    assert_eq!(patch, json!({"metadata": {"annotations": annotations}}));
    assert_eq!(encoding, Encoding::Text);
    assert_eq!(kopf().read_diff_base(&merged(&body, &patch)), whole(essence));
}

#[test]
fn the_pending_diff_base_ends_with_the_new_diff_base() {
    let body = annotated(json!({"my-op.korf.dev/kopf-managed": "yes"}));
    let essence = StoredEssence::Whole(json!({"spec": {"x": 1}}).into());
    let body = merged(&body, &own().write_pending_diff_base(&body, &essence).patch);
    assert_eq!(own().read_pending_diff_base(&body), Some(essence.clone()));
    assert_eq!(own().read_diff_base(&body), None);
    assert_eq!(in_annotations(&own().erase_pending_diff_base(&body)).len(), 1);
    let body = merged(&body, &own().write_diff_base(&body, &essence).patch);
    assert_eq!((own().read_pending_diff_base(&body), own().read_diff_base(&body)), (None, Some(essence)));
    assert_eq!(own().erase_pending_diff_base(&body), json!({}));
}

#[test]
fn a_pending_diff_base_no_longer_counts_once_another_operator_has_written_a_diff_base() {
    let body = annotated(json!({}));
    let [first, second] = [1, 2].map(|x| StoredEssence::Whole(json!({"spec": {"x": x}}).into()));
    let handled = |body: &Body, essence: &StoredEssence| kopf().write_diff_base(body, essence).patch;
    let begun = merged(&body, &kopf().write_pending_diff_base(&body, &first).patch);
    let pending = begun.value()["metadata"]["annotations"]["kopf.zalando.org/korf-basis"].clone();
    let mut ended = handled(&body, &second);
    ended["metadata"]["annotations"]["kopf.zalando.org/korf-basis"] = pending;
    assert_eq!(kopf().read_pending_diff_base(&begun), Some(first));
    assert_eq!(kopf().read_pending_diff_base(&merged(&body, &ended)), None);
}

#[test]
fn a_diff_base_may_be_in_the_status_of_kopfs_objects() {
    let status = json!({"kopf": {"last-handled-configuration": r#"{"spec":{"x":1}}"#}});
    let body: Body = json!({"metadata": {}, "status": status}).into();
    assert_eq!(kopf().read_diff_base(&body), whole(json!({"spec": {"x": 1}})));
    assert_eq!(own().read_diff_base(&body), None);
}

#[test]
fn an_undecodable_diff_base_is_reported_and_null_is_none() {
    for (text, unreadable) in [("{", 1), ("[]", 1), ("null\n", 0), ("{}\n", 0)] {
        let body = annotated(json!({"my-op.korf.dev/last-handled-configuration": text}));
        assert_eq!(own().unreadable(&body).len(), unreadable, "{text}");
        assert_eq!(own().read_diff_base(&body), whole(json!({})).filter(|_| text == "{}\n"), "{text}");
    }
}

proptest! {
    #[test]
    fn an_essence_is_read_as_it_was_written(text in any::<String>(), number in any::<i64>(), key in "\\PC{1,5}") {
        let essence = json!({"spec": {key: text, "n": number, "l": [null, {"x": null}]}});
        let body = annotated(json!({}));
        let patch = own().write_diff_base(&body, &StoredEssence::Whole(essence.clone().into())).patch;
        prop_assert!(in_annotations(&patch).values().all(|text| text.as_str().is_some_and(str::is_ascii)));
        prop_assert_eq!(own().read_diff_base(&merged(&body, &patch)), whole(essence));
    }
}

// Otherwise an object with such a number is updated forever.
#[test]
fn a_float_is_read_as_it_was_written() {
    for number in [0.1 + 0.2, -6.765501753945759e180, f64::MIN_POSITIVE, f64::MAX] {
        let essence = json!({"spec": {"n": number}});
        let body = annotated(json!({}));
        let body =
            merged(&body, &own().write_diff_base(&body, &StoredEssence::Whole(essence.clone().into())).patch);
        assert_eq!(own().read_diff_base(&body), whole(essence));
    }
}
