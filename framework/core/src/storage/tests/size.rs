//! Essences that are too large.

use super::*;
use crate::{
    Reason,
    cycle::{Done, End, Look, Plan, Setup, Sight, plan},
    diff::{Op, diff},
    filter::Filter,
    retry::{Limits, Outcome},
    task::{Task, Trigger},
};

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
fn an_essence_is_kept_as_well_as_it_fits() {
    let cases = [
        (large(10 * KIB, 0), 0, Form::Text),
        (large(74 * KIB, 0), 0, Form::Text),
        (large(76 * KIB, 0), 0, Form::Deflated),
        (large(0, 700 * KIB), 0, Form::Deflated),
        (large(100 * KIB, 600 * KIB), 0, Form::Deflated),
        (large(700 * KIB, 0), 0, Form::Digest),
        (large(10 * KIB, 0), 200 * KIB, Form::Deflated),
        (large(20 * KIB, 0), 200 * KIB, Form::Digest),
        (json!({"spec": {"x": 1}}), 223 * KIB, Form::Text),
        (json!({"spec": {"x": 1}}), 230 * KIB, Form::Digest),
    ];
    for (essence, others, expected) in cases {
        let body = annotated(json!({"user": "u".repeat(others)}));
        let essence = Kept::Whole(essence);
        let Written { patch, form } = own().write_diff_base(&body, &essence);
        assert_eq!(form, expected, "{others} bytes of others");
        let written = merged(&body, &patch);
        let read = own().read_diff_base(&written).expect("it is never new");
        assert_eq!(matches!(read, Kept::Digest(_)), form == Form::Digest);
        assert!(form == Form::Digest || read == essence);
        assert!(own().faults(&written).is_empty() && size_of(&written) <= LIMIT);
    }
}

#[test]
fn of_a_digest_is_known_only_whether_it_is_the_same() {
    let (essence, other) = (large(1, 1), large(2, 1));
    let (form, text) = Kept::Whole(essence.clone()).encode(Form::Digest, usize::MAX);
    let kept = Kept::decode(&text).unwrap().unwrap();
    assert_eq!(form, Form::Digest);
    assert!(kept.is(&essence) && kept.diff(&essence).is_empty());
    assert_eq!(kept.clone().known(&essence), Some(essence));
    let difference = kept.diff(&other);
    assert!(!kept.is(&other) && difference.is_unknown());
    let item = difference.iter().next().unwrap();
    assert_eq!((item.op, &item.old, &item.new), (Op::Change, &Value::Null, &other));
    assert!(difference.reduce(&["data", "absent"]).is_unknown(), "any field may have changed");
    assert_eq!(kept.known(&other), None);
    assert!(!diff(&Value::Null, &other).is_unknown(), "a creation is something else");
}

#[test]
fn an_essence_that_looks_like_a_form_is_kept_as_it_is() {
    for essence in [json!({"korf": {"digest": "x"}}), json!({"korf": {"deflate": "x"}})] {
        let kept = Kept::Whole(essence);
        let (form, text) = kept.encode(Form::Text, 100 * KIB);
        assert_eq!((form, Kept::decode(&text)), (Form::Deflated, Ok(Some(kept))));
    }
    for essence in
        [json!({"korf": {"size": "x"}}), json!({"korf": {"digest": 1}}), json!({"korf": {}, "x": 1})]
    {
        assert_eq!(Kept::Whole(essence).encode(Form::Text, 100 * KIB).0, Form::Text);
    }
}

#[test]
fn what_does_not_inflate_cannot_be_read_and_a_bomb_does_not_go_off() {
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
        assert!(Kept::decode(&text).is_err(), "{} bytes", text.len());
    }
}

#[test]
fn what_would_be_a_bomb_is_kept_as_a_digest() {
    for (zeros, expected) in [(3 << 20, Form::Deflated), (5 << 20, Form::Digest), (20 << 20, Form::Digest)] {
        let essence = large(0, zeros);
        let (form, text) = Kept::Whole(essence.clone()).encode(Form::Text, 100 * KIB);
        assert_eq!(form, expected);
        assert!(Kept::decode(&text).unwrap().unwrap().is(&essence), "{zeros}");
    }
}

