//! Triggers and resyncs, with the kit's clock.

use crate::lights::{Light, light, paint};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use korf::{
    Attempt, Error, Name, ObjectRef, Operator, Reason, Result, State, Trigger,
    handler::{Handler, Registry, StartError},
};
use korf_testing::Cluster;
use serde_json::{from_value, json};
use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);

/// The calls of all handlers.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<(String, Timestamp)>>>);

impl Calls {
    fn add(&self, call: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((call, korf_testing::now()));
    }

    /// Those since the last time that they were taken.
    fn take(&self) -> Vec<String> {
        let calls = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        calls.into_iter().map(|(call, _)| call).collect()
    }

    /// The times of those since the last time that they were taken.
    fn times(&self) -> Vec<Timestamp> {
        let calls = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        calls.into_iter().map(|(_, at)| at).collect()
    }
}

async fn note(name: Name, reason: Reason, calls: State<Calls>) {
    calls.add(format!("{name} {reason}"));
}

/// A change of a Secret is a turn of the light of its name.
async fn triggers(name: Name, lights: Trigger<Light>) {
    lights.trigger(ObjectRef::new(&*name).within("default"));
}

fn cluster(calls: &Calls, handlers: impl Fn() -> Vec<Handler> + Send + Sync + 'static) -> Cluster {
    let calls = calls.clone();
    Cluster::of(move || {
        Operator::with_registry("lamps", Registry::from_iter(handlers())).state(calls.clone())
    })
    .unwrap()
}

/// A cluster in which changes of Secrets trigger lights.
fn triggered(calls: &Calls, others: impl Fn() -> Vec<Handler> + Send + Sync + 'static) -> Cluster {
    cluster(calls, move || {
        let resume = korf::on_resume::<Light>("resume").run(note);
        let event = korf::on_event::<Secret>("secret").run(triggers);
        others().into_iter().chain([resume, event]).collect()
    })
}

fn secret(name: &str) -> Secret {
    from_value(json!({"metadata": {"name": name}})).unwrap()
}

fn touch(cluster: &mut Cluster, name: &str, number: u32) {
    cluster.patch::<Secret>(name, json!({"data": {"number": format!("{number:04}")}})).unwrap();
}

/// The number of reads of the light `a`.
fn reads(cluster: &Cluster) -> usize {
    let requests = cluster.requests();
    requests
        .iter()
        .filter(|made| made.request.path.ends_with("/lights/a") && !made.request.is_write())
        .count()
}

#[test]
fn a_change_of_another_object_gives_ours_a_turn_that_writes_nothing() {
    let calls = Calls::default();
    let mut cluster = triggered(&calls, Vec::new);
    for name in ["a", "b"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    let writes = cluster.writes().len();
    cluster.create(&secret("a")).unwrap();
    assert_eq!(calls.take(), ["a triggered"]);
    for number in 0..3 {
        touch(&mut cluster, "a", number);
        assert_eq!(calls.take(), ["a triggered"]);
    }
    assert_eq!(cluster.writes().len(), writes);
    cluster.assert_logged("a", "Trigger is processed: 1 succeeded; 0 failed.");
}

#[test]
fn a_trigger_for_an_object_that_does_not_exist_is_one_line() {
    let calls = Calls::default();
    let mut cluster = triggered(&calls, Vec::new);
    cluster.create(&secret("none")).unwrap();
    let line = "A trigger is for default/none of lights.v1.korf.dev, which isn't there: it has no effect.";
    assert_eq!(cluster.lines().iter().filter(|found| found.message == line).count(), 1);
    assert_eq!(calls.take(), [""; 0]);
}

#[test]
fn a_flood_of_triggers_for_an_object_at_work_is_one_turn_after() {
    async fn slow(name: Name, reason: Reason, calls: State<Calls>) {
        calls.add(format!("{name} {reason}"));
        tokio::time::sleep(MINUTE).await;
    }
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        let event = korf::on_event::<Secret>("secret").run(async |lights: Trigger<Light>| {
            for _ in 0..1000 {
                lights.trigger(("default", "a"));
                lights.trigger_all();
            }
        });
        vec![korf::on_resume::<Light>("slow").run(slow), event]
    });
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&secret("one")).unwrap();
    assert_eq!(calls.take(), ["a triggered"], "it is at work");
    for number in 0..10 {
        touch(&mut cluster, "one", number);
    }
    cluster.advance(MINUTE * 10);
    assert_eq!(calls.take(), ["a triggered"], "once more");
}

