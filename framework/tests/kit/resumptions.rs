//! Triggers and resyncs, with the kit's clock.

use crate::lights::{Light, light, paint};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use korf::{
    Attempt, Error, FromCall, Name, ObjectRef, Operator, Reason, Result, State, SubHandlers, Trigger,
    extract::Rejection,
    handler::{Handler, Registry, StartError},
    scope::HandlerScope,
    settings::Settings,
};
use korf_testing::{Cluster, api::ServedKind};
use kube::core::ApiResource;
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
    touch(&mut cluster, "none", 1);
    let line = "Handler 'secret' triggers default/none of lights.v1.korf.dev, which isn't there: that has no effect.";
    let told = |cluster: &Cluster| cluster.lines().iter().filter(|found| found.message == line).count();
    assert_eq!(told(&cluster), 1, "once");
    assert_eq!(calls.take(), [""; 0]);
    cluster.create(&light("none", "red")).unwrap();
    touch(&mut cluster, "none", 2);
    assert_eq!(calls.take(), ["none triggered"]);
    cluster.delete::<Light>("none").unwrap();
    touch(&mut cluster, "none", 3);
    assert_eq!(told(&cluster), 2, "it was there meanwhile");
}

#[test]
fn triggers_for_a_kind_that_is_not_listed_wait_and_are_told_of() {
    let calls = Calls::default();
    let mut cluster = triggered(&calls, Vec::new);
    cluster.stop().unwrap();
    cluster.server().remove_kind(&ApiResource::erase::<Light>(&()));
    cluster.start().unwrap();
    for name in ["a", "b"] {
        cluster.create(&secret(name)).unwrap();
    }
    let told = |cluster: &Cluster, line: &str| {
        cluster.lines().iter().filter(|found| found.message.contains(line)).count()
    };
    let waits =
        "Triggers for objects of lights.v1.korf.dev, such as default/a, wait until the kind is listed.";
    assert_eq!(told(&cluster, waits), 0, "it may be listed soon");
    cluster.advance(MINUTE);
    assert_eq!(told(&cluster, waits), 1);
    cluster.serve(ServedKind::with_definition::<Light>());
    cluster.advance(MINUTE);
    for name in ["a", "b"] {
        assert_eq!(told(&cluster, &format!("triggers default/{name} of lights.v1.korf.dev")), 1);
    }
}

#[test]
fn triggers_of_any_argument_reach_their_objects() {
    struct Own(Trigger<Light>);
    impl<S: HandlerScope> FromCall<S> for Own {
        fn from_call(call: &S::Call) -> Result<Self, Rejection> {
            <Trigger<Light> as FromCall<S>>::from_call(call).map(Self)
        }
    }
    async fn sub(lights: Trigger<Light>) {
        lights.trigger(("default", "a"));
    }
    let givers: [fn() -> Handler; 4] = [
        || korf::on_create::<Secret>("own").run(async |own: Own| own.0.trigger(("default", "a"))),
        || {
            korf::on_create::<Secret>("option").run(async |lights: Option<Trigger<Light>>| {
                lights.into_iter().for_each(|lights| lights.trigger(("default", "a")));
            })
        },
        || {
            korf::on_create::<Secret>("result").run(async |lights: Result<Trigger<Light>, Rejection>| {
                lights.into_iter().for_each(|lights| lights.trigger(("default", "a")));
            })
        },
        || korf::on_create::<Secret>("parent").run(async |subs: SubHandlers<Secret>| subs.add("sub", sub)),
    ];
    for giver in givers {
        let calls = Calls::default();
        let resume = || korf::on_resume::<Light>("resume").run(note);
        let mut cluster = cluster(&calls, move || vec![resume(), giver()]);
        cluster.create(&light("a", "red")).unwrap();
        cluster.create(&secret("a")).unwrap();
        assert_eq!(calls.take(), ["a triggered"], "{:?}", giver());
    }
    let optional = Registry::from_iter([givers[1]()]).check(&Default::default()).unwrap_err();
    assert!(matches!(optional, StartError::NothingToTrigger { .. }));
}

#[test]
fn objects_whose_handlers_trigger_each_other_are_delayed_with_a_warning_each() {
    async fn other(name: Name, lights: Trigger<Light>, calls: State<Calls>) {
        calls.add(name.to_string());
        lights.trigger(("default", if *name == *"a" { "b" } else { "a" }));
        assert!(lights.take().is_empty(), "it was given to the operator");
    }
    let calls = Calls::default();
    let mut cluster = cluster(&calls, || vec![korf::on_resume::<Light>("other").run(other)]);
    for name in ["a", "b"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    cluster.restart().unwrap();
    cluster.advance(MINUTE);
    let called = calls.take().len();
    assert!((200..230).contains(&called), "{called}");
    for name in ["default/a", "default/b"] {
        let line = "Triggers have given the object more than 100 turns within 5 seconds, the last one by handler 'other'.";
        let lines = cluster.lines();
        let told = lines
            .iter()
            .filter(|found| found.message.starts_with(line) && found.object.as_deref() == Some(name));
        assert_eq!(told.count(), 1, "{name}");
    }
}

#[test]
fn an_object_that_is_triggered_ten_times_a_second_has_each_turn_at_once() {
    let calls = Calls::default();
    let mut cluster = triggered(&calls, Vec::new);
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&secret("a")).unwrap();
    calls.take();
    for number in 0..600 {
        cluster.advance(MINUTE / 600);
        touch(&mut cluster, "a", number);
        assert_eq!(calls.take(), ["a triggered"], "{number}");
    }
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
    let state = calls.clone();
    let mut cluster = Cluster::of(move || {
        // The only worker has the Secret before the lights.
        let event =
            korf::on_event::<Secret>("secret").run(async |calls: State<Calls>, lights: Trigger<Light>| {
                calls.add("secret".into());
                lights.trigger_all();
            });
        let resume = korf::on_resume::<Light>("resume").run(note);
        let mut settings = Settings::default();
        settings.queueing.concurrency = 1;
        let operator = Operator::with_registry("lamps", Registry::from_iter([event, resume]));
        operator.state(state.clone()).settings(settings)
    })
    .unwrap();
    for name in ["a", "b"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    cluster.create(&secret("a")).unwrap();
    cluster.stop().unwrap();
    calls.take();
    cluster.start().unwrap();
    assert_eq!(calls.take(), ["secret", "a resume", "b resume"]);
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
        korf::on_resume::<Light>("resume").resync(Duration::from_micros(999)).run(async || {}),
        korf::timer::<Light>("tick", Duration::ZERO).run(async || {}),
        korf::timer::<Light>("tick", MINUTE).interval(Duration::from_nanos(1)).run(async || {}),
    ];
    for zero in zeros {
        let text = mistake(vec![zero]).to_string();
        assert!(text.contains("has a time of less than a millisecond as its"), "{text}");
    }
    let least = korf::timer::<Light>("tick", Duration::from_millis(1)).run(async || {});
    Registry::from_iter([least]).check(&Default::default()).unwrap();
}
