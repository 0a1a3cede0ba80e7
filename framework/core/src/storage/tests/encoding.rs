//! Encodings of essences, and objects that are too large.

use super::super::encoding::{PendingDiffBase, fingerprint};
use super::*;
use crate::{
    Reason,
    cause::{Occasion, Situation},
    cycle::{CycleState, HandlerOutcome, Plan, Reading, Setup, plan},
    daemon::Hold,
    diff::{Op, diff},
    filter::Filter,
    handler::{ChangeHandler, OnChange},
    retry::{Limits, Outcome},
};
use std::sync::Arc;

const KIB: usize = 1024;
const LIMIT: usize = 256 * KIB;

/// Text that no compression makes smaller than about three quarters.
fn noise(seed: u64, length: usize) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| random.alphanumeric()).collect()
}

fn large(noise_length: usize, zeros: usize) -> Value {
    json!({"data": {"noise": noise(1, noise_length), "zeros": "0".repeat(zeros)}})
}

fn size_of(body: &Body) -> usize {
    size_of_annotations(body.annotations().into_iter().flatten())
}

#[test]
fn an_essence_is_stored_in_the_largest_encoding_that_fits() {
    let cases = [
        (large(10 * KIB, 0), 0, Encoding::Text),
        (large(74 * KIB, 0), 0, Encoding::Text),
        (large(76 * KIB, 0), 0, Encoding::Deflated),
        (large(0, 700 * KIB), 0, Encoding::Deflated),
        (large(100 * KIB, 600 * KIB), 0, Encoding::Deflated),
        (large(700 * KIB, 0), 0, Encoding::Digest),
        (large(10 * KIB, 0), 200 * KIB, Encoding::Deflated),
        (large(20 * KIB, 0), 200 * KIB, Encoding::Digest),
        (json!({"spec": {"x": 1}}), 223 * KIB, Encoding::Text),
        (json!({"spec": {"x": 1}}), 230 * KIB, Encoding::Digest),
    ];
    for (essence, others, expected) in cases {
        let body = annotated(json!({"user": "u".repeat(others)}));
        let essence = StoredEssence::Whole(essence.into());
        let EssencePatch { patch, encoding } = own().write_diff_base(&body, &essence);
        assert_eq!(encoding, expected, "{others} bytes of others");
        let written = merged(&body, &patch);
        let read = own().read_diff_base(&written).expect("it is never new");
        assert_eq!(matches!(read, StoredEssence::Digest(_)), encoding == Encoding::Digest);
        assert!(encoding == Encoding::Digest || read == essence);
        assert!(own().unreadable(&written).is_empty() && size_of(&written) <= LIMIT);
    }
}

#[test]
fn a_digest_tells_only_whether_an_essence_is_the_same() {
    let (essence, other) = (large(1, 1), large(2, 1));
    let (encoding, text) = StoredEssence::Whole(essence.clone().into()).encode(Encoding::Digest, usize::MAX);
    let stored = StoredEssence::decode(&text).unwrap().unwrap();
    assert_eq!(encoding, Encoding::Digest);
    assert!(stored.is(&essence) && stored.diff(&essence).is_empty());
    let present = Arc::new(essence);
    assert_eq!(stored.clone().known(&present), Some(present));
    let difference = stored.diff(&other);
    assert!(!stored.is(&other) && difference.is_unknown());
    let item = difference.iter().next().unwrap();
    assert_eq!((item.op, &item.old, &item.new), (Op::Change, &Value::Null, &other));
    assert!(difference.reduce(&["data", "absent"]).is_unknown(), "any field may have changed");
    assert_eq!(stored.known(&Arc::new(other.clone())), None);
    assert!(!diff(&Value::Null, &other).is_unknown(), "a creation is something else");
}

#[test]
fn an_essence_that_looks_like_an_encoding_is_stored_as_it_is() {
    for essence in [json!({"korf": {"digest": "x"}}), json!({"korf": {"deflate": "x"}})] {
        let stored = StoredEssence::Whole(essence.into());
        let (encoding, text) = stored.encode(Encoding::Text, 100 * KIB);
        assert_eq!((encoding, StoredEssence::decode(&text)), (Encoding::Deflated, Ok(Some(stored))));
    }
    for essence in
        [json!({"korf": {"size": "x"}}), json!({"korf": {"digest": 1}}), json!({"korf": {}, "x": 1})]
    {
        assert_eq!(StoredEssence::Whole(essence.into()).encode(Encoding::Text, 100 * KIB).0, Encoding::Text);
    }
}

