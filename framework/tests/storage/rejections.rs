//! Rejected writes and missing permissions.

use crate::things::{Calls, Thing, ThingStatus, annotations, cluster, lines, operator, raw, text, thing};
use k8s_openapi::api::events::v1::Event;
use korf::Operator;
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};
use serde_json::json;
use std::time::Duration;
use tracing::Level;

const SECOND: Duration = Duration::from_secs(1);
const REJECTED: &str = "The API server rejects the object's progress";

fn full(name: &str) -> Thing {
    let mut full = thing(name, "x");
    full.metadata.annotations = Some([("user".to_owned(), "u".repeat(256 * 1024 - 10))].into());
    full
}

#[test]
fn an_object_without_capacity_is_throttled_and_its_handlers_are_not_called_again() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
    cluster.create(&full("a")).unwrap();
    cluster.advance(Duration::from_secs(60));
    cluster.create(&thing("b", "x")).unwrap();
    assert_eq!(calls.all(), ["create a", "create b"], "it blocks no worker");
    cluster.advance(Duration::from_secs(3600));
    assert_eq!(lines(&cluster, Level::ERROR, REJECTED).len(), 1);
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

/// Rejects some requests for one object, with a delay.
#[derive(Clone, Copy)]
struct Rejecting {
    method: &'static str,
    path: &'static str,
    code: u16,
    /// The number of rejections.
    times: u32,
    after: Duration,
}

impl Rejecting {
    fn always(method: &'static str, path: &'static str, code: u16) -> Self {
        Self { method, path, code, times: u32::MAX, after: Duration::ZERO }
    }
}

impl Faults for Rejecting {
    fn request(&mut self, request: &Request) -> Delivery {
        if self.times == 0 || request.method != self.method || !request.path.ends_with(self.path) {
            return Delivery::pass();
        }
        self.times -= 1;
        Delivery::before(Fault::Rejected(self.code)).taking(self.after, Duration::ZERO)
    }
}

/// Rejects what either of them rejects.
struct Both(Rejecting, Rejecting);

impl Faults for Both {
    fn request(&mut self, request: &Request) -> Delivery {
        let fate = self.0.request(request);
        if fate.fault.is_some() { fate } else { self.1.request(request) }
    }
}

#[test]
fn an_object_whose_finalizer_is_rejected_waits_without_handler_calls() {
    let calls = Calls::default();
    let mut cluster = {
        let calls = calls.clone();
        Cluster::of(move || operator(&calls, true).concurrency(1)).unwrap()
    };
    cluster.set_faults(Rejecting::always("PATCH", "/a", 422));
    cluster.create(&thing("a", "x")).unwrap();
    cluster.create(&thing("b", "x")).unwrap();
    cluster.advance(Duration::from_secs(3600));
    assert_eq!(calls.all(), ["create b"]);
    assert_eq!(lines(&cluster, Level::ERROR, REJECTED).len(), 1);
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(300));
    assert_eq!(calls.all(), ["create b", "create a"]);
}

#[test]
fn changes_of_handlers_are_dropped_before_our_own() {
    for configure in [|operator| operator, Operator::status_storage] {
        let calls = Calls::default();
        let mut cluster = cluster(&calls, configure);
        let mut wishful = thing("a", "x");
        wishful.spec.wish = Some(json!({"metadata": {"labels": {"number": 1}}, "spec": {"text": "y"}}));
        cluster.create(&wishful).unwrap();
        cluster.advance(SECOND);
        let status = cluster.get::<Thing>("a").unwrap().status;
        assert_eq!(status, Some(ThingStatus { calls: Some(1) }), "the status was accepted");
        cluster.patch::<Thing>("a", text("z")).unwrap();
        assert_eq!(calls.all(), ["create a", "update a"]);
        assert_eq!(lines(&cluster, Level::ERROR, "rejects what handlers add to the object").len(), 1);
        assert!(lines(&cluster, Level::ERROR, REJECTED).is_empty());
    }
}

#[test]
fn a_change_during_a_rejected_write_is_handled_at_once() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    let rejecting = Rejecting { times: 1, after: SECOND, ..Rejecting::always("PATCH", "/a", 422) };
    cluster.set_faults(rejecting);
    cluster.create(&thing("a", "x")).unwrap();
    cluster.patch::<Thing>("a", text("y")).unwrap();
    assert_eq!(calls.all(), ["create a"]);
    cluster.advance(5 * SECOND);
    assert_eq!(lines(&cluster, Level::ERROR, REJECTED).len(), 1);
    assert_eq!(calls.all(), ["create a", "update a"]);
}

const DENIED: &str = "The operator lacks a permission";

