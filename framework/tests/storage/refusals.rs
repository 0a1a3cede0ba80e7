//! An API server that takes nothing of ours.

use crate::things::{Calls, Thing, cluster, lines, operator, raw, text, thing};
use korf::testing::{
    Cluster,
    api::{Fate, Faults, Request, Trouble},
};
use serde_json::json;
use std::time::Duration;
use tracing::Level;

const REFUSES: &str = "The API server refuses what is to be kept on the object";

fn full(name: &str) -> Thing {
    let mut full = thing(name, "x");
    full.metadata.annotations = Some([("user".to_owned(), "u".repeat(256 * 1024 - 10))].into());
    full
}

#[test]
fn an_object_without_room_is_left_alone_and_its_handlers_are_not_called_again() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
    cluster.create(&full("a")).unwrap();
    cluster.advance(Duration::from_secs(60));
    cluster.create(&thing("b", "x")).unwrap();
    assert_eq!(calls.all(), ["create a", "create b"], "it keeps no worker busy");
    cluster.advance(Duration::from_secs(3600));
    assert_eq!(lines(&cluster, Level::ERROR, REFUSES).len(), 1);
    assert!(lines(&cluster, Level::WARN, "").is_empty());
    let tried = cluster.writes().len();
    assert!(tried < 2 * 13 + 10, "every five minutes: {tried}");

    cluster.patch::<Thing>("a", json!({"metadata": {"annotations": {"user": null}}})).unwrap();
    assert_eq!(
        calls.all(),
        ["create a", "create b", "update a"],
        "the first is stored, and then there is a change"
    );
    let base = &raw(&cluster, "a")["metadata"]["annotations"]["things.korf.dev/last-handled-configuration"];
    assert_eq!(base, "{\"spec\":{\"text\":\"x\"}}\n");
}

/// Refuses the changes of one object.
struct Refusing(&'static str);

impl Faults for Refusing {
    fn request(&mut self, request: &Request) -> Fate {
        let refused = request.method == "PATCH" && request.path.ends_with(self.0);
        if refused { Fate::before(Trouble::Refused(422)) } else { Fate::pass() }
    }
}

#[test]
fn an_object_whose_finalizer_is_refused_waits_and_its_handlers_are_not_called() {
    let calls = Calls::default();
    let mut cluster = {
        let calls = calls.clone();
        Cluster::of(move || operator(&calls, true).concurrency(1)).unwrap()
    };
    cluster.set_faults(Refusing("/a"));
    cluster.create(&thing("a", "x")).unwrap();
    cluster.create(&thing("b", "x")).unwrap();
    cluster.advance(Duration::from_secs(3600));
    assert_eq!(calls.all(), ["create b"]);
    assert_eq!(lines(&cluster, Level::ERROR, REFUSES).len(), 1);
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(300));
    assert_eq!(calls.all(), ["create b", "create a"]);
}

#[test]
fn what_handlers_ask_for_is_refused_before_what_is_ours() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    let mut wishful = thing("a", "x");
    wishful.spec.wish = Some(json!({"metadata": {"labels": {"number": 1}}, "spec": {"text": "y"}}));
    cluster.create(&wishful).unwrap();
    cluster.advance(Duration::from_secs(1));
    cluster.patch::<Thing>("a", text("z")).unwrap();
    assert_eq!(calls.all(), ["create a", "update a"]);
    assert_eq!(lines(&cluster, Level::ERROR, "refuses what handlers add to the object").len(), 1);
    assert!(lines(&cluster, Level::ERROR, REFUSES).is_empty());
}
