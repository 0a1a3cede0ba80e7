//! Life of an object: creation, changes, deletion, restarts and outages.

use crate::lights::{House, Light, cluster, flickering, light, paint};
use k8s_openapi::api::apps::v1::Deployment;
use korf::{
    Operator, State,
    handler::{Handler, Registry},
};
use korf_testing::{Cluster, Error, api::ServedKind};
use kube::core::ApiResource;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;
use tracing::Level;

#[test]
fn creation_update_and_deletion_take_a_fixed_number_of_writes() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(cluster.get::<Light>("a").unwrap().status.unwrap().color.as_deref(), Some("red"));
    assert_eq!(cluster.writes().len(), 3);

    cluster.patch::<Light>("a", paint("blue")).unwrap();
    assert_eq!(house.colors()["a"], "blue");
    assert_eq!(cluster.writes().len(), 5);

    cluster.delete::<Light>("a").unwrap();
    assert!(!cluster.exists::<Light>("a"));
    assert_eq!(cluster.writes().len(), 6);
    assert!(house.colors().is_empty());
    assert!(cluster.logged("a", "Deletion is processed: 1 succeeded; 0 failed."));
}

#[test]
fn a_retry_is_on_time_even_after_a_restart() {
    let house = House::default();
    let mut cluster = cluster(&house);
    let begun = cluster.now();
    cluster.create(&flickering("a", "red", 2)).unwrap();
    cluster.advance(Duration::from_secs(30));
    cluster.restart().unwrap();
    cluster.advance(Duration::from_secs(29));
    assert_eq!(
        cluster.lines_about("a").iter().filter(|line| *line == "Handler 'create' is invoked.").count(),
        1
    );
    cluster.advance(Duration::from_secs(1));
    assert_eq!(
        cluster.lines_about("a").iter().filter(|line| *line == "Handler 'create' is invoked.").count(),
        2
    );
    cluster.advance(Duration::from_secs(60));
    assert_eq!(house.colors()["a"], "red");
    let done =
        cluster.lines().into_iter().find(|line| line.message == "Handler 'create' succeeded.").unwrap();
    let elapsed: Duration = done.at.duration_since(begun).try_into().unwrap();
    assert!((120.0..120.1).contains(&elapsed.as_secs_f64()), "{elapsed:?}");
}

#[test]
fn changes_during_a_downtime_are_handled_after_the_start() {
    let house = House::default();
    let mut cluster = cluster(&house);
    for name in ["changed", "deleted", "same"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    cluster.stop().unwrap();
    cluster.patch::<Light>("changed", paint("blue")).unwrap();
    cluster.delete::<Light>("deleted").unwrap();
    cluster.create(&light("new", "green")).unwrap();
    cluster.server().compact();
    cluster.start().unwrap();
    let expected = [("changed", "blue"), ("new", "green"), ("same", "red")];
    assert_eq!(house.colors(), expected.map(|(name, color)| (name.to_owned(), color.to_owned())).into());
    assert_eq!(house.touched("same"), 1);
}

#[test]
fn a_broken_watch_with_a_forgotten_version_relists() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.create(&light("a", "red")).unwrap();
    cluster.server().break_watches();
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.server().compact();
    cluster.advance(Duration::from_secs(60));
    assert_eq!(house.colors()["a"], "blue");
    let lines = cluster.lines();
    let outdated: Vec<_> =
        lines.iter().filter(|line| line.message.contains("too old resource version")).collect();
    assert!(matches!(outdated[..], [line] if line.level == Level::DEBUG), "{outdated:#?}");
}

#[test]
fn a_removed_kind_may_return() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.create(&light("a", "red")).unwrap();
    cluster.server().remove_kind(&ApiResource::erase::<Light>(&()));
    cluster.advance(Duration::from_secs(120));
    assert!(matches!(cluster.get::<Light>("a"), Err(Error::Rejected { code: 404, .. })));
    cluster.serve(ServedKind::with_definition::<Light>());
    cluster.advance(Duration::from_secs(60));
    cluster.create(&light("b", "green")).unwrap();
    assert_eq!(house.colors()["b"], "green");
}

#[test]
fn a_kind_missing_at_the_start_is_awaited_and_its_crd_requested() {
    let missing = |kind: &ApiResource, handler: Handler| {
        let mut cluster =
            Cluster::of(move || Operator::with_registry("lights", Registry::from_iter([handler.clone()])))
                .unwrap();
        cluster.stop().unwrap();
        cluster.server().remove_kind(kind);
        cluster.start().unwrap();
        let lines = cluster.lines().into_iter().map(|line| line.message);
        lines.filter(|line| line.starts_with("The API server doesn't know ")).collect::<Vec<_>>()
    };
    let custom = missing(&ApiResource::erase::<Light>(&()), korf::on_create::<Light>("f").run(async || ()));
    assert!(custom.len() == 1 && custom[0].contains("lights.v1.korf.dev. Install its CRD"), "{custom:?}");
    let handler = korf::on_create::<Deployment>("f").run(async || ());
    let built_in = missing(&ApiResource::erase::<Deployment>(&()), handler);
    assert_eq!(built_in.len(), 1);
    assert!(built_in[0].contains("deployments.v1.apps: its version of Kubernetes"), "{built_in:?}");
}

#[test]
fn a_recreated_object_is_a_new_one() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.create(&light("a", "red")).unwrap();
    cluster.stop().unwrap();
    cluster.delete::<Light>("a").unwrap();
    cluster.patch::<Light>("a", json!({"metadata": {"finalizers": null}})).unwrap();
    cluster.create(&light("a", "blue")).unwrap();
    cluster.start().unwrap();
    assert_eq!(house.colors()["a"], "blue");
    assert!(cluster.logged("a", "Creation is processed: 1 succeeded; 0 failed."));
}

#[test]
fn the_result_of_a_slow_handler_is_stored_before_the_next_one_is_called() {
    for (seconds, again) in [(6, 1), (4, 2)] {
        let house = House::default();
        let state = house.clone();
        let takes = Duration::from_secs(seconds);
        let slow = move |id: &'static str| {
            korf::on_create::<Light>(id).run(async move |house: State<House>| {
                house.switch_on(id, "red").await;
                sleep(takes).await;
            })
        };
        let make = move || {
            let handlers = Registry::from_iter(["first", "second"].map(slow));
            Operator::with_registry("lights", handlers).state(state.clone())
        };
        let mut cluster = Cluster::of(make).unwrap();
        cluster.create(&light("a", "red")).unwrap();
        cluster.advance(takes + Duration::from_secs(1));
        assert_eq!((house.touched("first"), house.touched("second")), (1, 1), "{seconds} s");
        cluster.restart().unwrap();
        cluster.advance(takes * 3);
        assert_eq!((house.touched("first"), house.touched("second")), (again, 2), "{seconds} s");
        assert!(cluster.logged("a", "Creation is processed: 2 succeeded; 0 failed."), "{seconds} s");
    }
}
