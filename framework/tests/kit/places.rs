//! Where an operator works: what it says once all is listed, and of namespaces that don't exist.

use crate::lights::{House, Light, LightSpec, cluster_of, light};
use k8s_openapi::api::core::v1::Namespace;
use korf::{Index, Name, Spec, handler::Registry};
use korf_testing::{
    Cluster,
    api::{ApiServer, Delivery, Fault, Faults, Request, ServedKind},
};
use kube::{
    Api,
    api::PostParams,
    core::{Expression, ObjectMeta},
};
use serde_json::json;
use std::time::Duration;
use tracing::Level;

fn light_in(namespace: &str, name: &str, color: &str) -> Light {
    let mut light = light(name, color);
    light.metadata.namespace = Some(namespace.to_owned());
    light
}

/// The operator's own lines at these levels, from its last start on.
fn lines(cluster: &Cluster) -> Vec<String> {
    let lines = cluster.lines().into_iter();
    let own = lines.filter(|line| line.object.is_none() && line.level <= Level::INFO);
    own.map(|line| line.message).collect()
}

fn listed(cluster: &Cluster) -> Vec<String> {
    let mut lines = lines(cluster);
    lines.retain(|line| line.starts_with("Watching ") && line.contains(" in "));
    lines
}

fn namespace(name: &str) -> Namespace {
    Namespace {
        metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
        ..Namespace::default()
    }
}

