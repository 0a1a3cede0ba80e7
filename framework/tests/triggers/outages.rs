//! Outages: handlers that fail for a cause outside their objects are called again once that is over.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{Error, Labels, Name, Result, State, on_create, on_event, on_update, timer};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};
use serde_json::json;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tracing::Level;

const SECOND: Duration = Duration::from_secs(1);

/// Something that all handlers of a test need.
struct Away(AtomicBool);

impl Away {
    const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn set(&self, away: bool) {
        self.0.store(away, Ordering::Relaxed);
    }

    fn ask(&self, cause: &str) -> Result {
        if self.0.load(Ordering::Relaxed) {
            return Err(Error::outage(cause, "connection refused", 3 * SECOND));
        }
        Ok(())
    }
}

fn messages(cluster: &Cluster, level: Level) -> Vec<String> {
    cluster.lines().into_iter().filter(|line| line.level == level).map(|line| line.message).collect()
}

#[test]
fn once_one_handler_gets_through_those_of_all_objects_are_called() {
    static DATABASE: Away = Away::new();
    async fn create(seen: State<Seen>, name: Name) -> Result {
        DATABASE.ask("the database")?;
        seen.note(&*name.0);
        Ok(())
    }
    let (mut cluster, seen) = cluster([on_create::<Thing>("c").run(create)]);
    DATABASE.set(true);
    for number in 0..50 {
        cluster.create(&thing(&format!("thing-{number}"), 1)).unwrap();
    }
    cluster.advance(120 * SECOND);
    assert!(seen.take().is_empty());
    DATABASE.set(false);
    cluster.advance(4 * SECOND);
    let mut handled = seen.take();
    handled.sort();
    handled.dedup();
    assert_eq!(handled.len(), 50, "{handled:?}");

    let errors = messages(&cluster, Level::ERROR);
    let [began, lasts] = &errors[..] else { panic!("{errors:#?}") };
    assert_eq!(
        began,
        "the database: connection refused. Handlers wait for that: one of them is retried every 3 seconds, and all once it \
         gets through."
    );
    assert!(lasts.starts_with("50 object(s) have waited for 60"), "{lasts}");
    let over = messages(&cluster, Level::INFO).into_iter().find(|line| line.starts_with("Over after 12"));
    assert!(over.is_some_and(|line| line.ends_with(" seconds: the database. 50 object(s) go on.")));
}

#[test]
fn each_cause_is_waited_for_apart() {
    static DATABASE: Away = Away::new();
    static QUEUE: Away = Away::new();
    async fn create(seen: State<Seen>, name: Name, labels: Labels) -> Result {
        if labels.contains_key("queue") {
            QUEUE.ask("the queue")?
        } else {
            DATABASE.ask("the database")?
        };
        seen.note(&*name.0);
        Ok(())
    }
    let (mut cluster, seen) = cluster([on_create::<Thing>("c").run(create)]);
    DATABASE.set(true);
    QUEUE.set(true);
    for name in ["a", "b", "c", "d"] {
        let mut object = thing(name, 1);
        if name > "b" {
            object.metadata.labels = Some([("queue".to_owned(), "yes".to_owned())].into());
        }
        cluster.create(&object).unwrap();
    }
    cluster.advance(100 * SECOND);
    QUEUE.set(false);
    cluster.advance(4 * SECOND);
    let mut handled = seen.take();
    handled.sort();
    assert_eq!(handled, ["c", "d"]);
}

#[test]
fn an_object_that_waits_is_handled_when_it_changes_and_waits_no_more_when_it_is_gone() {
    static DATABASE: Away = Away::new();
    async fn handle(seen: State<Seen>, name: Name) -> Result {
        DATABASE.ask("the database")?;
        seen.note(&*name.0);
        Ok(())
    }
    let (mut cluster, seen) =
        cluster([on_create::<Thing>("c").run(handle), on_update::<Thing>("u").run(handle)]);
    DATABASE.set(true);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.create(&thing("b", 1)).unwrap();
    cluster.advance(10 * SECOND);
    cluster.delete::<Thing>("a").unwrap();
    cluster.advance(60 * SECOND);
    DATABASE.set(false);
    cluster.patch::<Thing>("b", json!({"spec": {"size": 2}})).unwrap();
    assert_eq!(seen.take(), ["b"], "the change is tried at once, and gets through");
    cluster.advance(600 * SECOND);
    assert_eq!(seen.take(), Vec::<String>::new());
    assert_eq!(messages(&cluster, Level::ERROR).len(), 2, "its beginning, and that it lasts");
}

