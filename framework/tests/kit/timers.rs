//! Timers, with the kit's clock.

use crate::lights::{Light, light, paint};
use jiff::Timestamp;
use korf::{
    Attempt, Error, Name, Operator, Result, State,
    handler::{Handler, Registry},
};
use korf_testing::Cluster;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The times of all timer calls.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<(String, Timestamp)>>>);

impl Calls {
    fn add(&self, call: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((call, korf_testing::now()));
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The calls so far, with the seconds since the beginning.
    fn since(&self, begun: Timestamp) -> Vec<(String, u64)> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls
            .iter()
            .map(|(call, at)| (call.clone(), at.duration_since(begun).as_secs().unsigned_abs()))
            .collect()
    }

    fn seconds(&self, begun: Timestamp) -> Vec<u64> {
        self.since(begun).into_iter().map(|(_, second)| second).collect()
    }
}

async fn tick(name: Name, calls: State<Calls>) {
    calls.add(name.to_string());
}

fn cluster(calls: &Calls, timers: impl Fn() -> Vec<Handler> + Send + Sync + 'static) -> Cluster {
    let calls = calls.clone();
    Cluster::of(move || Operator::with_registry("lamps", Registry::from_iter(timers())).state(calls.clone()))
        .unwrap()
}

#[test]
fn a_timer_makes_no_request_while_the_objects_handlers_wait_for_a_retry() {
    async fn wait() -> Result {
        Err(Error::temporary("the database is away", seconds(3600)))
    }
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        vec![
            korf::timer::<Light>("tick", seconds(10)).run(tick),
            korf::on_create::<Light>("create").run(wait),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    let reads = |cluster: &Cluster| {
        cluster.requests().iter().filter(|made| made.request.path.ends_with("/lights/a")).count()
    };
    let (before, called) = (reads(&cluster), calls.count());
    cluster.advance(seconds(600));
    assert_eq!((reads(&cluster), calls.count()), (before, called + 60));
}

#[test]
fn a_timer_runs_at_once_and_then_at_its_interval_without_any_request() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || vec![korf::timer::<Light>("tick", seconds(10)).run(tick)]);
    let begun = cluster.now();
    cluster.create(&light("a", "red")).unwrap();
    let requests = cluster.requests().len();
    cluster.advance(seconds(35));
    assert_eq!(calls.seconds(begun), [0, 10, 20, 30]);
    assert_eq!(cluster.requests().len(), requests, "no GET, no PATCH");
    assert!(cluster.logged("a", "Timer 'tick' succeeded."));
    let object: Light = cluster.get("a").unwrap();
    assert_eq!((object.metadata.finalizers, object.metadata.annotations), (None, None));
}

#[test]
fn a_timer_stops_when_its_object_is_deleted_or_no_longer_matches() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        vec![korf::timer::<Light>("tick", seconds(10)).value("red").field("spec.color").run(tick)]
    });
    let begun = cluster.now();
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&light("b", "blue")).unwrap();
    cluster.advance(seconds(15));
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(seconds(20));
    assert_eq!(calls.seconds(begun), [0, 10], "only while it is red");
    cluster.patch::<Light>("a", paint("red")).unwrap();
    cluster.advance(seconds(5));
    cluster.delete::<Light>("a").unwrap();
    cluster.advance(seconds(60));
    assert_eq!(calls.seconds(begun), [0, 10, 35]);
}

#[test]
fn an_idle_timer_waits_until_essential_changes_cease() {
    let calls = Calls::default();
    let mut cluster =
        cluster(&calls, || vec![korf::timer::<Light>("tick", seconds(10)).idle(seconds(30)).run(tick)]);
    let begun = cluster.now();
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(20));
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(seconds(20));
    cluster.patch::<Light>("a", json!({"status": {"color": "green"}})).unwrap();
    cluster.advance(seconds(25));
    assert_eq!(calls.seconds(begun), [50, 60], "the status doesn't count");
}

#[test]
fn a_failed_run_is_retried_within_its_limits_and_the_next_run_is_at_the_interval() {
    async fn fail(attempt: Attempt, calls: State<Calls>) -> Result {
        calls.add(attempt.0.to_string());
        Err(Error::temporary("not yet", seconds(2)))
    }
    let calls = Calls::default();
    let mut cluster =
        cluster(&calls, || vec![korf::timer::<Light>("fail", seconds(10)).retries(3).run(fail)]);
    let begun = cluster.now();
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(15));
    let expected = [("0", 0), ("1", 2), ("2", 4), ("0", 14)].map(|(attempt, at)| (attempt.to_owned(), at));
    assert_eq!(calls.since(begun), expected);
    assert!(cluster.logged("a", "Timer 'fail' failed temporarily but will exceed 3 retries: not yet"));
    let writes = cluster.writes();
    let others = writes.iter().filter(|write| !write.request.path.ends_with("/events"));
    assert_eq!(others.count(), 0, "the state of timers is in memory");
}

