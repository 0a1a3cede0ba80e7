//! What handlers of raw events hear of objects that have other handlers, too.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{
    Error, EventType, Result, State, on_create, on_event,
    testing::api::{Faults, Passage, WatchEvent},
};
use std::time::Duration;

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
