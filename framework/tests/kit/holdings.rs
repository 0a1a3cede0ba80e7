//! What is done for objects whose shards are taken over, left and lost, by holdings that the test drives by hand.

use crate::{
    daemons::Diary,
    lights::{Light, light, paint},
    seen::Seen,
};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{
    __private::{Holdings, Moment},
    Attempt, Error, Memo, Name, ObjectPatch, ObjectRef, Operator, State, Stopped, Trigger,
    extract::WatchEventType,
    handler::{Handler, Registry},
};
use korf_core::{
    Uid,
    shard::{Shard, Shards},
};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};
use kube::ResourceExt;
use serde_json::{from_value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};
use tokio::time::sleep;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A replica's holdings, and what its handlers have seen.
#[derive(Clone)]
struct Replica {
    holdings: Holdings,
    seen: Seen,
}

impl Replica {
    fn of(shards: &str) -> Self {
        Self { holdings: Holdings::nothing(shards.parse().unwrap()), seen: Seen::default() }
    }

    fn operator(&self, handlers: impl IntoIterator<Item = Handler>) -> Operator {
        let operator = Operator::with_registry("lamps", Registry::from_iter(handlers));
        operator.state(self.seen.clone()).held_by(self.holdings.clone())
    }

    /// A cluster with this one.
    fn cluster<I: IntoIterator<Item = Handler>>(
        &self,
        handlers: impl Fn() -> I + Send + Sync + 'static,
    ) -> Cluster {
        let replica = self.clone();
        Cluster::of(move || replica.operator(handlers())).unwrap()
    }

    fn hold(&self, cluster: &mut Cluster, shard: u16, validity: Duration) {
        cluster.run(async { self.holdings.hold(Shard(shard), 1, Moment::now() + validity) });
        cluster.advance(Duration::from_millis(60));
    }

    fn serve(&self, cluster: &mut Cluster) {
        self.hold(cluster, 0, seconds(100_000));
    }

    fn leave(&self, cluster: &mut Cluster) {
        cluster.run(async { self.holdings.leave(Shard(0)) });
        cluster.settle();
    }

    fn lose(&self, cluster: &mut Cluster) {
        cluster.run(async { self.holdings.lose(Shard(0)) });
        cluster.settle();
    }

    fn has_drained(&self, cluster: &Cluster) -> bool {
        let drained = self.holdings.drained(Shard(0));
        cluster.run(async { tokio::time::timeout(Duration::ZERO, drained).await.is_ok() })
    }
}

async fn note(name: Name, seen: State<Seen>) {
    seen.note(format!("create {name}"));
}

async fn hear(event: WatchEventType, name: Name, seen: State<Seen>) {
    seen.note(format!("{event:?} {name}"));
}

/// A handler that takes its time.
async fn slow(name: Name, seen: State<Seen>) {
    seen.note(format!("{name} begins"));
    sleep(seconds(10)).await;
    seen.note(format!("{name} ends"));
}

fn creates() -> [Handler; 1] {
    [korf::on_create::<Light>("create").run(note)]
}

fn writes(cluster: &Cluster) -> usize {
    cluster.writes().len()
}

