//! Kinds that come and go, and change, while the operator runs.

use crate::{
    lights::{House, Light, LightSpec, LightStatus, cluster, flickering, light},
    seen::Seen,
};
use korf::{Name, Operator, Result, Spec, State, Status, extract::WatchEventType, handler::Registry};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request, ServedKind},
};
use kube::core::ApiResource;
use std::time::Duration;
use tokio::time::sleep;
use tracing::Level;

/// The same kind in a newer version.
mod newer {
    #[derive(
        kube::CustomResource, Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
    )]
    #[kube(group = "korf.dev", version = "v2", kind = "Light", namespaced)]
    pub struct LightSpec {}
}

/// A newer version that is served beside it.
mod alongside {
    #[derive(
        kube::CustomResource, Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
    )]
    // The kit serves one version by each plural.
    #[kube(group = "korf.dev", version = "v2", kind = "Light", plural = "newerlights", namespaced)]
    pub struct LightSpec {}
}

async fn event(name: Name, event: WatchEventType, seen: State<Seen>) {
    seen.note(format!("{name} {event:?}"));
}

async fn created(name: Name, seen: State<Seen>) {
    seen.note(format!("{name} created"));
}

async fn resumed(name: Name, seen: State<Seen>) {
    seen.note(format!("{name} resumed"));
}

fn cluster_of(seen: &Seen, namespaces: &'static [&'static str]) -> Cluster {
    let seen = seen.clone();
    let make = move || {
        let handlers = Registry::from_iter([
            korf::on_event::<Light>("event").definition().run(event),
            korf::on_create::<Light>("created").run(created),
            korf::on_resume::<Light>("resumed").run(resumed),
        ]);
        let operator = Operator::with_registry("lights", handlers).state(seen.clone());
        if namespaces.is_empty() { operator } else { operator.namespaces(namespaces.iter().copied()) }
    };
    Cluster::of(make).unwrap()
}

fn warnings(cluster: &Cluster) -> Vec<String> {
    let warnings = cluster.lines().into_iter().filter(|line| line.level <= Level::WARN);
    warnings.map(|line| line.message).collect()
}

fn lights() -> ApiResource {
    ApiResource::erase::<Light>(&())
}

fn minute(cluster: &mut Cluster) {
    cluster.advance(Duration::from_secs(60));
}

#[test]
fn the_objects_of_a_removed_kind_are_gone_and_those_of_its_return_are_new() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, &[]);
    cluster.create(&light("a", "red")).unwrap();
    seen.take();
    cluster.server().remove_kind(&lights());
    cluster.advance(Duration::from_secs(5));
    assert_eq!(seen.take(), [""; 0], "it may be back in a moment");
    minute(&mut cluster);
    assert_eq!(seen.take(), ["a Deleted"]);
    let warned = warnings(&cluster);
    assert!(warned.iter().any(|line| line.starts_with("The API server doesn't know lights.v1.korf.dev.")));
    minute(&mut cluster);
    assert_eq!(warnings(&cluster), warned, "once");
    cluster.serve(ServedKind::with_definition::<Light>());
    minute(&mut cluster);
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(seen.take()[..2], ["a Added", "a created"]);
    let lines: Vec<_> = cluster.lines().into_iter().map(|line| line.message).collect();
    let listed = "Watching lights.v1.korf.dev in the whole cluster: no objects yet.";
    assert_eq!(lines.iter().filter(|line| *line == listed).count(), 2, "at the start, and at the return");
}

/// An API server that doesn't know its custom kinds yet.
struct Starting;

impl Faults for Starting {
    fn request(&mut self, request: &Request) -> Delivery {
        let meant = request.path.starts_with("/apis/korf.dev");
        if meant { Delivery::before(Fault::Says(404, "404 page not found")) } else { Delivery::pass() }
    }
}

#[test]
fn a_kind_that_is_away_for_a_moment_keeps_its_objects() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, &["default", "b", "c"]);
    cluster.create(&light("a", "red")).unwrap();
    seen.take();
    cluster.set_faults(Starting);
    cluster.server().break_watches();
    cluster.advance(Duration::from_secs(5));
    cluster.set_faults(());
    minute(&mut cluster);
    assert!(!seen.take().contains(&"a Deleted".to_owned()));
    let asked = warnings(&cluster).into_iter().filter(|line| line.starts_with("The API server doesn't know"));
    assert_eq!(asked.count(), 1, "one line for all namespaces");
}

