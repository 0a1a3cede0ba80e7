//! Metrics: what an operator counts of itself, as Prometheus reads it.

use crate::lights::{House, Light, cluster, cluster_of, flickering, light};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{
    AnyKind, Error, Operator, RunError, SubHandlers, handler::Registry,
    metrics::prometheus_client::metrics::counter::Counter,
};
use korf_testing::{
    Cluster,
    api::{Delivery, EventDelivery, Fault, Faults, Request, WatchEvent},
};
use serde_json::json;
use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const KIND: &str = "lights.v1.korf.dev";

/// The lines of `/metrics` that begin so and aren't zero.
fn series(cluster: &mut Cluster, name: &str) -> Vec<String> {
    // A survey is a second old at most.
    cluster.advance(Duration::from_secs(1));
    let (status, text) = cluster.health("/metrics");
    assert_eq!(status, 200);
    let lines = text.lines().filter(|line| line.starts_with(name) && !line.ends_with(" 0"));
    lines.map(str::to_owned).collect()
}

/// The states of the lights, and how many are in each.
fn states(cluster: &mut Cluster) -> Vec<String> {
    let begin = format!("korf_objects{{kind=\"{KIND}\",state=");
    series(cluster, &begin).iter().map(|line| line.replace(&begin, "").replace("}", "")).collect()
}

#[test]
fn attempts_are_counted_by_their_handler_their_reason_and_what_came_of_them() {
    let mut cluster = cluster(&House::default());
    cluster.create(&flickering("a", "red", 2)).unwrap();
    cluster.advance(Duration::from_secs(150));
    cluster.patch::<Light>("a", json!({"spec": {"color": "blue", "failures": 0}})).unwrap();
    cluster.delete::<Light>("a").unwrap();
    let runs = series(&mut cluster, "korf_handler_runs_total");
    let line = |handler, outcome, count| {
        format!(
            "korf_handler_runs_total{{kind=\"{KIND}\",handler=\"{handler}\",reason=\"{handler}\",outcome=\"{outcome}\"}} {count}"
        )
    };
    assert_eq!(
        runs,
        [
            line("create", "succeeded", 1),
            line("create", "retried", 2),
            line("delete", "succeeded", 1),
            line("update", "succeeded", 1),
        ]
    );
    let counts = series(&mut cluster, "korf_handler_duration_seconds_count");
    assert_eq!(
        counts.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect::<Vec<_>>(),
        ["3", "1", "1"],
        "{counts:?}"
    );
    // What was never called is there, as 0, so that its first call is an increase.
    let (_, text) = cluster.health("/metrics");
    let never = "handler=\"create\",reason=\"create\",outcome=\"failed\"} 0\n";
    assert!(text.contains(never), "{text}");
}

#[test]
fn an_object_is_waiting_retried_failed_or_served_and_gone_ones_are_not_counted() {
    let handler = || {
        korf::on_create::<Light>("make").run(
            async |light: korf::Spec<crate::lights::LightSpec>| match &*light.color {
                "red" => Err(Error::permanent("never")),
                "yellow" => Err(Error::temporary("later", Duration::from_secs(3600))),
                "blue" => Err(Error::waiting("not yet", Duration::from_secs(3600))),
                _ => Ok(()),
            },
        )
    };
    let mut cluster =
        Cluster::of(move || Operator::with_registry("lamps", Registry::from_iter([handler()]))).unwrap();
    for (name, color) in [("a", "red"), ("b", "yellow"), ("c", "green"), ("d", "green"), ("e", "blue")] {
        cluster.create(&light(name, color)).unwrap();
    }
    assert_eq!(states(&mut cluster), ["\"served\" 2", "\"waiting\" 1", "\"retried\" 1", "\"failed\" 1"]);
    for name in ["a", "b", "c", "e"] {
        cluster.delete::<Light>(name).unwrap();
    }
    assert_eq!(states(&mut cluster), ["\"served\" 1"]);
}

