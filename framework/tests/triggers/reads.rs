//! Objects that the operator can't read for a while.

use crate::things::{Seen, Thing, ThingSpec, cluster, cluster_of, thing};
use korf::{Error, EventType, Operator, Result, Spec, State, on_create, on_event, on_update};
use korf_testing::api::{Fate, Faults, Request, Trouble};
use serde_json::json;
use std::time::Duration;

/// Reads of a single object fail so.
struct Unreadable(u16);

impl Faults for Unreadable {
    fn request(&mut self, request: &Request) -> Fate {
        let reads = request.who == "operator" && !request.is_write() && request.path.ends_with("/a");
        if reads { Fate::before(Trouble::Refused(self.0)) } else { Fate::pass() }
    }
}

#[test]
fn a_change_that_needs_no_read_does_not_wait_for_an_object_that_could_not_be_read() {
    async fn never(seen: State<Seen>) -> Result {
        seen.note("called");
        Err(Error::temporary("not yet", Duration::from_secs(10)))
    }
    let (mut cluster, seen) = cluster([on_create::<Thing>("never").run(never)]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.set_faults(Unreadable(500));
    cluster.advance(Duration::from_secs(700));
    assert_eq!(seen.take(), ["called"], "a retry reads its object");
    cluster.patch::<Thing>("a", json!({"spec": {"size": 2}})).unwrap();
    assert_eq!(seen.take(), ["called"]);
}

#[test]
fn who_asks_for_annotations_is_told_of_a_deletion_though_a_read_has_kept_it_waiting() {
    async fn raw(seen: State<Seen>, event: EventType) {
        seen.note(format!("{event:?}"));
    }
    let handler = on_event::<Thing>("e").label("app", "mine").annotation("note", "x").run(raw);
    let (mut cluster, seen) = cluster_of([handler], Operator::narrow);
    let mut object = thing("a", 1);
    object.metadata.labels = Some([("app".to_owned(), "mine".to_owned())].into());
    object.metadata.annotations = Some([("note".to_owned(), "x".to_owned())].into());
    cluster.create(&object).unwrap();
    cluster.set_faults(Unreadable(500));
    cluster.delete::<Thing>("a").unwrap();
    cluster.advance(Duration::from_secs(40));
    assert_eq!(seen.take(), ["Added"]);
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(60));
    assert_eq!(seen.take(), ["Deleted"]);
}

#[test]
fn an_object_that_may_not_be_read_and_comes_back_into_sight_is_handled() {
    async fn size(seen: State<Seen>, spec: Spec<ThingSpec>) {
        seen.note(format!("{:?}", spec.size));
    }
    let handlers = [
        on_create::<Thing>("f").label("app", "mine").run(size),
        on_update::<Thing>("f").label("app", "mine").run(size),
    ];
    let (mut cluster, seen) = cluster_of(handlers, Operator::narrow);
    let labelled = |app: &str| json!({"metadata": {"labels": {"app": app}}});
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    cluster.set_faults(Unreadable(403));
    for label in ["another", "mine"] {
        cluster.patch::<Thing>("a", labelled(label)).unwrap();
        cluster.advance(Duration::from_secs(1));
    }
    cluster.advance(Duration::from_secs(60));
    cluster.patch::<Thing>("a", json!({"spec": {"size": 2}})).unwrap();
    assert_eq!(seen.take(), ["Some(1)", "Some(2)"]);
}
