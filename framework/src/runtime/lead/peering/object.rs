//! Peering objects: the kinds that the API server has, and requests for one object.

use http::StatusCode;
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use serde_json::Value;
use std::fmt;

/// The groups in which Kopf looks for its kinds: today's, and that of its earlier versions. Where both are served, both count.
pub const GROUPS: [&str; 2] = ["kopf.dev", "zalando.org"];

/// The kinds of a group that are served. Each says whether it has a status subresource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    cluster: Option<bool>,
    namespaced: Option<bool>,
}

/// Where a peering object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The group of its kind.
    pub group: &'static str,
    /// Its namespace; none for that of the whole cluster.
    pub namespace: Option<String>,
}

/// One peering object.
#[derive(Clone)]
pub struct PeeringObject {
    api: Api<DynamicObject>,
    name: String,
    has_status: bool,
    /// For people.
    pub title: String,
}

impl fmt::Debug for PeeringObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeeringObject").field(&self.title).finish()
    }
}

/// Asks for the kinds of a group.
///
/// # Errors
/// The API server can't tell.
pub async fn served(client: &Client, group: &str) -> kube::Result<Served> {
    let list = match client.list_api_group_resources(&format!("{group}/v1")).await {
        Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => {
            return Ok(Served::default());
        }
        list => list?,
    };
    let has = |name: &str| list.resources.iter().any(|resource| resource.name == name);
    let kind = |is_namespaced| {
        let plural = plural(is_namespaced);
        has(plural).then(|| has(&format!("{plural}/status")))
    };
    Ok(Served { cluster: kind(false), namespaced: kind(true) })
}

/// The kind's name in paths.
pub fn plural(is_namespaced: bool) -> &'static str {
    if is_namespaced { "kopfpeerings" } else { "clusterkopfpeerings" }
}

/// The kind's name.
pub fn kind(is_namespaced: bool) -> &'static str {
    if is_namespaced { "KopfPeering" } else { "ClusterKopfPeering" }
}

impl Served {
    /// Both kinds are served.
    pub fn is_complete(self) -> bool {
        self.cluster.is_some() && self.namespaced.is_some()
    }

    /// The object of this name; none if its kind isn't served.
    pub fn object(self, client: &Client, site: &Site, name: &str) -> Option<PeeringObject> {
        let is_namespaced = site.namespace.is_some();
        let has_status = if is_namespaced { self.namespaced } else { self.cluster }?;
        let resource = ApiResource {
            group: site.group.to_owned(),
            version: "v1".to_owned(),
            api_version: format!("{}/v1", site.group),
            kind: kind(is_namespaced).to_owned(),
            plural: plural(is_namespaced).to_owned(),
        };
        let (api, place) = match &site.namespace {
            Some(namespace) => (
                Api::namespaced_with(client.clone(), namespace, &resource),
                format!(" in namespace {namespace:?}"),
            ),
            None => (Api::all_with(client.clone(), &resource), String::new()),
        };
        let title = format!("{}.{} {name:?}{place}", resource.kind, site.group);
        Some(PeeringObject { api, name: name.to_owned(), has_status, title })
    }
}

/// An object's status, in one version.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The status; null if there is none.
    pub status: Value,
    /// The resource version.
    pub version: Option<String>,
}

impl From<DynamicObject> for State {
    fn from(mut object: DynamicObject) -> Self {
        let status = object.data.get_mut("status").map(Value::take).unwrap_or_default();
        Self { status, version: object.metadata.resource_version }
    }
}

impl PeeringObject {
    /// Reads it.
    ///
    /// # Errors
    /// The API server can't, or there is none.
    pub async fn read(&self) -> kube::Result<State> {
        self.api.get(&self.name).await.map(State::from)
    }

    /// Changes it by a merge patch, and reads it.
    ///
    /// # Errors
    /// The API server can't, or there is none.
    pub async fn write(&self, patch: &Value) -> kube::Result<State> {
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        let written = match self.has_status {
            true => self.api.patch_status(&self.name, &parameters, &patch).await,
            false => self.api.patch(&self.name, &parameters, &patch).await,
        };
        written.map(State::from)
    }

    /// For its watch.
    pub fn api(&self) -> Api<DynamicObject> {
        self.api.clone()
    }

    /// The field selector of the object alone.
    pub fn selector(&self) -> String {
        format!("metadata.name={}", self.name)
    }
}
