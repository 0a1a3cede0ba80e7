//! Event handlers of any kind: which kinds they are for, and how these come and go.

use crate::{
    lights::{Light, light, paint},
    seen::Seen,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Event, Pod, Secret},
};
use korf::{
    AnyKind, Name, Operator, State,
    extract::WatchEventType,
    handler::{Handler, Registry},
};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request, ServedKind},
};
use kube::{Resource, core::ApiResource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{from_value, json};
use std::time::Duration;
use tracing::Level;

async fn any(resource: ApiResource, name: Name, event: WatchEventType, seen: State<Seen>) {
    seen.note(format!("{}/{name} {event:?}", resource.plural));
}

async fn own(name: Name, event: WatchEventType, seen: State<Seen>) {
    seen.note(format!("own {name} {event:?}"));
}

async fn created(name: Name, seen: State<Seen>) {
    seen.note(format!("own {name} created"));
}

fn cluster_of<const N: usize>(
    seen: &Seen,
    handlers: impl Fn() -> [Handler; N] + Send + Sync + 'static,
) -> Cluster {
    let seen = seen.clone();
    Cluster::of(move || Operator::with_registry("any", Registry::from_iter(handlers())).state(seen.clone()))
        .unwrap()
}

fn everything() -> [Handler; 1] {
    [korf::on_event::<AnyKind>("any").run(any)]
}

fn create<K>(cluster: &mut Cluster, name: &str)
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    cluster.create::<K>(&from_value(json!({"metadata": {"name": name}})).unwrap()).unwrap();
}

fn warnings(cluster: &Cluster) -> Vec<String> {
    let warnings = cluster.lines().into_iter().filter(|line| line.level <= Level::WARN);
    warnings.map(|line| line.message).collect()
}

/// The time within which a kind is noticed.
fn interval(cluster: &mut Cluster) {
    cluster.advance(Duration::from_secs(11));
}

/// That operator's delete handlers are to keep the object.
#[test]
fn a_finalizer_of_another_operator_with_kopfs_names_stays() {
    let seen = Seen::default();
    let state = seen.clone();
    let operator = move || {
        let registry = Registry::from_iter(everything());
        Operator::with_registry("any", registry).state(state.clone()).kopf_compatible()
    };
    let mut cluster = Cluster::of(operator).unwrap();
    let held = json!({"metadata": {"name": "a", "finalizers": ["kopf.zalando.org/KopfFinalizerMarker"]}});
    cluster.create::<ConfigMap>(&from_value(held).unwrap()).unwrap();
    cluster.patch::<ConfigMap>("a", json!({"data": {"x": "1"}})).unwrap();
    assert!(seen.take().contains(&"configmaps/a Modified".to_owned()));
    assert_eq!(cluster.get::<ConfigMap>("a").unwrap().metadata.finalizers.unwrap().len(), 1);
    assert!(cluster.writes().iter().all(|write| write.request.client != "operator"));
}

#[test]
fn all_kinds_are_watched_but_reports_on_others() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, everything);
    let listed = seen.take();
    assert!(listed.contains(&"namespaces/default Listed".to_owned()), "{listed:?}");
    create::<ConfigMap>(&mut cluster, "a");
    create::<Secret>(&mut cluster, "a");
    let event = json!({"metadata": {"name": "a"}, "involvedObject": {}});
    cluster.create::<Event>(&from_value(event).unwrap()).unwrap();
    cluster.delete::<ConfigMap>("a").unwrap();
    assert_eq!(seen.take(), ["configmaps/a Added", "secrets/a Added", "configmaps/a Deleted"]);
    assert_eq!(cluster.writes().len(), 0, "nothing is written");
    assert_eq!(warnings(&cluster), [""; 0]);
    assert_eq!(cluster.health("/readyz").0, 200);
    cluster.stop().unwrap();
}

#[test]
fn each_handler_gets_each_event_of_a_kind_with_handlers_of_its_own_once() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, || {
        [
            korf::on_event::<AnyKind>("any").run(any),
            korf::on_event::<ConfigMap>("own").run(own),
            korf::on_create::<Light>("created").definition().run(created),
        ]
    });
    seen.take();
    create::<ConfigMap>(&mut cluster, "a");
    assert_eq!(seen.take(), ["own a Added", "configmaps/a Added"]);
    cluster.create(&light("b", "red")).unwrap();
    let of_light = seen.take();
    let times = |what: &str| of_light.iter().filter(|seen| *seen == what).count();
    assert_eq!((times("lights/b Added"), times("own b created")), (1, 1), "{of_light:?}");
    let watches = |plural: &str| {
        let requests = cluster.requests().into_iter().map(|exchange| exchange.request);
        requests.filter(|request| request.is_watch() && request.path.ends_with(plural)).count()
    };
    assert_eq!((watches("/configmaps"), watches("/lights"), watches("/secrets")), (1, 1, 1));
}

#[test]
fn a_kind_is_watched_from_when_it_comes_until_it_is_gone_and_again() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, everything);
    for turn in 0..3 {
        cluster.serve(ServedKind::with_definition::<Light>());
        cluster.create(&light("early", "red")).unwrap();
        seen.take();
        interval(&mut cluster);
        assert_eq!(seen.take(), ["lights/early Listed"], "turn {turn}");
        cluster.create(&light("late", "red")).unwrap();
        cluster.patch::<Light>("late", paint("blue")).unwrap();
        assert_eq!(seen.take(), ["lights/late Added", "lights/late Modified"], "turn {turn}");
        cluster.server().remove_kind(&ApiResource::erase::<Light>(&()));
        cluster.advance(Duration::from_secs(60));
        let mut gone = seen.take();
        gone.sort_unstable();
        assert_eq!(gone, ["lights/early Deleted", "lights/late Deleted"], "turn {turn}");
    }
    let asked = cluster.requests().into_iter().filter(|exchange| exchange.request.path.contains("/korf.dev"));
    let before = asked.count();
    cluster.advance(Duration::from_secs(600));
    let asked = cluster.requests().into_iter().filter(|exchange| exchange.request.path.contains("/korf.dev"));
    assert_eq!(asked.count(), before, "nobody asks for a kind that is gone");
}