#[test]
fn a_trigger_calls_handlers_that_wait_for_a_retry_and_resume_handlers_after_them() {
    async fn create(attempt: Attempt, calls: State<Calls>) -> Result {
        calls.add(format!("create {}", attempt.0));
        if attempt.0 < 2 {
            return Err(Error::temporary("the secret is missing", MINUTE * 10));
        }
        Ok(())
    }
    let calls = Calls::default();
    let mut cluster = triggered(&calls, || vec![korf::on_create::<Light>("create").run(create)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&secret("a")).unwrap();
    assert_eq!(calls.take(), ["create 0", "create 1"], "once for the trigger");
    touch(&mut cluster, "a", 1);
    assert_eq!(
        calls.take(),
        ["create 2", "a triggered", "a triggered"],
        "a turn has come between the triggers"
    );
    cluster.advance(MINUTE * 30);
    assert_eq!(calls.take(), [""; 0]);
}

#[test]
fn a_trigger_calls_all_handlers_that_wait_though_each_is_stored_by_itself() {
    async fn fail(id: &'static str, attempt: Attempt, calls: State<Calls>) -> Result {
        calls.add(format!("{id} {}", attempt.0));
        tokio::time::sleep(MINUTE).await;
        if attempt.0 < 1 { Err(Error::temporary("not yet", MINUTE * 60)) } else { Ok(()) }
    }
    for one_at_a_time in [false, true] {
        let calls = Calls::default();
        let state = calls.clone();
        let mut cluster = Cluster::of(move || {
            let one =
                korf::on_create::<Light>("one").run(async |attempt, calls| fail("one", attempt, calls).await);
            let two =
                korf::on_create::<Light>("two").run(async |attempt, calls| fail("two", attempt, calls).await);
            let resume = korf::on_resume::<Light>("resume").run(async || {});
            let event = korf::on_event::<Secret>("secret").run(triggers);
            let operator = Operator::with_registry("lamps", Registry::from_iter([one, two, resume, event]));
            let operator = operator.state(state.clone());
            if one_at_a_time { operator.one_at_a_time() } else { operator }
        })
        .unwrap();
        cluster.create(&light("a", "red")).unwrap();
        cluster.advance(MINUTE * 3);
        assert_eq!(calls.take(), ["one 0", "two 0"]);
        cluster.create(&secret("a")).unwrap();
        cluster.advance(MINUTE * 3);
        assert_eq!(calls.take(), ["one 1", "two 1"], "one at a time: {one_at_a_time}");
    }
}

#[test]
fn objects_that_are_handled_after_a_trigger_anyway_have_no_other_turn_for_it() {
    let calls = Calls::default();
    let mut cluster = triggered(&calls, Vec::new);
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&secret("a")).unwrap();
    cluster.stop().unwrap();
    touch(&mut cluster, "a", 1);
    calls.take();
    // The listing shows the Secret, too.
    cluster.start().unwrap();
    let called = calls.take();
    assert_eq!(called[0], "a resume", "{called:?}");
    assert!(called.len() <= 2, "{called:?}");
}

#[test]
fn a_failing_triggered_handler_is_retried_until_it_succeeds_even_after_a_restart() {
    async fn fail(reason: Reason, attempt: Attempt, calls: State<Calls>) -> Result {
        calls.add(format!("{reason} {}", attempt.0));
        if attempt.0 < 2 { Err(Error::temporary("not yet", MINUTE)) } else { Ok(()) }
    }
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        vec![korf::on_resume::<Light>("fail").run(fail), korf::on_event::<Secret>("secret").run(triggers)]
    });
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&secret("a")).unwrap();
    cluster.advance(MINUTE);
    assert_eq!(calls.take(), ["triggered 0", "triggered 1"]);
    cluster.delete::<Secret>("a").unwrap();
    calls.take();
    cluster.restart().unwrap();
    cluster.advance(MINUTE * 5);
    assert_eq!(calls.take().last().unwrap(), "resume 2");
    let object: Light = cluster.get("a").unwrap();
    let annotations = object.metadata.annotations.unwrap();
    assert!(!annotations.contains_key("lamps.korf.dev/fail"), "{annotations:?}");
}

#[test]
fn an_object_is_resynced_at_the_shortest_interval_with_a_read_and_without_a_write() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        vec![
            korf::on_resume::<Light>("often").resync(MINUTE * 10).run(note),
            korf::on_resume::<Light>("seldom").resync(MINUTE * 60).run(async || {}),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    let (writes, reads, begun) = (cluster.writes().len(), reads(&cluster), cluster.now());
    cluster.advance(MINUTE * 34);
    let times = calls.times();
    assert_eq!(times.len(), 3);
    let mut before = begun;
    for at in times {
        let passed = at.duration_since(before).as_secs_f64();
        assert!((540.0..660.0).contains(&passed), "{passed}");
        before = at;
    }
    assert_eq!(cluster.writes().len(), writes);
    assert_eq!(self::reads(&cluster), reads + 3, "a GET each");
    cluster.assert_logged("a", "Resync is processed: 2 succeeded; 0 failed.");
}

#[test]
fn a_resync_of_an_object_with_timers_reads_nothing_and_one_of_a_changed_object_is_an_update() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || {
        vec![
            korf::timer::<Light>("tick", MINUTE * 60).run(async || {}),
            korf::on_update::<Light>("update").run(note),
            korf::on_resume::<Light>("resume").resync(MINUTE * 10).run(note),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    let (writes, reads) = (cluster.writes().len(), reads(&cluster));
    cluster.advance(MINUTE * 12);
    assert_eq!(calls.take(), ["a resync"]);
    assert_eq!((cluster.writes().len(), self::reads(&cluster)), (writes, reads), "no GET, no PATCH");
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    assert_eq!(calls.take(), ["a update"]);
}

#[test]
fn mistakes_are_found_at_the_start() {
    let mistake =
        |handlers: Vec<Handler>| Registry::from_iter(handlers).check(&Default::default()).unwrap_err();
    let nothing = mistake(vec![korf::on_event::<Secret>("secret").run(triggers)]);
    assert!(matches!(nothing, StartError::NothingToTrigger { .. }));
    let text = nothing.to_string();
    assert!(text.contains("gives Light objects turns, but no handler is called for that"), "{text}");
    let zeros = [
        korf::on_resume::<Light>("resume").resync(Duration::ZERO).run(async || {}),
        korf::timer::<Light>("tick", Duration::ZERO).run(async || {}),
    ];
    for zero in zeros {
        let text = mistake(vec![zero]).to_string();
        assert!(text.ends_with("= 0: give it a time between two calls"), "{text}");
    }
}
