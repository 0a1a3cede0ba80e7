//! Daemons, with the kit's clock.

use crate::lights::{Light, light, paint};
use korf::{
    Attempt, Error, Live, Memo, Name, ObjectPatch, Operator, Result, State, Stopped,
    handler::{Handler, HandlerBuilder, Registry},
    scope::Daemon,
};
use korf_testing::Cluster;
use kube::{Api, Client, api::DeleteParams};
use serde_json::{Value, json};
use std::{
    future::pending,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What daemons and handlers tell, with the second of each.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<Vec<(String, u64)>>>);

impl Diary {
    pub fn note(&self, entry: impl Into<String>) {
        let second = korf_testing::now().as_second() - 1_767_225_600;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((entry.into(), second.unsigned_abs()));
    }

    pub fn entries(&self) -> Vec<String> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|(entry, second)| format!("{second}: {entry}")).collect()
    }

    /// Notes its end, however that comes.
    fn until(&self, end: &'static str) -> End {
        End(self.clone(), end)
    }
}

struct End(Diary, &'static str);

impl Drop for End {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// Runs until it is told to stop.
pub async fn patient(name: Name, diary: State<Diary>, stopped: Stopped) {
    diary.note(format!("{name} begins"));
    let why = stopped.wait().await;
    diary.note(format!("{name} ends: {why:?}"));
}

/// Runs until it is dropped.
pub async fn deaf(diary: State<Diary>) {
    diary.note("begins");
    let _end = diary.until("is dropped");
    pending().await
}

/// Takes this long to end.
pub async fn slow(diary: State<Diary>, stopped: Stopped) {
    diary.note("begins");
    stopped.wait().await;
    sleep(seconds(7)).await;
    diary.note("ends");
}

pub fn cluster(diary: &Diary, handlers: impl Fn() -> Vec<Handler> + Send + Sync + 'static) -> Cluster {
    let diary = diary.clone();
    Cluster::of(move || {
        Operator::with_registry("lamps", Registry::from_iter(handlers())).state(diary.clone())
    })
    .unwrap()
}

pub fn daemon(id: &str) -> HandlerBuilder<Daemon<Light>> {
    korf::daemon::<Light>(id)
}

/// Only for lights that are red.
pub fn of_red(id: &str) -> HandlerBuilder<Daemon<Light>> {
    daemon(id).field("spec.color").value("red")
}

#[test]
fn a_daemon_runs_once_for_each_object_and_costs_no_request() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("watch").run(patient)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&light("b", "red")).unwrap();
    let requests = cluster.requests().len();
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(seconds(50));
    assert_eq!(diary.entries(), ["0: a begins", "0: b begins"]);
    assert_eq!(cluster.requests().len(), requests, "no GET, no PATCH");
    cluster.assert_logged("a", "Daemon 'watch' is invoked.");
    let object: Light = cluster.get("a").unwrap();
    assert_eq!((object.metadata.finalizers, object.metadata.annotations), (None, None));
}

#[test]
fn a_daemon_is_told_of_the_deletion_and_of_the_operator_s_end() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("watch").run(patient)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&light("b", "red")).unwrap();
    cluster.advance(seconds(5));
    cluster.delete::<Light>("a").unwrap();
    cluster.assert_logged("a", "Daemon 'watch' is signalled to exit gracefully.");
    cluster.assert_logged("a", "Daemon 'watch' succeeded.");
    cluster.assert_logged("a", "Daemon 'watch' has exited on request and will not be retried or restarted.");
    cluster.stop().unwrap();
    let expected =
        ["0: a begins", "0: b begins", "5: a ends: Deleted", "5: b ends: OperatorStops"].map(String::from);
    assert_eq!(diary.entries(), expected);
}