/// The same kind in another version.
mod newer {
    #[derive(
        kube::CustomResource, Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
    )]
    #[kube(group = "korf.dev", version = "v2", kind = "Light", namespaced)]
    pub struct LightSpec {}
}

#[test]
fn a_kind_that_is_served_in_another_version_alone_is_watched_in_that() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, everything);
    cluster.serve(ServedKind::with_definition::<Light>());
    interval(&mut cluster);
    cluster.create(&light("a", "red")).unwrap();
    cluster.serve(ServedKind::with_definition::<newer::Light>());
    cluster.server().break_watches();
    cluster.advance(Duration::from_secs(60));
    seen.take();
    cluster.create(&newer::Light::new("b", newer::LightSpec {})).unwrap();
    assert_eq!(seen.take(), ["lights/b Added"]);
}

#[test]
fn a_handler_is_for_the_kinds_of_its_category_its_group_and_its_condition() {
    let seen = Seen::default();
    async fn by(resource: ApiResource, what: korf::extract::Param<&'static str>, seen: State<Seen>) {
        seen.note(format!("{} {}", *what, resource.plural));
    }
    let mut cluster = cluster_of(&seen, || {
        [
            korf::on_event::<Pod>("own").run(async || {}),
            korf::on_event::<AnyKind>("category").category("all").param("all").run(by),
            korf::on_event::<AnyKind>("custom").category("homes").param("homes").run(by),
            korf::on_event::<AnyKind>("group").group("apps").param("apps").run(by),
            korf::on_event::<AnyKind>("condition")
                .kinds(|resource| resource.kind.starts_with('S'))
                .param("S")
                .run(by),
        ]
    });
    cluster.serve(ServedKind::with_definition::<Light>().with_categories(["homes"]));
    interval(&mut cluster);
    seen.take();
    create::<ConfigMap>(&mut cluster, "a");
    create::<Secret>(&mut cluster, "a");
    create::<Pod>(&mut cluster, "a");
    create::<Deployment>(&mut cluster, "a");
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(seen.take(), ["S secrets", "all pods", "all deployments", "apps deployments", "homes lights"]);
    let watched = |plural: &str| {
        cluster
            .requests()
            .iter()
            .any(|exchange| exchange.request.path.ends_with(plural) && exchange.request.is_watch())
    };
    assert!(!watched("/configmaps"), "what no handler is for isn't watched");
}

#[test]
fn a_category_is_known_before_the_first_objects_of_a_kind_with_handlers_of_its_own() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, || {
        [
            korf::on_event::<Pod>("own").run(async || {}),
            korf::on_event::<AnyKind>("any").category("all").run(any),
        ]
    });
    create::<Pod>(&mut cluster, "a");
    cluster.kill();
    seen.take();
    cluster.start().unwrap();
    assert_eq!(seen.take(), ["pods/a Listed"]);
}

/// An API server that doesn't do this.
struct Refuses(&'static str, u16);

impl Faults for Refuses {
    fn request(&mut self, request: &Request) -> Delivery {
        let meant = request.path.ends_with(self.0);
        if meant { Delivery::before(Fault::Rejected(self.1)) } else { Delivery::pass() }
    }
}

#[test]
fn a_kind_that_is_forbidden_is_one_line_and_no_failure() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, everything);
    cluster.kill();
    cluster.set_faults(Refuses("/secrets", 403));
    cluster.start().unwrap();
    create::<ConfigMap>(&mut cluster, "a");
    assert!(seen.take().contains(&"configmaps/a Added".to_owned()));
    cluster.advance(Duration::from_secs(600));
    let warned = warnings(&cluster);
    assert!(warned.len() == 1 && warned[0].starts_with("Watching secrets.v1 at"), "{warned:#?}");
    assert_eq!(cluster.health("/readyz").0, 200);
    cluster.set_faults(());
    // It is asked for again after five minutes at most.
    cluster.advance(Duration::from_secs(310));
    create::<Secret>(&mut cluster, "b");
    assert!(seen.take().contains(&"secrets/b Added".to_owned()));
}

#[test]
fn an_operator_that_cannot_learn_the_kinds_says_so_once_and_is_not_ready() {
    let seen = Seen::default();
    let mut cluster = cluster_of(&seen, everything);
    cluster.kill();
    cluster.set_faults(Refuses("/apis", 503));
    cluster.start().unwrap();
    cluster.advance(Duration::from_secs(120));
    let warned = warnings(&cluster);
    assert!(warned.len() == 1 && warned[0].contains("about all kinds fails"), "{warned:#?}");
    assert_eq!(cluster.health("/readyz").0, 500);
    cluster.set_faults(());
    interval(&mut cluster);
    assert_eq!(cluster.health("/readyz").0, 200);
    cluster.advance(Duration::from_secs(600));
    assert_eq!((cluster.health("/readyz").0, cluster.health("/livez").0), (200, 200));
    assert_eq!(warnings(&cluster), warned);
}
