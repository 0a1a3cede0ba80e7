//! Where an operator works: what it says once all is listed, and of namespaces that don't exist.

use crate::lights::{House, Light, cluster_of, light};
use k8s_openapi::api::core::v1::Namespace;
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};
use kube::core::{Expression, ObjectMeta};
use std::time::Duration;
use tracing::Level;

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
