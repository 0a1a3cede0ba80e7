//! Mapping functions: changes of Secrets give lights turns.

use crate::lights::{Light, light};
use k8s_openapi::api::core::v1::{Pod, Secret};
use korf::{
    Index, Labels, Name, Object, ObjectNamespace, ObjectRef, Operator, Reason, State,
    handler::{Handler, Registry},
    settings::Settings,
};
use korf_testing::{
    Cluster,
    api::{Delivery, EventDelivery, Fault, Faults, Request, WatchEvent},
};
use serde_json::{Value, from_value, json};
use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The calls of resume handlers, and of mapping functions.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn add(&self, call: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    /// Those since the last time that they were taken.
    fn take(&self) -> Vec<String> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn note(name: Name, reason: Reason, calls: State<Calls>) {
    calls.add(format!("{name} {reason}"));
}

/// The lights that a Secret's label names.
fn users(namespace: ObjectNamespace, labels: Labels) -> Vec<ObjectRef<Light>> {
    let names = labels.get("lights").map(String::as_str).unwrap_or_default();
    names.split('_').map(|name| ObjectRef::from((&*namespace, name))).collect()
}

fn secret(name: &str, lights: &str) -> Secret {
    from_value(json!({"metadata": {"name": name, "labels": {"lights": lights}}})).unwrap()
}

fn data(number: u32) -> Value {
    json!({"data": {"number": format!("{number:04}")}})
}

/// A cluster with the lights `a` and `b`, and these handlers.
fn cluster(calls: &Calls, handlers: impl Fn() -> Vec<Handler> + Send + Sync + 'static) -> Cluster {
    let (shared, resume) = (calls.clone(), || korf::on_resume::<Light>("resume").run(note));
    let registry = move || handlers().into_iter().chain([resume()]).collect::<Registry>();
    let operator = move || Operator::with_registry("lamps", registry()).state(shared.clone());
    let mut cluster = Cluster::of(operator).unwrap();
    for name in ["a", "b"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    calls.take();
    cluster
}

fn watching() -> Vec<Handler> {
    vec![korf::watches::<Secret, Light>("users").labels("lights").run(users)]
}

#[test]
fn each_change_of_an_object_gives_those_that_it_maps_to_a_turn_and_writes_nothing() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, watching);
    let writes = cluster.writes().len();
    cluster.create(&secret("s", "a_b")).unwrap();
    assert_eq!(calls.take(), ["a triggered", "b triggered"]);
    cluster.patch::<Secret>("s", data(1)).unwrap();
    assert_eq!(calls.take(), ["a triggered", "b triggered"]);
    cluster.patch::<Secret>("s", json!({"metadata": {"labels": {"lights": "b"}}})).unwrap();
    assert_eq!(calls.take(), ["a triggered", "b triggered"], "those of the state before, too");
    cluster.patch::<Secret>("s", data(2)).unwrap();
    assert_eq!(calls.take(), ["b triggered"], "the new state counts");
    cluster.patch::<Secret>("s", json!({"metadata": {"labels": {"lights": null}}})).unwrap();
    assert_eq!(calls.take(), ["b triggered"], "it is for none from now on");
    cluster.patch::<Secret>("s", data(3)).unwrap();
    assert_eq!(calls.take(), [""; 0], "the filter leaves it out");
    cluster.patch::<Secret>("s", json!({"metadata": {"labels": {"lights": "b"}}})).unwrap();
    assert_eq!(calls.take(), ["b triggered"]);
    cluster.delete::<Secret>("s").unwrap();
    assert_eq!(calls.take(), ["b triggered"]);
    cluster.create(&from_value::<Secret>(json!({"metadata": {"name": "other"}})).unwrap()).unwrap();
    assert_eq!(calls.take(), [""; 0], "the filter leaves it out");
    assert_eq!(cluster.writes().len(), writes);
    let reads = cluster.requests().iter().filter(|made| made.request.path.contains("/secrets/")).count();
    assert_eq!(reads, 0, "Secrets have no turns");
}

/// No deletion is delivered.
struct Undeleted;

impl Faults for Undeleted {
    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        if event.what == "DELETED" { EventDelivery::Lose } else { EventDelivery::Pass }
    }
}