#[test]
fn one_line_says_what_is_watched_once_all_is_listed() {
    let mut cluster = cluster_of(&House::default(), |operator| operator);
    assert_eq!(listed(&cluster), ["Watching lights.v1.korf.dev in the whole cluster: no objects yet."]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.server().break_watches();
    cluster.server().compact();
    cluster.advance(Duration::from_secs(60));
    assert_eq!(listed(&cluster).len(), 1, "a later listing is no news");
    cluster.restart().unwrap();
    assert_eq!(listed(&cluster)[1..], ["Watching lights.v1.korf.dev in the whole cluster: 1 object."]);
}

#[test]
fn the_line_names_the_namespaces_and_the_selector() {
    let one = cluster_of(&House::default(), |operator| operator.namespaces(["default"]));
    assert_eq!(listed(&one), ["Watching lights.v1.korf.dev in namespace \"default\": no objects yet."]);
    let two = cluster_of(&House::default(), |operator| operator.namespaces(["a", "b"]));
    assert_eq!(listed(&two), ["Watching lights.v1.korf.dev in 2 namespaces: no objects yet."]);
    let handlers = || [korf::on_create::<Light>("create").run(async || {})].into_iter().collect();
    let some = Cluster::of(move || {
        let bright = Expression::Equal("room".into(), "hall".into());
        korf::Operator::with_registry("lights", handlers()).select::<Light>(bright)
    });
    let expected =
        "Watching lights.v1.korf.dev in the whole cluster, only what matches room=hall: no objects yet.";
    assert_eq!(listed(&some.unwrap()), [expected]);
}

#[test]
fn a_namespace_that_does_not_exist_is_reported_and_awaited() {
    let mut cluster = cluster_of(&House::default(), |operator| operator.namespaces(["default", "nowhere"]));
    let said = |cluster: &Cluster| {
        let mut lines = lines(cluster);
        lines.retain(|line| line.contains("here\""));
        lines
    };
    let missing = "There is no namespace \"nowhere\". The operator waits for it.";
    assert_eq!(said(&cluster), [missing]);
    cluster.advance(Duration::from_secs(600));
    assert_eq!(said(&cluster), [missing], "once");
    cluster.create(&namespace("nowhere")).unwrap();
    cluster.advance(Duration::from_secs(10));
    assert_eq!(said(&cluster), [missing, "The namespace \"nowhere\" exists now."]);
    let asked = |cluster: &Cluster| {
        let requests = cluster.requests().into_iter().map(|exchange| exchange.request);
        requests.filter(|request| request.path == "/api/v1/namespaces/nowhere").count()
    };
    let before = asked(&cluster);
    cluster.advance(Duration::from_secs(60));
    assert_eq!(asked(&cluster), before, "nobody asks any more");
}

#[test]
fn namespaces_that_fit_a_glob_are_served_as_they_come_and_go() {
    let house = House::default();
    let mut cluster = cluster_of(&house, |operator| operator.namespaces(["team-*,!team-x"]));
    let fits_none = "No namespace fits \"team-*,!team-x\". The operator waits for one.";
    assert_eq!(lines(&cluster).last().unwrap(), fits_none);
    for name in ["team-a", "team-x", "other"] {
        cluster.create(&namespace(name)).unwrap();
    }
    for namespace in ["team-a", "team-x", "other"] {
        cluster.create(&light_in(namespace, &format!("of-{namespace}"), "red")).unwrap();
    }
    let touched = ["of-team-a", "of-team-x", "of-other"].map(|name| house.touched(name));
    assert_eq!(touched, [1, 0, 0]);
    assert_eq!(listed(&cluster), ["Watching lights.v1.korf.dev in namespace \"team-a\": no objects yet."]);

    // Its objects have finalizers, which keep it until the operator has removed them.
    cluster.delete::<Namespace>("team-a").unwrap();
    cluster.advance(Duration::from_secs(1));
    assert!(!cluster.exists::<Namespace>("team-a"));
    assert!(cluster.logged("team-a/of-team-a", "Deletion is processed: 1 succeeded; 0 failed."));
    assert_eq!(lines(&cluster).last().unwrap(), "The namespace \"team-a\" is gone, and so are its objects.");
    assert_eq!(lines(&cluster).iter().filter(|line| **line == fits_none).count(), 1, "once");

    cluster.create(&namespace("team-a")).unwrap();
    cluster.create(&light_in("team-a", "again", "blue")).unwrap();
    assert_eq!(house.touched("again"), 1);
    let watches = |cluster: &Cluster| {
        let requests = cluster.requests().into_iter().map(|exchange| exchange.request);
        requests.filter(|request| request.path.contains("/team-a/lights") && request.is_watch()).count()
    };
    let before = watches(&cluster);
    cluster.delete::<Namespace>("team-a").unwrap();
    cluster.server().break_watches();
    cluster.advance(Duration::from_secs(600));
    assert_eq!(watches(&cluster), before, "nobody watches it any more");
}

#[test]
fn a_glob_s_line_tells_of_all_namespaces_and_of_each_that_comes_later() {
    let mut cluster = cluster_of(&House::default(), |operator| operator.namespaces(["kube-*", "named"]));
    assert_eq!(listed(&cluster), ["Watching lights.v1.korf.dev in 4 namespaces: no objects yet."]);
    cluster.create(&namespace("kube-late")).unwrap();
    let late = "Watching lights.v1.korf.dev in namespace \"kube-late\": no objects yet.";
    assert_eq!(listed(&cluster)[1..], [late]);
    assert!(lines(&cluster).iter().any(|line| line.starts_with("There is no namespace \"named\".")));
}

#[test]
fn a_namespace_that_is_deleted_while_the_operator_sees_nothing_takes_its_objects_with_it() {
    let house = House::default();
    let mut cluster = cluster_of(&house, |operator| operator.namespaces(["team-*"]));
    cluster.create(&namespace("team-a")).unwrap();
    cluster.create(&light_in("team-a", "lamp", "red")).unwrap();
    cluster.set_faults(Deaf);
    cluster.server().break_watches();
    cluster.delete::<Namespace>("team-a").unwrap();
    cluster.patch::<Light>("team-a/lamp", json!({"metadata": {"finalizers": null}})).unwrap();
    assert!(!cluster.exists::<Namespace>("team-a"));
    cluster.set_faults(());
    cluster.server().expire();
    cluster.advance(Duration::from_secs(120));
    assert!(cluster.logged("team-a/lamp", "Deleted, really deleted, and we are notified."));
}

#[test]
fn a_missing_right_to_watch_namespaces_is_one_line_and_the_named_ones_are_served() {
    let house = House::default();
    let mut cluster = cluster_of(&house, |operator| operator.namespaces(["default", "team-*"]));
    cluster.stop().unwrap();
    let before = lines(&cluster).len();
    cluster.set_faults(ForbiddenList);
    cluster.start().unwrap();
    cluster.create(&light("lamp", "red")).unwrap();
    assert_eq!(house.touched("lamp"), 1);
    cluster.advance(Duration::from_secs(600));
    let told = lines(&cluster).split_off(before);
    let ready = "Watching lights.v1.korf.dev in namespace \"default\": no objects yet.";
    assert!(told.iter().any(|line| line == ready), "{told:#?}");
    let about: Vec<_> = told.iter().filter(|line| line.starts_with("Watching namespaces ")).collect();
    assert!(about.len() == 1 && about[0].contains("needs to `list` and `watch` namespaces"), "{told:#?}");
    cluster.create(&namespace("team-a")).unwrap();
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(60));
    assert!(lines(&cluster).iter().any(|line| line == "Watching namespaces works again."));
    cluster.create(&light_in("team-a", "late", "red")).unwrap();
    assert_eq!(house.touched("late"), 1);
}

fn color(spec: Spec<LightSpec>, name: Name) -> (String, Name) {
    (spec.color.clone(), name)
}