#[test]
fn a_replica_that_holds_nothing_is_ready_and_begins_at_once_when_it_takes_over() {
    let replica = Replica::of("1");
    let mut cluster = replica.cluster(|| {
        [korf::on_event::<Light>("hear").run(hear), korf::on_create::<Light>("create").run(note)]
    });
    for name in ["a", "b"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(seconds(3600));
    assert_eq!((replica.seen.take(), writes(&cluster)), (vec![], 0));
    assert_eq!(cluster.health("/readyz").0, 200);
    replica.serve(&mut cluster);
    // Each object was changed by what its handler has stored.
    let handled = ["Listed a", "create a", "Listed b", "create b", "Modified a", "Modified b"];
    assert_eq!(replica.seen.take(), handled);
    cluster.create(&light("c", "red")).unwrap();
    assert_eq!(replica.seen.take(), ["Added c", "create c", "Modified c"]);
}

#[test]
fn each_replica_has_the_objects_of_its_shards_and_no_relisting_is_news_for_the_others() {
    let replica = Replica::of("4");
    let mut cluster = replica.cluster(|| [korf::on_event::<Light>("hear").run(hear)]);
    let shards: Shards = "4".parse().unwrap();
    let mut of: BTreeMap<Shard, Vec<String>> = BTreeMap::new();
    for number in 0..20 {
        let light = cluster.create(&light(&format!("l{number:02}"), "red")).unwrap();
        let uid = Uid::from(&*light.uid().unwrap());
        of.entry(shards.of(&uid)).or_default().push(format!("Listed {}", light.name_any()));
    }
    for shard in shards.all() {
        replica.hold(&mut cluster, shard.0, seconds(1000));
        let mut seen = replica.seen.take();
        seen.sort();
        assert_eq!(seen, of.remove(&shard).unwrap_or_default(), "shard {shard}");
    }
    assert!(of.is_empty());
}

#[test]
fn a_turn_that_is_under_way_when_its_shard_is_left_ends_and_is_stored_and_then_nothing_more_is_done() {
    let replica = Replica::of("1");
    let mut cluster = replica.cluster(|| [korf::on_create::<Light>("create").run(slow)]);
    replica.serve(&mut cluster);
    cluster.create(&light("a", "red")).unwrap();
    replica.leave(&mut cluster);
    assert!(!replica.has_drained(&cluster));
    cluster.create(&light("b", "red")).unwrap();
    cluster.advance(seconds(10));
    assert_eq!(replica.seen.take(), ["a begins", "a ends"]);
    assert!(replica.has_drained(&cluster));
    cluster.assert_logged("a", "Handler 'create' succeeded.");
    assert_eq!(writes(&cluster), 1);
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(seconds(1000));
    assert_eq!((replica.seen.take(), writes(&cluster)), (vec![], 1));
    // What is done isn't done again.
    replica.serve(&mut cluster);
    assert_eq!(replica.seen.take(), ["b begins"]);
}

#[test]
fn a_handler_that_runs_when_its_lease_is_lost_is_dropped_and_nothing_of_it_is_recorded() {
    for told in [true, false] {
        let replica = Replica::of("1");
        let mut cluster = replica.cluster(|| [korf::on_create::<Light>("create").run(slow)]);
        replica.hold(&mut cluster, 0, seconds(5));
        cluster.create(&light("a", "red")).unwrap();
        if told {
            replica.lose(&mut cluster);
        } else {
            cluster.advance(seconds(5));
        }
        cluster.advance(seconds(100));
        assert_eq!((replica.seen.take(), writes(&cluster)), (vec!["a begins".to_owned()], 0), "told: {told}");
        let lines = cluster.lines_about("a");
        assert_eq!(lines.iter().filter(|line| line.contains("The lease is over")).count(), 1, "{lines:?}");
        replica.serve(&mut cluster);
        cluster.advance(seconds(10));
        assert_eq!((replica.seen.take(), writes(&cluster)), (vec!["a begins".into(), "a ends".into()], 1));
    }
}

#[test]
fn no_request_is_sent_once_the_lease_is_lost_also_where_one_is_retried() {
    struct Busy;
    impl Faults for Busy {
        fn request(&mut self, request: &Request) -> Delivery {
            if request.is_write() { Delivery::before(Fault::Rejected(503)) } else { Delivery::pass() }
        }
    }
    let replica = Replica::of("1");
    let mut cluster = replica.cluster(creates);
    replica.serve(&mut cluster);
    cluster.set_faults(Busy);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(3));
    replica.lose(&mut cluster);
    let requests = cluster.requests().len();
    cluster.set_faults(());
    cluster.advance(seconds(600));
    let sent = writes(&cluster);
    assert!(sent > 1 && cluster.get::<Light>("a").unwrap().metadata.annotations.is_none(), "{sent}");
    let later = cluster.requests().into_iter().skip(requests).filter(|sent| !sent.request.is_watch());
    assert_eq!(later.count(), 0);
}