#[test]
fn a_new_listing_maps_what_it_shows_to_be_new_or_gone_and_nothing_else() {
    // Of what a listing no longer shows, only name and labels are known, which is no Pod.
    fn pod_users(pod: Object<Pod>) -> Vec<ObjectRef<Light>> {
        let image = pod.spec.as_ref().and_then(|spec| spec.containers.first()?.image.clone());
        image.map(|image| ObjectRef::from(("default", &*image))).into_iter().collect()
    }
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        watching().into_iter().chain([korf::watches::<Pod, Light>("pods").run(pod_users)]).collect()
    });
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "a"}]}});
    cluster.create(&from_value::<Pod>(pod).unwrap()).unwrap();
    cluster.create(&secret("stays", "a")).unwrap();
    cluster.create(&secret("goes", "b")).unwrap();
    cluster.set_faults(Undeleted);
    cluster.delete::<Secret>("goes").unwrap();
    cluster.delete::<Pod>("p").unwrap();
    calls.take();
    cluster.set_faults(());
    cluster.server().compact();
    cluster.server().expire();
    cluster.advance(Duration::from_secs(5));
    let mut called = calls.take();
    called.sort();
    assert_eq!(called, ["a triggered", "b triggered"]);
    assert!(cluster.lines().iter().all(|line| line.level != tracing::Level::ERROR), "{:?}", cluster.lines());
}

#[test]
fn a_mapping_function_that_panics_is_one_error_and_nothing_else_suffers() {
    fn odd(_secret: Object<Secret>) -> Option<ObjectRef<Light>> {
        panic!("oh")
    }
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        watching().into_iter().chain([korf::watches::<Secret, Light>("odd").run(odd)]).collect()
    });
    cluster.create(&secret("s", "a")).unwrap();
    assert_eq!(calls.take(), ["a triggered"]);
    for number in 0..3 {
        cluster.patch::<Secret>("s", data(number)).unwrap();
    }
    let errors: Vec<_> =
        cluster.lines().into_iter().filter(|line| line.level == tracing::Level::ERROR).collect();
    let line =
        "Mapper 'odd' failed: it panicked: oh. Only what it has returned for the object before gets a turn.";
    assert_eq!(errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>(), [line]);
}

#[test]
fn at_the_start_an_object_that_is_resumed_anyway_is_resumed_once() {
    let calls = Calls::default();
    let state = calls.clone();
    let mut cluster = Cluster::of(move || {
        // The only worker has a Secret while everything is listed.
        let event =
            korf::on_event::<Secret>("event").run(async || tokio::time::sleep(Duration::from_secs(1)).await);
        let watches = korf::watches::<Secret, Light>("users").run(users);
        let resume = korf::on_resume::<Light>("resume").run(note);
        let mut settings = Settings::default();
        settings.queueing.concurrency = 1;
        let registry = Registry::from_iter([event, watches, resume]);
        Operator::with_registry("lamps", registry).state(state.clone()).settings(settings)
    })
    .unwrap();
    for name in ["a", "b"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    cluster.create(&secret("s", "a")).unwrap();
    cluster.advance(Duration::from_secs(10));
    cluster.stop().unwrap();
    cluster.patch::<Secret>("s", data(1)).unwrap();
    calls.take();
    cluster.start().unwrap();
    cluster.advance(Duration::from_secs(10));
    assert_eq!(calls.take(), ["a resume", "b resume"]);
}

/// The operator may not list Secrets.
struct Forbidden;

impl Faults for Forbidden {
    fn request(&mut self, request: &Request) -> Delivery {
        if request.path.ends_with("/secrets") && request.client == "operator" {
            return Delivery::before(Fault::Says(403, "forbidden"));
        }
        Delivery::pass()
    }
}

#[test]
fn where_the_other_kind_may_not_be_watched_the_log_says_so_and_ours_is_handled() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, watching);
    cluster.stop().unwrap();
    cluster.set_faults(Forbidden);
    cluster.start().unwrap();
    assert_eq!(calls.take(), ["a resume", "b resume"]);
    let told = cluster.lines().into_iter().any(|line| line.message.contains("secrets.v1"));
    assert!(told, "{:?}", cluster.lines());
    cluster.create(&secret("s", "a")).unwrap();
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(120));
    assert_eq!(calls.take(), ["a triggered"], "once it is allowed to");
}

#[test]
fn a_mapping_function_looks_into_an_index() {
    fn by_color(light: Object<Light>, name: Name) -> (String, String) {
        (light.spec.color.clone(), name.to_string())
    }
    fn red(lights: Index<String, String>) -> Vec<ObjectRef<Light>> {
        let red = lights.get(&"red".to_owned());
        red.iter().map(|name| ObjectRef::from(("default", name.as_str()))).collect()
    }
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        vec![korf::index::<Light>("by_color").run(by_color), korf::watches::<Secret, Light>("red").run(red)]
    });
    cluster.create(&light("c", "blue")).unwrap();
    cluster.create(&secret("s", "x")).unwrap();
    assert_eq!(calls.take(), ["a triggered", "b triggered"]);
}
