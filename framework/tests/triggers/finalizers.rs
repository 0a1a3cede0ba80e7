//! When the finalizer goes.

use crate::things::{Seen, Thing, ThingSpec, cluster, thing};
use http::Method;
use korf::{Body, Error, Facts, Handler, Match, Patch, Result, Spec, State, on_delete, on_event};
use korf_testing::api::{Fate, Faults, Request, Trouble};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// An API server to which it is a long way.
struct Far;

impl Faults for Far {
    fn request(&mut self, request: &Request) -> Fate {
        let way = if request.method == Method::PATCH { SECOND } else { Duration::ZERO };
        Fate::pass().taking(way, Duration::ZERO)
    }
}

/// The same, and a webhook that doesn't want the annotation `no`.
struct Strict;

impl Faults for Strict {
    fn request(&mut self, request: &Request) -> Fate {
        let fate = Far.request(request);
        if request.body["metadata"]["annotations"]["no"].is_null() {
            fate
        } else {
            Fate { trouble: Fate::before(Trouble::Refused(422)).trouble, ..fate }
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
fn an_object_that_another_deletion_handler_is_for_in_the_moment_in_which_the_finalizer_goes_waits_for_that_one()
 {
    let handler = |id: &'static str, tier: &'static str| {
        on_delete::<Thing>(id).label("tier", tier).run(async move |seen: State<Seen>| seen.note(id))
    };
    let (mut cluster, seen) = cluster([handler("keep", "gold"), handler("drop", "silver")]);
    cluster.create(&gold()).unwrap();
    cluster.set_faults(Far);
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(seen.take(), ["keep"]);
    assert!(cluster.exists::<Thing>("a"), "the finalizer is on its way");
    cluster.patch::<Thing>("a", label("silver")).unwrap();
    cluster.advance(30 * SECOND);
    assert_eq!(seen.take(), ["drop"]);
    assert!(!cluster.exists::<Thing>("a"));
}

#[test]
fn an_object_that_is_no_longer_given_up_keeps_its_finalizer() {
    let handler = on_delete::<Thing>("keep").label("tier", "gold").run(async || {});
    let (mut cluster, _) = cluster([handler]);
    cluster.create(&gold()).unwrap();
    cluster.set_faults(Far);
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
fn what_the_api_server_refuses_does_not_hide_that_another_deletion_handler_is_wanted() {
    let keep =
        on_delete::<Thing>("keep").label("tier", "gold").run(async |seen: State<Seen>, patch: Patch| {
            seen.note("keep");
            patch.annotation("no", Some("thanks"));
        });
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
fn a_deletion_handler_may_be_wanted_for_what_is_not_in_the_essence() {
    let runs = |facts: &Facts<'_>| facts.body.value()["status"]["phase"] == "Running";
    let keep = on_delete::<Thing>("keep").run(async |seen: State<Seen>| seen.note("keep"));
    let drop = on_delete::<Thing>("drop").when(runs).run(async |seen: State<Seen>| seen.note("drop"));
    let (mut cluster, seen) = cluster([keep, drop]);
    cluster.create(&gold()).unwrap();
    cluster.set_faults(Far);
    cluster.delete::<Thing>("a").unwrap();
    cluster.patch::<Thing>("a", json!({"status": {"phase": "Running"}})).unwrap();
    cluster.advance(30 * SECOND);
    assert_eq!(seen.take(), ["keep", "drop"]);
    assert!(!cluster.exists::<Thing>("a"));
}

/// An API server that takes nothing from the operator.
struct Down;

impl Faults for Down {
    fn request(&mut self, request: &Request) -> Fate {
        let ours = request.method == Method::PATCH && request.who == "operator";
        if ours { Fate::before(Trouble::Refused(500)) } else { Fate::pass() }
    }
}

/// It fails for good unless the size is 2.
fn picky() -> Handler {
    async fn drop(seen: State<Seen>, spec: Spec<ThingSpec>) -> Result {
        seen.note("drop");
        if spec.size == Some(2) { Ok(()) } else { Err(Error::permanent("no")) }
    }
    on_delete::<Thing>("drop").run(drop)
}

#[test]
fn an_object_that_is_mended_while_nothing_can_be_stored_is_let_go() {
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
fn an_object_that_is_mended_while_handlers_of_raw_events_are_at_it_is_let_go() {
    async fn slow(body: Body, patch: Patch) {
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
fn a_deletion_that_failed_for_good_is_tried_again_after_a_restart_whatever_goes_wrong_at_first() {
    async fn mark(patch: Patch) {
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
    assert!(seen.take().is_empty(), "nothing can be stored");
    cluster.set_faults(());
    cluster.advance(60 * SECOND);
    assert_eq!(seen.take(), ["drop"]);
}
