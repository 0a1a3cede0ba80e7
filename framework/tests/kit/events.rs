//! Kubernetes events that handlers post.

use http::Method;
use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event, rbac::v1::ClusterRole};
use korf::{EventRecorder, Name, Operator, Result, extract::WatchEventType, handler::Registry};
use korf_testing::{
    Cluster,
    api::{Delivery, EventDelivery, Fault, Faults, Request, WatchEvent},
};
use kube::{Resource, ResourceExt, core::ApiResource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{from_value, json};
use std::{sync::Arc, time::Duration};

async fn tell(name: Name, events: EventRecorder) -> Result {
    events.info("Seen", format!("{name} is there"));
    events.info("Seen", "and is seen again");
    events.warn("Odd", std::io::Error::other("it looks strange"));
    Ok(())
}

fn operator() -> Operator {
    let handlers =
        [korf::on_create::<ConfigMap>("tell").run(tell), korf::on_create::<ClusterRole>("tell").run(tell)];
    Operator::with_registry("teller", Registry::from_iter(handlers)).grace(Duration::from_secs(3))
}

fn create<K>(cluster: &mut Cluster, name: &str) -> K
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    cluster.create::<K>(&from_value(json!({"metadata": {"name": name}})).unwrap()).unwrap()
}

/// The events on the API server.
fn events(cluster: &Cluster) -> Vec<Event> {
    let objects = cluster.server().objects(&ApiResource::erase::<Event>(&()));
    objects.into_iter().map(|event| from_value(Arc::unwrap_or_clone(event)).unwrap()).collect()
}

/// The lines about events that were not posted.
fn complaints(cluster: &Cluster) -> Vec<String> {
    let lines = cluster.lines().into_iter().filter(|line| line.message.contains("Kubernetes event(s)"));
    lines.map(|line| line.message).collect()
}

/// The delivery of requests that post events.
struct Posting(Delivery);

impl Faults for Posting {
    fn request(&mut self, request: &Request) -> Delivery {
        let posts = request.method == Method::POST && request.path.ends_with("/events");
        if posts { self.0 } else { Delivery::pass() }
    }
}

/// Deletions are lost: only a listing shows that the object is gone.
struct NoDeletions;

impl Faults for NoDeletions {
    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        if event.what == "DELETED" { EventDelivery::Lose } else { EventDelivery::Pass }
    }
}

#[test]
fn an_event_refers_to_its_object_and_is_in_its_namespace() {
    let mut cluster = Cluster::of(operator).unwrap();
    let map: ConfigMap = create(&mut cluster, "a");
    let role: ClusterRole = create(&mut cluster, "n");
    let events = events(&cluster);
    assert_eq!(events.len(), 6);
    let about = |uid: Option<String>| {
        let regarding = |event: &&Event| event.regarding.as_ref().unwrap().uid == uid;
        events.iter().filter(regarding).cloned().collect::<Vec<_>>()
    };
    for (object, kind, own) in [(map.uid(), "ConfigMap", Some("default")), (role.uid(), "ClusterRole", None)]
    {
        let messages: Vec<_> =
            about(object.clone()).into_iter().map(|event| (event.type_, event.reason, event.note)).collect();
        let name = if kind == "ConfigMap" { "a" } else { "n" };
        let expected = [
            ("Normal", "Seen", &*format!("{name} is there")),
            ("Normal", "Seen", "and is seen again"),
            ("Warning", "Odd", "it looks strange"),
        ];
        assert_eq!(messages, expected.map(|(a, b, c)| (Some(a.into()), Some(b.into()), Some(c.into()))));
        for event in about(object) {
            let regarding = event.regarding.unwrap();
            assert_eq!((regarding.kind.as_deref(), regarding.namespace.as_deref()), (Some(kind), own));
            assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
            assert_eq!(event.reporting_controller.as_deref(), Some("teller"));
            assert_eq!(event.action.as_deref(), Some("tell"));
        }
    }
}

