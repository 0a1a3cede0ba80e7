//! Which cluster this is: part of the marker by which a table knows its owner.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use std::{sync::Arc, time::Duration};
use tokio::{sync::OnceCell, time::timeout};

const LIMIT: Duration = Duration::from_secs(30);

/// The name of the cluster: given, or the uid of its namespace `kube-system`, read when it is first needed.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    name: Arc<OnceCell<String>>,
}

/// The cluster's name can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the uid of namespace kube-system, which names this cluster in the comments of its tables, can't be read ({0}): \
     grant the operator `get` on it, as manifests/rbac.yaml does, or give a name with --cluster-id"
)]
pub struct NoName(String);

impl Cluster {
    /// A cluster of this name.
    #[must_use]
    pub fn named(name: String) -> Self {
        Self { name: Arc::new(OnceCell::new_with(Some(name))) }
    }

    /// The cluster's name.
    ///
    /// # Errors
    /// [`NoName`], where it isn't given and the API server doesn't tell.
    pub async fn name(&self, client: &Client) -> Result<&str, NoName> {
        let read = async {
            let namespaces = Api::<Namespace>::all(client.clone());
            let found = timeout(LIMIT, namespaces.get_metadata("kube-system")).await;
            let found = found.map_err(|_| NoName("no answer within 30 seconds".into()))?;
            let found = found.map_err(|error| NoName(reason(&error)))?;
            found.metadata.uid.ok_or_else(|| NoName("it has none".into()))
        };
        self.name.get_or_try_init(|| read).await.map(String::as_str)
    }
}

fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
