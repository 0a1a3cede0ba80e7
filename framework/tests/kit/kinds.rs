//! Kinds that nobody serves by hand: built-in ones are there, and custom ones are explained.

use crate::lights::{House, Light, cluster, light};
use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v1::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, Namespace, Secret},
};
use korf::{Name, Operator, Result, handler::Registry};
use korf_testing::{Cluster, Error, api::Request};
use kube::{
    Api, Client, CustomResource, Resource,
    api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, from_value, json};

/// A kind that no handler has.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "lights.test", version = "v1", kind = "Lamp", namespaced)]
struct LampSpec {}

fn named<K: DeserializeOwned>(kind: &str, version: &str) -> K {
    from_value(json!({"apiVersion": version, "kind": kind, "metadata": {"name": "b"}})).unwrap()
}

fn created<K>(cluster: &mut Cluster, object: &K) -> bool
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    cluster.create(object).unwrap();
    cluster.exists::<K>("b")
}

#[test]
fn built_in_kinds_are_served_without_being_asked_for() {
    let mut cluster = cluster(&House::default());
    assert!(created(&mut cluster, &named::<Secret>("Secret", "v1")));
    assert!(created(&mut cluster, &named::<Namespace>("Namespace", "v1")));
    assert!(created(&mut cluster, &from_value::<Deployment>(json!({"metadata": {"name": "b"}})).unwrap()));
    assert_eq!(cluster.get::<Namespace>("b").unwrap().metadata.namespace, None);
}

#[test]
fn a_kind_that_is_not_served_is_answered_with_what_to_write() {
    let mut cluster = cluster(&House::default());
    let Err(Error::Rejected { code, message }) = cluster.create(&Lamp::new("b", LampSpec {})) else {
        panic!("it is created")
    };
    assert_eq!(
        (code, message.as_str()),
        (
            404,
            "404 page not found (korf_testing: `lamps.v1.lights.test` isn't served here; \
             `cluster.serve(ServedKind::of::<K>())` serves it, where `K` is its type)"
        )
    );
    let other = cluster.get::<HorizontalPodAutoscaler>("b").unwrap_err().to_string();
    assert!(other.contains("`horizontalpodautoscalers` are served as autoscaling/v2 alone"), "{other}");
}

async fn make_lamp(name: Name, client: Client) -> Result {
    let lamps = Api::<Lamp>::namespaced(client, "default");
    lamps.create(&PostParams::default(), &Lamp::new(&name.to_string(), LampSpec {})).await?;
    Ok(())
}

#[test]
fn a_handler_that_makes_an_unserved_kind_logs_once_and_in_one_line_what_to_write() {
    let registry = || Registry::from_iter([korf::on_create::<Light>("make").run(make_lamp)]);
    let mut cluster = Cluster::of(move || Operator::with_registry("house", registry())).unwrap();
    cluster.create(&light("a", "red")).unwrap();
    cluster.assert_logged("a", "`lamps.v1.lights.test` isn't served here");
    let lines = cluster.lines_about("a");
    let told = lines.iter().find(|line| line.contains("isn't served here")).unwrap();
    assert_eq!(told.matches("isn't served here").count(), 1, "{told}");
    assert!(!told.contains("Status {"), "{told}");
}

/// The status of a rejected request, with its message.
fn rejection<T>(result: kube::Result<T>) -> (u16, String) {
    match result {
        Err(kube::Error::Api(status)) => (status.code, status.message.clone()),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it is accepted"),
    }
}

#[test]
fn what_the_server_in_memory_does_not_do_is_answered_with_that() {
    let mut cluster = cluster(&House::default());
    cluster.create(&named::<ConfigMap>("ConfigMap", "v1")).unwrap();
    let client = cluster.client();
    let (maps, pods) = (
        Api::<ConfigMap>::default_namespaced(client.clone()),
        Api::<k8s_openapi::api::core::v1::Pod>::default_namespaced(client),
    );
    let answers = cluster.run(async move {
        let (parameters, patch) = (PatchParams::default(), Patch::Strategic(json!({"data": {}})));
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        [
            rejection(maps.patch("b", &parameters, &patch).await),
            rejection(maps.create(&dry, &from_value(json!({"metadata": {"name": "c"}})).unwrap()).await),
            rejection(pods.list(&ListParams::default().fields("spec.nodeName=x")).await),
            rejection(maps.delete_collection(&DeleteParams::default(), &ListParams::default()).await),
            rejection(pods.logs("b", &LogParams::default()).await.map(|_| ())),
        ]
    });
    let what = [
        "strategic merge patches",
        "dry runs",
        "field selectors for `spec.nodeName`",
        "deletions of whole collections",
        "the subresource `log`",
    ];
    for ((code, message), what) in answers.iter().zip(what) {
        let begin = format!("korf_testing's API server doesn't do {what}");
        assert!(*code == 501 && message.starts_with(&begin), "{code} {message}");
    }
}

#[test]
fn a_kind_that_was_removed_is_not_served_again() {
    let cluster = cluster(&House::default());
    cluster.server().remove_kind(&kube::core::ApiResource::erase::<ConfigMap>(&()));
    let request = Request::new("user", http::Method::GET, "/api/v1/configmaps", Value::Null);
    let status = cluster.run(async { cluster.server().ask(request) }).unwrap_err();
    assert_eq!(status["code"], 404);
}
