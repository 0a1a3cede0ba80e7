//! Start of an operator: its checks, its login, its start-up handlers.

use super::{
    Operator, RunError,
    login::{Login, LoginHandlers, Source},
    status_schema,
};
use crate::{
    core::storage::Storage,
    extract::OperatorSetup,
    families::{ActivityKind, Family, Handler},
    registry::LeftOut,
    runtime::{
        ActivityCaller, ActivityFailure, Namespaces,
        observe::{Observation, Phase},
    },
};
use kube::core::ApiResource;
use std::mem;
use tokio_util::sync::CancellationToken;

/// What a start has led to, besides the operator's own settings.
pub(super) struct Started {
    pub login: Login,
    pub storage: Storage,
    pub setup: OperatorSetup,
}

impl Operator {
    /// Logs in, and calls the start-up handlers; none if it is told to stop meanwhile. Logins go on until `ended`.
    ///
    /// # Errors
    /// The operator can't start.
    pub(super) async fn start(
        &mut self,
        stop: &CancellationToken,
        ended: &CancellationToken,
    ) -> Result<Option<Started>, RunError> {
        let storage = self.check()?;
        self.observer.observe(Observation::PhaseEntered(Phase::Starting));
        for LeftOut { id, operator, location } in self.registry.left_out() {
            let location = &location.to_string();
            self.observer.observe(Observation::HandlerLeftOut { id, operator, location });
        }
        let setup = OperatorSetup::new(self.settings.clone(), mem::take(&mut self.states))
            .with_indexes(self.registry.indexes());
        let Some(login) = stop.run_until_cancelled(self.log_in(&setup, stop, ended)).await else {
            return Ok(None);
        };
        let login = login?;
        let Some(called) = stop.run_until_cancelled(self.call_startup(&login, &setup, stop)).await else {
            self.observer.observe(Observation::StartupInterrupted);
            return Ok(None);
        };
        called?;
        self.settings = setup.current_settings();
        if let Some(overrides) = &self.overrides {
            overrides(&mut self.settings).map_err(RunError::Setting)?;
        }
        self.settings.check().map_err(RunError::Setting)?;
        self.registry.check_states(&setup.states())?;
        let Some(checked) = stop.run_until_cancelled(self.check_status_schema(&login)).await else {
            return Ok(None);
        };
        checked?;
        Ok(Some(Started { login, storage, setup }))
    }

    async fn check_status_schema(&self, login: &Login) -> Result<(), RunError> {
        let Some(field) = self.storage.status_field(&self.name) else { return Ok(()) };
        let changes = |handler: &&Handler| matches!(handler.family, Family::Change(_));
        let kinds = self.registry.handlers().iter().filter(changes).map(|handler| &handler.kind);
        let checking = status_schema::check(&login.client, kinds, &field, &self.settings);
        let rejected = Err(RunError::Rejected(self.settings.login.patience));
        login.rejected.run_until_cancelled(checking).await.unwrap_or(rejected)
    }

    pub(super) async fn log_in(
        &mut self,
        setup: &OperatorSetup,
        stop: &CancellationToken,
        ended: &CancellationToken,
    ) -> Result<Login, RunError> {
        if let Some(client) = self.client.take() {
            return Ok(Login::with(client));
        }
        let handlers = self.registry.activities_of(ActivityKind::Login);
        let source = if handlers.is_empty() {
            Source::Found(self.settings.clone())
        } else {
            let (setup, stop, observer) = (setup.clone(), stop.clone(), self.observer.clone());
            Source::Handlers(LoginHandlers::new(handlers, setup, stop, observer))
        };
        Login::begin(source, &self.settings, &self.observer, ended.clone()).await
    }

    /// Calls the start-up handlers in the order of the source: each is called once the one before it has succeeded.
    async fn call_startup(
        &self,
        login: &Login,
        setup: &OperatorSetup,
        stop: &CancellationToken,
    ) -> Result<(), RunError> {
        let activities = self.registry.activities_of(ActivityKind::Startup);
        let (client, observer) = (login.for_handlers.clone(), self.observer.clone());
        let caller = ActivityCaller::new(client, stop.clone(), observer, &self.settings);
        for activity in &activities {
            let called = login.rejected.run_until_cancelled(caller.call(activity, setup)).await;
            let called = called.ok_or(RunError::Rejected(self.settings.login.patience))?;
            called.map_err(|ActivityFailure { id, words }| RunError::Startup { id, words })?;
        }
        Ok(())
    }

    /// Checks all that needs no cluster, and returns the storage.
    fn check(&self) -> Result<Storage, RunError> {
        let storage = self.storage.storage(&self.name)?;
        self.settings.check().map_err(RunError::Setting)?;
        self.election()?;
        self.misplaced.clone().map_or(Ok(()), Err)?;
        self.registry.check(&self.states)?;
        self.registry.check_essence(&storage)?;
        match &self.namespaces {
            Ok(Namespaces::Some(set)) if !set.has_globs() && set.names().is_empty() => {
                return Err(RunError::NoNamespace);
            }
            Err(error) => return Err(error.clone().into()),
            Ok(_) => {}
        }
        let handled = |kind: &ApiResource| {
            self.registry.handlers().iter().any(|handler| handler.kind.resource == *kind)
        };
        if let Some((kind, _)) = self.selectors.iter().find(|(kind, _)| !handled(kind)) {
            return Err(RunError::NoHandlers(kind.kind.clone()));
        }
        self.registry.check_selected(self.selectors.iter().map(|(kind, _)| kind))?;
        Ok(storage)
    }
}
