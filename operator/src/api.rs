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

/// Sends a request for something that may not exist.
///
/// # Errors
///
/// [`ApiError`] if the request fails or isn't answered in time.
pub async fn send_or_missing<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Option<T>, ApiError> {
    let found = async {
        match request.await {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    };
    send(found).await
}

/// The objects that are in the cluster now.
///
/// The one that a handler was given may be gone: before the database answers, someone may delete it by force
/// and create another one of the same name.
pub trait Objects: Sync {
    /// Whether this very object exists, with this name and this uid.
    fn exists(&self, owner: &Owner) -> impl Future<Output = Result<bool, ApiError>> + Send;

    /// The tables that the statuses of other objects say are in the same database, as PostgreSQL prints them, as far as that is known.
    fn tables_beside(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The objects as the API server knows them: at least as new as a version that a handler was given.
///
/// It answers from its cache then, which takes a third of the processor time of a read of etcd
/// (docs/decisions/0047-asked-in-the-cache.md).
#[korf::needs(DatabaseTable, get)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use kube::client::Body;
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex, PoisonError};

    fn there(uid: &str) -> (u16, Value) {
        (
            200,
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a", "uid": uid}}),
        )
    }

    fn failure(code: u16) -> (u16, Value) {
        (
            code,
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": if code == 404 { "NotFound" } else { "No" }, "code": code}),
        )
    }

    /// Asks an API server that answers like this from its cache, and like this from etcd; returns the answer, and what was asked.
    async fn ask(cache: (u16, Value), etcd: (u16, Value)) -> (Result<bool, ApiError>, Vec<String>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let server = tower::service_fn(move |request: http::Request<Body>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let (code, body) = if query.contains("resourceVersion=7") { &cache } else { &etcd };
            let answer =
                http::Response::builder().status(*code).body(Body::from(body.to_string().into_bytes()));
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(query);
            async move { answer }
        });
        let client = Client::new(server, "default");
        let owner = Owner { cluster: "c".into(), namespace: "n".into(), name: "a".into(), uid: "1".into() };
        let answer = since(&client, "7").exists(&owner).await;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (answer, asked)
    }

    #[tokio::test]
    async fn only_a_yes_of_the_cache_is_believed() {
        let (yes, no) = (Ok(true), Ok(false));
        for (cache, etcd, answer, count) in [
            (there("1"), failure(500), &yes, 1),
            (failure(404), there("1"), &yes, 2),
            (failure(404), failure(404), &no, 2),
            (there("2"), there("1"), &yes, 2),
            (there("2"), there("2"), &no, 2),
            (failure(403), there("1"), &yes, 2),
        ] {
            let case = format!("{cache:?} {etcd:?}");
            let (found, asked) = ask(cache, etcd).await;
            assert_eq!((&found, asked.len()), (answer, count), "{case}");
            assert!(
                asked[0].contains("resourceVersion=7") && asked[1..].iter().all(|query| query.is_empty()),
                "{asked:?}"
            );
        }
        let (found, _) = ask(failure(404), failure(403)).await;
        assert!(found.is_err_and(|error| error.denied));
    }
}
