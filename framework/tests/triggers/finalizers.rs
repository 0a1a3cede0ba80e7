//! Removal of the finalizer.

use crate::things::{Seen, Thing, ThingSpec, cluster, thing};
use http::Method;
use korf::{
    Error, ObjectPatch, Result, Spec, State,
    extract::{Body, StatusValue},
    filter::Match,
    handler::Handler,
    on_create, on_delete, on_event,
};
use korf_testing::api::{Delivery, Fault, Faults, Request};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A slow network.
struct Slow;

impl Faults for Slow {
    fn request(&mut self, request: &Request) -> Delivery {
        let way = if request.method == Method::PATCH { SECOND } else { Duration::ZERO };
        Delivery::pass().taking(way, Duration::ZERO)
    }
}

/// The same, and a webhook that rejects the annotation `no`.
struct Strict;

impl Faults for Strict {
    fn request(&mut self, request: &Request) -> Delivery {
        let fate = Slow.request(request);
        if request.body["metadata"]["annotations"]["no"].is_null() {
            fate
        } else {
            Delivery { fault: Delivery::before(Fault::Rejected(422)).fault, ..fate }
        }
    }
}

fn gold() -> Thing {
    let mut object = thing("a", 1);
    object.metadata.labels = Some([("tier".to_owned(), "gold".to_owned())].into());
    object
}

fn label(value: &str) -> Value {
    json!({"metadata": {"labels": {"tier": value}}})
}

#[test]
fn an_object_waits_for_a_delete_handler_that_matches_while_the_finalizer_is_being_removed() {
    let handler = |id: &'static str, tier: &'static str| {
        on_delete::<Thing>(id).label("tier", tier).run(async move |seen: State<Seen>| seen.note(id))
    };
    let (mut cluster, seen) = cluster([handler("keep", "gold"), handler("drop", "silver")]);
    cluster.create(&gold()).unwrap();
    cluster.set_faults(Slow);
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(seen.take(), ["keep"]);
    assert!(cluster.exists::<Thing>("a"), "the removal of the finalizer is on its way");
    cluster.patch::<Thing>("a", label("silver")).unwrap();
    cluster.advance(30 * SECOND);
    assert_eq!(seen.take(), ["drop"]);
    assert!(!cluster.exists::<Thing>("a"));
}

#[test]
fn an_object_that_is_no_longer_released_keeps_its_finalizer() {
    let handler = on_delete::<Thing>("keep").label("tier", "gold").run(async || {});
    let (mut cluster, _) = cluster([handler]);
    cluster.create(&gold()).unwrap();
    cluster.set_faults(Slow);
    cluster.patch::<Thing>("a", label("silver")).unwrap();
    cluster.patch::<Thing>("a", label("gold")).unwrap();
    cluster.advance(30 * SECOND);
    assert_eq!(
        cluster.get::<Thing>("a").unwrap().metadata.finalizers.unwrap(),
        ["things.korf.dev/finalizer"]
    );
    let removals = cluster
        .writes()
        .into_iter()
        .filter(|write| write.request.body["metadata"]["finalizers"] == json!([]));
    assert_eq!(removals.map(|write| write.code).collect::<Vec<_>>(), [Some(409)]);
}

#[test]
fn a_rejected_write_does_not_hide_another_matching_delete_handler() {
    let keep = on_delete::<Thing>("keep").label("tier", "gold").run(
        async |seen: State<Seen>, patch: ObjectPatch| {
            seen.note("keep");
            patch.annotation("no", Some("thanks"));
        },
    );
    let drop =
        on_delete::<Thing>("drop").label("tier", "silver").run(async |seen: State<Seen>| seen.note("drop"));
    let (mut cluster, seen) = cluster([keep, drop]);
    cluster.create(&gold()).unwrap();
    cluster.set_faults(Strict);
    cluster.delete::<Thing>("a").unwrap();
    cluster.patch::<Thing>("a", label("silver")).unwrap();
    cluster.advance(30 * SECOND);
    assert_eq!(seen.take(), ["keep", "drop"]);
    assert!(!cluster.exists::<Thing>("a"));
}

#[test]
fn a_delete_handler_may_match_by_a_field_outside_the_essence() {
    let runs = |status: StatusValue| status["phase"] == "Running";
    let keep = on_delete::<Thing>("keep").run(async |seen: State<Seen>| seen.note("keep"));
    let drop = on_delete::<Thing>("drop").when(runs).run(async |seen: State<Seen>| seen.note("drop"));
    let (mut cluster, seen) = cluster([keep, drop]);
    cluster.create(&gold()).unwrap();
    cluster.set_faults(Slow);
    cluster.delete::<Thing>("a").unwrap();
    cluster.patch::<Thing>("a", json!({"status": {"phase": "Running"}})).unwrap();
    cluster.advance(30 * SECOND);
    assert_eq!(seen.take(), ["keep", "drop"]);
    assert!(!cluster.exists::<Thing>("a"));
}

/// All writes of the operator fail.
struct Down;