#[test]
fn rejected_events_do_not_affect_handlers_and_are_logged_at_intervals() {
    let mut cluster = Cluster::of(operator).unwrap();
    cluster.set_faults(Posting(Delivery::before(Fault::Rejected(503))));
    create::<ConfigMap>(&mut cluster, "a");
    assert!(cluster.logged("a", "Creation is processed: 1 succeeded; 0 failed."));
    let why = "the server is currently unable to handle the request (503)";
    let first = format!("1 Kubernetes event(s) could not be posted and are dropped: {why}.");
    assert_eq!(complaints(&cluster), [first.as_str()]);
    cluster.advance(Duration::from_secs(299));
    create::<ConfigMap>(&mut cluster, "b");
    assert_eq!(complaints(&cluster).len(), 1);
    cluster.advance(Duration::from_secs(2));
    create::<ConfigMap>(&mut cluster, "c");
    assert_eq!(complaints(&cluster), [first.clone(), first.replacen('1', "6", 1)]);
    cluster.set_faults(());
    create::<ConfigMap>(&mut cluster, "d");
    assert_eq!((events(&cluster).len(), complaints(&cluster).len()), (3, 2));
}

#[test]
fn handlers_do_not_wait_for_events_without_an_answer() {
    let mut cluster = Cluster::of(operator).unwrap();
    cluster.set_faults(Posting(Delivery::before(Fault::Silence)));
    create::<ConfigMap>(&mut cluster, "a");
    assert!(cluster.logged("a", "Creation is processed: 1 succeeded; 0 failed."));
    cluster.advance(Duration::from_secs(10));
    let why = "the API server has not answered for 10 seconds";
    let messages = format!("1 Kubernetes event(s) could not be posted and are dropped: {why}.");
    assert_eq!(complaints(&cluster), [messages]);
}

#[test]
fn events_are_posted_before_the_operator_stops_within_its_grace_period() {
    for (each, posted, left) in [(Duration::from_secs(1), 3, None), (Duration::from_secs(2), 1, Some("2"))] {
        let mut cluster = Cluster::of(operator).unwrap();
        cluster.set_faults(Posting(Delivery::pass().taking(each, Duration::ZERO)));
        create::<ConfigMap>(&mut cluster, "a");
        let begun = cluster.now();
        cluster.stop().unwrap();
        assert!(cluster.now() <= begun + Duration::from_secs(3));
        let words = "Kubernetes event(s) were left to be posted when the operator had to stop.";
        let expected: Vec<_> = left.map(|left| format!("{left} {words}")).into_iter().collect();
        assert_eq!((events(&cluster).len(), complaints(&cluster)), (posted, expected));
    }
}

#[test]
fn events_that_a_handler_takes_are_posted_too() {
    async fn post(events: EventRecorder) {
        events.info("Posted", "by one handler");
    }
    async fn take(events: EventRecorder) {
        events.info("Taken", "by the other");
        assert_eq!(events.take(), []);
    }
    let mut cluster = Cluster::of(|| {
        let handlers =
            [korf::on_create::<ConfigMap>("post").run(post), korf::on_create::<ConfigMap>("take").run(take)];
        Operator::with_registry("taker", Registry::from_iter(handlers))
    })
    .unwrap();
    create::<ConfigMap>(&mut cluster, "a");
    let reasons: Vec<_> = events(&cluster).into_iter().filter_map(|event| event.reason).collect();
    assert_eq!(reasons, ["Posted", "Taken"]);
}

#[test]
fn an_event_about_an_object_missing_from_a_listing_names_its_kind() {
    async fn miss(event: WatchEventType, events: EventRecorder) {
        if event == WatchEventType::Deleted {
            events.info("Missed", "it is gone");
        }
    }
    let mut cluster = Cluster::of(|| {
        let handlers = [korf::on_event::<ConfigMap>("miss").run(miss)];
        Operator::with_registry("misser", Registry::from_iter(handlers))
    })
    .unwrap();
    let map: ConfigMap = create(&mut cluster, "a");
    cluster.set_faults(NoDeletions);
    cluster.delete::<ConfigMap>("a").unwrap();
    cluster.server().expire();
    cluster.advance(Duration::from_secs(120));
    let [event] = &events(&cluster)[..] else { panic!("one event") };
    let regarding = event.regarding.as_ref().unwrap();
    assert_eq!(
        (regarding.api_version.as_deref(), regarding.kind.as_deref()),
        (Some("v1"), Some("ConfigMap"))
    );
    assert_eq!((regarding.name.as_deref(), &regarding.uid), (Some("a"), &map.uid()));
}