#[test]
fn any_number_of_sub_handlers_and_of_kinds_is_one_series_each() {
    static OBJECTS: AtomicU32 = AtomicU32::new(0);
    let parent = || {
        korf::on_create::<Light>("make").run(async |subs: SubHandlers<Light>| {
            let object = OBJECTS.fetch_add(1, Ordering::Relaxed);
            for part in 0..3 {
                subs.add(format!("of-{object}/{part}"), async || ());
            }
        })
    };
    let any = || korf::on_event::<AnyKind>("any").run(async || ());
    let mut cluster =
        Cluster::of(move || Operator::with_registry("lamps", Registry::from_iter([parent(), any()])))
            .unwrap();
    cluster.advance(Duration::from_secs(11));
    for name in ["a", "b"] {
        cluster.create(&light(name, "red")).unwrap();
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.to_owned());
        cluster.create(&map).unwrap();
    }
    let runs = series(&mut cluster, "korf_handler_runs_total");
    let named = |kind: &str, handler: &str| {
        let begin = format!("korf_handler_runs_total{{kind=\"{kind}\",handler=\"{handler}\",");
        runs.iter().filter(|line| line.starts_with(&begin)).cloned().collect::<Vec<_>>()
    };
    assert!(named(KIND, "make/*")[0].ends_with("outcome=\"succeeded\"} 6"), "{runs:?}");
    assert_eq!(named("*", "any").len(), 1, "{runs:?}");
    assert_eq!(named(KIND, "any").len(), 1, "{runs:?}");
    assert!(!runs.iter().any(|line| line.contains("of-0") || line.contains("configmaps")), "{runs:?}");
}

/// The first PATCH meets a conflict, the second one a server that is busy.
struct Busy(u32);

impl Faults for Busy {
    fn request(&mut self, request: &Request) -> Delivery {
        if request.client != "operator" || !request.is_write() || self.0 > 1 {
            return Delivery::pass();
        }
        self.0 += 1;
        Delivery::before(Fault::Rejected(if self.0 == 1 { 409 } else { 503 }))
    }
}

#[test]
fn writes_are_counted_by_what_came_of_them_and_so_is_each_further_try() {
    let mut cluster = cluster(&House::default());
    cluster.set_faults(Busy(0));
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(Duration::from_secs(60));
    let of_object = format!("korf_writes_total{{kind=\"{KIND}\",part=\"object\",outcome=");
    let writes: Vec<_> =
        series(&mut cluster, &of_object).iter().map(|line| line.replace(&of_object, "")).collect();
    assert_eq!(writes[1..], ["\"unavailable\"} 1", "\"conflict\"} 1"], "{writes:?}");
    assert_eq!(
        series(&mut cluster, "korf_write_retries_total"),
        [format!("korf_write_retries_total{{kind=\"{KIND}\"}} 2")]
    );
}

/// The server has forgotten what the watches have seen.
struct Expired;

impl Faults for Expired {
    fn event(&mut self, _: &WatchEvent) -> EventDelivery {
        EventDelivery::Expire
    }
}

#[test]
fn a_watch_that_fails_or_cant_go_on_from_where_it_was_is_counted() {
    let mut cluster = cluster(&House::default());
    cluster.set_faults(Expired);
    cluster.create(&light("a", "red")).unwrap();
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(60));
    let restarts = format!("korf_watch_restarts_total{{kind=\"{KIND}\",reason=\"expired\"}} 1");
    assert_eq!(series(&mut cluster, "korf_watch_restarts_total"), [restarts]);
}

