//! Handlers of raw events that write, and hear of what others write.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{
    Attempt, Body, Error, EventType, Handler, Memo, Patch, Result, State, on_create, on_delete, on_event,
    on_field, on_update,
};
use korf_testing::api::{Fate, Faults, Passage, Request, Trouble, WatchEvent};
use serde_json::{Value, json};
use std::time::Duration;

/// A handler that notes each call in an annotation and in the status: two writes.
fn counter() -> Handler {
    async fn count(seen: State<Seen>, event: EventType, memo: Memo<u32>, patch: Patch) {
        seen.note(format!("{event:?}"));
        let count = memo.with(|count| {
            *count += 1;
            *count
        });
        patch.annotation("count", Some(&count.to_string()));
        patch.merge(json!({"status": {"count": count}}));
    }
    on_event::<Thing>("count").run(count)
}

/// Answers and events that take their time.
struct Slow {
    answers: Duration,
    events: Duration,
}

impl Faults for Slow {
    fn request(&mut self, request: &Request) -> Fate {
        let back = if request.is_write() { self.answers } else { Duration::ZERO };
        Fate::pass().taking(Duration::ZERO, back)
    }

    fn event(&mut self, _: &WatchEvent) -> Passage {
        Passage::Delay(self.events)
    }
}

#[test]
fn handlers_of_raw_events_are_not_called_for_what_they_have_written_themselves() {
    let second = Duration::from_secs(1);
    for (answers, events) in [(Duration::ZERO, second), (second, Duration::ZERO), (second, second * 5 / 2)] {
        let (mut cluster, seen) = cluster([counter()]);
        cluster.set_faults(Slow { answers, events });
        cluster.create(&thing("a", 1)).unwrap();
        cluster.advance(10 * second);
        assert_eq!(seen.take(), ["Added"], "answers take {answers:?}, events {events:?}");
        assert_eq!(cluster.writes().len(), 2);
    }
}

#[test]
fn handlers_of_raw_events_hear_of_changes_that_come_with_their_own() {
    let (mut cluster, seen) = cluster([counter()]);
    let (answers, events) = (Duration::from_secs(1), Duration::ZERO);
    cluster.set_faults(Slow { answers, events });
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", json!({"spec": {"size": 2}})).unwrap();
    cluster.advance(Duration::from_secs(10));
    assert_eq!(seen.take(), ["Added", "Modified"]);
}