#[test]
fn a_storage_becomes_smaller_until_it_is_bare() {
    let essence = Kept::Whole(json!({"spec": {"x": 1}}));
    let progress = Progress::default().with("fn", record().failed(now(), "it is broken"));
    let mut storage = Some(own());
    let mut steps = Vec::new();
    while let Some(this) = storage {
        let form = this.write_diff_base(&annotated(json!({})), &essence).form;
        let records = this.write_progress(&annotated(json!({})), &Progress::default(), &progress);
        steps.push((form, records.to_string().contains("it is broken")));
        storage = this.smaller();
    }
    let expected = [(Form::Text, true), (Form::Deflated, true), (Form::Digest, true), (Form::Digest, false)];
    assert_eq!(steps, expected);
}

fn setup(storage: Storage, ids: &[String], on: Trigger) -> Setup {
    let task =
        |id: &String| Task { id: id.clone(), on, filter: Filter::default(), limits: Limits::default() };
    Setup { storage, tasks: ids.iter().map(task).collect(), one_at_a_time: false }
}

fn sight() -> Sight {
    Sight { gone: false, look: Look::First, initial: false, rearmed: false, eager: false }
}

/// One cycle in which each handler comes to this outcome.
fn cycle(setup: &Setup, body: &Body, outcome: &Outcome) -> (Option<Reason>, Body) {
    let Plan::Run(cycle) = plan(setup, body, sight(), now()) else { return (None, body.clone()) };
    let done = |ready: &_| Done { ready: *ready, outcome: outcome.clone(), subs: Vec::new() };
    let done: Vec<_> = cycle.ready.iter().map(done).collect();
    let (patch, _end) = cycle.settle(setup, body, &done, now());
    let request = patch.request(crate::patch::Part::Object, body, false);
    (Some(cycle.reason), request.map_or_else(|| body.clone(), |request| merged(body, &request.patch)))
}

#[test]
fn an_object_with_a_digest_is_updated_when_it_changes_and_never_created_again() {
    let setup = setup(own(), &["fn".to_owned()], Trigger::Field);
    let object = |seed| json!({"metadata": {"uid": "u"}, "data": {"x": noise(seed, 700 * KIB)}});
    let (reason, mut body) = cycle(&setup, &object(1).into(), &Outcome::Success);
    assert_eq!(reason, Some(Reason::Create));
    assert_eq!(cycle(&setup, &body, &Outcome::Success).0, None);
    for seed in 2..4 {
        let changed = merged(&body, &json!({"data": object(seed)["data"]}));
        let Plan::Run(run) = plan(&setup, &changed, sight(), now()) else { panic!("it has changed") };
        assert_eq!((run.reason, run.old.is_none(), run.diff.is_unknown()), (Reason::Update, true, true));
        (_, body) = cycle(&setup, &changed, &Outcome::Success);
        assert_eq!(cycle(&setup, &body, &Outcome::Success).0, None);
    }
}

#[test]
fn handlers_of_a_field_are_called_when_nobody_knows_what_it_was() {
    let field: Filter =
        Filter { field: Some(["data", "gone"].into()), old: Some(1.into()), ..Filter::default() };
    let task = Task { id: "fn".into(), on: Trigger::Field, filter: field, limits: Limits::default() };
    let setup = Setup { storage: own(), tasks: vec![task], one_at_a_time: false };
    let (_, text) = Kept::Whole(json!({"data": {"gone": 1}})).encode(Form::Digest, 0);
    let annotations = json!({"my-op.korf.dev/last-handled-configuration": text});
    let body: Body = json!({"metadata": {"annotations": annotations}, "data": {}}).into();
    assert!(matches!(plan(&setup, &body, sight(), now()), Plan::Run(cycle) if cycle.ready.len() == 1));
}