#[test]
fn one_that_cannot_see_the_flag_is_dropped_after_a_second_and_others_after_their_backoff() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || {
        vec![
            daemon("deaf").run(deaf),
            daemon("waited").cancellation_backoff(seconds(3)).run(deaf),
            daemon("slow").run(slow),
            daemon("cut").cancellation_backoff(seconds(2)).run(slow),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    cluster.delete::<Light>("a").unwrap();
    cluster.advance(seconds(60));
    let begun = [""; 4].map(|_| "0: begins".to_owned());
    let ended = ["1: is dropped", "3: is dropped", "7: ends"].map(String::from);
    assert_eq!(diary.entries(), [&begun[..], &ended].concat());
    cluster.assert_logged("a", "Daemon 'deaf' is cancelled.");
    cluster.assert_logged("a", "Daemon 'cut' is signalled to exit by force.");
}

#[test]
fn one_that_deletes_its_own_object_has_time_to_receive_the_answer() {
    async fn delete(client: Client, diary: State<Diary>) -> Result {
        Api::<Light>::namespaced(client, "default").delete("a", &DeleteParams::default()).await?;
        // The watch tells of the deletion before the answer comes.
        sleep(Duration::from_millis(500)).await;
        diary.note("has the answer");
        Ok(())
    }
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("end").run(delete)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(5));
    assert_eq!(diary.entries(), ["0: has the answer"]);
}

#[test]
fn a_filter_that_no_longer_matches_stops_it_and_one_that_matches_again_starts_it_once_the_former_has_ended() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![of_red("slow").run(slow)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&light("b", "blue")).unwrap();
    cluster.advance(seconds(10));
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.patch::<Light>("a", paint("red")).unwrap();
    cluster.advance(seconds(60));
    assert_eq!(diary.entries(), ["0: begins", "17: ends", "17: begins"]);
}

#[test]
fn one_that_has_ended_by_itself_is_not_started_again_for_that_object() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || {
        vec![
            of_red("brief").run(async |diary: State<Diary>| diary.note("brief")),
            of_red("lost").run(async |diary: State<Diary>| -> Result {
                diary.note("lost");
                Err(Error::permanent("never"))
            }),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    for color in ["blue", "red", "blue", "red"] {
        cluster.patch::<Light>("a", paint(color)).unwrap();
    }
    assert_eq!(diary.entries(), ["0: brief", "0: lost"]);
    cluster.assert_logged(
        "a",
        "Daemon 'brief/spec.color' has exited on its own and will not be retried or restarted.",
    );
    cluster.assert_logged("a", "Daemon 'lost/spec.color' failed permanently: never");
    cluster.restart().unwrap();
    assert_eq!(diary.entries().len(), 4, "another operator knows nothing of it");
}

#[test]
fn one_that_fails_is_started_again_with_the_newest_object_within_its_limits() {
    async fn fail(attempt: Attempt, light: korf::Object<Light>, diary: State<Diary>) -> Result {
        diary.note(format!("{} {}", attempt.0, light.spec.color));
        Err(Error::temporary("not yet", seconds(10)))
    }
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("fail").initial_delay(seconds(5)).retries(3).run(fail)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(7));
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(seconds(60));
    assert_eq!(diary.entries(), ["5: 0 red", "15: 1 blue", "25: 2 blue"]);
    cluster.assert_logged("a", "Daemon 'fail' failed temporarily and will try again in 10 seconds: not yet");
    cluster.assert_logged("a", "Daemon 'fail' failed temporarily but will exceed 3 retries: not yet");
    let writes = cluster.writes();
    let others = writes.iter().filter(|write| !write.request.path.ends_with("/events"));
    assert_eq!(others.count(), 0, "the state of daemons is in memory");
}

#[test]
fn a_panic_is_an_error_like_any_other() {
    async fn stumble(attempt: Attempt, diary: State<Diary>) {
        diary.note(format!("attempt {}", attempt.0));
        assert!(attempt.0 > 0, "oh");
    }
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("stumble").backoff(seconds(1)).run(stumble)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(30));
    assert_eq!(diary.entries(), ["0: attempt 0", "1: attempt 1"]);
    cluster.assert_logged("a", "Daemon 'stumble' failed with an exception and will try again in 1 seconds");
}

