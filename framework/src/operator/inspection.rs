//! Inspection: an operator that is logged in to look at its objects, and handles none.

use super::{Operator, RunError};
use crate::{
    core::storage::Storage, extract::OperatorSetup, registry::Registry, runtime::explain, settings::Settings,
};
use kube::{
    Client,
    core::{ApiResource, Selector},
};
use std::{fmt, mem};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What is needed to look at an operator's objects.
pub(crate) struct Inspection {
    pub name: String,
    pub client: Client,
    /// The API server's address, for people.
    pub address: String,
    pub storage: Storage,
    pub registry: Registry,
    pub selectors: Vec<(ApiResource, Selector)>,
    pub one_at_a_time: bool,
    pub settings: Settings,
    /// Ends the login.
    _ended: DropGuard,
}

/// A request that has failed.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// The HTTP status, if there was an answer.
    pub code: Option<u16>,
    pub why: String,
}

impl From<Unanswered> for String {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.why
    }
}

impl Inspection {
    /// Waits for an answer no longer than the operator itself would.
    ///
    /// # Errors
    /// The request fails, or isn't answered in time.
    pub(crate) async fn answered<T>(
        &self,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Unanswered> {
        let limit = self.settings.requests.timeout;
        match timeout(limit, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let code = if let kube::Error::Api(status) = &error { Some(status.code) } else { None };
                Err(Unanswered { code, why: explain(&error) })
            }
            Err(_) => {
                let why = format!("the API server has not answered for {} seconds", limit.as_secs());
                Err(Unanswered { code: None, why })
            }
        }
    }
}

// By hand: a client holds credentials.
impl fmt::Debug for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Operator {
    /// Logs in as for a run, and goes no further: start-up handlers aren't called, and states may be missing.
    ///
    /// # Errors
    /// A setting or a name can't be as it is, or there are no usable credentials.
    pub(crate) async fn inspect(mut self) -> Result<Inspection, RunError> {
        self.settings.set_from_environment().map_err(RunError::Setting)?;
        self.settings.check().map_err(RunError::Setting)?;
        let storage = self.storage.storage(&self.name)?;
        let setup = OperatorSetup::new(self.settings.clone(), mem::take(&mut self.states))
            .with_indexes(self.registry.indexes());
        let ended = CancellationToken::new();
        let login = self.log_in(&setup, &CancellationToken::new(), &ended).await?;
        Ok(Inspection {
            name: self.name,
            client: login.client,
            address: login.address,
            storage,
            registry: self.registry,
            selectors: self.selectors,
            one_at_a_time: self.one_at_a_time,
            settings: self.settings,
            _ended: ended.drop_guard(),
        })
    }
}
