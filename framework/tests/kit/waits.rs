//! Handlers that wait for something that takes its time, and haven't failed.

use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event};
use korf::{
    Error, Object, Operator, Result, State, Stopped, SubHandlers, Trigger,
    handler::{Handler, Registry},
};
use korf_testing::Cluster;
use kube::core::ApiResource;
use serde_json::{from_value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tracing::Level;

const MINUTE: Duration = Duration::from_secs(60);

/// The number of calls.
type Calls = Arc<AtomicU32>;

/// Waits for what the object says, if it says anything.
async fn obey(map: Object<ConfigMap>, calls: State<Calls>) -> Result {
    calls.fetch_add(1, Ordering::Relaxed);
    match map.data.as_ref().and_then(|data| data.get("wait")) {
        Some(what) => Err(Error::waiting(what.clone(), MINUTE)),
        None => Ok(()),
    }
}

fn cluster(handlers: impl Fn() -> Vec<Handler> + Send + Sync + 'static) -> (Cluster, Calls) {
    let calls = Calls::default();
    let state = Arc::clone(&calls);
    let operator =
        move || Operator::with_registry("waiter", Registry::from_iter(handlers())).state(Arc::clone(&state));
    (Cluster::of(operator).unwrap(), calls)
}

fn create(cluster: &mut Cluster, what: &str) {
    let map = json!({"metadata": {"name": "a"}, "data": {"wait": what}});
    cluster.create::<ConfigMap>(&from_value(map).unwrap()).unwrap();
}

fn wait_for(cluster: &mut Cluster, what: Option<&str>) {
    cluster.patch::<ConfigMap>("a", json!({"data": {"wait": what}})).unwrap();
}

/// What is said of waits at this level.
fn told(cluster: &Cluster, level: Level) -> Vec<String> {
    let lines = cluster.lines().into_iter().filter(|line| line.level == level);
    lines.map(|line| line.message).filter(|message| message.contains("wait")).collect()
}

fn assert_no_trouble(cluster: &Cluster) {
    let trouble = cluster.lines().into_iter().filter(|line| line.level <= Level::WARN);
    let trouble: Vec<_> = trouble.map(|line| line.message).collect();
    assert!(trouble.is_empty(), "{trouble:?}");
    let events = cluster.server().objects(&ApiResource::erase::<Event>(&()));
    assert!(events.is_empty(), "{events:?}");
}

/// The lines of `/metrics` that begin so and aren't zero.
fn series(cluster: &mut Cluster, name: &str) -> Vec<String> {
    // A survey is a second old at most.
    cluster.advance(Duration::from_secs(1));
    let (_, text) = cluster.health("/metrics");
    let lines = text.lines().filter(|line| line.starts_with(name) && !line.ends_with(" 0"));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_handler_that_waits_is_told_once_and_is_no_failure_whatever_it_takes() {
    let (mut cluster, calls) = cluster(|| vec![korf::on_create::<ConfigMap>("obey").run(obey)]);
    create(&mut cluster, "an index");
    cluster.advance(60 * MINUTE);
    assert_eq!(
        told(&cluster, Level::INFO),
        ["Handler 'obey' waits, and is called again in 60 seconds: an index"]
    );
    let still = "Handler 'obey' still waits, and is called again in 60 seconds: an index";
    let lines = told(&cluster, Level::DEBUG);
    assert_eq!(lines.iter().filter(|line| *line == still).count(), 60, "{lines:?}");
    assert_no_trouble(&cluster);

    let kind = "kind=\"configmaps.v1.\"";
    let runs = series(&mut cluster, "korf_handler_runs_total");
    let [run] = &runs[..] else { panic!("{runs:?}") };
    assert!(run.ends_with("outcome=\"waiting\"} 61"), "{run}");
    let objects = series(&mut cluster, "korf_objects");
    let [waiting] = &objects[..] else { panic!("{objects:?}") };
    assert!(waiting.ends_with("state=\"waiting\"} 1"), "{waiting} {kind}");
    assert_eq!(series(&mut cluster, "korf_outages"), Vec::<String>::new());

    wait_for(&mut cluster, None);
    assert_eq!(calls.load(Ordering::Relaxed), 62, "a change is seen at once");
    assert!(cluster.logged("a", "Handler 'obey' succeeded."));
    let objects = series(&mut cluster, "korf_objects");
    assert!(objects[0].ends_with("state=\"served\"} 1"), "{objects:?}");
    assert_no_trouble(&cluster);
}

#[test]
fn what_a_handler_waits_for_is_told_when_it_is_news_and_not_once_more_after_a_restart() {
    let (mut cluster, _) = cluster(|| vec![korf::on_create::<ConfigMap>("obey").run(obey)]);
    create(&mut cluster, "an index");
    cluster.restart().unwrap();
    cluster.advance(3 * MINUTE);
    assert_eq!(told(&cluster, Level::INFO).len(), 1);
    wait_for(&mut cluster, Some("another index"));
    cluster.advance(3 * MINUTE);
    assert_eq!(
        told(&cluster, Level::INFO),
        ["an index", "another index"]
            .map(|what| format!("Handler 'obey' waits, and is called again in 60 seconds: {what}"))
    );
}

#[test]
fn a_trigger_calls_a_handler_that_waits_at_once() {
    async fn ring(all: Trigger<ConfigMap>) {
        all.trigger(("default", "a"));
    }
    let (mut cluster, calls) = cluster(|| {
        vec![
            korf::on_create::<ConfigMap>("obey").value("yes").field("data.obeys").run(obey),
            korf::on_resume::<ConfigMap>("resume").run(async || ()),
            korf::on_create::<ConfigMap>("ring").value("yes").field("data.rings").run(ring),
        ]
    });
    let map = json!({"metadata": {"name": "a"}, "data": {"wait": "an index", "obeys": "yes"}});
    cluster.create::<ConfigMap>(&from_value(map).unwrap()).unwrap();
    let map = json!({"metadata": {"name": "bell"}, "data": {"rings": "yes"}});
    cluster.create::<ConfigMap>(&from_value(map).unwrap()).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    cluster.advance(MINUTE);
    assert_eq!(calls.load(Ordering::Relaxed), 3, "and again after its delay");
}

#[test]
fn a_wait_that_takes_longer_than_the_handler_may_is_a_failure() {
    let (mut cluster, calls) =
        cluster(|| vec![korf::on_create::<ConfigMap>("obey").timeout(5 * MINUTE).run(obey)]);
    create(&mut cluster, "an index");
    cluster.advance(10 * MINUTE);
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    let failed = "Handler 'obey' failed temporarily but will time out after 300 seconds: an index";
    cluster.assert_logged("a", failed);
}

#[test]
fn sub_handlers_and_their_parents_wait_together() {
    async fn parent(subs: SubHandlers<ConfigMap>) -> Result {
        subs.add("index", obey);
        subs.execute().await
    }
    let (mut cluster, calls) = cluster(|| vec![korf::on_create::<ConfigMap>("parent").run(parent)]);
    create(&mut cluster, "an index");
    cluster.advance(10 * MINUTE);
    assert_eq!(
        told(&cluster, Level::INFO),
        ["Handler 'parent/index' waits, and is called again in 60 seconds: an index"]
    );
    assert!(series(&mut cluster, "korf_objects")[0].ends_with("state=\"waiting\"} 1"));
    assert_no_trouble(&cluster);
    wait_for(&mut cluster, None);
    assert_eq!(calls.load(Ordering::Relaxed), 12);
    assert!(cluster.logged("a", "Handler 'parent' succeeded."));
}

#[test]
fn a_handler_that_fails_beside_one_that_waits_is_retried() {
    let (mut cluster, _) = cluster(|| {
        let fail = async || Err::<(), _>(Error::temporary("no route", 10 * MINUTE));
        vec![korf::on_create::<ConfigMap>("obey").run(obey), korf::on_create::<ConfigMap>("fail").run(fail)]
    });
    create(&mut cluster, "an index");
    cluster.advance(MINUTE);
    assert!(series(&mut cluster, "korf_objects")[0].ends_with("state=\"retried\"} 1"));
}

#[test]
fn timers_and_daemons_wait_too() {
    async fn once(calls: State<Calls>) -> Result {
        if calls.fetch_add(1, Ordering::Relaxed) < 3 {
            return Err(Error::waiting("a disk", MINUTE));
        }
        Ok(())
    }
    async fn daemon(stopped: Stopped, calls: State<Calls>) -> Result {
        once(calls).await?;
        stopped.wait().await;
        Ok(())
    }
    for (title, handler) in [
        ("Timer", (|| korf::timer::<ConfigMap>("x", 60 * MINUTE).run(once)) as fn() -> Handler),
        ("Daemon", || korf::daemon::<ConfigMap>("x").run(daemon)),
    ] {
        let (mut cluster, calls) = cluster(move || vec![handler()]);
        create(&mut cluster, "");
        cluster.advance(10 * MINUTE);
        assert_eq!(calls.load(Ordering::Relaxed), 4, "{title}");
        let line = format!("{title} 'x' waits, and is called again in 60 seconds: a disk");
        assert_eq!(told(&cluster, Level::INFO), [line]);
        assert_no_trouble(&cluster);
    }
}

/// It is called once for each event, so that nothing would come of a wait.
#[test]
fn a_wait_of_an_event_handler_is_an_error_that_promises_nothing() {
    let (mut cluster, calls) = cluster(|| vec![korf::on_event::<ConfigMap>("obey").run(obey)]);
    create(&mut cluster, "an index");
    cluster.advance(10 * MINUTE);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    cluster.assert_logged("a", "Handler 'obey' failed with an exception and will ignore it: an index");
}
