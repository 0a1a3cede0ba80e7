//! Secrets by which databases are reached: read from the API server, or why they can't be used.

use crate::{
    api::{self, ApiError},
    connection::{SecretData, SecretFault},
    spec::SecretRef,
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Client, Resource, api::GetParams, core::Request};
use std::{fmt, sync::Arc};

/// Which Secret, and which of its keys has the URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretId {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key with the URL, if the object says so.
    pub key: Option<String>,
    /// Whether the object is in another namespace.
    pub is_foreign: bool,
}

impl SecretId {
    /// The Secret that an object of this namespace refers to.
    pub fn new(reference: &SecretRef, namespace: &str) -> Self {
        let own = reference.namespace.as_ref().unwrap_or(&namespace.to_owned()).clone();
        Self {
            is_foreign: own != namespace,
            namespace: own,
            name: reference.name.clone(),
            key: reference.key.clone(),
        }
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret {}/{}", self.namespace, self.name)
    }
}

/// Why a database can't be reached by a Secret. No message quotes a value of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Objects of other namespaces may not use it.
    #[error(
        "{0} is in another namespace than the object: use one of the object's own namespace, or run the operator with \
         --allow-secrets-of={namespace}",
        namespace = .0.namespace
    )]
    NotAllowed(SecretId),
    /// It doesn't exist.
    #[error("{0} doesn't exist: create it, or correct spec.connectionSecretRef")]
    Missing(SecretId),
    /// What it says leads to no database.
    #[error("{secret} {fault}")]
    Unusable {
        /// The Secret.
        secret: SecretId,
        /// What is wrong with it.
        fault: SecretFault,
    },
    /// The API server doesn't show it.
    #[error(
        "can't read {secret} ({error}){hint}",
        hint = if .error.denied { ": grant the operator `get` on it, by a Role in its namespace" } else { "" }
    )]
    Unreadable {
        /// The Secret.
        secret: SecretId,
        /// The reason.
        error: ApiError,
    },
}

impl SecretError {
    /// Whether the API server has failed, and not the Secret.
    pub fn is_of_api_server(&self) -> bool {
        matches!(self, Self::Unreadable { error, .. } if !error.denied)
    }
}

/// The Secrets of a cluster.
pub trait Secrets: Sync {
    /// What a Secret has now; `None` if there is none.
    fn read(&self, secret: &SecretId) -> impl Future<Output = Result<Option<SecretData>, ApiError>> + Send;
}

/// The Secrets as the API server knows them.
///
/// The permission isn't among those that `manifests` grants: who may let the operator read which Secrets is for their owners
/// to say (docs/decisions/0091-secrets-are-granted-one-by-one.md).
pub fn in_cluster(client: &Client) -> impl Secrets + Send + use<> {
    InCluster(client.clone())
}

struct InCluster(Client);

impl Secrets for InCluster {
    async fn read(&self, secret: &SecretId) -> Result<Option<SecretData>, ApiError> {
        let path = Secret::url_path(&(), Some(&secret.namespace));
        let request = Request::new(path).get(&secret.name, &GetParams::default());
        let request = request.map_err(|error| ApiError::new(error.to_string()))?;
        // As text: what isn't as expected, kube puts into the log.
        match api::send_or_missing(self.0.request_text(request)).await? {
            Some(text) => {
                let found: Secret = serde_json::from_str(&text)
                    .map_err(|_| ApiError::new("the answer of the API server isn't a Secret"))?;
                let values = found.data.into_iter().flatten().map(|(key, ByteString(value))| (key, value));
                Ok(Some(SecretData::new(values, secret.key.as_deref())))
            }
            None => Ok(None),
        }
    }
}

/// The words for a database that is reached by a Secret: nothing of the Secret but its name.
pub fn place(secret: &SecretId) -> Arc<str> {
    format!("the database of {secret}").into()
}