#[test]
fn an_object_is_not_gone_while_the_server_does_not_know_its_kind() {
    // The watch goes on, and so no listing shows that it is there.
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.create(&flickering("a", "red", 1)).unwrap();
    cluster.set_faults(Unknown("/lights/a", 2));
    cluster.advance(Duration::from_secs(120));
    assert_eq!(house.touched("a"), 1);
    assert!(cluster.logged("a", "Creation is processed: 1 succeeded; 0 failed."));
}

/// One of several API servers doesn't know the custom kinds: discovery and the watches of a namespace are answered by it.
struct OneOfSeveral;

impl Faults for OneOfSeveral {
    fn request(&mut self, request: &Request) -> Delivery {
        let discovers = request.path.starts_with("/apis/korf.dev") && !request.path.contains("/namespaces/");
        let meant = discovers || request.path.ends_with("/namespaces/b/lights");
        if meant { Delivery::before(Fault::Says(404, "404 page not found")) } else { Delivery::pass() }
    }
}

#[test]
fn when_a_kind_is_back_all_places_are_listed_and_not_only_those_whose_watches_had_failed() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, &["default", "b"]);
    cluster.create(&light("a", "red")).unwrap();
    seen.take();
    cluster.set_faults(OneOfSeveral);
    cluster.server().break_watches();
    cluster.advance(Duration::from_secs(30));
    assert_eq!(seen.take(), ["a Deleted"], "it is withdrawn");
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(30));
    assert_eq!(seen.take()[..2], ["a Listed", "a resumed"]);
    cluster.patch::<Light>("a", crate::lights::paint("blue")).unwrap();
    let told = seen.take();
    assert!(told[0] == "a Modified" && !told.contains(&"a created".to_owned()), "{told:?}");
}

/// An API server that doesn't know a kind when a single object is asked for, or patched in this part of its path; so many times.
struct Unknown(&'static str, usize);

impl Faults for Unknown {
    fn request(&mut self, request: &Request) -> Delivery {
        if self.1 == 0 || !request.path.contains(self.0) {
            return Delivery::pass();
        }
        self.1 -= 1;
        Delivery::before(Fault::Says(404, "404 page not found"))
    }
}

#[test]
fn a_status_subresource_is_not_missing_because_the_server_does_not_know_the_kind() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.set_faults(Unknown("/lights/a/status", 1));
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(Duration::from_secs(5));
    let status = cluster.get::<Light>("a").unwrap().status;
    assert_eq!(status.and_then(|status| status.color).as_deref(), Some("red"));
}

#[test]
fn a_kind_in_another_version_is_awaited_with_its_objects() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, &[]);
    cluster.create(&light("a", "red")).unwrap();
    seen.take();
    cluster.serve(ServedKind::with_definition::<newer::Light>());
    cluster.server().break_watches();
    minute(&mut cluster);
    let awaits = "The API server serves lights.v1.korf.dev as v2 alone, and no longer in the version that this operator \
                  handles. It waits for that.";
    assert_eq!(
        warnings(&cluster).iter().filter(|line| *line == awaits).count(),
        1,
        "{:#?}",
        warnings(&cluster)
    );
    assert_eq!(seen.take(), [""; 0], "its objects are still there");
    cluster.serve(ServedKind::with_definition::<Light>());
    minute(&mut cluster);
    cluster.patch::<Light>("a", crate::lights::paint("blue")).unwrap();
    assert!(!seen.take().iter().any(|line| line.ends_with("Deleted") || line.ends_with("created")));
    cluster.create(&light("b", "red")).unwrap();
    assert!(seen.take().contains(&"b created".to_owned()));
}

