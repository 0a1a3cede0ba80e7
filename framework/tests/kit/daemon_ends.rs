//! Ends of daemons: what they ask for in the end, and those that can't begin.

use crate::lights::{Light, light, paint};
use korf::{
    FromCall, ObjectPatch, Operator, Stopped,
    extract::Rejection,
    handler::{Handler, Registry},
    scope::Daemon,
};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the API server does to writes.
#[derive(Clone, Copy)]
enum Writes {
    /// It rejects them until then.
    RejectedUntil(Instant),
    /// They take a second.
    Slow,
}

impl Faults for Writes {
    fn request(&mut self, request: &Request) -> Delivery {
        match *self {
            Self::RejectedUntil(end) if request.is_write() && Instant::now() < end => {
                Delivery::before(Fault::Rejected(503))
            }
            Self::Slow if request.is_write() => Delivery::pass().taking(seconds(1), Duration::ZERO),
            _ => Delivery::pass(),
        }
    }
}

async fn last_words(patch: ObjectPatch, stopped: Stopped) {
    stopped.wait().await;
    patch.annotation("last", Some("words"));
}

fn daemon() -> Handler {
    korf::daemon::<Light>("last").run(last_words)
}

fn cluster(workers: usize, handlers: impl Fn() -> Vec<Handler> + Send + Sync + 'static) -> Cluster {
    Cluster::of(move || {
        let mut operator = Operator::with_registry("lamps", Registry::from_iter(handlers()));
        operator.settings_mut().queueing.concurrency = workers;
        operator
    })
    .unwrap()
}

fn has_last_words(cluster: &Cluster, name: &str) -> bool {
    let light = cluster.get::<Light>(name).unwrap();
    light.metadata.annotations.is_some_and(|all| all.contains_key("last"))
}

#[test]
fn what_a_daemon_asks_for_in_the_end_is_tried_again_within_the_grace() {
    let mut cluster = cluster(20, || vec![daemon()]);
    cluster.create(&light("a", "red")).unwrap();
    let end = cluster.run(async { Instant::now() }) + seconds(18);
    cluster.set_faults(Writes::RejectedUntil(end));
    cluster.stop().unwrap();
    assert!(has_last_words(&cluster, "a"));
}

#[test]
fn what_a_daemon_asks_for_in_the_end_and_cannot_be_written_is_told() {
    let mut cluster = cluster(20, || vec![daemon()]);
    cluster.create(&light("a", "red")).unwrap();
    let end = cluster.run(async { Instant::now() }) + seconds(3600);
    cluster.set_faults(Writes::RejectedUntil(end));
    let begun = cluster.now();
    cluster.stop().unwrap();
    assert_eq!(cluster.now().duration_since(begun).as_secs(), 25);
    assert!(!has_last_words(&cluster, "a"));
    let told = "The changes of 1 object(s) could not be stored within 25 seconds";
    assert!(cluster.lines().iter().any(|line| line.message.starts_with(told)));
}

#[test]
fn what_a_daemon_of_a_throttled_object_asks_for_in_the_end_is_written() {
    let fails = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&fails);
    let mut cluster = cluster(20, move || {
        let flag = Arc::clone(&flag);
        let when = move || if flag.load(Ordering::Relaxed) { panic!("oops") } else { false };
        vec![daemon(), korf::on_update::<Light>("update").when(when).run(async || {})]
    });
    cluster.create(&light("a", "red")).unwrap();
    fails.store(true, Ordering::Relaxed);
    for color in ["blue", "green", "white", "black"] {
        cluster.patch::<Light>("a", paint(color)).unwrap();
        cluster.advance(seconds(1));
    }
    cluster.stop().unwrap();
    assert!(has_last_words(&cluster, "a"));
}

#[test]
fn at_the_operator_s_end_no_more_daemons_are_written_for_at_once_than_there_are_workers() {
    let mut cluster = cluster(2, || vec![daemon()]);
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        cluster.create(&light(name, "red")).unwrap();
    }
    cluster.set_faults(Writes::Slow);
    let begun = cluster.now();
    cluster.stop().unwrap();
    assert_eq!(cluster.now().duration_since(begun).as_secs(), 3, "two of six at a time");
    assert!(names.iter().all(|name| has_last_words(&cluster, name)));
}

#[test]
fn what_a_daemon_has_asked_for_while_all_workers_were_busy_is_written_at_the_operator_s_end() {
    let mut cluster = cluster(1, || {
        let early = async |patch: ObjectPatch, stopped: Stopped| {
            stopped.wait_for(seconds(2)).await;
            patch.annotation("last", Some("words"));
            stopped.wait().await;
        };
        let busy = korf::on_create::<Light>("busy").label("busy", "yes");
        vec![
            korf::daemon::<Light>("early").label("busy", korf::filter::Match::Absent).run(early),
            busy.run(async || sleep(seconds(10)).await),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    let mut busy = light("b", "red");
    busy.metadata.labels = Some([("busy".to_owned(), "yes".to_owned())].into());
    cluster.create(&busy).unwrap();
    cluster.advance(seconds(4));
    cluster.stop().unwrap();
    assert!(has_last_words(&cluster, "a"));
}

/// An argument that no object has.
struct Unfit;

static UNFIT: AtomicUsize = AtomicUsize::new(0);

impl FromCall<Daemon<Light>> for Unfit {
    fn from_call(_: &<Daemon<Light> as korf::scope::Scope>::Call) -> Result<Self, Rejection> {
        // A loop without an end has to end.
        assert!(UNFIT.fetch_add(1, Ordering::Relaxed) < 100, "called again and again");
        Err(Rejection::object("unfit"))
    }
}

#[test]
fn a_daemon_that_an_object_is_unfit_for_is_not_tried_again_before_the_object_has_changed() {
    let mut cluster = cluster(20, || {
        vec![
            korf::daemon::<Light>("unfit").finalizer().run(async |_: Unfit| {}),
            korf::daemon::<Light>("other").run(async |attempt: korf::Attempt| {
                if attempt.0 < 3 { Err(korf::Error::temporary("not yet", seconds(1))) } else { Ok(()) }
            }),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(60));
    assert_eq!(UNFIT.load(Ordering::Relaxed), 1);
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    assert_eq!(UNFIT.load(Ordering::Relaxed), 2);
}
