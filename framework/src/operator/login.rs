//! The client of the API server: from a kubeconfig, or from a pod's service account.

use super::RunError;
use crate::{
    error::with_causes,
    runtime::observe::{Observation, Observer},
    settings::Settings,
};
use kube::{
    Client, Config,
    config::{InferConfigError, KubeconfigError},
};
use std::error::Error as _;

/// Finds credentials, as kubectl does.
pub(super) async fn login(settings: &Settings, observer: &Observer) -> Result<(Client, String), RunError> {
    observer.observe(Observation::LoginBegins);
    let mut config = Config::infer().await.map_err(|error| RunError::Login(no_config(&error)))?;
    config.read_timeout.get_or_insert(settings.watching.silence);
    let address = format!("the API server at {}", config.cluster_url);
    let client = Client::try_from(config).map_err(|error| RunError::Login(with_causes(&error)))?;
    observer.observe(Observation::LoginSucceeded);
    Ok((client, address))
}

fn no_config(error: &InferConfigError) -> String {
    let kubeconfig = error.source();
    match kubeconfig.and_then(|kubeconfig| kubeconfig.downcast_ref()) {
        // Its own words show the lines around the mistake, and there may be a token in them.
        Some(KubeconfigError::Parse(mistake)) => {
            let place = mistake.location().map(|at| format!(", line {}, column {}", at.line(), at.column()));
            format!("the kubeconfig is not a valid one{}", place.unwrap_or_default())
        }
        // That this is no pod either goes without saying.
        _ => with_causes(kubeconfig.unwrap_or(error)),
    }
}
