//! Login handlers: asked for credentials in the order of the source, until one has some.

use super::credentials::Credentials;
use crate::{
    extract::OperatorSetup,
    families::{Activity, ActivityReply},
    runtime::{ActivityCaller, ActivityFailure, observe::Observer},
    settings::Settings,
};
use kube::{Client, client::Body};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, service_fn};

/// An operator's login handlers, and what they are called with.
pub(crate) struct LoginHandlers {
    activities: Vec<Activity>,
    caller: ActivityCaller,
    setup: OperatorSetup,
    settings: Settings,
}

impl LoginHandlers {
    /// These login handlers. They are called with a client that answers nothing: they are to make one.
    pub fn new(
        activities: Vec<Activity>,
        setup: OperatorSetup,
        stop: CancellationToken,
        observer: Observer,
    ) -> Self {
        let nowhere = service_fn(|_: http::Request<Body>| async {
            Err::<http::Response<Body>, BoxError>("a login handler has no client: it is what it makes".into())
        });
        let settings = setup.current_settings();
        let caller = ActivityCaller::new(Client::new(nowhere, "default"), stop, observer, &settings);
        Self { activities, caller, setup, settings }
    }

    /// The credentials of the first handler that has some.
    ///
    /// # Errors
    /// All of them have failed permanently.
    pub async fn credentials(&self) -> Result<Credentials, String> {
        let mut failures = Vec::new();
        for activity in &self.activities {
            match self.caller.call(activity, &self.setup).await {
                Ok(ActivityReply::Credentials(config)) => {
                    return Ok(Credentials::given(*config, &activity.id, &self.settings));
                }
                // An error that is ignored: it has no credentials, and that is fine.
                Ok(_) => failures.push(format!("Activity '{}' has given none", activity.id)),
                Err(ActivityFailure { id, words }) => failures.push(format!("Activity '{id}' {words}")),
            }
        }
        Err(failures.join("; "))
    }
}
