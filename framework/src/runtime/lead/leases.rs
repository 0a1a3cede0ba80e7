//! Leases on the API server: requests for them, and what their fields mean.

use super::Moment;
use crate::runtime::{
    clock,
    write::{Fault, explain},
};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use korf_core::lease::{Answer, Change, Guard, HolderChange, LeaseName, Record, Request};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Map, Value, json};
use std::{fs, time::Duration};
use tokio::time::timeout;

/// The label with the name of the operator whose Lease it is.
pub const OPERATOR_LABEL: &str = "korf.dev/operator";
/// The annotation with the number of shards that the replicas have agreed on.
pub const SHARDS_ANNOTATION: &str = "korf.dev/shards";
/// The annotation with the kinds that the operator handles.
const KINDS_ANNOTATION: &str = "korf.dev/kinds";

/// Where a pod reads in which namespace it is.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The namespace of an operator's Leases, where none is given: the pod's, or that of the kubeconfig's context.
pub fn own_namespace(client: &Client) -> String {
    let of_pod = fs::read_to_string(NAMESPACE_FILE).ok();
    let of_pod = of_pod.map(|text| text.trim().to_owned()).filter(|name| !name.is_empty());
    of_pod.unwrap_or_else(|| client.default_namespace().to_owned())
}

/// The Leases of an operator, as one of its replicas reads and writes them.
#[derive(Clone)]
pub struct Leases {
    api: Api<Lease>,
    operator: String,
    identity: String,
    duration: Duration,
}

/// What has come of a request.
pub struct Outcome<T> {
    /// The verb of a permission.
    pub verb: &'static str,
    /// What the API server has said, or why it hasn't.
    pub result: Result<T, Refusal>,
}

/// A request that wasn't carried out, as far as is known.
pub struct Refusal {
    /// For people.
    pub why: String,
    /// A permission is missing.
    pub is_denied: bool,
}

impl Refusal {
    /// That of an error.
    pub fn of(error: &kube::Error) -> Self {
        Self { why: explain(error), is_denied: Fault::of(error) == Fault::Forbidden }
    }
}