#[test]
fn a_text_that_does_not_inflate_is_an_error_and_a_bomb_does_not_go_off() {
    use base64::Engine;
    let deflated = |text: &[u8]| {
        let deflated = miniz_oxide::deflate::compress_to_vec(text, 6);
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(deflated)
    };
    // Of the second one, each two bytes would become a value of 32.
    let bombs = [vec![b' '; 64 << 20], format!(r#"{{"a":[{}0]}}"#, "0,".repeat(4 << 20)).into_bytes()];
    let bombs = bombs.map(|bomb| deflated(&bomb));
    for content in ["", "!", "AAAA"].into_iter().chain(bombs.iter().map(String::as_str)) {
        let text = json!({"korf": {"deflate": content}}).to_string();
        assert!(StoredEssence::decode(&text).is_err(), "{} bytes", text.len());
    }
}

#[test]
fn an_essence_that_would_be_a_bomb_is_stored_as_a_digest() {
    for (zeros, expected) in
        [(3 << 20, Encoding::Deflated), (5 << 20, Encoding::Digest), (20 << 20, Encoding::Digest)]
    {
        let essence = large(0, zeros);
        let (encoding, text) = StoredEssence::Whole(essence.clone().into()).encode(Encoding::Text, 100 * KIB);
        assert_eq!(encoding, expected);
        assert!(StoredEssence::decode(&text).unwrap().unwrap().is(&essence), "{zeros}");
    }
}

#[test]
fn a_storage_gets_smaller_step_by_step() {
    let essence = StoredEssence::Whole(json!({"spec": {"x": 1}}).into());
    let progress = Progress::default().with("fn", record().failed(now(), "it is broken"));
    let mut storage = Some(own());
    let mut steps = Vec::new();
    while let Some(this) = storage {
        let encoding = this.write_diff_base(&annotated(json!({})), &essence).encoding;
        let records = this.write_progress(&annotated(json!({})), &Progress::default(), &progress);
        steps.push((encoding, records.to_string().contains("it is broken")));
        storage = this.smaller();
    }
    let expected = [
        (Encoding::Text, true),
        (Encoding::Deflated, true),
        (Encoding::Digest, true),
        (Encoding::Digest, false),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_text_that_is_no_pending_diff_base_is_an_error_and_null_is_none() {
    let cases = [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{}", "it names no diff-base"),
        (r#"["beside"]"#, "it names no diff-base"),
        (r#"{"beside":""}"#, "it has no essence"),
        (r#"{"beside":"","essence":1}"#, "it isn't a mapping"),
    ];
    for (text, reason) in cases {
        assert_eq!(PendingDiffBase::decode(text), Err(reason.to_owned()), "{text}");
    }
    assert_eq!(PendingDiffBase::decode("null"), Ok(None));
}

#[test]
fn a_pending_diff_base_is_read_as_it_was_written() {
    let (replaces, essence) = (fingerprint(Some("{}\n")), json!({"spec": {"x": 1}}));
    let text = PendingDiffBase::encode(&replaces, &essence.to_string());
    let expected = PendingDiffBase { replaces, essence: StoredEssence::Whole(essence.into()) };
    assert_eq!(PendingDiffBase::decode(&text), Ok(Some(expected)));
}

#[test]
fn each_text_has_its_own_fingerprint_and_so_has_none() {
    let all = [None, Some(""), Some("{}"), Some("{}\n")].map(fingerprint);
    assert!(all.iter().enumerate().all(|(at, one)| !all[..at].contains(one)), "{all:?}");
}

fn setup(storage: Storage, ids: &[String], on: OnChange) -> Setup {
    let task = |id: &String| ChangeHandler {
        id: id.clone(),
        on,
        filter: Filter::default(),
        limits: Limits::default(),
        invoke: (),
    };
    Setup { storage, handlers: ids.iter().map(task).collect(), one_at_a_time: false }
}

fn situation() -> Situation {
    let (occasion, hold) = (Occasion::First, Hold::None);
    Situation { gone: false, occasion, resumption: None, rearmed: false, eager: false, hold }
}

fn planned(setup: &Setup, body: &Body) -> Plan {
    plan(setup, &Reading::of(setup, body.clone(), now()), situation(), now()).unwrap()
}

/// One cycle in which each handler has this outcome.
fn cycle(setup: &Setup, body: &Body, outcome: &Outcome) -> (Option<Reason>, Body) {
    let Plan::Run(cycle) = planned(setup, body) else { return (None, body.clone()) };
    let done = |ready: &_| HandlerOutcome { ready: *ready, outcome: outcome.clone(), subs: Vec::new() };
    let done: Vec<_> = cycle.ready.iter().map(done).collect();
    let settled = cycle.settle(setup, body, &done, now()).unwrap();
    let patch = settled.edits(&setup.storage, body).next().unwrap();
    let request = patch.request(Part::Object, body, false);
    (Some(cycle.reason), request.map_or_else(|| body.clone(), |request| merged(body, &request.patch)))
}

#[test]
fn an_object_with_a_digest_is_updated_when_it_changes_and_never_created_again() {
    let setup = setup(own(), &["fn".to_owned()], OnChange::Field);
    let object = |seed| json!({"metadata": {"uid": "u"}, "data": {"x": noise(seed, 700 * KIB)}});
    let (reason, mut body) = cycle(&setup, &object(1).into(), &Outcome::Success);
    assert_eq!(reason, Some(Reason::Create));
    assert_eq!(cycle(&setup, &body, &Outcome::Success).0, None);
    for seed in 2..4 {
        let changed = merged(&body, &json!({"data": object(seed)["data"]}));
        let Plan::Run(run) = planned(&setup, &changed) else { panic!("it has changed") };
        assert_eq!((run.reason, run.old.is_none(), run.diff.is_unknown()), (Reason::Update, true, true));
        (_, body) = cycle(&setup, &changed, &Outcome::Success);
        assert_eq!(cycle(&setup, &body, &Outcome::Success).0, None);
    }
}

#[test]
fn field_handlers_are_called_when_the_old_value_is_unknown() {
    let field: Filter =
        Filter { field: Some(["data", "gone"].into()), old: Some(1.into()), ..Filter::default() };
    let task = ChangeHandler {
        id: "fn".into(),
        on: OnChange::Field,
        filter: field,
        limits: Limits::default(),
        invoke: (),
    };
    let setup = Setup { storage: own(), handlers: vec![task], one_at_a_time: false };
    let (_, text) = StoredEssence::Whole(json!({"data": {"gone": 1}}).into()).encode(Encoding::Digest, 0);
    let annotations = json!({"my-op.korf.dev/last-handled-configuration": text});
    let body: Body = json!({"metadata": {"annotations": annotations}, "data": {}}).into();
    assert!(matches!(planned(&setup, &body), Plan::Run(cycle) if cycle.ready.len() == 1));
}

/// An object that is handled step by step: pending diff-base and diff-base, and as many records as there are handlers.
#[test]
fn all_annotations_together_stay_below_the_limit() {
    let failed = Outcome::Retry { after: std::time::Duration::ZERO, message: "\u{1}".repeat(1024) };
    for handlers in [1, 40, 100] {
        let ids: Vec<_> = (0..handlers).map(|id| format!("handler-{id}/{}", "x".repeat(60))).collect();
        for (others, text) in [(0, 100 * KIB), (150 * KIB, 50 * KIB), (190 * KIB, 700 * KIB)] {
            let setup = setup(kopf(), &ids, OnChange::Field);
            let body =
                json!({"metadata": {"annotations": {"user": "u".repeat(others)}}, "data": noise(1, text)});
            let (_, body) = cycle(&setup, &body.into(), &failed);
            assert!(size_of(&body) <= LIMIT, "{handlers} {others}: {}", size_of(&body));
            let read = setup.storage.read_progress(&body, ids.iter().map(String::as_str), now());
            assert_eq!(read.iter().len(), handlers, "no record is lost");
            let (_, body) = cycle(&setup, &body, &Outcome::Success);
            assert!(size_of(&body) <= LIMIT && setup.storage.read_diff_base(&body).is_some());
        }
    }
}

/// As in an outage that fails all sub-handlers of an object with a long list of items.
#[test]
fn the_records_of_many_failed_attempts_fit_without_their_messages() {
    let failed = Outcome::Retry { after: std::time::Duration::ZERO, message: "m".repeat(1024) };
    for (storage, handlers, with_messages) in
        [(own(), 150, true), (own(), 250, false), (kopf(), 75, true), (kopf(), 150, false)]
    {
        let ids: Vec<_> = (0..handlers).map(|id| format!("items/{}-{id:03}", "x".repeat(50))).collect();
        let setup = setup(storage, &ids, OnChange::Create);
        let (_, body) = cycle(&setup, &json!({"metadata": {}, "spec": {"x": 1}}).into(), &failed);
        let read = setup.storage.read_progress(&body, ids.iter().map(String::as_str), now());
        assert_eq!(read.iter().len(), handlers, "no record is lost");
        assert!(read.iter().all(|(_, record)| record.message.is_some() == with_messages), "{handlers}");
        assert!(size_of(&body) <= LIMIT, "{handlers}: {}", size_of(&body));
    }
}

#[test]
fn a_pending_digest_becomes_the_diff_base() {
    let ids = ["a".to_owned(), "b".to_owned()];
    let setup = Setup { one_at_a_time: true, ..setup(own(), &ids, OnChange::Update) };
    let (_, text) = StoredEssence::Whole(json!({"data": "old"}).into()).encode(Encoding::Text, KIB);
    let annotations = json!({"my-op.korf.dev/last-handled-configuration": text});
    let body: Body = json!({"metadata": {"annotations": annotations}, "data": noise(1, 700 * KIB)}).into();
    let (_, body) = cycle(&setup, &body, &Outcome::Success);
    assert!(matches!(setup.storage.read_pending_diff_base(&body), Some(StoredEssence::Digest(_))));
    let changed = merged(&body, &json!({"data": noise(2, 700 * KIB)}));
    let (_, handled) = cycle(&setup, &changed, &Outcome::Success);
    let base = setup.storage.read_diff_base(&handled).unwrap();
    assert!(base.is(&json!({"data": noise(1, 700 * KIB)})), "the change in between is the next update");
    assert_eq!(cycle(&setup, &handled, &Outcome::Success).0, Some(Reason::Update));
    assert!(CycleState::Skipped.is_settled());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3i32..3).prop_map(|n| Value::from(f64::from(n))),
        (-3i32..3).prop_map(Value::from),
        "[ab]{0,2}|\\PC{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abk]|korf|digest", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_essence() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("spec|data|korf", any_json(), 0..3)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #[test]
    fn any_essence_survives_in_each_encoding(essence in any_essence(), capacity in 0usize..2000) {
        let stored = StoredEssence::Whole(essence.clone().into());
        for least in [Encoding::Text, Encoding::Deflated, Encoding::Digest] {
            let (encoding, text) = stored.encode(least, capacity);
            prop_assert!(encoding >= least && text.is_ascii());
            prop_assert!(encoding == Encoding::Digest || text.len() <= capacity);
            let read = StoredEssence::decode(&text).unwrap().unwrap();
            prop_assert!(read.is(&essence));
            let present = Arc::new(essence.clone());
            prop_assert_eq!(read.known(&present), Some(Arc::clone(&present)));
            prop_assert!(encoding == Encoding::Digest || StoredEssence::decode(&text) == Ok(Some(stored.clone())));
        }
    }

    #[test]
    fn digests_differ_where_values_do(a in any_json(), b in any_json()) {
        let (a, b) = (json!({"x": a}), json!({"x": b}));
        let (_, text) = StoredEssence::Whole(a.clone().into()).encode(Encoding::Digest, 0);
        let digest = StoredEssence::decode(&text).unwrap().unwrap();
        prop_assert_eq!(digest.diff(&b).is_empty(), diff(&a, &b).is_empty());
    }

    #[test]
    fn an_object_with_a_diff_base_in_any_encoding_is_not_new(
        essence in any_essence(), other in any_essence(), encoding in 0usize..3, kopf in any::<bool>(), status in any::<bool>(),
    ) {
        let storage = StorageConfig { kopf, in_status: status, ..StorageConfig::default() }.storage("my-op").unwrap();
        let least = [Encoding::Text, Encoding::Deflated, Encoding::Digest][encoding];
        let (_, text) = StoredEssence::Whole(essence.into()).encode(least, 256 * KIB);
        let body = annotated(json!({}));
        let body = merged(&body, &storage.location.write(&body, Slot::DiffBase, Some(&text)));
        let mut object = other;
        object["metadata"] = body.value()["metadata"].clone();
        object["status"] = body.value()["status"].clone();
        let setup = setup(storage, &["fn".to_owned()], OnChange::Create);
        let called = planned(&setup, &object.into());
        prop_assert!(!matches!(called, Plan::Run(cycle) if cycle.reason == Reason::Create));
    }
}
