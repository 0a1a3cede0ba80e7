//! Copies of objects, with all that the operator has stored on them.

use crate::things::{Calls, Thing, annotations, cluster, lines, text, thing};
use korf::Operator;
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};
use kube::api::ObjectMeta;
use std::time::Duration;
use tracing::Level;

const SECOND: Duration = Duration::from_secs(1);

/// `kubectl get -o yaml`, another name, `kubectl apply`.
#[test]
fn a_copy_of_an_object_with_all_its_annotations_is_a_new_object() {
    for configure in [|operator| operator, Operator::status_storage, Operator::kopf_compatible] {
        let calls = Calls::default();
        let mut cluster = cluster(&calls, configure);
        cluster.create(&thing("a", "x")).unwrap();
        let copy = copied(&cluster, "b");
        cluster.create(&copy).unwrap();
        assert_eq!(calls.all(), ["create a", "create b"]);
        let is_told =
            annotations(&cluster, "a").iter().any(|key| key.ends_with("last-handled-configuration"));
        // The API server drops the status of a new object.
        assert_eq!(lines(&cluster, Level::WARN, "a copy, or a backup").len(), usize::from(is_told));
        cluster.patch::<Thing>("b", text("y")).unwrap();
        assert_eq!(calls.all(), ["create a", "create b", "update b"]);
        cluster.restart().unwrap();
        assert_eq!(calls.all().len(), 3, "and is known from then on");
    }
}

/// A copy of this object, with its annotations.
fn copied(cluster: &Cluster, name: &str) -> Thing {
    let mut copy = cluster.get::<Thing>("a").unwrap();
    let annotations = copy.metadata.annotations.take();
    copy.metadata = ObjectMeta { name: Some(name.into()), annotations, ..<_>::default() };
    copy
}

#[test]
fn a_copy_of_an_object_whose_handler_is_retried_begins_from_the_start() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    let mut retried = thing("a", "x");
    retried.spec.failures = 100;
    cluster.create(&retried).unwrap();
    cluster.advance(10 * SECOND);
    let mut copy = copied(&cluster, "b");
    copy.spec.failures = 0;
    cluster.create(&copy).unwrap();
    assert_eq!(calls.all(), ["create b"], "at once, and not when the other one is due");
    assert_eq!(lines(&cluster, Level::WARN, "a copy, or a backup").len(), 1);
}

#[test]
fn a_copy_that_is_made_while_the_operator_is_down_is_a_new_object() {
    for configure in [|operator| operator, Operator::status_storage] {
        let calls = Calls::default();
        let mut cluster = cluster(&calls, configure);
        cluster.create(&thing("a", "x")).unwrap();
        let copy = copied(&cluster, "b");
        cluster.stop().unwrap();
        cluster.create(&copy).unwrap();
        cluster.start().unwrap();
        assert_eq!(calls.all(), ["create a", "create b"]);
        cluster.restart().unwrap();
        assert_eq!(calls.all().len(), 2, "and is known from then on");
    }
}

/// The operator's PATCHes of one object fail.
struct Unwritable;

impl Faults for Unwritable {
    fn request(&mut self, request: &Request) -> Delivery {
        let meant = request.client == "operator" && request.is_write() && request.path.ends_with("/b");
        if meant { Delivery::before(Fault::Rejected(503)) } else { Delivery::pass() }
    }
}

#[test]
fn a_copy_is_one_until_what_it_came_with_is_removed() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    cluster.create(&thing("a", "x")).unwrap();
    cluster.set_faults(Unwritable);
    let copy = copied(&cluster, "b");
    cluster.create(&copy).unwrap();
    cluster.advance(120 * SECOND);
    assert_eq!(calls.all(), ["create a"]);
    assert!(lines(&cluster, Level::WARN, "a copy, or a backup").is_empty(), "nothing is removed yet");
    cluster.set_faults(());
    cluster.advance(60 * SECOND);
    assert_eq!(calls.all(), ["create a", "create b"]);
}

#[test]
fn a_copy_that_no_handler_is_for_is_left_as_it_is() {
    let calls = Calls::default();
    let mut source = cluster(&calls, |operator| operator);
    source.create(&thing("a", "x")).unwrap();
    let copy = copied(&source, "b");
    let handlers = || {
        let create = korf::on_create::<Thing>("create").label("mine", korf::filter::Match::Present);
        [create.run(async || {})].into_iter().collect()
    };
    let mut cluster = Cluster::of(move || Operator::with_registry("things", handlers())).unwrap();
    cluster.create(&copy).unwrap();
    cluster.advance(10 * SECOND);
    assert!(lines(&cluster, Level::WARN, "").is_empty());
    assert!(cluster.writes().iter().all(|write| write.request.client != "operator"));
}