impl Leases {
    /// Those in this namespace, for leases of this duration.
    pub fn new(client: Client, namespace: &str, operator: &str, identity: &str, duration: Duration) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, operator: operator.to_owned(), identity: identity.to_owned(), duration }
    }

    /// The API of all of them.
    pub fn api(&self) -> &Api<Lease> {
        &self.api
    }

    /// The label by which they are found.
    pub fn selector(&self) -> String {
        format!("{OPERATOR_LABEL}={}", self.operator)
    }

    /// Lists them, as they are now. With the version of the list.
    pub async fn list(&self, limit: Duration) -> Outcome<(Vec<Record>, String)> {
        let params = ListParams::default().labels(&self.selector());
        let result = answer_within(limit, self.api.list(&params)).await.map(|list| {
            let version = list.metadata.resource_version.unwrap_or_default();
            (list.items.into_iter().map(record).collect(), version)
        });
        Outcome { verb: "list", result: result.map_err(|error| Refusal::of(&error)) }
    }

    /// Sends a request for one of them.
    pub async fn send(&self, name: &LeaseName, request: Request, limit: Duration) -> Outcome<Answer> {
        let text = name.text(&self.operator);
        let (verb, answer) = match request {
            Request::Create(change) => {
                let lease = self.created(text, &change);
                let params = PostParams::default();
                ("create", answer_within(limit, self.api.create(&params, &lease)).await.map(Some))
            }
            Request::Patch(guard, change) => {
                let patch = self.patch(&guard, &change);
                let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
                ("patch", answer_within(limit, self.api.patch(&text, &params, &patch)).await.map(Some))
            }
            Request::Delete(Guard { uid, version }) => {
                let guard = Preconditions { uid: Some(uid), resource_version: Some(version) };
                let params = DeleteParams { preconditions: Some(guard), ..DeleteParams::default() };
                let deleted = answer_within(limit, self.api.delete(&text, &params)).await;
                ("delete", deleted.map(|_| None))
            }
            Request::Read => ("get", answer_within(limit, self.api.get(&text)).await.map(Some)),
        };
        let result = match answer {
            Ok(Some(lease)) => Ok(Answer::Lease(record(lease))),
            Ok(None) => Ok(Answer::Gone),
            Err(error) => match Fault::of(&error) {
                // What can't be found when a Lease is created is its namespace.
                Fault::Missing if verb != "create" => Ok(Answer::Gone),
                Fault::Conflict => Ok(Answer::Conflict),
                _ => Err(Refusal::of(&error)),
            },
        };
        Outcome { verb, result }
    }

    fn created(&self, name: String, change: &Change) -> Lease {
        let (labels, annotations) = self.metadata(change);
        let holds = change.holder != HolderChange::None;
        let mut lease = Lease {
            spec: Some(LeaseSpec {
                holder_identity: holds.then(|| self.identity.clone()),
                lease_duration_seconds: Some(self.seconds()),
                acquire_time: holds.then(now),
                renew_time: holds.then(now),
                lease_transitions: epoch(change.holder),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        lease.metadata.name = Some(name);
        *lease.labels_mut() = labels;
        *lease.annotations_mut() = annotations;
        lease
    }

    fn metadata(&self, change: &Change) -> (Texts, Texts) {
        let labels = Texts::from([(OPERATOR_LABEL.to_owned(), self.operator.clone())]);
        let shards = change.shards.map(|shards| (SHARDS_ANNOTATION.to_owned(), shards.to_string()));
        let kinds = change.kinds.clone().map(|kinds| (KINDS_ANNOTATION.to_owned(), kinds));
        (labels, shards.into_iter().chain(kinds).collect())
    }

    /// A PATCH, since a PUT would create a Lease that is gone.
    fn patch(&self, Guard { uid, version }: &Guard, change: &Change) -> Value {
        let mut spec = Map::new();
        let mut set = |field: &str, value: Value| spec.insert(field.to_owned(), value);
        if let HolderChange::Take { .. } = change.holder {
            set("acquireTime", json!(now()));
            set("leaseTransitions", json!(epoch(change.holder)));
        }
        match change.holder {
            HolderChange::Take { .. } | HolderChange::Renew => {
                set("holderIdentity", json!(self.identity));
                set("leaseDurationSeconds", json!(self.seconds()));
                set("renewTime", json!(now()));
            }
            HolderChange::Release => {
                set("holderIdentity", json!(""));
            }
            HolderChange::None => {}
        }
        let (_, annotations) = self.metadata(change);
        let metadata = json!({"uid": uid, "resourceVersion": version, "annotations": annotations});
        json!({"metadata": metadata, "spec": spec})
    }

    fn seconds(&self) -> i32 {
        i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX)
    }
}

type Texts = std::collections::BTreeMap<String, String>;

/// For people: no replica reads it.
fn now() -> MicroTime {
    MicroTime(clock::now())
}

fn epoch(change: HolderChange) -> Option<i32> {
    match change {
        HolderChange::Take { epoch } => Some(i32::try_from(epoch).unwrap_or(i32::MAX)),
        HolderChange::None | HolderChange::Renew | HolderChange::Release => None,
    }
}

/// A Lease, as the election sees it.
pub fn record(lease: Lease) -> Record {
    let (name, uid, version) =
        (lease.name_any(), lease.uid().unwrap_or_default(), lease.resource_version().unwrap_or_default());
    let operator = lease.labels().get(OPERATOR_LABEL).cloned();
    let [shards, kinds] =
        [SHARDS_ANNOTATION, KINDS_ANNOTATION].map(|key| lease.annotations().get(key).cloned());
    let spec = lease.spec.unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let transitions = spec.lease_transitions.and_then(|number| u64::try_from(number).ok());
    Record {
        name,
        uid,
        version,
        operator,
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: Duration::from_secs(seconds.unwrap_or_default()),
        transitions: transitions.unwrap_or_default(),
        shards,
        kinds,
    }
}

async fn answer_within<T>(limit: Duration, answer: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    let late = |_| {
        let why = format!("the API server has not answered within {} ms", limit.as_millis());
        Err(kube::Error::Service(why.into()))
    };
    timeout(limit, answer).await.unwrap_or_else(late)
}

/// What the watch of Leases shows.
pub enum Sighting {
    /// All Leases, as the answer to a list that was begun then.
    Listed(Vec<Record>, Moment),
    /// A Lease as it is now.
    Seen(Record),
    /// A Lease that was deleted.
    Gone(Record),
    /// A list or the watch has failed, or works.
    Asked(&'static str, Result<(), Refusal>),
}
