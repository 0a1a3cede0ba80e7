//! Outages: handlers that fail for a cause outside their objects are called again once that is over.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{Error, Labels, Name, Result, State, on_create, on_update};
use korf_testing::Cluster;
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
