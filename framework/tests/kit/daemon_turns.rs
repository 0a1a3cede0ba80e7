//! Daemons and what happens to their objects: states that can't be read, deletions that nobody shows, hands that take the
//! finalizer away.

use crate::{
    daemons::{Diary, cluster, daemon, deaf, of_red, patient, seconds},
    lights::{Light, LightStatus, light, paint},
};
use korf::{ObjectPatch, State, Stopped, extract::ObjectAs};
use korf_testing::{
    Cluster,
    api::{Delivery, EventDelivery, Fault, Faults, Request, WatchEvent},
};
use serde_json::json;
use tokio::time::sleep;

/// How often the log has a line that begins so.
fn count(cluster: &Cluster, begin: &str) -> usize {
    cluster.lines().iter().filter(|line| line.message.starts_with(begin)).count()
}

/// A light that was lit.
#[derive(serde::Deserialize)]
struct Lit {
    status: LightStatus,
}

#[test]
fn one_that_cannot_read_the_object_waits_for_its_next_change() {
    async fn read(lit: ObjectAs<Lit>, diary: State<Diary>) {
        diary.note(lit.status.color.clone().unwrap_or_default());
    }
    for keeps in [false, true] {
        let diary = Diary::default();
        let mut cluster = cluster(&diary, move || {
            let daemon = daemon("read");
            let daemon = if keeps { daemon.finalizer() } else { daemon };
            vec![daemon.run(read), korf::timer::<Light>("tick", seconds(600)).run(async || {})]
        });
        cluster.create(&light("a", "red")).unwrap();
        cluster.advance(seconds(3601));
        assert!(count(&cluster, "Timer 'tick' is invoked") > 5);
        assert_eq!(count(&cluster, "Daemon 'read' is invoked"), 1, "keeps: {keeps}");
        assert_eq!(diary.entries(), [] as [&str; 0]);
        cluster.patch::<Light>("a", paint("blue")).unwrap();
        assert_eq!(count(&cluster, "Daemon 'read' is invoked"), 2, "another state, and no better one");
        cluster.patch::<Light>("a", json!({"status": {"color": "green"}})).unwrap();
        assert_eq!(diary.entries(), ["3601: green"]);
    }
}

#[test]
fn one_that_cannot_read_the_object_does_not_keep_it() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("read").finalizer().run(async |_: ObjectAs<Lit>| {})]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(5));
    cluster.delete::<Light>("a").unwrap();
    cluster.advance(seconds(5));
    assert!(!cluster.exists::<Light>("a"));
}

#[test]
fn one_that_runs_goes_on_when_the_finalizer_is_removed_by_hand_and_gets_it_again() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("watch").finalizer().run(patient)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(5));
    cluster.patch::<Light>("a", json!({"metadata": {"finalizers": null}})).unwrap();
    cluster.advance(seconds(5));
    assert_eq!(diary.entries(), ["0: a begins"]);
    assert!(cluster.get::<Light>("a").unwrap().metadata.finalizers.is_some());
}

/// No deletion is delivered.
struct Undeleted;

impl Faults for Undeleted {
    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        if event.what == "DELETED" { EventDelivery::Lose } else { EventDelivery::Pass }
    }
}

#[test]
fn a_listing_without_the_object_stops_its_daemon_though_another_handler_is_at_work() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || {
        vec![
            daemon("watch").run(patient),
            korf::on_create::<Light>("create").run(async |diary: State<Diary>| {
                sleep(seconds(60)).await;
                diary.note("created");
            }),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    cluster.set_faults(Undeleted);
    cluster.delete::<Light>("a").unwrap();
    cluster.set_faults(());
    cluster.server().expire();
    cluster.advance(seconds(30));
    let entries = diary.entries();
    assert!(entries.len() == 2 && entries[1].ends_with("a ends: Deleted"), "{entries:?}");
    cluster.advance(seconds(60));
    assert_eq!(diary.entries().len(), 3);
}

/// An API server that doesn't know its custom kinds.
struct Unknown;

impl Faults for Unknown {
    fn request(&mut self, request: &Request) -> Delivery {
        let meant = request.path.starts_with("/apis/korf.dev") && !request.path.contains("/lights/");
        if meant { Delivery::before(Fault::Says(404, "404 page not found")) } else { Delivery::pass() }
    }
}

#[test]
fn one_whose_object_comes_back_is_started_again_also_where_another_handler_was_at_work_meanwhile() {
    for busy in [0, 300] {
        let diary = Diary::default();
        let mut cluster = cluster(&diary, move || {
            vec![
                daemon("watch").run(async |diary: State<Diary>, stopped: Stopped| {
                    diary.note("begins");
                    stopped.wait().await;
                    diary.note("ends");
                }),
                korf::on_create::<Light>("create").run(async move || sleep(seconds(busy)).await),
            ]
        });
        cluster.create(&light("a", "red")).unwrap();
        cluster.set_faults(Unknown);
        cluster.server().break_watches();
        cluster.advance(seconds(100));
        let told =
            || diary.entries().iter().map(|entry| entry.split(": ").nth(1).unwrap().to_owned()).collect();
        let before: Vec<String> = told();
        assert_eq!(before, ["begins", "ends"], "busy for {busy} s");
        cluster.set_faults(());
        cluster.advance(seconds(400));
        let after: Vec<String> = told();
        assert_eq!(after, ["begins", "ends", "begins"], "busy for {busy} s");
    }
}

#[test]
fn one_that_is_dropped_without_a_timeout_is_not_abandoned() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("deaf").cancellation_timeout(seconds(0)).run(deaf)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.delete::<Light>("a").unwrap();
    cluster.advance(seconds(5));
    cluster.assert_logged("a", "Daemon 'deaf' is cancelled.");
    assert!(!cluster.logged("a", "Daemon 'deaf' did not exit in time. Leaving it orphaned."));
}

#[test]
fn one_that_only_waits_tells_that_it_is_not_started_any_more() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("late").initial_delay(seconds(60)).run(async || {})]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(5));
    cluster.delete::<Light>("a").unwrap();
    cluster.assert_logged("a", "Daemon 'late' has exited on request and will not be retried or restarted.");
}

#[test]
fn the_finalizer_goes_with_one_that_only_waits_and_no_longer_matches() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || {
        vec![
            of_red("late").finalizer().initial_delay(seconds(60)).run(async || {}),
            korf::on_create::<Light>("create").run(async |patch: ObjectPatch| patch.merge(paint("blue"))),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(120));
    let light = cluster.get::<Light>("a").unwrap();
    assert_eq!((light.spec.color.as_str(), light.metadata.finalizers), ("blue", None));
}