#[test]
fn with_leases_each_patch_is_for_one_version_and_one_that_comes_late_is_read_again() {
    let replica = Replica::of("1");
    let mut cluster = replica.cluster(|| {
        let on = async |patch: ObjectPatch, name: Name, seen: State<Seen>| {
            seen.note(format!("create {name}"));
            sleep(seconds(1)).await;
            patch.merge(json!({"metadata": {"labels": {"on": "yes"}}}));
        };
        [korf::on_create::<Light>("create").run(on)]
    });
    replica.serve(&mut cluster);
    cluster.create(&light("a", "red")).unwrap();
    cluster.patch::<Light>("a", json!({"metadata": {"labels": {"by": "another"}}})).unwrap();
    cluster.advance(seconds(60));
    let sent = cluster.writes();
    assert!(
        sent.iter().all(|write| write.request.body["metadata"]["resourceVersion"].is_string()),
        "{sent:?}"
    );
    assert_eq!(sent.iter().map(|write| write.code).collect::<Vec<_>>()[..2], [Some(409), Some(200)]);
    assert_eq!(replica.seen.take(), ["create a"]);
    let labels = cluster.get::<Light>("a").unwrap().metadata.labels.unwrap_or_default();
    assert_eq!(labels.into_keys().collect::<Vec<_>>(), ["by", "on"]);
}

#[test]
fn the_next_holder_goes_on_where_the_former_one_has_stopped() {
    let [first, second] = [(); 2].map(|()| Replica::of("1"));
    let handlers = || {
        let fails = async |attempt: Attempt, seen: State<Seen>| {
            seen.note(format!("fails {}", attempt.0));
            if attempt.0 == 0 { Err(Error::temporary("not yet", seconds(60))) } else { Ok(()) }
        };
        [korf::on_create::<Light>("create").run(note), korf::on_create::<Light>("fails").run(fails)]
    };
    let mut cluster = first.cluster(handlers);
    let operator = second.operator(handlers());
    let server = cluster.server().clone();
    cluster.run(async move {
        let client = server.client("operator");
        tokio::spawn(async move { operator.client(client).run_until(Default::default()).await });
    });
    first.serve(&mut cluster);
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(first.seen.take(), ["create a", "fails 0"]);
    cluster.advance(seconds(20));
    first.leave(&mut cluster);
    second.serve(&mut cluster);
    cluster.advance(seconds(39));
    assert_eq!(second.seen.take(), [""; 0], "the delay is respected");
    cluster.advance(seconds(1));
    assert_eq!(second.seen.take(), ["fails 1"]);
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(seconds(1000));
    assert_eq!((first.seen.take(), second.seen.take()), (vec![], vec![]));
}

#[test]
fn timers_memos_and_triggers_end_with_the_shard() {
    let replica = Replica::of("1");
    let mut cluster = replica.cluster(|| {
        let tick = async |memo: Memo<u32>, name: Name, lights: Trigger<Light>, seen: State<Seen>| {
            memo.with(|ticks| *ticks += 1);
            seen.note(format!("tick {}", memo.get()));
            lights.trigger(("default", &*name));
        };
        let resume = async |seen: State<Seen>| seen.note("resume".into());
        [korf::timer::<Light>("tick", seconds(10)).run(tick), korf::on_resume::<Light>("resume").run(resume)]
    });
    replica.serve(&mut cluster);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(10));
    assert_eq!(replica.seen.take(), ["tick 1", "resume", "tick 2", "resume"]);
    replica.leave(&mut cluster);
    assert!(replica.has_drained(&cluster));
    cluster.advance(seconds(1000));
    assert_eq!(replica.seen.take(), [""; 0]);
    replica.serve(&mut cluster);
    assert_eq!(replica.seen.take(), ["resume", "tick 1", "resume"]);
}

