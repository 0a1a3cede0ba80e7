//! What handlers of raw events hear of objects that have other handlers, too.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{Error, EventType, Result, State, on_create, on_event};
use korf_testing::api::{Fate, Faults, Passage, Request, Trouble, WatchEvent};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

async fn raw(seen: State<Seen>, event: EventType) {
    seen.note(format!("{event:?}"));
}

/// Events that take their time.
struct Late;

impl Faults for Late {
    fn event(&mut self, _: &WatchEvent) -> Passage {
        Passage::Delay(3 * SECOND)
    }
}

#[test]
fn a_deletion_is_told_while_another_handler_is_at_work() {
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
fn a_deletion_is_told_that_a_retry_has_found_out_before() {
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

/// What a user has changed is told when the newest version is no longer believed, what we have changed isn't told, and the
/// object can't be read at first.
#[derive(Default)]
struct Unreadable {
    changed: Option<Instant>,
    reads: usize,
}

impl Faults for Unreadable {
    fn request(&mut self, request: &Request) -> Fate {
        if request.who != "operator" || request.is_write() || !request.path.ends_with("/a") {
            return Fate::pass();
        }
        self.reads += 1;
        if self.reads < 10 { Fate::before(Trouble::Refused(500)) } else { Fate::pass() }
    }

    fn event(&mut self, event: &WatchEvent) -> Passage {
        let metadata = &event.object["metadata"];
        match (metadata.get("labels"), metadata.get("annotations")) {
            (None, _) => Passage::Pass,
            // A watch that is opened anew asks once more.
            (_, None) => {
                let since = *self.changed.get_or_insert_with(Instant::now);
                Passage::Delay((65 * SECOND).saturating_sub(since.elapsed()))
            }
            _ => Passage::Lose,
        }
    }
}

#[test]
fn an_event_is_told_later_where_the_object_can_not_be_read_at_first() {
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
        cluster.lines_of("a").iter().any(|line| line.contains("can't be read")),
        "{:?}",
        cluster.lines_of("a")
    );
    assert_eq!(seen.take(), ["Modified"]);
}

/// Nobody hears of deletions.
struct Deaf;

impl Faults for Deaf {
    fn event(&mut self, event: &WatchEvent) -> Passage {
        if event.what == "DELETED" { Passage::Lose } else { Passage::Pass }
    }
}

#[test]
fn who_asks_for_labels_is_told_of_a_deletion_that_only_a_listing_shows() {
    for (label, told) in [("old", false), ("new", true)] {
        let (mut cluster, seen) = cluster([on_event::<Thing>("e").label("app", label).run(raw)]);
        cluster.set_faults(Deaf);
        cluster.create(&thing("a", 1)).unwrap();
        for label in ["old", "new"] {
            cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"app": label}}})).unwrap();
        }
        cluster.delete::<Thing>("a").unwrap();
        assert_eq!(seen.take(), ["Modified"]);
        cluster.server().expire();
        cluster.advance(60 * SECOND);
        assert_eq!(seen.take() == ["Deleted"], told, "{label}");
    }
}
