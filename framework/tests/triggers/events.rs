//! Event handlers that write: they receive their own writes, and converge.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{
    ObjectPatch, Result, State,
    extract::{Body, WatchEventType},
    handler::Handler,
    on_create, on_event,
};
use korf_testing::api::{Delivery, Fault, Faults, Request};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A handler that puts a label on its object.
fn marker() -> Handler {
    async fn mark(seen: State<Seen>, event: WatchEventType, patch: ObjectPatch) {
        seen.note(format!("{event:?}"));
        patch.label("marked", Some("yes"));
    }
    on_event::<Thing>("mark").run(mark)
}

fn marked(object: &Thing) -> bool {
    object.metadata.labels.iter().flatten().any(|(key, _)| key == "marked")
}

#[test]
fn event_handlers_receive_their_own_writes_and_stop_when_nothing_changes() {
    let (mut cluster, seen) = cluster([marker()]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(60 * SECOND);
    assert_eq!(seen.take(), ["Added", "Modified"]);
    assert_eq!(cluster.writes().len(), 1);
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"marked": null}}})).unwrap();
    cluster.advance(60 * SECOND);
    assert_eq!(seen.take(), ["Modified", "Modified"]);
    assert_eq!(cluster.writes().len(), 2);
}

#[test]
fn event_handlers_receive_the_records_and_results_of_change_handlers() {
    async fn record(seen: State<Seen>, event: WatchEventType, body: Body) {
        seen.note(format!("{event:?} {}", body.value()["status"]["c"]));
    }
    async fn result() -> Result<Value> {
        Ok(1.into())
    }
    let (mut cluster, seen) =
        cluster([on_event::<Thing>("e").run(record), on_create::<Thing>("c").run(result)]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(60 * SECOND);
    let calls = seen.take();
    assert_eq!(
        (calls.first().unwrap().as_str(), calls.last().unwrap().as_str()),
        ("Added null", "Modified 1")
    );
}

/// Requests of the operator take a second to arrive.
struct Slow;

impl Faults for Slow {
    fn request(&mut self, request: &Request) -> Delivery {
        let there = if request.client == "operator" { SECOND } else { Duration::ZERO };
        Delivery::pass().taking(there, Duration::ZERO)
    }
}

#[test]
fn a_write_for_an_outdated_state_is_dropped_and_made_for_the_newer_one() {
    let (mut cluster, seen) = cluster([marker()]);
    cluster.set_faults(Slow);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"color": "red"}}})).unwrap();
    cluster.advance(60 * SECOND);
    assert_eq!(seen.take(), ["Added", "Modified", "Modified"]);
    let labels = cluster.get::<Thing>("a").unwrap().metadata.labels.unwrap();
    assert_eq!(labels.into_keys().collect::<Vec<_>>(), ["color", "marked"]);
    assert!(cluster.logged(
        "a",
        "The object has changed since event handlers saw it; they are called for the newer state."
    ));
}

/// Writes of labels fail.
struct Unmarkable(u16);

impl Faults for Unmarkable {
    fn request(&mut self, request: &Request) -> Delivery {
        let marks = request.client == "operator" && request.body["metadata"].get("labels").is_some();
        if marks { Delivery::before(Fault::Rejected(self.0)) } else { Delivery::pass() }
    }
}

#[test]
fn event_handlers_are_called_again_after_a_failed_write_and_change_handlers_do_not_wait() {
    for status in [500, 403] {
        let (mut cluster, seen) =
            cluster([marker(), on_create::<Thing>("c").run(async |seen: State<Seen>| seen.note("created"))]);
        cluster.set_faults(Unmarkable(status));
        cluster.create(&thing("a", 1)).unwrap();
        cluster.advance(60 * SECOND);
        let calls = seen.take();
        assert_eq!(calls.iter().filter(|call| *call == "created").count(), 1, "{status}: {calls:?}");
        cluster.set_faults(());
        cluster.advance(600 * SECOND);
        assert!(marked(&cluster.get::<Thing>("a").unwrap()), "{status}");
    }
}

/// The first write of a label is made, but its answer is lost; further writes of labels fail, and so do reads where
/// `unreadable`.
struct Unanswered {
    made: bool,
    unreadable: bool,
}

impl Faults for Unanswered {
    fn request(&mut self, request: &Request) -> Delivery {
        let marks = request.client == "operator" && request.body["metadata"].get("labels").is_some();
        let reads = !request.is_write() && request.path.ends_with("/a");
        match () {
            () if marks && !std::mem::replace(&mut self.made, true) => Delivery::after(Fault::Reset),
            () if marks || (reads && self.unreadable) => Delivery::before(Fault::Rejected(500)),
            () => Delivery::pass(),
        }
    }
}

#[test]
fn change_handlers_see_no_state_from_before_a_write_of_event_handlers_whose_answer_was_lost() {
    async fn create(seen: State<Seen>, body: Body) {
        seen.note(format!("created {}", body.value()["metadata"]["labels"]["marked"]));
    }
    for unreadable in [false, true] {
        let (mut cluster, seen) = cluster([marker(), on_create::<Thing>("c").run(create)]);
        cluster.set_faults(Unanswered { made: false, unreadable });
        cluster.create(&thing("a", 1)).unwrap();
        cluster.advance(100 * SECOND);
        let calls = seen.take();
        let created: Vec<_> = calls.iter().filter(|call| call.starts_with("created")).collect();
        assert_eq!(created, ["created \"yes\""], "unreadable: {unreadable}");
    }
}

#[test]
fn a_write_rejected_for_its_content_is_only_logged() {
    let (mut cluster, _) = cluster([marker()]);
    cluster.set_faults(Unmarkable(422));
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(60 * SECOND);
    assert!(!marked(&cluster.get::<Thing>("a").unwrap()));
    let errors =
        cluster.lines_about("a").into_iter().filter(|line| line.contains("rejects what handlers add"));
    assert_eq!(errors.count(), 1);
}

/// An API server that rejects reads of an object.
struct Closed;

impl Faults for Closed {
    fn request(&mut self, request: &Request) -> Delivery {
        let read = !request.is_write() && request.path.ends_with("/a");
        if read { Delivery::before(Fault::Rejected(500)) } else { Delivery::pass() }
    }
}

/// Their change is already in the state that they see, but no longer on the object.
#[test]
fn changes_of_event_handlers_are_written_even_if_they_see_an_older_state() {
    async fn copy(body: Body, patch: ObjectPatch) -> Result {
        tokio::time::sleep(Duration::from_secs(5)).await;
        patch.status(json!({"copy": body.value()["spec"]["size"]}))
    }
    for closed in [false, true] {
        let (mut cluster, _) = cluster([on_event::<Thing>("e").run(copy)]);
        cluster.create(&thing("a", 3)).unwrap();
        cluster.advance(Duration::from_secs(20));
        for size in [1, 3] {
            cluster.patch::<Thing>("a", json!({"spec": {"size": size}})).unwrap();
        }
        // The result for the first event is written after the second change, which is delivered then.
        cluster.advance(Duration::from_secs(7));
        if closed {
            cluster.set_faults(Closed);
        }
        cluster.advance(Duration::from_secs(60));
        cluster.set_faults(());
        cluster.advance(Duration::from_secs(60));
        assert_eq!(cluster.get::<Thing>("a").unwrap().status.unwrap().results["copy"], 3, "closed: {closed}");
    }
}
