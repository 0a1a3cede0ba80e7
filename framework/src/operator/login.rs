//! Login: credentials for a cluster, found as kubectl finds them.

mod credentials;
mod proxy;
mod renewal;
mod session;

use super::RunError;
use crate::{
    runtime::observe::{Observation, Observer},
    settings::Settings,
};
use credentials::Credentials;
use kube::Client;
use session::Session;
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

    /// Finds credentials, and logs in by them for as long as the operator runs.
    ///
    /// # Errors
    /// There are no usable credentials.
    pub async fn begin(settings: &Settings, observer: &Observer) -> Result<Self, RunError> {
        observer.observe(Observation::LoginBegins);
        let credentials = Credentials::find(settings).await.map_err(RunError::Login)?;
        let address = format!("the API server at {}", credentials.server());
        let session = Session::begin(credentials, settings, observer).await.map_err(RunError::Login)?;
        observer.observe(Observation::LoginSucceeded);
        Ok(Self {
            client: session.client(),
            for_handlers: session.client_for_handlers(),
            address,
            rejected: session.rejected(),
        })
    }
}
