//! Requests to the API server, which must answer soon: others may wait for a database lock meanwhile.

use crate::{
    crd::DatabaseTable,
    marker::Owner,
    message::{one_line, with_causes},
};
use kube::{Api, Client};
use std::time::Duration;
use tokio::time::timeout;

/// The time limit of a request.
const LIMIT: Duration = Duration::from_secs(10);

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Whether the operator lacks the permission.
    pub denied: bool,
    message: String,
}

impl ApiError {
    /// An error other than a missing permission.
    pub fn new(message: impl Into<String>) -> Self {
        Self { denied: false, message: message.into() }
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            // kube puts more around the server's message than people need.
            kube::Error::Api(status) => {
                Self { denied: [401, 403].contains(&status.code), message: one_line(&status.message) }
            }
            other => Self::new(with_causes(other)),
        }
    }
}

/// Sends a request and waits for the answer, but not for long.
///
/// # Errors
///
/// Those of the request, or that it took too long.
pub async fn send<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ApiError> {
    match timeout(LIMIT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ApiError::new(format!("no answer within {} seconds", LIMIT.as_secs()))),
    }
}

/// The objects in the cluster, as they are now.
///
/// What a handler was given may be old: by the time the database can be reached, the object may have been removed by
/// force and another one created under its name.
pub trait Objects: Sync {
    /// Whether the cluster has this very object, with this name and this uid.
    fn exists(&self, owner: &Owner) -> impl Future<Output = Result<bool, ApiError>> + Send;
}

impl Objects for Client {
    async fn exists(&self, owner: &Owner) -> Result<bool, ApiError> {
        let objects = Api::<DatabaseTable>::namespaced(self.clone(), &owner.namespace);
        let found = send(objects.get_metadata_opt(&owner.name)).await?;
        Ok(found.is_some_and(|object| object.metadata.uid.as_deref() == Some(owner.uid.as_str())))
    }
}
