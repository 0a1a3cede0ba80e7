//! Operators in a program of one's own: several of them, and what they prepare before they begin.

use crate::fixture::{Cluster, Fixture, eventually, until};
use k8s_openapi::{
    api::core::v1::ConfigMap, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use korf::{
    Name, Operator, Result, State,
    extract::{OperatorSetup, Param},
    handler::Registry,
    on_cleanup, on_create, on_startup,
};
use kube::{
    Api, Client, CustomResource, CustomResourceExt,
    api::{Patch, PatchParams},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// What handlers have done, in their order.
#[derive(Clone, Default)]
struct Done(Arc<Mutex<Vec<String>>>);

impl Done {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    async fn until(&self, what: &str) {
        eventually(what, async || self.all(), |all| all.iter().any(|done| done == what)).await;
    }
}

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "hooks.korf.dev", version = "v1", kind = "Lamp", plural = "lamps", namespaced)]
struct LampSpec {
    color: String,
}

/// What a start-up handler knows, and other handlers need.
#[derive(Clone)]
struct Prefix(&'static str);

async fn prepare(client: Client, setup: OperatorSetup) -> Result {
    let definitions = Api::<CustomResourceDefinition>::all(client);
    let apply = PatchParams::apply("hooks");
    definitions.patch(Lamp::crd_name(), &apply, &Patch::Apply(Lamp::crd())).await?;
    setup.state(Prefix("lamp "));
    Ok(())
}

#[tokio::test]
async fn a_start_up_handler_creates_the_crd_and_a_state_and_clean_up_comes_after_the_last_handler() {
    let cluster = Cluster::without_crd().await;
    let fixture = Fixture::on(&cluster, "hooks").await;
    let done = Done::default();
    let operator = Operator::with_registry("hooks", Registry::default())
        .client(cluster.control_plane.client().await.unwrap())
        .namespaces([&fixture.namespace])
        .state(done.clone())
        .activity(on_startup("prepare").run(prepare))
        .activity(on_cleanup("end").run(async |prefix: State<Prefix>, done: State<Done>| {
            done.add(format!("{}end", prefix.0.0));
        }))
        .handler(on_create::<Lamp>("create").run(
            async |name: Name, prefix: State<Prefix>, done: State<Done>| {
                done.add(format!("{}{name}", prefix.0.0));
                tokio::time::sleep(Duration::from_millis(300)).await;
                done.add("handled");
            },
        ))
        .spawn();
    assert!(operator.ready().await, "it can't start");
    fixture.apply("apiVersion: hooks.korf.dev/v1\nkind: Lamp\nmetadata: {name: a}\nspec: {color: red}");
    done.until("lamp a").await;
    operator.stop().await.unwrap();
    assert_eq!(done.all(), ["lamp a", "handled", "lamp end"]);
}

#[tokio::test]
async fn two_operators_in_a_program_have_their_own_handlers_and_one_goes_on_when_the_other_ends() {
    let fixture = Fixture::new("embedding").await;
    let client = fixture.cluster.control_plane.client().await.unwrap();
    let operator = |name: &'static str, done: &Done| {
        Operator::with_registry(name, Registry::default())
            .client(client.clone())
            .namespaces([&fixture.namespace])
            .state(done.clone())
            .handler(on_create::<ConfigMap>(name).param(name).run(
                async |name: Name, done: State<Done>, of: Param<&'static str>| {
                    assert!(*name != *"bad" || *of != "one", "the other can stand this");
                    done.add(name.to_string());
                },
            ))
    };
    let (one, other) = (Done::default(), Done::default());
    let first = operator("one", &one).spawn();
    let second = operator("other", &other).spawn();
    assert!(first.ready().await && second.ready().await);
    let map =
        |name: &str| fixture.apply(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}"));
    map("both");
    one.until("both").await;
    other.until("both").await;
    map("bad");
    other.until("bad").await;
    first.stop().await.unwrap();
    map("second");
    other.until("second").await;
    assert!(!one.all().contains(&"second".to_owned()));
    let maps = fixture.api("v1", "ConfigMap", "configmaps");
    until(&maps, "both", "each operator has stored what it has handled under its own name", |map| {
        let key = |name: &str| format!("{name}.korf.dev/last-handled-configuration");
        map.is_some_and(|map| {
            ["one", "other"].iter().all(|name| map["metadata"]["annotations"][key(name)].is_string())
        })
    })
    .await;
    second.stop().await.unwrap();
}
