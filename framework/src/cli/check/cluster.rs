//! Cluster: the API server, the namespaces that are served, and the operator's kinds.

use super::{Finding, Site};
use crate::{
    cli::crd,
    families::Handler,
    operator::{Inspection, Unanswered},
};
use futures::{StreamExt, stream};
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::APIResourceList,
};
use kube::{Api, core::ApiResource};
use serde_json::{Value, json};

/// The requests that are under way at the same time.
pub(super) const AT_ONCE: usize = 8;

/// Where an operator would run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub inspection: &'a Inspection,
    pub site: &'a Site,
}

impl Place<'_> {
    /// The API server's version, and whether it answers.
    pub async fn version(&self) -> (Finding, bool) {
        let address = &self.inspection.address;
        match self.inspection.answered(self.inspection.client.apiserver_version()).await {
            Ok(version) => {
                (Finding::fine("cluster", format!("{address} runs Kubernetes {}", version.git_version)), true)
            }
            Err(Unanswered { code: Some(_), why }) => {
                let text = format!("{address} answers, and does not tell its version: {why}");
                (Finding::warning("cluster", text), true)
            }
            Err(Unanswered { why, .. }) => (
                Finding::failed("cluster", format!("{address}: {why}. Check the kubeconfig and the network")),
                false,
            ),
        }
    }

    /// Whether the named namespaces exist.
    pub async fn namespaces(&self) -> Vec<Finding> {
        let Some(served) = &self.site.served else {
            return vec![Finding::fine("namespaces", "all are served")];
        };
        if served.has_globs() {
            return vec![Finding::fine("namespaces", format!("those that fit {served} are served"))];
        }
        let api = Api::<Namespace>::all(self.inspection.client.clone());
        let names = served.names();
        let look = async |name: &String| match self.inspection.answered(api.get_metadata(name)).await {
            Ok(_) => Finding::fine("namespaces", format!("{name:?} exists")),
            Err(Unanswered { code: Some(404), .. }) => Finding::failed(
                "namespaces",
                format!("there is no namespace {name:?}: create it, or correct --namespace"),
            ),
            Err(Unanswered { why, .. }) => Finding::warning(
                "namespaces",
                format!("whether there is a namespace {name:?} is unknown: {why}"),
            ),
        };
        stream::iter(&names).map(look).buffered(AT_ONCE).collect().await
    }

    /// Whether the operator's kinds are served, and defined as here.
    pub async fn kinds(&self) -> Vec<Finding> {
        let kinds: Vec<_> = crd::kinds(&self.inspection.registry).collect();
        stream::iter(&kinds).map(|handler| self.kind(handler)).buffered(AT_ONCE).collect().await
    }

    async fn kind(&self, handler: &Handler) -> Finding {
        let resource = &handler.kind.resource;
        let name = title(resource);
        let program = &self.inspection.name;
        match self.is_served(resource).await {
            Ok(true) => {}
            Ok(false) if handler.kind.definition.is_some() => {
                let text = format!("{name} isn't served: run `{program} crd | kubectl apply -f -`");
                return Finding::failed("kind", text);
            }
            Ok(false) => {
                return Finding::failed("kind", format!("{name} isn't served: install what defines it"));
            }
            Err(why) => {
                return Finding::failed("kind", format!("whether {name} is served is unknown: {why}"));
            }
        }
        let Some(definition) = handler.kind.definition else {
            return Finding::fine("kind", format!("{name} is served"));
        };
        let definitions = Api::<CustomResourceDefinition>::all(self.inspection.client.clone());
        let crd = format!("{}.{}", resource.plural, resource.group);
        match self.inspection.answered(definitions.get(&crd)).await {
            Ok(found) if is_same(&json!(found), &json!(definition()), &resource.version) => {
                Finding::fine("kind", format!("{name} is served, as this program defines it"))
            }
            Ok(_) => Finding::warning(
                "kind",
                format!(
                    "{name} is served, and defined in another way than by this program: `{program} crd | kubectl diff -f -` \
                     shows how, and `kubectl apply` makes it the same"
                ),
            ),
            // Few may read definitions.
            Err(_) => Finding::fine("kind", format!("{name} is served")),
        }
    }

    async fn is_served(&self, resource: &ApiResource) -> Result<bool, String> {
        let client = &self.inspection.client;
        let list = async {
            if resource.group.is_empty() {
                client.list_core_api_resources(&resource.version).await
            } else {
                client.list_api_group_resources(&resource.api_version).await
            }
        };
        let has = |list: APIResourceList| list.resources.iter().any(|found| found.name == resource.plural);
        match self.inspection.answered(list).await {
            Ok(list) => Ok(has(list)),
            Err(Unanswered { code: Some(404), .. }) => Ok(false),
            Err(Unanswered { why, .. }) => Err(why),
        }
    }
}

fn title(resource: &ApiResource) -> String {
    match resource.group.as_str() {
        "" => format!("{}.{}", resource.plural, resource.version),
        group => format!("{}.{}.{group}", resource.plural, resource.version),
    }
}

/// Whether a version of a kind is defined in the same way, as far as objects are concerned.
fn is_same(found: &Value, own: &Value, version: &str) -> bool {
    let of = |definition: &Value| {
        let versions = definition["spec"]["versions"].as_array().cloned().unwrap_or_default();
        let found = versions.into_iter().find(|found| found["name"] == version).unwrap_or_default();
        ["schema", "subresources"].map(|part| without_nulls(found[part].clone()))
    };
    of(found) == of(own)
}

/// The API server leaves out what is null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
