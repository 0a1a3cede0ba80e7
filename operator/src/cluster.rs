//! What the API server is asked for. First of all, which cluster this is: part of the marker by which a table
//! knows its owner.

use crate::error::chain;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use std::{sync::Arc, time::Duration};
use tokio::{sync::OnceCell, time::timeout};

/// How long an answer may take: others may wait for a lock meanwhile.
const LIMIT: Duration = Duration::from_secs(10);

/// The name of the cluster: given, or the uid of its namespace `kube-system`, read when it is first needed.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    name: Arc<OnceCell<String>>,
}

/// The API server didn't tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unread {
    /// Whether it may not be asked for that.
    pub denied: bool,
    why: String,
}

impl Cluster {
    /// A cluster of this name.
    #[must_use]
    pub fn named(name: String) -> Self {
        Self { name: Arc::new(OnceCell::new_with(Some(name))) }
    }

    /// The cluster's name.
    ///
    /// # Errors
    /// [`Unread`], where it isn't given and the API server doesn't tell.
    pub async fn name(&self, client: &Client) -> Result<&str, Unread> {
        let read = async {
            let namespaces = Api::<Namespace>::all(client.clone());
            let found = answered(namespaces.get_metadata("kube-system")).await?;
            found.metadata.uid.ok_or_else(|| Unread::because("it has none".to_owned()))
        };
        self.name.get_or_try_init(|| read).await.map(String::as_str)
    }
}

impl Unread {
    /// It didn't tell for this reason, which isn't that it may not be asked.
    #[must_use]
    pub fn because(why: String) -> Self {
        Self { denied: false, why }
    }
}

impl From<kube::Error> for Unread {
    fn from(error: kube::Error) -> Self {
        let denied = matches!(&error, kube::Error::Api(status) if [401, 403].contains(&status.code));
        Self { denied, why: chain(&error) }
    }
}

/// What a request comes to in time.
///
/// # Errors
/// [`Unread`].
pub async fn answered<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Unread> {
    match timeout(LIMIT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Unread::because(format!("no answer within {} seconds", LIMIT.as_secs()))),
    }
}