#[test]
fn a_newer_version_of_a_kind_is_told_once_and_nothing_waits_for_the_question() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, &[]);
    cluster.stop().unwrap();
    cluster.serve(ServedKind::with_definition::<alongside::Light>());
    cluster.set_faults(SlowGroup);
    cluster.start().unwrap();
    cluster.create(&light("a", "red")).unwrap();
    assert!(seen.take().contains(&"a created".to_owned()));
    assert_eq!(warnings(&cluster), [""; 0], "the answer isn't there yet");
    minute(&mut cluster);
    let told = |cluster: &Cluster| {
        let begin = "lights.v1.korf.dev is served as v2, too";
        warnings(cluster).iter().filter(|line| line.starts_with(begin)).count()
    };
    assert_eq!(told(&cluster), 1, "{:#?}", warnings(&cluster));
    cluster.server().remove_kind(&lights());
    minute(&mut cluster);
    cluster.serve(ServedKind::with_definition::<Light>());
    minute(&mut cluster);
    assert_eq!(told(&cluster), 1, "{:#?}", warnings(&cluster));
}

/// An API server that takes its time to tell the versions of a group.
struct SlowGroup;

impl Faults for SlowGroup {
    fn request(&mut self, request: &Request) -> Delivery {
        let is_meant = request.path == "/apis/korf.dev";
        let delay = if is_meant { Duration::from_secs(5) } else { Duration::ZERO };
        Delivery::pass().taking(delay, Duration::ZERO)
    }
}

#[test]
fn a_kind_that_returns_without_namespaces_is_watched_in_the_whole_cluster() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, &["default"]);
    cluster.create(&light("a", "red")).unwrap();
    for (served, name) in [
        (ServedKind::with_definition::<Light>().cluster_scoped(), "b"),
        (ServedKind::with_definition::<Light>(), "c"),
    ] {
        cluster.server().remove_kind(&lights());
        cluster.serve(served);
        seen.take();
        minute(&mut cluster);
        cluster.create(&Light::new(name, LightSpec { color: "red".into(), failures: 0 })).unwrap();
        let seen = seen.take();
        assert!(seen.contains(&format!("{name} created")), "{seen:?}");
    }
    let lines: Vec<_> = cluster.lines().into_iter().map(|line| line.message).collect();
    let listed = |place: &str| format!("Watching lights.v1.korf.dev in {place}: no objects yet.");
    assert!(lines.contains(&listed("the whole cluster")), "{lines:#?}");
}

/// Takes a while, and then writes the status.
async fn slow(spec: Spec<LightSpec>) -> Result<Status<LightStatus>> {
    sleep(Duration::from_millis(300)).await;
    Ok(Status(LightStatus { color: Some(spec.color.clone()) }))
}

#[test]
fn a_status_subresource_that_comes_is_noticed_by_the_status_that_the_server_does_not_keep() {
    let make = || {
        let handlers = Registry::from_iter([korf::on_create::<Light>("slow").definition().run(slow)]);
        Operator::with_registry("lights", handlers)
    };
    let mut cluster = Cluster::of(make).unwrap();
    cluster.serve(ServedKind::with_definition::<Light>().with_status_subresource(false));
    cluster.restart().unwrap();
    cluster.create(&light("a", "red")).unwrap();
    // The handler's status comes before the watch is there again, which this cuts.
    cluster.serve(ServedKind::with_definition::<Light>());
    cluster.advance(Duration::from_millis(350));
    assert_eq!(cluster.get::<Light>("a").unwrap().status.unwrap().color.unwrap(), "red");
    assert_eq!(warnings(&cluster), [""; 0]);
}

#[test]
fn a_schema_that_drops_the_status_is_told_once_and_costs_one_question() {
    let mut cluster = cluster(&House::default());
    let served = ServedKind::with_definition::<Light>().with_status_subresource(false).with_status_fields([]);
    cluster.serve(served);
    cluster.restart().unwrap();
    let questions = |cluster: &Cluster| {
        let requests = cluster.requests().into_iter().map(|exchange| exchange.request);
        requests.filter(|request| request.path == "/apis/korf.dev/v1").count()
    };
    let before = questions(&cluster);
    for name in ["a", "b", "c"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    assert_eq!(questions(&cluster) - before, 1);
    let warned = warnings(&cluster);
    assert!(
        warned.len() == 1 && warned[0].contains("the API server did not keep status.color"),
        "{warned:#?}"
    );
}
