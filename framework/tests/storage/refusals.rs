//! An API server that takes nothing of ours.

use crate::things::{Calls, Thing, ThingStatus, annotations, cluster, lines, operator, raw, text, thing};
use korf::Operator;
use korf_testing::{
    Cluster,
    api::{Fate, Faults, Request, Trouble},
};
use serde_json::json;
use std::time::Duration;
use tracing::Level;

const SECOND: Duration = Duration::from_secs(1);
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

/// Refuses some requests for one object, a while after they were sent.
#[derive(Clone, Copy)]
struct Refusing {
    method: &'static str,
    path: &'static str,
    code: u16,
    /// How often.
    times: u32,
    after: Duration,
}

impl Refusing {
    fn always(method: &'static str, path: &'static str, code: u16) -> Self {
        Self { method, path, code, times: u32::MAX, after: Duration::ZERO }
    }
}

impl Faults for Refusing {
    fn request(&mut self, request: &Request) -> Fate {
        if self.times == 0 || request.method != self.method || !request.path.ends_with(self.path) {
            return Fate::pass();
        }
        self.times -= 1;
        Fate::before(Trouble::Refused(self.code)).taking(self.after, Duration::ZERO)
    }
}

/// Refuses what one of them refuses.
struct Both(Refusing, Refusing);

impl Faults for Both {
    fn request(&mut self, request: &Request) -> Fate {
        let fate = self.0.request(request);
        if fate.trouble.is_some() { fate } else { self.1.request(request) }
    }
}

#[test]
fn an_object_whose_finalizer_is_refused_waits_and_its_handlers_are_not_called() {
    let calls = Calls::default();
    let mut cluster = {
        let calls = calls.clone();
        Cluster::of(move || operator(&calls, true).concurrency(1)).unwrap()
    };
    cluster.set_faults(Refusing::always("PATCH", "/a", 422));
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
    for told in [|operator| operator, Operator::status_storage] {
        let calls = Calls::default();
        let mut cluster = cluster(&calls, told);
        let mut wishful = thing("a", "x");
        wishful.spec.wish = Some(json!({"metadata": {"labels": {"number": 1}}, "spec": {"text": "y"}}));
        cluster.create(&wishful).unwrap();
        cluster.advance(SECOND);
        let status = cluster.get::<Thing>("a").unwrap().status;
        assert_eq!(status, Some(ThingStatus { calls: Some(1) }), "nobody has refused the status");
        cluster.patch::<Thing>("a", text("z")).unwrap();
        assert_eq!(calls.all(), ["create a", "update a"]);
        assert_eq!(lines(&cluster, Level::ERROR, "refuses what handlers add to the object").len(), 1);
        assert!(lines(&cluster, Level::ERROR, REFUSES).is_empty());
    }
}

#[test]
fn a_change_that_lands_during_a_refused_write_is_looked_at_at_once() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    let refusing = Refusing { times: 1, after: SECOND, ..Refusing::always("PATCH", "/a", 422) };
    cluster.set_faults(refusing);
    cluster.create(&thing("a", "x")).unwrap();
    cluster.patch::<Thing>("a", text("y")).unwrap();
    assert_eq!(calls.all(), ["create a"]);
    cluster.advance(5 * SECOND);
    assert_eq!(lines(&cluster, Level::ERROR, REFUSES).len(), 1);
    assert_eq!(calls.all(), ["create a", "update a"]);
}

const DENIED: &str = "The operator lacks a right";

#[test]
fn a_missing_right_keeps_no_worker_busy_and_what_handlers_came_to_is_stored_when_it_is_there() {
    for (path, code) in [("/a", 403), ("/a/status", 403), ("/a", 405)] {
        let calls = Calls::default();
        let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
        cluster.set_faults(Refusing::always("PATCH", path, code));
        cluster.create(&thing("a", "x")).unwrap();
        cluster.create(&thing("b", "x")).unwrap();
        cluster.advance(10 * SECOND);
        assert_eq!(calls.all(), ["create a", "create b"], "{path}");
        cluster.advance(3600 * SECOND);
        let said = lines(&cluster, Level::ERROR, "");
        assert!(said.len() == 1 && said[0].message.starts_with(DENIED), "{said:?}");
        assert!(said[0].message.contains(&format!("({code})")), "{said:?}");
        assert!(lines(&cluster, Level::WARN, "").is_empty());
        cluster.set_faults(());
        cluster.advance(300 * SECOND);
        assert_eq!(raw(&cluster, "a")["status"]["calls"], 1);
        cluster.patch::<Thing>("a", text("y")).unwrap();
        assert_eq!(calls.all(), ["create a", "create b", "update a"], "{path}");
    }
}

#[test]
fn a_right_that_is_granted_soon_is_waited_for() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    cluster.set_faults(Refusing { times: 3, ..Refusing::always("PATCH", "/a", 403) });
    cluster.create(&thing("a", "x")).unwrap();
    cluster.advance(5 * SECOND);
    assert_eq!(raw(&cluster, "a")["status"]["calls"], 1);
    assert!(annotations(&cluster, "a").contains(&"things.korf.dev/last-handled-configuration".to_owned()));
    assert!(lines(&cluster, Level::ERROR, "").is_empty());
}

#[test]
fn without_the_right_to_read_a_conflict_keeps_no_worker_busy() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
    cluster.set_faults(Both(Refusing::always("PATCH", "/a", 409), Refusing::always("GET", "/a", 403)));
    cluster.create(&thing("a", "x")).unwrap();
    cluster.create(&thing("b", "x")).unwrap();
    cluster.advance(10 * SECOND);
    assert_eq!(calls.all(), ["create a", "create b"]);
    assert_eq!(lines(&cluster, Level::ERROR, DENIED).len(), 1);
    cluster.set_faults(());
    cluster.advance(300 * SECOND);
    assert_eq!(raw(&cluster, "a")["status"]["calls"], 1);
    assert_eq!(calls.all(), ["create a", "create b"]);
}

#[test]
fn without_the_right_to_read_a_retry_comes_when_it_is_there() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
    let mut failing = thing("a", "x");
    failing.spec.failures = 1;
    cluster.set_faults(Refusing::always("GET", "/a", 403));
    cluster.create(&failing).unwrap();
    cluster.advance(10 * SECOND);
    cluster.create(&thing("b", "x")).unwrap();
    cluster.advance(300 * SECOND);
    assert_eq!(calls.all(), ["create b"]);
    assert!(!lines(&cluster, Level::ERROR, "can't be read").is_empty());
    cluster.set_faults(());
    cluster.advance(600 * SECOND);
    assert_eq!(calls.all(), ["create b", "create a"]);
}
