//! Events for objects that have change handlers, too.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{Error, Result, State, extract::WatchEventType, on_create, on_event};
use korf_testing::api::{Delivery, EventDelivery, Fault, Faults, Request, WatchEvent};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

async fn raw(seen: State<Seen>, event: WatchEventType) {
    seen.note(format!("{event:?}"));
}

/// Events arrive late.
struct Late;

impl Faults for Late {
    fn event(&mut self, _: &WatchEvent) -> EventDelivery {
        EventDelivery::Delay(3 * SECOND)
    }
}

#[test]
fn a_deletion_is_delivered_after_a_running_handler() {
    async fn slow() {
        tokio::time::sleep(5 * SECOND).await;
    }
    let (mut cluster, seen) = cluster([on_event::<Thing>("e").run(raw), on_create::<Thing>("c").run(slow)]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    cluster.advance(60 * SECOND);
    assert_eq!(seen.take(), ["Added", "Deleted"]);
}

#[test]
fn a_deletion_that_a_retry_has_found_before_is_delivered() {
    async fn never() -> Result {
        Err(Error::temporary("not yet", 10 * SECOND))
    }
    let (mut cluster, seen) = cluster([on_event::<Thing>("e").run(raw), on_create::<Thing>("c").run(never)]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(9 * SECOND);
    cluster.set_faults(Late);
    cluster.delete::<Thing>("a").unwrap();
    cluster.advance(60 * SECOND);
    assert_eq!(seen.take().last().map(String::as_str), Some("Deleted"));
}

/// The event of a user's change arrives when the known version has aged, that of our own change is lost, and the object
/// can't be read at first.
#[derive(Default)]
struct Unreadable {
    changed: Option<Instant>,
    reads: usize,
}

impl Faults for Unreadable {
    fn request(&mut self, request: &Request) -> Delivery {
        if request.client != "operator" || request.is_write() || !request.path.ends_with("/a") {
            return Delivery::pass();
        }
        self.reads += 1;
        if self.reads < 10 { Delivery::before(Fault::Rejected(500)) } else { Delivery::pass() }
    }

    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        let metadata = &event.object["metadata"];
        match (metadata.get("labels"), metadata.get("annotations")) {
            (None, _) => EventDelivery::Pass,
            // A reopened watch asks once more.
            (_, None) => {
                let since = *self.changed.get_or_insert_with(Instant::now);
                EventDelivery::Delay((65 * SECOND).saturating_sub(since.elapsed()))
            }
            _ => EventDelivery::Lose,
        }
    }
}

#[test]
fn an_event_is_delivered_later_if_the_object_cannot_be_read_at_first() {
    async fn slow() {
        tokio::time::sleep(SECOND).await;
    }
    let (mut cluster, seen) = cluster([on_event::<Thing>("e").run(raw), on_create::<Thing>("c").run(slow)]);
    cluster.set_faults(Unreadable::default());
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"x": "y"}}})).unwrap();
    cluster.advance(60 * SECOND);
    assert_eq!(seen.take(), ["Added"]);
    cluster.advance(60 * SECOND);
    assert!(
        cluster.lines_about("a").iter().any(|line| line.contains("can't be read")),
        "{:?}",
        cluster.lines_about("a")
    );
    assert_eq!(seen.take(), ["Modified"]);
}

/// Deletions are lost.
struct NoDeletions;

impl Faults for NoDeletions {
    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        if event.what == "DELETED" { EventDelivery::Lose } else { EventDelivery::Pass }
    }
}

#[test]
fn a_deletion_found_by_a_listing_is_delivered_to_handlers_with_label_filters() {
    for (label, delivered) in [("old", false), ("new", true)] {
        let (mut cluster, seen) = cluster([on_event::<Thing>("e").label("app", label).run(raw)]);
        cluster.set_faults(NoDeletions);
        cluster.create(&thing("a", 1)).unwrap();
        for label in ["old", "new"] {
            cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"app": label}}})).unwrap();
        }
        cluster.delete::<Thing>("a").unwrap();
        assert_eq!(seen.take(), ["Modified"]);
        cluster.server().expire();
        cluster.advance(60 * SECOND);
        assert_eq!(seen.take() == ["Deleted"], delivered, "{label}");
    }
}

/// An API that takes `sendInitialEvents` and never says that the initial list has ended: an aggregated one, or one behind a
/// proxy. Deletions come while nobody watches.
struct Endless;

impl Faults for Endless {
    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        match event.what {
            "BOOKMARK" | "DELETED" => EventDelivery::Lose,
            _ => EventDelivery::Pass,
        }
    }
}

#[test]
fn an_initial_list_that_never_ends_is_read_in_pages_after_ten_seconds() {
    let (mut cluster, seen) = cluster([on_event::<Thing>("e").run(raw)]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.create(&thing("b", 1)).unwrap();
    assert_eq!(seen.take(), ["Added", "Added"]);
    cluster.set_faults(Endless);
    cluster.delete::<Thing>("a").unwrap();
    cluster.server().expire();
    cluster.advance(9 * SECOND);
    assert_eq!(seen.take(), ["Listed"], "what the server has sent is handled at once");
    cluster.advance(5 * SECOND);
    assert_eq!(seen.take(), ["Listed", "Deleted"], "it is listed again, and what is missing was deleted");
    cluster.advance(300 * SECOND);
    cluster.patch::<Thing>("b", json!({"spec": {"size": 2}})).unwrap();
    assert_eq!(seen.take(), ["Modified"], "and never asked for a list that ends");
}

/// The server goes away within the initial list, for a minute.
#[derive(Default)]
struct AwayInTheList(Option<Instant>);

impl Faults for AwayInTheList {
    fn request(&mut self, request: &Request) -> Delivery {
        let away = self.0.is_some_and(|since| since.elapsed() < 60 * SECOND);
        let meant = away && request.client == "operator";
        if meant { Delivery::before(Fault::Reset) } else { Delivery::pass() }
    }

    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        if !event.listed || self.0.is_some() {
            return EventDelivery::Pass;
        }
        self.0 = Some(Instant::now());
        EventDelivery::Break
    }
}

#[test]
fn a_server_that_is_away_within_the_initial_list_is_not_asked_for_pages() {
    let (mut cluster, seen) = cluster([on_event::<Thing>("e").run(raw)]);
    cluster.stop().unwrap();
    for name in ["a", "b"] {
        cluster.create(&thing(name, 1)).unwrap();
    }
    cluster.set_faults(AwayInTheList::default());
    cluster.start().unwrap();
    cluster.advance(180 * SECOND);
    assert_eq!(seen.take(), ["Listed", "Listed"]);
    let lines = cluster.lines();
    assert!(!lines.iter().any(|line| line.message.contains("in pages")), "{lines:#?}");
}
