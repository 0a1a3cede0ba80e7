//! Triggers, related objects and resyncs, on a real API server.

use crate::fixture::{Fixture, eventually};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use korf::{
    Labels, Name, ObjectNamespace, ObjectRef, Operator, Reason, State, Trigger,
    handler::{Handler, Registry},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{from_value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// The calls of resume handlers.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn count(&self, entry: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|known| *known == entry).count()
    }

    async fn until(&self, entry: &str, times: usize) {
        let what = format!("{entry:?} is noted {times} times");
        eventually(&what, async || self.0.lock().unwrap().clone(), |_| self.count(entry) >= times).await;
    }
}

async fn note(name: Name, reason: Reason, diary: State<Diary>) {
    diary.0.0.lock().unwrap().push(format!("{name} {reason}"));
}

/// The ConfigMap that a Secret's label names.
fn user(namespace: ObjectNamespace, labels: Labels) -> Option<ObjectRef<ConfigMap>> {
    Some((&*namespace, &**labels.get("used-by")?).into())
}

/// Handlers of ConfigMaps with the label `ours`, and of those who trigger them.
fn handlers(resync: Duration) -> Vec<Handler> {
    let trigger =
        async |namespace: ObjectNamespace, maps: Trigger<ConfigMap>| maps.trigger((&*namespace, "a"));
    vec![
        korf::on_create::<ConfigMap>("create").label("ours", "yes").run(note),
        korf::on_resume::<ConfigMap>("resume").label("ours", "yes").resync(resync).run(note),
        korf::watches::<Secret, ConfigMap>("user").run(user),
        korf::on_create::<Service>("service").run(trigger),
    ]
}

struct Scene {
    client: Client,
    namespace: String,
    maps: Api<ConfigMap>,
    secrets: Api<Secret>,
    diary: Diary,
    operator: korf::RunningOperator,
}

impl Scene {
    async fn new(fixture: &Fixture<'_>, name: &str, resync: Duration) -> Self {
        let client = fixture.cluster.control_plane.client().await.unwrap();
        let (diary, namespace) = (Diary::default(), fixture.namespace.clone());
        let operator = Operator::with_registry(name, Registry::from_iter(handlers(resync)))
            .client(client.clone())
            .namespaces([namespace.as_str()])
            .state(diary.clone())
            .spawn();
        assert!(operator.ready().await);
        let maps = Api::namespaced(client.clone(), &namespace);
        let scene = Self {
            secrets: Api::namespaced(client.clone(), &namespace),
            client,
            namespace,
            maps,
            diary,
            operator,
        };
        let map = from_value(json!({"metadata": {"name": "a", "labels": {"ours": "yes"}}})).unwrap();
        scene.maps.create(&PostParams::default(), &map).await.unwrap();
        scene.diary.until("a create", 1).await;
        scene
    }

    /// The version of our object, once the operator has written that it is handled.
    async fn handled(&self) -> Option<String> {
        let read = async || self.maps.get("a").await.unwrap().metadata;
        let is_handled = |metadata: &kube::core::ObjectMeta| metadata.annotations.is_some();
        eventually("it is handled", read, is_handled).await.resource_version
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_other_objects_give_ours_turns_that_write_nothing() {
    let fixture = Fixture::new("triggers-related").await;
    let scene = Scene::new(&fixture, "related", Duration::from_secs(3600)).await;
    let before = scene.handled().await;
    let secret = json!({"metadata": {"name": "s", "labels": {"used-by": "a"}}});
    scene.secrets.create(&PostParams::default(), &from_value(secret).unwrap()).await.unwrap();
    scene.diary.until("a triggered", 1).await;
    let data = Patch::Merge(json!({"stringData": {"password": "new"}}));
    scene.secrets.patch("s", &PatchParams::default(), &data).await.unwrap();
    scene.diary.until("a triggered", 2).await;
    scene.secrets.delete("s", &DeleteParams::default()).await.unwrap();
    scene.diary.until("a triggered", 3).await;

    let services = Api::<Service>::namespaced(scene.client.clone(), &scene.namespace);
    let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
    services.create(&PostParams::default(), &from_value(service).unwrap()).await.unwrap();
    scene.diary.until("a triggered", 4).await;
    assert_eq!(scene.handled().await, before, "nothing is written");
    scene.operator.stop().await.unwrap();
    assert_eq!(scene.diary.count("a triggered"), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resync_comes_again_and_again_and_writes_nothing() {
    let fixture = Fixture::new("triggers-resync").await;
    let scene = Scene::new(&fixture, "resync", Duration::from_secs(1)).await;
    let before = scene.handled().await;
    scene.diary.until("a resync", 3).await;
    assert_eq!(scene.handled().await, before, "nothing is written");
    scene.operator.stop().await.unwrap();
}
