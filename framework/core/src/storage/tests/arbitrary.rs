//! Arbitrary texts in the slots of a storage.

use super::*;

const ID: &str = "fn";

/// JSON that is nearly an entry, and texts that are nearly JSON.
fn any_text() -> impl Strategy<Value = String> {
    let time = "(-00)?[0-9]{4}-1[0-2]-[0-2][0-9]T[0-2][0-9]:00:00(\\.[0-9]{9})?(Z|\\+[0-9]{2}:00|)";
    let field = prop_oneof![
        time.prop_map(|time| json!({"started": time, "delayed": time})),
        any::<u64>().prop_map(|number| json!({"retries": number, "success": number})),
        any::<String>().prop_map(|text| json!({"message": text, "purpose": text, "subrefs": [text]})),
        "[A-Za-z0-9+/=]{0,12}".prop_map(|text| json!({"korf": {"deflate": text}})),
        "\\PC{0,9}".prop_map(|text| json!({"korf": {"digest": text}})),
        any::<bool>().prop_map(|value| json!({"beside": "", "essence": {"spec": value}})),
    ];
    prop_oneof![field.prop_map(|value| value.to_string()), "[\\[{\"a:1,}\\]]{0,9}", any::<String>()]
}

fn object(annotations: &Value, status: &Value) -> Body {
    json!({"metadata": {"annotations": annotations}, "status": {"my-op": status, "kopf": status}}).into()
}

/// The text in every slot of these storages.
fn object_with(text: &str) -> Body {
    let names = [ID, DIFF_BASE, PENDING_DIFF_BASE];
    let keys = [KOPF_PREFIX, "my-op.korf.dev"]
        .into_iter()
        .flat_map(|prefix| names.map(|name| format!("{prefix}/{name}")));
    let annotations: Map<_, _> = keys.map(|key| (key, text.into())).collect();
    let record: Value = serde_json::from_str(text).unwrap_or_default();
    object(&annotations.into(), &json!({"progress": {ID: record}, DIFF_BASE: text, PENDING_DIFF_BASE: text}))
}

fn storages() -> [Storage; 3] {
    [own(), kopf(), StorageConfig { in_status: true, ..StorageConfig::default() }.storage("my-op").unwrap()]
}

/// Reads everything, and writes it again.
fn check(storage: &Storage, body: &Body) {
    let blank = annotated(json!({}));
    let progress = storage.read_progress(body, [ID], now());
    let rewritten = merged(&blank, &storage.write_progress(&blank, &Progress::default(), &progress));
    let again = storage.read_progress(&rewritten, [ID], now());
    assert!(progress.iter().eq(again.iter()), "{progress:?}");
    let erased = merged(body, &storage.write_progress(body, &progress, &Progress::default()));
    assert!(storage.read_progress(&erased, [ID], now()).is_empty());
    storage.unreadable(body);
    for stored in [storage.read_diff_base(body), storage.read_pending_diff_base(body)].into_iter().flatten() {
        let rewritten = merged(&blank, &storage.write_diff_base(&blank, &stored).patch);
        assert_eq!(storage.read_diff_base(&rewritten), Some(stored));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm_and_can_be_written_and_read_again(text in any_text()) {
        storages().iter().for_each(|storage| check(storage, &object_with(&text)));
    }

    #[test]
    fn a_value_instead_of_a_mapping_counts_as_absent(text in any_text()) {
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        storages().iter().for_each(|storage| check(storage, &object(&value, &value)));
    }
}