#[test]
fn a_listing_shows_handlers_of_raw_events_what_they_have_written_too() {
    let (mut cluster, seen) = cluster([counter()]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.server().expire();
    cluster.advance(Duration::from_secs(60));
    assert_eq!(seen.take(), ["Added", "Listed"]);
}

#[test]
fn handlers_of_raw_events_are_not_called_for_what_we_keep_of_their_writes() {
    async fn nothing() {}
    async fn result() -> Result<Value> {
        Ok(1.into())
    }
    async fn retried(attempt: Attempt) -> Result {
        if attempt.0 < 2 { Err(Error::temporary("not yet", Duration::from_secs(5))) } else { Ok(()) }
    }
    let cases = [
        (on_create::<Thing>("f").run(nothing), &["Added"][..]),
        (on_update::<Thing>("f").run(nothing), &["Added"]),
        (on_field::<Thing>("f", "metadata").run(nothing), &["Added"]),
        (on_delete::<Thing>("f").run(nothing), &["Added"]),
        // What the other handler has returned is news,
        (on_create::<Thing>("f").run(result), &["Added", "Modified"]),
        (on_update::<Thing>("f").run(result), &["Added"]),
        // and so is what is kept of its retries: by then nobody else has written anything.
        (on_create::<Thing>("f").run(retried), &["Added", "Modified", "Modified"]),
    ];
    for (handler, told) in cases {
        let id = format!("{handler:?}");
        let (mut cluster, seen) = cluster([counter(), handler]);
        cluster.set_faults(Slow { answers: Duration::from_millis(100), events: Duration::ZERO });
        cluster.create(&thing("a", 1)).unwrap();
        cluster.advance(Duration::from_secs(60));
        assert_eq!(seen.take(), told, "beside {id}");
    }
}

/// The first event comes twice, and later ones take their time.
#[derive(Default)]
struct Twice(usize);

impl Faults for Twice {
    fn event(&mut self, _: &WatchEvent) -> Passage {
        self.0 += 1;
        if self.0 == 1 { Passage::Duplicate } else { Passage::Delay(Duration::from_secs(5)) }
    }
}

#[test]
fn what_handlers_of_raw_events_write_without_changing_anything_silences_nothing() {
    async fn mark(seen: State<Seen>, body: Body, patch: Patch) {
        seen.note(body.version());
        tokio::time::sleep(Duration::from_secs(1)).await;
        patch.label("marked", Some("yes"));
    }
    async fn result() -> Result<Value> {
        Ok(1.into())
    }
    let (mut cluster, seen) =
        cluster([on_event::<Thing>("mark").run(mark), on_create::<Thing>("c").run(result)]);
    cluster.set_faults(Twice::default());
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(Duration::from_secs(60));
    let last = cluster.get::<Thing>("a").unwrap().metadata.resource_version;
    assert_eq!(seen.take().last(), last.as_ref());
}

/// Writes of labels fail.
struct Unmarkable;

impl Faults for Unmarkable {
    fn request(&mut self, request: &Request) -> Fate {
        let marks = request.who == "operator" && request.body["metadata"].get("labels").is_some();
        if marks { Fate::before(Trouble::Refused(500)) } else { Fate::pass() }
    }
}

#[test]
fn what_handlers_of_raw_events_write_at_an_echo_is_written_though_it_fails_at_first() {
    async fn mark(seen: State<Seen>, event: EventType, patch: Patch) {
        seen.note(format!("{event:?}"));
        if event == EventType::Modified {
            patch.label("marked", Some("yes"));
        }
    }
    async fn nothing() {}
    let (mut cluster, seen) =
        cluster([on_event::<Thing>("mark").run(mark), on_create::<Thing>("c").run(nothing)]);
    cluster.set_faults(Unmarkable);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(Duration::from_secs(60));
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(60));
    assert_eq!(seen.take(), ["Added", "Modified"]);
    assert!(cluster.get::<Thing>("a").unwrap().metadata.labels.is_some());
}

/// Requests take a second to arrive.
struct Far;

impl Faults for Far {
    fn request(&mut self, request: &Request) -> Fate {
        let there = if request.who == "operator" { Duration::from_secs(1) } else { Duration::ZERO };
        Fate::pass().taking(there, Duration::ZERO)
    }
}

#[test]
fn handlers_of_raw_events_hear_of_a_change_that_has_what_they_ask_for_in_it() {
    async fn mark(seen: State<Seen>, event: EventType, patch: Patch) {
        seen.note(format!("{event:?}"));
        patch.label("marked", Some("yes"));
    }
    for labels in [json!({"color": "red"}), json!({"color": "red", "marked": "yes"})] {
        let (mut cluster, seen) = cluster([on_event::<Thing>("mark").run(mark)]);
        cluster.set_faults(Far);
        cluster.create(&thing("a", 1)).unwrap();
        cluster.patch::<Thing>("a", json!({"metadata": {"labels": labels}})).unwrap();
        cluster.advance(Duration::from_secs(60));
        assert_eq!(seen.take(), ["Added", "Modified"], "{labels}");
        assert_eq!(cluster.get::<Thing>("a").unwrap().metadata.labels.unwrap().len(), 2);
    }
}

/// An API server that lets nobody read an object.
struct Closed;

impl Faults for Closed {
    fn request(&mut self, request: &Request) -> Fate {
        let read = !request.is_write() && request.path.ends_with("/a");
        if read { Fate::before(Trouble::Refused(500)) } else { Fate::pass() }
    }
}

/// What they ask for is there already in the state that they see, and no longer on the object.
#[test]
fn what_handlers_of_raw_events_ask_for_is_written_though_they_are_shown_an_older_state() {
    async fn copy(body: Body, patch: Patch) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        patch.status(json!({"copy": body.value()["spec"]["size"]}));
    }
    for closed in [false, true] {
        let (mut cluster, _) = cluster([on_event::<Thing>("e").run(copy)]);
        cluster.create(&thing("a", 3)).unwrap();
        cluster.advance(Duration::from_secs(20));
        for size in [1, 3] {
            cluster.patch::<Thing>("a", json!({"spec": {"size": size}})).unwrap();
        }
        // The first of the two is written behind the second one, and then that is told.
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