#[test]
fn an_object_with_the_finalizer_is_kept_until_its_daemon_has_ended_and_its_delete_handlers_come_after_that() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || {
        vec![
            daemon("slow").finalizer().run(slow),
            korf::on_delete::<Light>("bury").run(async |diary: State<Diary>| diary.note("deleted")),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    let object: Light = cluster.get("a").unwrap();
    assert_eq!(object.metadata.finalizers.unwrap(), ["lamps.korf.dev/finalizer"]);
    cluster.advance(seconds(5));
    cluster.delete::<Light>("a").unwrap();
    cluster.advance(seconds(5));
    assert!(cluster.exists::<Light>("a"));
    cluster.advance(seconds(5));
    assert!(!cluster.exists::<Light>("a"));
    assert_eq!(diary.entries(), ["0: begins", "12: ends", "12: deleted"]);
}

#[test]
fn without_other_handlers_the_finalizer_goes_once_no_daemon_needs_it() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || {
        vec![
            of_red("slow").finalizer().run(slow),
            daemon("brief").finalizer().initial_delay(seconds(20)).run(async || {}),
        ]
    });
    let finalizers = |cluster: &Cluster| cluster.get::<Light>("a").unwrap().metadata.finalizers.is_some();
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(30));
    assert!(finalizers(&cluster), "one has ended, one runs");
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(seconds(5));
    assert!(finalizers(&cluster), "it has not ended");
    cluster.advance(seconds(5));
    assert!(!finalizers(&cluster));
    assert_eq!(diary.entries(), ["0: begins", "37: ends"]);
}

#[test]
fn what_a_daemon_asks_for_is_written_soon_and_again_in_the_end() {
    async fn count(patch: ObjectPatch, stopped: Stopped) -> Result<Value> {
        let mut round = 0;
        loop {
            patch.annotation("round", Some(&format!("{round}")));
            patch.label("seen", Some("yes"));
            if stopped.wait_for(seconds(10)).await {
                break;
            }
            round += 1;
        }
        Ok(json!({ "rounds": round }))
    }
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("count").run(count)]);
    let round =
        |cluster: &Cluster| cluster.get::<Light>("a").unwrap().metadata.annotations.unwrap().remove("round");
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(round(&cluster).unwrap(), "0");
    cluster.advance(seconds(25));
    assert_eq!(round(&cluster).unwrap(), "2");
    assert_eq!(cluster.writes().len(), 3, "one for each round");
    cluster.stop().unwrap();
    let object: Value =
        cluster.get::<Light>("a").map(|object| serde_json::to_value(object).unwrap()).unwrap();
    assert_eq!(object["metadata"]["annotations"]["round"], "2");
    let writes = cluster.writes();
    assert!(writes.last().unwrap().request.to_string().contains("rounds"), "the result comes with the end");
}

#[test]
fn what_is_asked_for_when_the_object_is_gone_is_dropped_and_one_that_is_kept_by_others_is_written() {
    async fn last_words(patch: ObjectPatch, stopped: Stopped) {
        stopped.wait().await;
        patch.annotation("last", Some("words"));
    }
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("last").run(last_words)]);
    cluster.create(&light("gone", "red")).unwrap();
    let mut kept = light("kept", "red");
    kept.metadata.finalizers = Some(vec!["somebody/else".into()]);
    cluster.create(&kept).unwrap();
    cluster.delete::<Light>("gone").unwrap();
    cluster.delete::<Light>("kept").unwrap();
    cluster.advance(seconds(1));
    cluster.assert_logged("gone", "1 change(s) that daemons asked for aren't written: the object is gone.");
    let kept: Light = cluster.get("kept").unwrap();
    assert_eq!(kept.metadata.annotations.unwrap()["last"], "words");
}