/// What is done in the background for an object is bound to a memo: the example in the docs of replicas.
#[test]
fn what_a_memo_holds_is_dropped_with_the_shard_however_it_goes() {
    type Way = fn(&Replica, &mut Cluster);
    let ways: [(&str, Way); 5] = [
        ("it is left", Replica::leave),
        ("it is lost", Replica::lose),
        ("its lease isn't renewed", |_, cluster| cluster.advance(seconds(1001))),
        ("the operator is paused", |replica, cluster| {
            cluster.run(async { replica.holdings.pause(true) });
            cluster.settle();
        }),
        ("the object is deleted", |_, cluster| cluster.delete::<Light>("a").unwrap()),
    ];
    for (title, end) in ways {
        let (replica, bound) = (Replica::of("1"), Arc::new(Mutex::new(Weak::new())));
        let state = Arc::clone(&bound);
        let mut cluster = replica.cluster(move || {
            let state = Arc::clone(&state);
            let bind = async move |memo: Memo<Arc<()>>| {
                *state.lock().unwrap() = Arc::downgrade(&memo.get());
            };
            [korf::on_create::<Light>("bind").run(bind)]
        });
        replica.hold(&mut cluster, 0, seconds(1000));
        cluster.create(&light("a", "red")).unwrap();
        cluster.advance(seconds(900));
        let is_bound = || bound.lock().unwrap().strong_count() > 0;
        assert!(is_bound(), "{title}");
        end(&replica, &mut cluster);
        assert!(!is_bound(), "{title}");
    }
}

#[test]
fn a_handlers_trigger_for_an_object_of_another_replica_is_told_once_and_those_of_functions_for_watches_are_not()
 {
    let replica = Replica::of("2");
    let mut cluster = replica.cluster(|| {
        let pass_on = async |lights: Trigger<Light>| {
            for name in 0..20 {
                lights.trigger(("default", &*name.to_string()));
            }
        };
        fn same(name: Name) -> Option<ObjectRef<Light>> {
            Some(("default", &*name).into())
        }
        let resume = async |name: Name, seen: State<Seen>| seen.note(format!("resume {name}"));
        [
            korf::on_create::<Light>("create").run(note),
            korf::on_update::<Light>("pass-on").run(pass_on),
            korf::on_resume::<Light>("resume").run(resume),
            korf::watches::<ConfigMap, Light>("same").run(same),
        ]
    });
    for name in 0..20 {
        cluster.create(&light(&name.to_string(), "red")).unwrap();
    }
    replica.serve(&mut cluster);
    let mine = replica.seen.take().len();
    assert!((1..20).contains(&mine), "{mine}");
    for name in 0..20 {
        let map: ConfigMap = from_value(json!({"metadata": {"name": name.to_string()}})).unwrap();
        cluster.create(&map).unwrap();
    }
    cluster.advance(seconds(10));
    assert_eq!((replica.seen.take().len(), lines_about_others(&cluster)), (mine, 0));
    for color in ["blue", "green"] {
        for name in 0..20 {
            cluster.patch::<Light>(&name.to_string(), paint(color)).unwrap();
        }
        cluster.advance(seconds(10));
    }
    assert!(replica.seen.take().len() >= 2 * mine);
    assert_eq!(lines_about_others(&cluster), 1);
}

fn lines_about_others(cluster: &Cluster) -> usize {
    let line = "Handler 'pass-on' triggers objects of lights.v1.korf.dev that this replica doesn't hold, such as default/";
    cluster.lines().iter().filter(|known| known.message.contains(line)).count()
}

/// Runs until it is told to stop, and asks for a change then.
async fn closing(diary: State<Diary>, stopped: Stopped, patch: ObjectPatch) {
    diary.note("begins");
    let why = stopped.wait().await;
    sleep(seconds(2)).await;
    patch.merge(json!({"metadata": {"labels": {"closed": "yes"}}}));
    diary.note(format!("ends: {why:?}"));
}