#[test]
fn what_has_no_worker_waits_and_its_age_is_known() {
    let slow =
        || korf::on_create::<Light>("slow").run(async || tokio::time::sleep(Duration::from_secs(30)).await);
    let operator = move || Operator::with_registry("lamps", Registry::from_iter([slow()])).concurrency(1);
    let mut cluster = Cluster::of(operator).unwrap();
    for name in ["a", "b", "c"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    cluster.advance(Duration::from_secs(9));
    let text = [
        series(&mut cluster, "korf_queue"),
        series(&mut cluster, "korf_workers"),
        series(&mut cluster, "korf_handlers_running"),
    ];
    let [queue, workers, running] = text.map(|lines| lines.join(" "));
    let (depth, age) = queue.split_once(" korf_queue_oldest_age_seconds ").unwrap();
    assert_eq!(depth, "korf_queue_depth 2");
    assert!((10.0..10.1).contains(&age.parse::<f64>().unwrap()), "{age}");
    assert_eq!(workers, "korf_workers 1 korf_workers_busy 1");
    assert_eq!(running, format!("korf_handlers_running{{kind=\"{KIND}\"}} 1"));
}

#[test]
fn an_operator_adds_metrics_of_its_own_and_says_what_it_is() {
    let greetings = Counter::<u64>::default();
    let counter = greetings.clone();
    let mut cluster = cluster_of(&House::default(), move |operator| {
        let counter = counter.clone();
        operator.register_metrics(|registry| registry.register("lights_greetings", "Greetings", counter))
    });
    greetings.inc();
    assert_eq!(series(&mut cluster, "lights_greetings_total"), ["lights_greetings_total 1"]);
    let build = series(&mut cluster, "korf_build_info");
    assert!(build[0].starts_with("korf_build_info{operator=\"lights\",version=\"\",korf=\""), "{build:?}");
    assert_eq!(series(&mut cluster, "korf_ready"), ["korf_ready 1"]);
    assert_eq!(series(&mut cluster, "korf_shards"), ["korf_shards 1", "korf_shards_served 1"]);
}

#[tokio::test]
async fn an_address_that_is_taken_ends_the_operator_with_one_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let operator = crate::lights::operator(&House::default()).metrics(address);
    let error = operator.run_until(CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, RunError::Metrics(..)), "{error}");
    let expected = format!("the operator's metrics can't be served at {address}: ");
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(error.to_string().ends_with("Something else listens there: give another port"), "{error}");
}

#[test]
fn leases_are_counted_as_they_come_and_go_and_objects_of_others_are_foreign() {
    let house = House::default();
    let mut cluster = cluster_of(&house, |operator| operator.shards(4));
    for number in 0..32 {
        cluster.create(&light(&format!("light-{number}"), "red")).unwrap();
    }
    cluster.advance(Duration::from_secs(1));
    assert_eq!(states(&mut cluster), ["\"served\" 32"]);
    let client = cluster.run(async { cluster.server().client("other") });
    let other = crate::lights::operator(&house).shards(4).client(client);
    let stop = CancellationToken::new();
    let running = other.run_until(stop.clone());
    #[expect(clippy::async_yields_async, reason = "the operator runs beside the test")]
    let task = cluster.run(async { tokio::spawn(running) });
    cluster.advance(Duration::from_secs(30));
    assert_eq!(
        series(&mut cluster, "korf_lease"),
        [
            "korf_leases_held 2",
            "korf_lease_changes_total{change=\"taken\"} 4",
            "korf_lease_changes_total{change=\"handed_over\"} 2",
        ]
    );
    assert_eq!(series(&mut cluster, "korf_shards"), ["korf_shards 4", "korf_shards_served 2"]);
    let foreign =
        states(&mut cluster).into_iter().find_map(|state| state.strip_prefix("\"foreign\" ")?.parse().ok());
    assert!(foreign.is_some_and(|count: u32| (1..32).contains(&count)), "{foreign:?}");
    stop.cancel();
    cluster.advance(Duration::from_secs(5));
    assert_eq!(states(&mut cluster), ["\"served\" 32"]);
    cluster.run(async { task.await.unwrap().unwrap() });
}