#[test]
fn a_live_view_shows_the_newest_state_and_waits_for_changes() {
    async fn follow(mut light: Live<Light>, diary: State<Diary>) -> Result {
        loop {
            diary.note(light.get()?.spec.color);
            light.changed().await;
        }
    }
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || vec![daemon("follow").run(follow)]);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(5));
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(seconds(5));
    cluster.patch::<Light>("a", paint("green")).unwrap();
    assert_eq!(diary.entries(), ["0: red", "5: blue", "10: green"]);
}

#[test]
fn a_memo_is_shared_with_the_object_s_handlers() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || {
        vec![
            daemon("count").run(async |memo: Memo<u32>, stopped: Stopped| {
                while !stopped.wait_for(seconds(1)).await {
                    memo.with(|seconds| *seconds += 1);
                }
            }),
            korf::on_update::<Light>("tell")
                .run(async |memo: Memo<u32>, diary: State<Diary>| diary.note(format!("{}", memo.get()))),
            korf::on_create::<Light>("create").run(async || {}),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(10));
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    assert_eq!(diary.entries(), ["10: 10"]);
}

#[test]
fn a_daemon_runs_beside_a_change_handler_that_takes_long() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || {
        vec![
            daemon("watch").run(patient),
            korf::on_create::<Light>("create").run(async |diary: State<Diary>| {
                sleep(seconds(30)).await;
                diary.note("created");
            }),
        ]
    });
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(seconds(10));
    // The deletion is shown while the handler runs, and has not to wait for it.
    cluster.delete::<Light>("a").unwrap();
    cluster.advance(seconds(30));
    assert_eq!(diary.entries(), ["0: a begins", "10: a ends: Deleted", "30: created"]);
}

#[test]
fn at_the_operator_s_end_daemons_have_their_times_within_the_grace() {
    let diary = Diary::default();
    let mut cluster = cluster(&diary, || {
        vec![daemon("slow").run(slow), daemon("endless").cancellation_backoff(seconds(3600)).run(deaf)]
    });
    cluster.create(&light("a", "red")).unwrap();
    cluster.stop().unwrap();
    assert_eq!(diary.entries(), ["0: begins", "0: begins", "7: ends", "25: is dropped"]);
    let logged = |text: &str| cluster.lines().iter().any(|line| line.message.contains(text));
    assert!(logged("Waiting up to 25 seconds for 2 daemon(s) to end."));
    assert!(logged("1 daemon(s) did not end within 25 seconds and are abandoned."));
}

/// The resident memory of this process, in bytes.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<i64>().unwrap() * 1024
}

#[test]
#[ignore = "a measurement: cargo test --test kit ten_thousand_daemons -- --ignored --nocapture"]
fn ten_thousand_daemons_cost_little_more_than_their_futures() {
    const OBJECTS: i64 = 10_000;
    // What grows with a listing of as many objects, without daemons and with them. None of it is given back meanwhile.
    let [(_without, less), (_with, more)] = [false, true].map(|with| {
        let diary = Diary::default();
        let mut cluster = cluster(&diary, move || {
            let daemon = with.then(|| {
                daemon("watch").run(async |stopped: Stopped| {
                    stopped.wait().await;
                })
            });
            let event = korf::on_event::<Light>("event").run(async || {});
            [event].into_iter().chain(daemon).collect()
        });
        cluster.stop().unwrap();
        for number in 0..OBJECTS {
            cluster.create(&light(&format!("light-{number}"), "red")).unwrap();
        }
        let before = resident();
        cluster.start().unwrap();
        cluster.advance(seconds(30));
        let grown = resident() - before;
        (cluster, grown)
    });
    println!(
        "{OBJECTS} daemons: {} bytes each; the objects without them: {}",
        (more - less) / OBJECTS,
        less / OBJECTS
    );
    assert!((more - less) / OBJECTS < 4_000);
}