#[test]
fn a_missing_permission_blocks_no_worker_and_results_are_stored_once_it_is_granted() {
    for (path, code) in [("/a", 403), ("/a/status", 403), ("/a", 405)] {
        let calls = Calls::default();
        let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
        cluster.set_faults(Rejecting::always("PATCH", path, code));
        cluster.create(&thing("a", "x")).unwrap();
        cluster.create(&thing("b", "x")).unwrap();
        cluster.advance(10 * SECOND);
        assert_eq!(calls.all(), ["create a", "create b"], "{path}");
        cluster.advance(3600 * SECOND);
        let errors = lines(&cluster, Level::ERROR, "");
        assert!(errors.len() == 1 && errors[0].message.starts_with(DENIED), "{errors:?}");
        assert!(errors[0].message.contains(&format!("({code})")), "{errors:?}");
        assert!(lines(&cluster, Level::WARN, "").is_empty());
        cluster.set_faults(());
        cluster.advance(300 * SECOND);
        assert_eq!(raw(&cluster, "a")["status"]["calls"], 1);
        cluster.patch::<Thing>("a", text("y")).unwrap();
        assert_eq!(calls.all(), ["create a", "create b", "update a"], "{path}");
    }
}

#[test]
fn a_permission_that_is_granted_soon_is_awaited() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    cluster.set_faults(Rejecting { times: 3, ..Rejecting::always("PATCH", "/a", 403) });
    cluster.create(&thing("a", "x")).unwrap();
    cluster.advance(5 * SECOND);
    assert_eq!(raw(&cluster, "a")["status"]["calls"], 1);
    assert!(annotations(&cluster, "a").contains(&"things.korf.dev/last-handled-configuration".to_owned()));
    assert!(lines(&cluster, Level::ERROR, "").is_empty());
}

#[test]
fn a_conflict_blocks_no_worker_without_the_permission_to_read() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
    cluster.set_faults(Both(Rejecting::always("PATCH", "/a", 409), Rejecting::always("GET", "/a", 403)));
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
fn a_retry_runs_once_the_permission_to_read_is_granted() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.concurrency(1));
    let mut failing = thing("a", "x");
    failing.spec.failures = 1;
    cluster.set_faults(Rejecting::always("GET", "/a", 403));
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

/// Answers requests that have such a text in them with this code and message.
struct Saying {
    text: &'static str,
    code: u16,
    message: &'static str,
}

impl Faults for Saying {
    fn request(&mut self, request: &Request) -> Delivery {
        let meant = request.client == "operator"
            && request.method == "PATCH"
            && request.body.to_string().contains(self.text);
        if meant { Delivery::before(Fault::Says(self.code, self.message)) } else { Delivery::pass() }
    }
}

/// A wish that somebody may reject.
fn labelled(name: &str) -> Thing {
    let mut wishful = thing(name, "x");
    wishful.spec.wish = Some(json!({"metadata": {"labels": {"wish": "yes"}}}));
    wishful
}

#[test]
fn what_a_webhook_denies_is_not_written_whatever_its_code_and_the_rest_is() {
    let message = "admission webhook \"labels.example.com\" denied the request: no such label";
    for code in [400, 403, 404, 409, 422, 429, 500, 503] {
        let calls = Calls::default();
        let mut cluster = cluster(&calls, |operator| operator);
        cluster.set_faults(Saying { text: "\"wish\":\"yes\"", code, message });
        cluster.create(&labelled("a")).unwrap();
        cluster.advance(10 * SECOND);
        assert_eq!(raw(&cluster, "a")["status"]["calls"], 1, "{code}");
        let errors = lines(&cluster, Level::ERROR, "");
        let [error] = &errors[..] else { panic!("{code}: {errors:#?}") };
        assert!(error.message.contains("rejects what handlers add to the object"), "{code}: {error:?}");
        assert!(error.message.contains("\"labels.example.com\""), "{code}: {error:?}");
        assert!(annotations(&cluster, "a").iter().any(|key| key.ends_with("last-handled-configuration")));
    }
}

#[test]
fn what_the_server_never_takes_and_never_explains_is_left_out_after_some_minutes() {
    let message = "something that has no word";
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    cluster.set_faults(Saying { text: "\"wish\":\"yes\"", code: 500, message });
    cluster.create(&labelled("a")).unwrap();
    cluster.advance(60 * SECOND);
    let stored = |cluster: &Cluster| {
        annotations(cluster, "a").iter().any(|key| key.ends_with("last-handled-configuration"))
    };
    assert!(!stored(&cluster), "it may pass");
    cluster.advance(180 * SECOND);
    assert!(stored(&cluster));
    assert_eq!(lines(&cluster, Level::ERROR, "rejects what handlers add to the object").len(), 1);
    assert_eq!(calls.all(), ["create a"]);
}