impl Faults for Down {
    fn request(&mut self, request: &Request) -> Delivery {
        let ours = request.method == Method::PATCH && request.client == "operator";
        if ours { Delivery::before(Fault::Rejected(500)) } else { Delivery::pass() }
    }
}

/// It fails permanently unless the size is 2.
fn picky() -> Handler {
    async fn drop(seen: State<Seen>, spec: Spec<ThingSpec>) -> Result {
        seen.note("drop");
        if spec.size == Some(2) { Ok(()) } else { Err(Error::permanent("no")) }
    }
    on_delete::<Thing>("drop").run(drop)
}

#[test]
fn an_object_that_is_fixed_during_an_outage_is_released() {
    let (mut cluster, seen) = cluster([picky()]);
    cluster.create(&gold()).unwrap();
    cluster.set_faults(Down);
    cluster.delete::<Thing>("a").unwrap();
    cluster.advance(40 * SECOND);
    cluster.patch::<Thing>("a", json!({"spec": {"size": 2}})).unwrap();
    cluster.advance(60 * SECOND);
    cluster.set_faults(());
    cluster.advance(60 * SECOND);
    assert_eq!(seen.take(), ["drop", "drop"]);
    assert!(!cluster.exists::<Thing>("a"));
}

#[test]
fn an_object_that_is_fixed_while_event_handlers_run_is_released() {
    async fn slow(body: Body, patch: ObjectPatch) {
        tokio::time::sleep(5 * SECOND).await;
        if body.annotations().into_iter().flatten().any(|(key, _)| key.ends_with("/drop")) {
            patch.label("failed", Some("yes"));
        }
    }
    let (mut cluster, seen) = cluster([on_event::<Thing>("e").run(slow), picky()]);
    cluster.create(&gold()).unwrap();
    cluster.advance(60 * SECOND);
    cluster.delete::<Thing>("a").unwrap();
    cluster.advance(7 * SECOND);
    assert_eq!(seen.take(), ["drop"]);
    cluster.patch::<Thing>("a", json!({"spec": {"size": 2}})).unwrap();
    cluster.advance(60 * SECOND);
    assert!(!cluster.exists::<Thing>("a"));
}

#[test]
fn a_permanently_failed_deletion_is_retried_after_a_restart_despite_an_outage() {
    async fn mark(patch: ObjectPatch) {
        patch.label("marked", Some("yes"));
    }
    let (mut cluster, seen) =
        cluster([on_event::<Thing>("e").annotation("mark", Match::Present).run(mark), picky()]);
    cluster.create(&gold()).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    cluster.kill();
    cluster.patch::<Thing>("a", json!({"metadata": {"annotations": {"mark": "me"}}})).unwrap();
    seen.take();
    cluster.set_faults(Down);
    cluster.start().unwrap();
    cluster.advance(100 * SECOND);
    // It is called while nothing can be stored, and again when the event handler's label has changed the object.
    assert_eq!(seen.take(), ["drop"]);
    cluster.set_faults(());
    cluster.advance(60 * SECOND);
    assert_eq!(seen.take(), ["drop"]);
}

#[test]
fn what_a_delete_handler_asked_for_is_written_though_the_object_changes_before_it_is_released() {
    async fn mark(patch: ObjectPatch) {
        patch.label("marked", Some("yes"));
    }
    let (mut cluster, _) = cluster([on_delete::<Thing>("d").run(mark)]);
    let mut object = thing("a", 1);
    object.metadata.finalizers = Some(vec!["example.com/other".to_owned()]);
    cluster.create(&object).unwrap();
    cluster.set_faults(Slow);
    cluster.delete::<Thing>("a").unwrap();
    // The write that releases the object is on its way.
    cluster.patch::<Thing>("a", json!({"spec": {"size": 2}})).unwrap();
    cluster.advance(60 * SECOND);
    let metadata = cluster.get::<Thing>("a").unwrap().metadata;
    assert_eq!(metadata.finalizers.unwrap(), ["example.com/other"]);
    assert_eq!(metadata.labels.unwrap()["marked"], "yes");
}

/// A webhook that rejects diff-bases.
struct Pedantic;

impl Faults for Pedantic {
    fn request(&mut self, request: &Request) -> Delivery {
        let annotations = request.body["metadata"]["annotations"].as_object();
        let handled =
            annotations.into_iter().flatten().any(|(key, _)| key.ends_with("/last-handled-configuration"));
        if handled { Delivery::before(Fault::Rejected(422)) } else { Delivery::pass() }
    }
}

#[test]
fn an_object_whose_creation_can_not_be_stored_can_be_deleted() {
    let (mut cluster, seen) = cluster([
        on_create::<Thing>("c").run(async |seen: State<Seen>| seen.note("create")),
        on_delete::<Thing>("d").run(async |seen: State<Seen>| seen.note("delete")),
    ]);
    cluster.set_faults(Pedantic);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(60 * SECOND);
    cluster.delete::<Thing>("a").unwrap();
    cluster.advance(SECOND);
    assert_eq!(seen.take(), ["create", "delete"]);
    assert!(!cluster.exists::<Thing>("a"));
}