#[tokio::test(start_paused = true)]
async fn without_a_right_to_list_namespaces_the_named_ones_are_all_that_indexes_wait_for() {
    let server = ApiServer::new();
    server.serve(ServedKind::with_definition::<Light>());
    server.set_faults(ForbiddenList);
    let (sender, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let handlers = Registry::from_iter([
        korf::index::<Light>("by_color").run(color),
        korf::on_create::<Light>("create").run(async move |name: Name, lights: Index<String, Name>| {
            sender.send((name.to_string(), lights.len())).unwrap();
        }),
    ]);
    let operator = korf::Operator::with_registry("lights", handlers)
        .client(server.client("operator"))
        .namespaces(["default", "team-*"]);
    let running = operator.spawn();
    assert!(running.ready().await);
    let user = server.client("user");
    let create = async |light: Light| {
        let lights = Api::<Light>::namespaced(user.clone(), light.metadata.namespace.as_deref().unwrap());
        lights.create(&PostParams::default(), &light).await.unwrap();
    };
    create(light_in("default", "a", "red")).await;
    assert_eq!(handled.recv().await, Some(("a".to_owned(), 1)));
    // The right comes: the others are as late as if they had been created now.
    let team = Api::<Namespace>::all(user.clone());
    team.create(&PostParams::default(), &namespace("team-a")).await.unwrap();
    create(light_in("team-a", "b", "blue")).await;
    server.set_faults(());
    assert_eq!(handled.recv().await, Some(("b".to_owned(), 2)));
    running.stop().await.unwrap();
}

#[test]
fn a_mistake_in_a_list_of_namespaces_keeps_the_operator_from_starting() {
    for (lists, told) in [
        (&["Team-*"][..], "no namespace fits \"Team-*\""),
        (&["a", "!b"], "\"!b\" means all other namespaces"),
        (&["a,!a"], "takes out all that it lets in"),
        (&[], "the list of namespaces is empty"),
    ] {
        let make = move || {
            let handlers = [korf::on_create::<Light>("create").run(async || {})].into_iter().collect();
            korf::Operator::with_registry("lights", handlers).namespaces(lists.iter().copied())
        };
        let error = Cluster::of(make).unwrap_err().to_string();
        assert!(error.contains(told), "{lists:?}: {error}");
    }
}

#[test]
fn what_all_namespaces_meet_is_one_line_for_each_reason_and_so_is_its_end() {
    let mut cluster = cluster_of(&House::default(), |operator| operator.namespaces(["default", "b", "c"]));
    let before = lines(&cluster).len();
    cluster.set_faults(Deaf);
    cluster.server().break_watches();
    cluster.advance(Duration::from_secs(30));
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(120));
    let told = lines(&cluster).split_off(before);
    let about: Vec<_> = told.iter().filter(|line| line.starts_with("Watching lights")).collect();
    assert!(
        about.len() == 3
            && about[0].contains(" fails, first in namespace \"b\": Connection reset")
            && about[1].contains("(503)")
            && about[2] == "Watching lights.v1.korf.dev works again.",
        "{told:#?}"
    );
}

/// The operator may not watch in one namespace.
struct ForbiddenIn(&'static str);

impl Faults for ForbiddenIn {
    fn request(&mut self, request: &Request) -> Delivery {
        let meant = request.path.contains(self.0);
        if meant { Delivery::before(Fault::Says(403, "forbidden")) } else { Delivery::pass() }
    }
}

#[test]
fn a_namespace_in_which_the_operator_may_not_watch_is_named() {
    let index = || [korf::index::<Light>("by_color").run(color)].into_iter().collect::<Registry>();
    let make = move || korf::Operator::with_registry("lights", index()).namespaces(["default", "b", "c"]);
    let mut cluster = Cluster::of(make).unwrap();
    cluster.stop().unwrap();
    let before = lines(&cluster).len();
    cluster.set_faults(ForbiddenIn("/namespaces/b/lights"));
    cluster.start().unwrap();
    cluster.advance(Duration::from_secs(60));
    let told = lines(&cluster).split_off(before);
    let fails = told.iter().find(|line| line.contains(" fails"));
    assert!(fails.is_some_and(|line| line.contains("first in namespace \"b\"")), "{told:#?}");
    let waits = "No handler is called until all indexes are filled: lights.v1.korf.dev in namespace \"b\" is not listed yet.";
    assert!(told.iter().any(|line| line == waits), "{told:#?}");
}

/// No watch and no list is answered.
struct Deaf;

impl Faults for Deaf {
    fn request(&mut self, _: &Request) -> Delivery {
        Delivery::before(Fault::Rejected(503))
    }
}

/// The operator may not list namespaces.
struct ForbiddenList;

impl Faults for ForbiddenList {
    fn request(&mut self, request: &Request) -> Delivery {
        let meant = request.path == "/api/v1/namespaces" && !request.is_write();
        if meant { Delivery::before(Fault::Says(403, "forbidden")) } else { Delivery::pass() }
    }
}

/// The operator may not read namespaces.
struct Forbidden;

impl Faults for Forbidden {
    fn request(&mut self, request: &Request) -> Delivery {
        let meant = request.path.starts_with("/api/v1/namespaces/") && request.path.matches('/').count() == 4;
        if meant { Delivery::before(Fault::Says(403, "forbidden")) } else { Delivery::pass() }
    }
}

#[test]
fn nothing_is_said_of_namespaces_that_the_server_does_not_tell_of() {
    let mut cluster = cluster_of(&House::default(), |operator| operator.namespaces(["nowhere"]));
    cluster.stop().unwrap();
    let before = lines(&cluster).len();
    cluster.set_faults(Forbidden);
    cluster.start().unwrap();
    cluster.advance(Duration::from_secs(60));
    let lines = lines(&cluster).split_off(before);
    assert!(
        !lines.is_empty() && !lines.iter().any(|line| line.contains("There is no namespace")),
        "{lines:#?}"
    );
}
