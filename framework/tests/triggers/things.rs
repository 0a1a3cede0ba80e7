//! The handled kind, and a record of handler calls.

use korf::{
    Operator,
    handler::{Handler, Registry},
};
use korf_testing::Cluster;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Thing", namespaced, status = "ThingStatus")]
pub struct ThingSpec {
    pub size: Option<u32>,
    #[serde(default)]
    pub parts: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThingStatus {
    /// The results of handlers, by their ids.
    #[serde(flatten)]
    pub results: Map<String, Value>,
}

pub fn thing(name: &str, size: u32) -> Thing {
    Thing::new(name, ThingSpec { size: Some(size), parts: Vec::new() })
}

/// The notes of handlers, in their order.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub fn note(&self, what: impl Into<String>) {
        self.list().push(what.into());
    }

    fn list(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.list())
    }
}

/// A cluster with an operator of these handlers; they take `State<Seen>`.
pub fn cluster(handlers: impl IntoIterator<Item = Handler>) -> (Cluster, Seen) {
    cluster_of(handlers, |operator| operator)
}

/// The same, with further options of the operator.
pub fn cluster_of(
    handlers: impl IntoIterator<Item = Handler>,
    configure: impl Fn(Operator) -> Operator + Send + Sync + 'static,
) -> (Cluster, Seen) {
    let (registry, seen) = (Registry::from_iter(handlers), Seen::default());
    let state = seen.clone();
    let operator =
        move || configure(Operator::with_registry("things", registry.clone()).state(state.clone()));
    (Cluster::of(operator).expect("the handlers fit together"), seen)
}
