//! Daemons, on a real API server and on real threads.

use crate::fixture::{Fixture, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{
    Name, ObjectPatch, Operator, State, Stopped, daemon,
    handler::{Handler, HandlerBuilder, Registry},
    observe::Observation,
    scope::Daemon,
};
use kube::{
    Api,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::sync::Notify;

const SECOND: Duration = Duration::from_secs(1);

/// What daemons tell, and what the operator tells of them.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    fn count(&self, entry: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|known| *known == entry).count()
    }

    async fn until(&self, entry: &str, times: usize) {
        let what = format!("{entry:?} is noted {times} times");
        eventually(&what, async || self.0.lock().unwrap().clone(), |_| self.count(entry) >= times).await;
        assert_eq!(self.count(entry), times, "{entry}");
    }

    /// Takes in what happens to daemons.
    fn observe(&self, observation: &Observation<'_>) {
        if let Observation::Daemon { handler, event } = observation {
            self.note(format!("{} {event:?}", handler.id));
        }
    }
}

/// An operator of ConfigMaps with these daemons, and the ConfigMaps of its namespace.
struct Scene {
    maps: Api<ConfigMap>,
    diary: Diary,
    operator: korf::RunningOperator,
}

impl Scene {
    async fn new(fixture: &Fixture<'_>, name: &str, daemons: impl IntoIterator<Item = Handler>) -> Self {
        let client = fixture.cluster.control_plane.client().await.unwrap();
        let diary = Diary::default();
        let sink = diary.clone();
        let operator = Operator::with_registry(name, Registry::from_iter(daemons))
            .client(client.clone())
            .namespaces([fixture.namespace.as_str()])
            .state(diary.clone())
            .observe(move |observation| sink.observe(observation))
            .spawn();
        assert!(operator.ready().await);
        Self { maps: Api::namespaced(client, &fixture.namespace), diary, operator }
    }

    async fn create(&self, name: &str) {
        let labels = Some(BTreeMap::from([("watched".to_owned(), "yes".to_owned())]));
        let metadata = ObjectMeta { name: Some(name.into()), labels, ..ObjectMeta::default() };
        let map = ConfigMap { metadata, ..ConfigMap::default() };
        self.maps.create(&PostParams::default(), &map).await.unwrap();
    }

    async fn patch(&self, name: &str, patch: Value) {
        self.maps.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn watched(&self, name: &str, watched: &str) {
        self.patch(name, json!({"metadata": {"labels": {"watched": watched}}})).await;
    }

    async fn delete(&self, name: &str) {
        self.maps.delete(name, &DeleteParams::default()).await.unwrap();
    }

    async fn until_gone(&self, name: &str) {
        let read = async || self.maps.get_opt(name).await.unwrap();
        eventually("it is gone", read, Option::is_none).await;
    }
}

fn watching(id: &str) -> HandlerBuilder<Daemon<ConfigMap>> {
    daemon::<ConfigMap>(id).label("watched", "yes")
}

async fn begin(diary: State<Diary>, stopped: Stopped, name: Name) {
    diary.note(format!("{name} begins"));
    let why = stopped.wait().await;
    diary.note(format!("{name} ends: {why:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_lives_and_dies_with_its_object_its_filter_and_its_operator() {
    let fixture = Fixture::new("daemons-life").await;
    let scene = Scene::new(&fixture, "life", [watching("watch").run(begin)]).await;
    scene.create("a").await;
    scene.create("b").await;
    scene.create("c").await;
    for name in ["a", "b", "c"] {
        scene.diary.until(&format!("{name} begins"), 1).await;
    }
    scene.watched("b", "no").await;
    scene.diary.until("b ends: Mismatched", 1).await;
    scene.watched("b", "yes").await;
    scene.diary.until("b begins", 2).await;
    scene.delete("a").await;
    scene.diary.until("a ends: Deleted", 1).await;
    scene.until_gone("a").await;
    let kept = scene.maps.get("c").await.unwrap().metadata;
    assert_eq!((kept.finalizers, kept.annotations), (None, None));
    scene.operator.stop().await.unwrap();
    assert_eq!(["b", "c"].map(|name| scene.diary.count(&format!("{name} ends: OperatorStops"))), [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_finalizer_the_object_waits_for_its_daemon_whose_last_words_are_written() {
    let fixture = Fixture::new("daemons-finalizer").await;
    let last = Arc::new(Notify::new());
    let slow = {
        let last = Arc::clone(&last);
        async move |patch: ObjectPatch, diary: State<Diary>, stopped: Stopped| {
            patch.annotation("example.com/state", Some("begun"));
            stopped.wait().await;
            patch.annotation("example.com/state", Some("stopping"));
            diary.note("told");
            last.notified().await;
        }
    };
    let patient = watching("slow").finalizer().cancellation_backoff(600 * SECOND);
    let scene = Scene::new(&fixture, "finalizer", [patient.run(slow)]).await;
    let state = async |expected: &str| {
        let read = async || scene.maps.get("a").await.unwrap().metadata.annotations;
        eventually(expected, read, |annotations| {
            annotations.iter().flatten().any(|(_, value)| value == expected)
        })
        .await;
    };
    scene.create("a").await;
    state("begun").await;
    scene.delete("a").await;
    scene.diary.until("told", 1).await;
    state("stopping").await;
    let map = scene.maps.get("a").await.unwrap().metadata;
    assert_eq!(map.finalizers.unwrap(), ["finalizer.korf.dev/finalizer"]);
    last.notify_one();
    scene.until_gone("a").await;
    scene.diary.until("slow ExitedOnRequest", 1).await;
    scene.operator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_ignores_the_flag_is_dropped_and_one_that_blocks_its_thread_is_abandoned_and_never_doubled()
{
    let fixture = Fixture::new("daemons-deaf").await;
    let deaf =
        watching("deaf").cancellation_backoff(SECOND).run(async |_stopped: Stopped| pending::<()>().await);
    let (unblock, blocked) = mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let block = move |diary: State<Diary>| {
        let blocked = Arc::clone(&blocked);
        async move {
            diary.note("blocks");
            // It blocks its thread until the sender is gone.
            let _ = blocked.lock().unwrap().recv();
            pending::<()>().await;
        }
    };
    let blocking = watching("blocking").finalizer().cancellation_timeout(SECOND).run(block);
    let scene = Scene::new(&fixture, "deaf", [deaf, blocking]).await;
    scene.create("a").await;
    scene.diary.until("blocks", 1).await;
    scene.watched("a", "no").await;
    scene.diary.until("deaf Cancelled", 1).await;
    scene.diary.until("blocking Abandoned", 1).await;
    let finalizers = async || scene.maps.get("a").await.unwrap().metadata.finalizers;
    eventually("it isn't kept for the abandoned one", finalizers, Option::is_none).await;
    scene.watched("a", "yes").await;
    eventually("it is kept for the next one", finalizers, Option::is_some).await;
    assert_eq!(scene.diary.count("blocks"), 1, "the former one has not ended");
    drop(unblock);
    scene.diary.until("blocking ExitedOnRequest", 1).await;
    scene.diary.until("blocks", 2).await;
    scene.delete("a").await;
    scene.until_gone("a").await;
    scene.operator.stop().await.unwrap();
}
