//! The name of this cluster, which is part of the line that marks a table's owner.

use crate::api::{self, ApiError};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The cluster's name: configured, or the uid of its namespace `kube-system`, read when it is first needed.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    name: Arc<OnceCell<String>>,
}

impl Cluster {
    /// A cluster with a configured name.
    pub fn named(name: String) -> Self {
        Self { name: Arc::new(OnceCell::new_with(Some(name))) }
    }

    /// The cluster's name.
    ///
    /// # Errors
    ///
    /// [`ApiError`] if the name isn't configured and the namespace can't be read.
    pub async fn name(&self, client: &Client) -> Result<&str, ApiError> {
        self.name.get_or_try_init(|| uid(client)).await.map(String::as_str)
    }
}

/// The uid of `kube-system`.
#[korf::needs(Namespace, get, name = "kube-system")]
async fn uid(client: &Client) -> Result<String, ApiError> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let found = api::send(namespaces.get_metadata("kube-system")).await?;
    found.metadata.uid.ok_or_else(|| ApiError::new("it has none"))
}