#[test]
fn a_result_is_written_only_if_it_changes() {
    async fn measure(calls: State<Calls>) -> Result<Value> {
        calls.add(String::new());
        Ok(json!({"half": calls.count() / 2}))
    }
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || vec![korf::timer::<Light>("measure", seconds(10)).run(measure)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(55));
    assert_eq!(calls.count(), 6);
    assert_eq!(cluster.writes().len(), 4, "for 0, 1, 2 and 3");
}

#[test]
fn several_timers_and_change_handlers_share_an_object() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        vec![
            korf::timer::<Light>("fast", seconds(10))
                .run(async |calls: State<Calls>| calls.add("fast".into())),
            korf::timer::<Light>("slow", seconds(25))
                .initial_delay(seconds(5))
                .sharp()
                .run(async |calls: State<Calls>| calls.add("slow".into())),
            korf::on_create::<Light>("create").run(async |calls: State<Calls>| calls.add("create".into())),
        ]
    });
    let begun = cluster.now();
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(32));
    let expected =
        [("create", 0), ("fast", 0), ("slow", 5), ("fast", 10), ("fast", 20), ("fast", 30), ("slow", 30)];
    let mut called = calls.since(begun);
    called.sort_by_key(|(_, second)| *second);
    assert_eq!(called, expected.map(|(call, at)| (call.to_owned(), at)));
}

#[test]
fn timers_restart_with_the_operator() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || vec![korf::timer::<Light>("tick", seconds(60)).run(tick)]);
    let begun = cluster.now();
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(10));
    cluster.restart().unwrap();
    cluster.advance(seconds(55));
    assert_eq!(calls.seconds(begun), [0, 10]);
}

#[test]
fn each_timer_has_a_clock_of_its_own_and_one_that_waits_longer_than_ever_is_never_called() {
    let calls = Calls::default();
    let named = |id: &'static str| {
        move |handler: korf::handler::HandlerBuilder<korf::scope::Timer<Light>>| {
            handler.run(async move |calls: State<Calls>| calls.add(id.into()))
        }
    };
    let mut cluster = cluster(&calls, move || {
        let timer = |id, interval| korf::timer::<Light>(id, seconds(interval));
        vec![
            named("five")(timer("five", 5)),
            named("seven")(timer("seven", 7)),
            named("idle")(timer("idle", 5).idle(Duration::MAX)),
            named("late")(timer("late", 5).initial_delay(Duration::MAX)),
        ]
    });
    let begun = cluster.now();
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(16));
    let mut called = calls.since(begun);
    called.sort_by_key(|(_, second)| *second);
    let expected =
        [("five", 0), ("seven", 0), ("five", 5), ("seven", 7), ("five", 10), ("seven", 14), ("five", 15)];
    assert_eq!(called, expected.map(|(call, at)| (call.to_owned(), at)));
    assert_eq!(cluster.writes().len(), 0);
}

#[test]
fn a_sharp_timer_skips_the_starts_that_fall_into_a_long_call_and_never_doubles() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        let slow_once = async |calls: State<Calls>| {
            calls.add("tick".into());
            let length = if calls.count() == 1 { seconds(34) } else { Duration::ZERO };
            tokio::time::sleep(length).await;
        };
        vec![korf::timer::<Light>("tick", seconds(10)).sharp().run(slow_once)]
    });
    let begun = cluster.now();
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(65));
    assert_eq!(calls.seconds(begun), [0, 40, 50, 60]);
}

/// The processor time of this process so far, in seconds: it runs on Linux only.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // In hundredths of a second: that of the process, and that of the system for it.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

#[test]
#[ignore = "a measurement: cargo test --test kit fifty_thousand -- --ignored --nocapture"]
fn fifty_thousand_timers_on_idle_objects_make_no_request_of_their_own() {
    let (objects, minutes) = (50_000, 5);
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || vec![korf::timer::<Light>("tick", seconds(60)).run(tick)]);
    cluster.stop().unwrap();
    for number in 0..objects {
        cluster.create(&light(&format!("light-{number}"), "red")).unwrap();
    }
    cluster.start().unwrap();
    cluster.advance(seconds(30));
    let (requests, count, before) = (cluster.requests().len(), calls.count(), processor_time());
    cluster.advance(seconds(60 * minutes));
    let spent = (processor_time() - before) / minutes as f64;
    let lights = "/apis/korf.dev/v1/namespaces/default/lights/";
    let reads =
        cluster.requests()[requests..].iter().filter(|made| made.request.path.starts_with(lights)).count();
    println!("{objects} timers of a minute: {spent:.2} s of processor time per minute, {reads} GETs");
    assert_eq!((calls.count() - count, reads), (objects * minutes as usize, 0));
}
