//! Login: credentials for a cluster, found as kubectl finds them, or given by login handlers.

mod credentials;
mod handlers;
mod proxy;
mod renewal;
mod session;

pub(super) use handlers::LoginHandlers;

use super::RunError;
use crate::{
    runtime::observe::{Observation, Observer},
    settings::Settings,
};
use credentials::Credentials;
use kube::Client;
use session::Session;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The API server, as one operator uses it.
pub(super) struct Login {
    /// For the operator's own requests: what fails is the operator's to retry.
    pub client: Client,
    /// For handlers: kube retries what the server was too busy for, a few times.
    pub for_handlers: Client,
    /// The API server's address, for people.
    pub address: String,
    /// Cancelled once the credentials were rejected for so long that only a new process can help.
    pub rejected: CancellationToken,
}

impl Login {
    /// With a client that the program has made.
    pub fn with(client: Client) -> Self {
        Self {
            for_handlers: client.clone(),
            client,
            address: "the API server".to_owned(),
            rejected: CancellationToken::new(),
        }
    }

    /// Finds credentials, and logs in by them until `ended`.
    ///
    /// # Errors
    /// There are no usable credentials.
    pub async fn begin(
        source: Source,
        settings: &Settings,
        observer: &Observer,
        ended: CancellationToken,
    ) -> Result<Self, RunError> {
        observer.observe(Observation::LoginBegins);
        let source = Arc::new(source);
        let credentials = source.credentials().await?;
        let address = format!("the API server at {}", credentials.server());
        let handler = credentials.handler().map(str::to_owned);
        let session = Session::begin(credentials, source, settings, observer, ended).await;
        let session = session.map_err(|why| match &handler {
            Some(id) => RunError::LoginHandlers(format!("what '{id}' returns can't be used: {why}")),
            None => RunError::Login(why),
        })?;
        observer.observe(Observation::LoginSucceeded { handler: handler.as_deref() });
        Ok(Self {
            client: session.client(),
            for_handlers: session.client_for_handlers(),
            address,
            rejected: session.rejected(),
        })
    }
}

/// Where credentials come from, again each time.
pub(super) enum Source {
    /// A kubeconfig, or else the files that a pod has.
    Found(Settings),
    /// The operator's login handlers.
    Handlers(LoginHandlers),
}

impl Source {
    async fn credentials(&self) -> Result<Credentials, RunError> {
        match self {
            Self::Found(settings) => Credentials::find(settings).await.map_err(RunError::Login),
            Self::Handlers(handlers) => handlers.credentials().await.map_err(RunError::LoginHandlers),
        }
    }

    /// Why it may take long, for people.
    fn suspicion(&self) -> &'static str {
        match self {
            Self::Found(_) => "a credential plugin may hang",
            Self::Handlers(_) => "a login handler hangs, or has failed and is to be called again",
        }
    }

    /// Credentials instead of those with this fingerprint, if there may be some.
    async fn instead_of(&self, known: Option<u64>) -> Result<Option<Credentials>, String> {
        let found = match (self, known) {
            // Login handlers have nothing to do with an API server that can't be reached.
            (Self::Handlers(_), Some(_)) => return Ok(None),
            (Self::Handlers(handlers), None) => handlers.credentials().await,
            (Self::Found(settings), _) => Credentials::find(settings).await,
        };
        found.map(|found| Some(found).filter(|found| known != Some(found.fingerprint())))
    }
}
