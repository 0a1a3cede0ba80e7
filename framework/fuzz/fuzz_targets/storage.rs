//! Any text in the slots of a storage is read without harm, and what was read can be written and read again.
#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use jiff::Timestamp;
use korf_core::{
    body::Body,
    progress::Progress,
    storage::{Encoding, EssencePatch, InAnnotations, Slot, Storage, StorageConfig, StoredEssence},
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::iter::successors;

const OPERATOR: &str = "fuzz";
const ID: &str = "handler/field";

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let (storage, choice) = storage(usize::from(*choice));
    let text = String::from_utf8_lossy(bytes);
    let value = || serde_json::from_str(&text).unwrap_or(Value::Null);
    match choice % 4 {
        0 => read(&storage, &object_with(&text)),
        1 => read(&storage, &object_with(&deflated(bytes))),
        2 => read(&storage, &fields_that_are(&value())),
        _ => written(&storage, &StoredEssence::Whole(json!({"spec": value(), "text": text}).into())),
    }
    named(&text);
});

/// One of all storages in all sizes, and the rest of the choice.
fn storage(choice: usize) -> (Storage, usize) {
    let configs = [
        StorageConfig::default(),
        StorageConfig { kopf: true, ..StorageConfig::default() },
        StorageConfig { in_status: true, ..StorageConfig::default() },
    ];
    let storage = configs[choice % configs.len()].storage(OPERATOR).expect("the names are Kubernetes'");
    let choice = choice / configs.len();
    let sizes: Vec<_> = successors(Some(storage), Storage::smaller).collect();
    (sizes[choice % sizes.len()].clone(), choice / sizes.len())
}

fn deflated(bytes: &[u8]) -> String {
    json!({"korf": {"deflate": STANDARD_NO_PAD.encode(bytes)}}).to_string()
}

/// An object that has this instead of mappings.
fn fields_that_are(value: &Value) -> Body {
    json!({"metadata": {"annotations": value}, "status": {"kopf": value, OPERATOR: value}}).into()
}

/// An object with this text wherever a storage looks for one.
fn object_with(text: &str) -> Body {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let status = json!({"progress": {ID: value}, "last-handled-configuration": text, "korf-basis": text});
    let annotations = json!({
        "kopf.zalando.org/handler.field": text, "fuzz.korf.dev/handler.field": text,
        "kopf.zalando.org/last-handled-configuration": text, "fuzz.korf.dev/last-handled-configuration": text,
        "kopf.zalando.org/korf-basis": text, "fuzz.korf.dev/korf-basis": text,
    });
    json!({"metadata": {"annotations": annotations}, "status": {"kopf": status, OPERATOR: status}}).into()
}

fn blank() -> Body {
    json!({"metadata": {}}).into()
}

fn patched(body: &Body, patch: &Value) -> Body {
    let mut object = body.value().clone();
    json_patch::merge(&mut object, patch);
    object.into()
}

fn read(storage: &Storage, body: &Body) {
    let now = Timestamp::UNIX_EPOCH;
    let progress = storage.read_progress(body, [ID], now);
    let patch = storage.write_progress(&blank(), &Progress::default(), &progress);
    let again = storage.read_progress(&patched(&blank(), &patch), [ID], now);
    // The smallest storage leaves out messages.
    let kept = if storage.smaller().is_some() { progress.clone() } else { progress.without_messages() };
    assert!(kept.iter().eq(again.iter()), "{progress:?}");
    let erased = patched(body, &storage.write_progress(body, &progress, &Progress::default()));
    assert!(storage.read_progress(&erased, [ID], now).is_empty());

    storage.unreadable(body);
    for stored in [storage.read_diff_base(body), storage.read_pending_diff_base(body)].into_iter().flatten() {
        written(storage, &stored);
    }
}

fn written(storage: &Storage, stored: &StoredEssence) {
    let EssencePatch { patch, encoding } = storage.write_diff_base(&blank(), stored);
    same(stored, storage.read_diff_base(&patched(&blank(), &patch)), encoding);
    let EssencePatch { patch, encoding } = storage.write_pending_diff_base(&blank(), stored);
    same(stored, storage.read_pending_diff_base(&patched(&blank(), &patch)), encoding);
}

fn same(stored: &StoredEssence, read: Option<StoredEssence>, encoding: Encoding) {
    let read = read.expect("it was written");
    match stored {
        StoredEssence::Whole(essence) if encoding == Encoding::Digest => assert!(read.is(essence)),
        stored => assert_eq!(&read, stored),
    }
}

/// The records of any handler have keys that Kubernetes accepts.
fn named(id: &str) {
    let keys = InAnnotations::kopf().keys(Slot::Progress(id), &blank());
    assert!(!keys.is_empty());
    for key in keys.iter() {
        let name = key.strip_prefix("kopf.zalando.org/").expect("it is Kopf's");
        let plain = |c: char| c.is_ascii_alphanumeric();
        let inner = |c: char| plain(c) || matches!(c, '-' | '_' | '.');
        assert!((1..=63).contains(&name.len()) && name.chars().all(inner), "{key}");
        assert!(name.starts_with(plain) && name.ends_with(plain), "{key}");
    }
}