/// An object that is handled bit by bit: basis and diff-base, and as many records as there are handlers.
#[test]
fn all_annotations_together_stay_below_the_limit() {
    let failed = Outcome::Retry { after: std::time::Duration::ZERO, message: "\u{1}".repeat(1024) };
    for handlers in [1, 40, 100] {
        let ids: Vec<_> = (0..handlers).map(|id| format!("handler-{id}/{}", "x".repeat(60))).collect();
        for (others, text) in [(0, 100 * KIB), (150 * KIB, 50 * KIB), (190 * KIB, 700 * KIB)] {
            let setup = setup(Storage::kopf(), &ids, Trigger::Field);
            let body =
                json!({"metadata": {"annotations": {"user": "u".repeat(others)}}, "data": noise(1, text)});
            let (_, body) = cycle(&setup, &body.into(), &failed);
            assert!(size_of(&body) <= LIMIT, "{handlers} {others}: {}", size_of(&body));
            let read = setup.storage.read_progress(&body, ids.iter().map(String::as_str), now());
            assert_eq!(read.len(), handlers, "no record is lost");
            let (_, body) = cycle(&setup, &body, &Outcome::Success);
            assert!(size_of(&body) <= LIMIT && setup.storage.read_diff_base(&body).is_some());
        }
    }
}

#[test]
fn a_basis_that_is_a_digest_becomes_the_diff_base() {
    let ids = ["a".to_owned(), "b".to_owned()];
    let setup = Setup { one_at_a_time: true, ..setup(own(), &ids, Trigger::Update) };
    let (_, text) = Kept::Whole(json!({"data": "old"})).encode(Form::Text, KIB);
    let annotations = json!({"my-op.korf.dev/last-handled-configuration": text});
    let body: Body = json!({"metadata": {"annotations": annotations}, "data": noise(1, 700 * KIB)}).into();
    let (_, body) = cycle(&setup, &body, &Outcome::Success);
    assert!(matches!(setup.storage.read_basis(&body), Some(Kept::Digest(_))));
    let changed = merged(&body, &json!({"data": noise(2, 700 * KIB)}));
    let (_, handled) = cycle(&setup, &changed, &Outcome::Success);
    let base = setup.storage.read_diff_base(&handled).unwrap();
    assert!(base.is(&json!({"data": noise(1, 700 * KIB)})), "the change in between is the next update");
    assert_eq!(cycle(&setup, &handled, &Outcome::Success).0, Some(Reason::Update));
    assert!(End::Skipped.is_settled());
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
    fn any_essence_survives_in_each_form_that_keeps_it(essence in any_essence(), room in 0usize..2000) {
        let kept = Kept::Whole(essence.clone());
        for least in [Form::Text, Form::Deflated, Form::Digest] {
            let (form, text) = kept.encode(least, room);
            prop_assert!(form >= least && text.is_ascii());
            prop_assert!(form == Form::Digest || text.len() <= room);
            let read = Kept::decode(&text).unwrap().unwrap();
            prop_assert!(read.is(&essence));
            prop_assert_eq!(read.known(&essence), Some(essence.clone()));
            prop_assert!(form == Form::Digest || Kept::decode(&text) == Ok(Some(kept.clone())));
        }
    }

    #[test]
    fn digests_differ_where_values_do(a in any_json(), b in any_json()) {
        let (a, b) = (json!({"x": a}), json!({"x": b}));
        let (_, text) = Kept::Whole(a.clone()).encode(Form::Digest, 0);
        let digest = Kept::decode(&text).unwrap().unwrap();
        prop_assert_eq!(digest.diff(&b).is_empty(), diff(&a, &b).is_empty());
    }

    #[test]
    fn an_object_with_any_form_of_diff_base_is_not_new(
        essence in any_essence(), other in any_essence(), form in 0usize..3, kopf in any::<bool>(), status in any::<bool>(),
    ) {
        let storage = Choice { kopf, in_status: status, ..Choice::default() }.storage("my-op").unwrap();
        let least = [Form::Text, Form::Deflated, Form::Digest][form];
        let (_, text) = Kept::Whole(essence).encode(least, 256 * KIB);
        let body = annotated(json!({}));
        let body = merged(&body, &storage.place.write(&body, Item::DiffBase, Some(&text)));
        let mut object = other;
        object["metadata"] = body.value()["metadata"].clone();
        object["status"] = body.value()["status"].clone();
        let setup = setup(storage, &["fn".to_owned()], Trigger::Create);
        let called = plan(&setup, &object.into(), sight(), now());
        prop_assert!(!matches!(called, Plan::Run(cycle) if cycle.reason == Reason::Create));
    }
}