#[test]
fn while_the_server_takes_nothing_and_explains_nothing_nothing_is_left_out() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    cluster.set_faults(Saying { text: "", code: 500, message: "etcdserver: no leader" });
    cluster.create(&labelled("a")).unwrap();
    cluster.advance(3600 * SECOND);
    cluster.set_faults(());
    cluster.advance(45 * SECOND);
    assert_eq!(raw(&cluster, "a")["metadata"]["labels"]["wish"], "yes");
    assert_eq!(calls.all(), ["create a", "update a"], "the label that the first has written is an update");
}

#[test]
fn an_object_whose_finalizer_the_server_keeps_is_told_in_the_log_and_by_an_event() {
    let calls = Calls::default();
    let mut cluster = {
        let calls = calls.clone();
        Cluster::of(move || operator(&calls, true)).unwrap()
    };
    cluster.create(&thing("a", "x")).unwrap();
    cluster.create(&thing("b", "x")).unwrap();
    let message = "things.korf.dev \"a\" is invalid: spec.text: Invalid value: \"hunter2\": no longer";
    cluster.set_faults(Saying { text: "\"finalizers\":", code: 422, message });
    cluster.delete::<Thing>("a").unwrap();
    cluster.advance(3600 * SECOND);
    let errors = lines(&cluster, Level::ERROR, "rejects the removal of the finalizer, so the object stays");
    assert!(errors.len() == 1 && errors[0].message.contains("spec.text"), "{errors:#?}");
    let events = cluster.server().objects(&kube::core::ApiResource::erase::<Event>(&()));
    let [event] = &events[..] else { panic!("{events:#?}") };
    assert_eq!((&event["reason"], &event["type"]), (&json!("FinalizerRejected"), &json!("Warning")));
    let note = event["note"].as_str().unwrap();
    assert!(note.contains("spec.text: Invalid value: no longer") && !note.contains("hunter2"), "{event}");
    assert_eq!(event["regarding"]["name"], "a");

    cluster.patch::<Thing>("b", text("y")).unwrap();
    assert_eq!(calls.all(), ["create a", "create b", "delete a", "update b"], "others go on");
    cluster.set_faults(());
    cluster.advance(300 * SECOND);
    assert!(!cluster.exists::<Thing>("a"));
}

/// Another controller, which removes our annotations whenever it sees them.
fn strip(cluster: &mut Cluster, name: &str) {
    let keys = annotations(cluster, name);
    let gone: serde_json::Map<_, _> = keys.into_iter().map(|key| (key, serde_json::Value::Null)).collect();
    if !gone.is_empty() {
        cluster.patch::<Thing>(name, json!({"metadata": {"annotations": gone}})).unwrap();
    }
}

#[test]
fn an_object_whose_annotations_others_remove_is_handled_ever_more_seldom() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    cluster.create(&thing("a", "x")).unwrap();
    for _ in 0..600 {
        strip(&mut cluster, "a");
        cluster.advance(SECOND / 2);
    }
    let made = calls.all();
    assert!((8..=14).contains(&made.len()), "{made:?}");
    let warnings = lines(&cluster, Level::WARN, "");
    assert!(warnings.len() == 1 && warnings[0].message.contains("status_storage"), "{warnings:#?}");

    // The other controller is gone.
    cluster.advance(600 * SECOND);
    let before = calls.all().len();
    cluster.patch::<Thing>("a", text("y")).unwrap();
    assert_eq!(calls.all()[before..], ["update a"]);
}

#[test]
fn an_object_that_loses_its_annotations_once_is_handled_at_once() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    cluster.create(&thing("a", "x")).unwrap();
    strip(&mut cluster, "a");
    assert_eq!(calls.all(), ["create a", "create a"]);
    assert!(lines(&cluster, Level::WARN, "").is_empty());
}

/// The API server would reject an annotation together with the finalizer as a whole.
#[test]
fn an_object_without_capacity_gets_its_finalizer_all_the_same_and_its_deletion_is_handled() {
    let calls = Calls::default();
    let mut cluster = {
        let calls = calls.clone();
        Cluster::of(move || operator(&calls, true)).unwrap()
    };
    cluster.create(&full("a")).unwrap();
    cluster.advance(10 * SECOND);
    assert_eq!(raw(&cluster, "a")["metadata"]["finalizers"], json!(["things.korf.dev/finalizer"]));
    cluster.delete::<Thing>("a").unwrap();
    cluster.advance(10 * SECOND);
    assert_eq!(calls.all(), ["create a", "delete a"]);
    assert!(!cluster.exists::<Thing>("a"));
}
