//! Requests to the API server, with a time limit: others may be waiting for the database lock that is held
//! meanwhile.

use crate::{
    crd::DatabaseTable,
    marker::Owner,
    message::{one_line, with_causes},
};
use kube::{Api, Client, api::GetParams};
use std::time::Duration;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(10);

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Whether the operator lacks the permission.
    pub denied: bool,
    message: String,
}

impl ApiError {
    /// A failure for another reason than a missing permission.
    pub fn new(message: impl Into<String>) -> Self {
        Self { denied: false, message: message.into() }
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            // kube wraps the server's message in more than people need.
            kube::Error::Api(status) => {
                Self { denied: [401, 403].contains(&status.code), message: one_line(&status.message) }
            }
            other => Self::new(with_causes(other)),
        }
    }
}

/// Sends a request.
///
/// # Errors
///
/// [`ApiError`] if the request fails or isn't answered in time.
pub async fn send<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ApiError> {
    match timeout(LIMIT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ApiError::new(format!("no answer within {} seconds", LIMIT.as_secs()))),
    }
}

/// The objects that are in the cluster now.
///
/// The one that a handler was given may be gone: before the database answers, someone may delete it by force
/// and create another one of the same name.
pub trait Objects: Sync {
    /// Whether this very object exists, with this name and this uid.
    fn exists(&self, owner: &Owner) -> impl Future<Output = Result<bool, ApiError>> + Send;
}

/// The objects as the API server knows them: at least as new as a version that a handler was given.
///
/// It answers from its cache then, which takes a third of the processor time of a read of etcd
/// (docs/decisions/0047-asked-in-the-cache.md).
pub fn since<'a>(client: &'a Client, version: &'a str) -> impl Objects + 'a {
    Since { client, version }
}

struct Since<'a> {
    client: &'a Client,
    version: &'a str,
}

impl Objects for Since<'_> {
    async fn exists(&self, owner: &Owner) -> Result<bool, ApiError> {
        let objects = Api::<DatabaseTable>::namespaced(self.client.clone(), &owner.namespace);
        let is_there = async |params: GetParams| {
            let found = objects.get_metadata_opt_with(&owner.name, &params).await?;
            Ok(found.is_some_and(|object| object.metadata.uid.as_deref() == Some(owner.uid.as_str())))
        };
        // Its cache may be behind, and may be too far behind to answer; etcd knows.
        let answer = async {
            match is_there(GetParams::at(self.version)).await {
                Ok(true) => Ok(true),
                Ok(false) | Err(kube::Error::Api(_)) => is_there(GetParams::default()).await,
                Err(error) => Err(error),
            }
        };
        send(answer).await
    }
}
