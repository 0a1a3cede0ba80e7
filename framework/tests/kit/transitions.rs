//! Kubernetes Events about objects at which handlers fail, and work again.

use k8s_openapi::api::{
    core::v1::{ConfigMap, Secret},
    events::v1::Event,
};
use korf::{
    Error, Object, Operator, Result,
    handler::{Handler, Registry},
    settings::Settings,
};
use korf_testing::Cluster;
use kube::core::ApiResource;
use serde_json::{from_value, json};
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

/// Does what the object says.
async fn obey(map: Object<ConfigMap>) -> Result {
    match map.data.as_ref().and_then(|data| data.get("do")).map(String::as_str) {
        Some("retry") => Err(Error::temporary("no route", MINUTE)),
        Some("wait") => Err(Error::outage("the database", "refused", MINUTE)),
        Some("fail") => Err(Error::permanent("no such place")),
        _ => Ok(()),
    }
}

async fn fail() -> Result {
    Err(Error::permanent("Geheim42"))
}

fn cluster(handlers: impl Fn() -> Vec<Handler> + Send + Sync + 'static) -> Cluster {
    Cluster::of(move || Operator::with_registry("teller", Registry::from_iter(handlers()))).unwrap()
}

fn create(cluster: &mut Cluster, what: &str) {
    let map = json!({"metadata": {"name": "a"}, "data": {"do": what}});
    cluster.create::<ConfigMap>(&from_value(map).unwrap()).unwrap();
}

fn tell(cluster: &mut Cluster, what: &str) {
    cluster.patch::<ConfigMap>("a", json!({"data": {"do": what}})).unwrap();
}

/// Reason and note of all events so far.
fn told(cluster: &Cluster) -> Vec<String> {
    let events = cluster.server().objects(&ApiResource::erase::<Event>(&()));
    let events = events.into_iter().map(|event| from_value::<Event>(Arc::unwrap_or_clone(event)).unwrap());
    events.map(|event| format!("{}: {}", event.reason.unwrap(), event.note.unwrap())).collect()
}

const FAILED: &str = "HandlerFailed: Handler 'obey' failed permanently: no such place";
const RECOVERED: &str = "HandlerRecovered: Handler 'obey' has succeeded.";

#[test]
fn a_handler_that_fails_is_told_once_until_it_works_again() {
    let mut cluster = cluster(|| vec![korf::on_update::<ConfigMap>("obey").run(obey)]);
    create(&mut cluster, "work");
    tell(&mut cluster, "fail");
    assert_eq!(told(&cluster), [FAILED]);
    cluster.advance(10 * MINUTE);
    cluster.patch::<ConfigMap>("a", json!({"data": {"more": "yes"}})).unwrap();
    assert_eq!(told(&cluster), [FAILED]);
    tell(&mut cluster, "work");
    assert_eq!(told(&cluster), [FAILED, RECOVERED]);
    // It is told again, though not before five minutes have passed.
    cluster.advance(MINUTE);
    tell(&mut cluster, "fail");
    assert_eq!(told(&cluster).len(), 3);
    tell(&mut cluster, "work");
    for _ in 0..3 {
        tell(&mut cluster, "fail");
        tell(&mut cluster, "work");
    }
    assert_eq!(told(&cluster), [FAILED, RECOVERED, FAILED, RECOVERED]);
}

#[test]
fn a_handler_that_is_retried_is_told_after_five_minutes_but_not_in_an_outage() {
    let mut cluster = cluster(|| vec![korf::on_create::<ConfigMap>("obey").run(obey)]);
    create(&mut cluster, "wait");
    cluster.advance(20 * MINUTE);
    assert_eq!(told(&cluster), [""; 0]);
    cluster.delete::<ConfigMap>("a").unwrap();
    create(&mut cluster, "retry");
    cluster.advance(5 * MINUTE - Duration::from_secs(1));
    assert_eq!(told(&cluster), [""; 0]);
    cluster.advance(20 * MINUTE);
    let retried = "HandlerRetried: Handler 'obey' hasn't succeeded for 5 minutes, in 6 attempts: no route";
    assert_eq!(told(&cluster), [retried]);
    tell(&mut cluster, "work");
    cluster.advance(MINUTE);
    assert_eq!(told(&cluster), [retried, RECOVERED]);
}

#[test]
fn timers_and_daemons_that_fail_are_told_and_not_those_that_are_retried() {
    async fn retry() -> Result {
        Err(Error::temporary("not now", MINUTE))
    }
    let mut cluster = cluster(|| {
        vec![
            korf::timer::<ConfigMap>("obey", MINUTE).run(obey),
            korf::timer::<ConfigMap>("retry", MINUTE).run(retry),
            korf::daemon::<ConfigMap>("fail").run(fail),
            korf::daemon::<ConfigMap>("again").run(retry),
        ]
    });
    create(&mut cluster, "fail");
    cluster.advance(20 * MINUTE);
    tell(&mut cluster, "work");
    cluster.advance(2 * MINUTE);
    let mut all = told(&cluster);
    all.sort();
    let daemon = "HandlerFailed: Handler 'fail' failed permanently: Geheim42";
    assert_eq!(all, [daemon, FAILED, RECOVERED]);
}

#[test]
fn an_object_that_is_kept_because_its_delete_handler_has_failed_says_so() {
    let mut cluster = cluster(|| vec![korf::on_delete::<ConfigMap>("obey").run(obey)]);
    create(&mut cluster, "fail");
    cluster.delete::<ConfigMap>("a").unwrap();
    let held = "DeletionHeld: Handler 'obey' failed permanently: no such place (the object is kept until it is changed or the \
                operator is restarted)";
    assert_eq!(told(&cluster), [held]);
}

#[test]
fn the_error_of_a_secrets_handler_is_in_no_event_since_others_may_read_events() {
    let mut cluster = cluster(|| vec![korf::on_create::<Secret>("fail").run(fail)]);
    cluster.create::<Secret>(&from_value(json!({"metadata": {"name": "a"}})).unwrap()).unwrap();
    assert_eq!(
        told(&cluster),
        ["HandlerFailed: Handler 'fail' failed permanently: the operator's log says why"]
    );
}

#[test]
fn no_handler_is_told_where_the_settings_say_so() {
    let mut cluster = Cluster::of(|| {
        let mut settings = Settings::default();
        settings.posting.transitions = false;
        let handlers = Registry::from_iter([korf::on_create::<ConfigMap>("fail").run(fail)]);
        Operator::with_registry("teller", handlers).settings(settings)
    })
    .unwrap();
    create(&mut cluster, "fail");
    assert_eq!(told(&cluster), [""; 0]);
}