/// A timer has no progress to wait by, and an event handler is called once.
#[test]
fn an_outage_that_a_timer_or_an_event_handler_meets_is_an_error_like_any_other() {
    async fn never() -> Result {
        Err(Error::outage("the database", "connection refused", 3 * SECOND))
    }
    let (mut cluster, _) =
        cluster([timer::<Thing>("t", 60 * SECOND).run(never), on_event::<Thing>("e").run(never)]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(SECOND);
    let errors = messages(&cluster, Level::ERROR);
    assert!(
        errors
            .iter()
            .any(|line| line.starts_with("Timer 't' failed with an exception and will try again in"))
    );
    assert!(
        errors.iter().any(|line| line.starts_with("Handler 'e' failed") && !line.contains("will try again"))
    );
    assert!(!errors.iter().any(|line| line.contains("Handlers wait for that")), "{errors:#?}");
}

/// Only what waits for the outage is called early, and only what gets through ends it.
#[test]
fn other_handlers_of_an_object_neither_end_an_outage_nor_are_called_early() {
    static DATABASE: Away = Away::new();
    async fn needs_it(seen: State<Seen>, name: Name) -> Result {
        DATABASE.ask("the database")?;
        seen.note(format!("a of {name}"));
        Ok(())
    }
    async fn another(seen: State<Seen>, name: Name) -> Result {
        seen.note(format!("b of {name}"));
        Err(Error::temporary("not yet", 40 * SECOND))
    }
    let (mut cluster, seen) =
        cluster([on_create::<Thing>("a").run(needs_it), on_create::<Thing>("b").run(another)]);
    DATABASE.set(true);
    for name in ["x", "y"] {
        cluster.create(&thing(name, 1)).unwrap();
    }
    assert_eq!(seen.take(), ["b of x", "b of y"]);
    cluster.advance(30 * SECOND);
    assert!(seen.take().is_empty(), "no try on behalf of all calls them");
    cluster.advance(20 * SECOND);
    assert_eq!(seen.take(), ["b of x", "b of y"], "in their own time");
    assert!(!messages(&cluster, Level::INFO).iter().any(|line| line.starts_with("Over after")));
    DATABASE.set(false);
    cluster.advance(4 * SECOND);
    let mut handled = seen.take();
    handled.sort();
    assert_eq!(handled, ["a of x", "a of y"]);
}

#[test]
fn a_handler_that_gives_up_does_not_end_an_outage() {
    static DATABASE: Away = Away::new();
    async fn create(seen: State<Seen>, name: Name) -> Result {
        DATABASE.ask("the database")?;
        seen.note(&*name.0);
        Ok(())
    }
    let few = on_create::<Thing>("few").retries(2).label("few", korf::filter::Match::Present).run(create);
    let (mut cluster, seen) =
        cluster([few, on_create::<Thing>("many").label("few", korf::filter::Match::Absent).run(create)]);
    DATABASE.set(true);
    for name in ["a", "b", "c"] {
        let mut object = thing(name, 1);
        if name == "a" {
            object.metadata.labels = Some([("few".to_owned(), "yes".to_owned())].into());
        }
        cluster.create(&object).unwrap();
    }
    cluster.advance(60 * SECOND);
    assert!(cluster.logged("a", "Creation is processed: 0 succeeded; 1 failed."));
    assert!(!messages(&cluster, Level::INFO).iter().any(|line| line.starts_with("Over after")));
    DATABASE.set(false);
    cluster.advance(4 * SECOND);
    let mut handled = seen.take();
    handled.sort();
    assert_eq!(handled, ["b", "c"]);
}

/// An echo that waits for its turn must not swallow the turn for change handlers.
#[test]
fn objects_with_event_handlers_are_called_too_and_also_one_at_a_time() {
    static DATABASE: Away = Away::new();
    async fn create(seen: State<Seen>, name: Name) -> Result {
        tokio::time::sleep(SECOND / 10).await;
        DATABASE.ask("the database")?;
        seen.note(&*name.0);
        Ok(())
    }
    async fn event() {}
    let (mut cluster, seen) = crate::things::cluster_of(
        [on_create::<Thing>("c").run(create), on_event::<Thing>("e").run(event)],
        |operator| operator.concurrency(1),
    );
    DATABASE.set(true);
    for number in 0..20 {
        cluster.create(&thing(&format!("thing-{number}"), 1)).unwrap();
    }
    cluster.advance(100 * SECOND);
    DATABASE.set(false);
    cluster.advance(8 * SECOND);
    let mut handled = seen.take();
    handled.sort();
    handled.dedup();
    assert_eq!(handled.len(), 20, "{handled:?}");
}

/// All reads of the operator fail.
struct Unreadable;

impl Faults for Unreadable {
    fn request(&mut self, request: &Request) -> Delivery {
        let reads = request.client == "operator" && !request.is_write() && request.path.contains("/things/");
        if reads { Delivery::before(Fault::Rejected(500)) } else { Delivery::pass() }
    }
}

#[test]
fn an_object_that_cannot_be_read_when_an_outage_ends_is_called_once_it_can_be() {
    static DATABASE: Away = Away::new();
    async fn create(seen: State<Seen>, name: Name) -> Result {
        DATABASE.ask("the database")?;
        seen.note(&*name.0);
        Ok(())
    }
    let slow = on_create::<Thing>("c").backoff(600 * SECOND).run(create);
    let (mut cluster, seen) = cluster([slow]);
    DATABASE.set(true);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.create(&thing("b", 1)).unwrap();
    cluster.advance(10 * SECOND);
    DATABASE.set(false);
    cluster.set_faults(Unreadable);
    cluster.advance(5 * SECOND);
    cluster.set_faults(());
    cluster.advance(60 * SECOND);
    let mut handled = seen.take();
    handled.sort();
    assert_eq!(handled, ["a", "b"]);
}
