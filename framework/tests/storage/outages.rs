//! Transient failures of all writes of one object.

use crate::things::{Calls, Thing, cluster, lines, operator, raw, text, thing};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};
use std::time::Duration;
use tracing::Level;

const SECOND: Duration = Duration::from_secs(1);
const LEFT: &str = "can't be stored";

/// Rejects requests of one method for one object, or for its status.
struct Failing {
    method: &'static str,
    path: &'static str,
    code: u16,
}

impl Faults for Failing {
    fn request(&mut self, request: &Request) -> Delivery {
        if request.method != self.method || !request.path.ends_with(self.path) {
            return Delivery::pass();
        }
        Delivery::before(Fault::Rejected(self.code))
    }
}

fn failing(method: &'static str, path: &'static str, code: u16) -> Failing {
    Failing { method, path, code }
}

#[test]
fn an_object_whose_writes_keep_failing_blocks_no_worker_and_is_stored_soon_after_the_outage() {
    for (path, code) in [("/a", 500), ("/a", 404), ("/a", 409), ("/a", 429), ("/a/status", 500)] {
        let calls = Calls::default();
        let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
        cluster.set_faults(failing("PATCH", path, code));
        cluster.create(&thing("a", "x")).unwrap();
        cluster.create(&thing("b", "x")).unwrap();
        cluster.advance(60 * SECOND);
        assert_eq!(calls.all(), ["create a", "create b"], "{path} {code}");
        assert_eq!(raw(&cluster, "b")["status"]["calls"], 2);
        cluster.advance(3600 * SECOND);
        let errors = lines(&cluster, Level::ERROR, "");
        assert!(errors.len() == 1 && errors[0].message.contains(LEFT), "{errors:?}");
        assert!(errors[0].message.contains(&format!("({code})")), "{errors:?}");

        cluster.set_faults(());
        cluster.advance(45 * SECOND);
        assert_eq!(raw(&cluster, "a")["status"]["calls"], 1, "{path} {code}");
        cluster.patch::<Thing>("a", text("y")).unwrap();
        assert_eq!(calls.all(), ["create a", "create b", "update a"], "{path} {code}");
    }
}

#[test]
fn an_object_whose_finalizer_keeps_failing_blocks_no_worker() {
    let calls = Calls::default();
    let mut cluster = {
        let calls = calls.clone();
        Cluster::of(move || operator(&calls, true).concurrency(1)).unwrap()
    };
    cluster.set_faults(failing("PATCH", "/a", 500));
    cluster.create(&thing("a", "x")).unwrap();
    cluster.create(&thing("b", "x")).unwrap();
    cluster.advance(60 * SECOND);
    assert_eq!(calls.all(), ["create b"]);
    cluster.set_faults(());
    cluster.advance(45 * SECOND);
    assert_eq!(calls.all(), ["create b", "create a"]);
}

#[test]
fn an_object_that_cannot_be_read_for_a_retry_blocks_no_worker() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
    let mut retried = thing("a", "x");
    retried.spec.failures = 1;
    cluster.set_faults(failing("GET", "/a", 500));
    cluster.create(&retried).unwrap();
    cluster.advance(10 * SECOND);
    cluster.create(&thing("b", "x")).unwrap();
    cluster.advance(60 * SECOND);
    assert_eq!(calls.all(), ["create b"]);
    cluster.set_faults(());
    cluster.advance(60 * SECOND);
    assert_eq!(calls.all(), ["create b", "create a"]);
}

#[test]
fn a_second_outage_is_logged_like_the_first() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    cluster.set_faults(failing("PATCH", "/a", 500));
    cluster.create(&thing("a", "x")).unwrap();
    cluster.advance(600 * SECOND);
    cluster.set_faults(());
    cluster.advance(45 * SECOND);
    cluster.set_faults(failing("PATCH", "/a", 500));
    cluster.patch::<Thing>("a", text("y")).unwrap();
    cluster.advance(600 * SECOND);
    assert_eq!(lines(&cluster, Level::ERROR, LEFT).len(), 2);
    assert_eq!(calls.all(), ["create a", "update a"]);
}