fn with_daemon(replica: &Replica, diary: &Diary) -> Cluster {
    let (replica, diary) = (replica.clone(), diary.clone());
    let handlers = || [korf::daemon::<Light>("closing").run(closing)];
    Cluster::of(move || replica.operator(handlers()).state(diary.clone())).unwrap()
}

#[test]
fn daemons_of_a_shard_that_is_left_have_their_time_and_what_they_ask_for_is_written() {
    let (replica, diary) = (Replica::of("1"), Diary::default());
    let mut cluster = with_daemon(&replica, &diary);
    replica.serve(&mut cluster);
    cluster.create(&light("a", "red")).unwrap();
    replica.leave(&mut cluster);
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    assert!(!replica.has_drained(&cluster));
    cluster.advance(seconds(2));
    assert!(replica.has_drained(&cluster));
    assert_eq!(cluster.get::<Light>("a").unwrap().metadata.labels.unwrap_or_default()["closed"], "yes");
    cluster.advance(seconds(1000));
    assert_eq!(diary.entries(), ["0: begins", "2: ends: HandedOver"]);
    replica.serve(&mut cluster);
    assert_eq!(diary.entries().len(), 3, "it is started again");
}

#[test]
fn daemons_of_a_shard_that_is_lost_are_dropped_and_nothing_is_written() {
    let (replica, diary) = (Replica::of("1"), Diary::default());
    let mut cluster = with_daemon(&replica, &diary);
    replica.serve(&mut cluster);
    cluster.create(&light("a", "red")).unwrap();
    replica.leave(&mut cluster);
    replica.lose(&mut cluster);
    cluster.advance(seconds(1000));
    assert_eq!((diary.entries(), writes(&cluster)), (vec!["0: begins".to_owned()], 0));
    replica.serve(&mut cluster);
    assert_eq!(diary.entries().len(), 2, "it is started again");
}

#[test]
fn a_paused_operator_does_nothing_and_goes_on_after_the_pause() {
    let (seen, holdings) = (Seen::default(), Holdings::everything());
    let replica = Replica { holdings, seen };
    let mut cluster = replica.cluster(|| [korf::on_create::<Light>("create").run(slow)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.run(async { replica.holdings.pause(true) });
    cluster.advance(seconds(10));
    assert!(replica.has_drained(&cluster));
    cluster.create(&light("b", "red")).unwrap();
    cluster.advance(seconds(1000));
    assert_eq!(replica.seen.take(), ["a begins", "a ends"]);
    cluster.run(async { replica.holdings.pause(false) });
    cluster.advance(seconds(11));
    assert_eq!(replica.seen.take(), ["b begins", "b ends"]);
    let sent = cluster.writes();
    assert!(sent.iter().all(|write| write.request.body["metadata"].get("resourceVersion").is_none()));
}

#[test]
fn an_operator_that_stops_has_drained_all_shards() {
    let replica = Replica::of("2");
    let mut cluster = replica.cluster(|| [korf::on_create::<Light>("create").run(slow)]);
    replica.serve(&mut cluster);
    cluster.create(&light("a", "red")).unwrap();
    cluster.stop().unwrap();
    assert!(replica.has_drained(&cluster));
}

#[test]
fn an_object_that_goes_while_another_replica_has_it_is_nobodys_business_here() {
    let replica = Replica::of("1");
    let mut cluster = replica.cluster(|| [korf::on_event::<Light>("hear").run(hear)]);
    replica.serve(&mut cluster);
    for name in ["a", "b"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    replica.leave(&mut cluster);
    replica.seen.take();
    cluster.delete::<Light>("a").unwrap();
    replica.serve(&mut cluster);
    assert_eq!(replica.seen.take(), ["Listed b"]);
}
