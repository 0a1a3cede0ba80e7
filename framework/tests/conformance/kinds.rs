//! Kinds in the request sequences.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, CustomResource, CustomResourceExt,
    api::PostParams,
    runtime::{conditions::is_crd_established, wait::await_condition},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{sleep, timeout};

/// A kind with a status subresource.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "c.korf.dev", version = "v1", kind = "Thing", namespaced, status = "State")]
pub struct ThingSpec {
    pub a: Option<i64>,
    #[serde(default = "text")]
    pub text: String,
    pub table: Option<BTreeMap<String, String>>,
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub parts: Option<Vec<Part>>,
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub tags: Option<Vec<String>>,
    pub words: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Part {
    pub name: String,
    pub size: Option<i64>,
    pub word: Option<String>,
}

/// A kind without one.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "c.korf.dev", version = "v1", kind = "Plain", namespaced)]
pub struct PlainSpec {
    pub a: Option<i64>,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct State {
    pub ready: Option<bool>,
}

fn text() -> String {
    "a default".into()
}

/// A status without a subresource is a field like any other.
pub fn plain() -> CustomResourceDefinition {
    let mut definition = Plain::crd();
    let schema = &mut definition.spec.versions[0].schema.as_mut().unwrap().open_api_v3_schema;
    schema.as_mut().unwrap().x_kubernetes_preserve_unknown_fields = Some(true);
    definition
}

pub async fn install(client: &Client) {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in [Thing::crd(), plain()] {
        definitions.create(&PostParams::default(), &definition).await.unwrap();
        let name = definition.metadata.name.unwrap();
        await_condition(definitions.clone(), &name, is_crd_established()).await.unwrap();
    }
    // An established CRD isn't served everywhere at once, and discovery is another controller's.
    for path in ["", "/things", "/plains"] {
        let request = http::Request::get(format!("/apis/c.korf.dev/v1{path}")).body(Vec::new()).unwrap();
        let is_served = |answer: kube::Result<String>| {
            answer.is_ok_and(|text| {
                !path.is_empty() || ["things", "plains"].iter().all(|kind| text.contains(kind))
            })
        };
        let served = async {
            while !is_served(client.request_text(request.clone()).await) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(30), served).await.unwrap_or_else(|_| panic!("{path:?} is served"));
    }
}
