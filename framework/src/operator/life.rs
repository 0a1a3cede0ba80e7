//! Life of an operator: made of its handlers and what they share, checked, and run.

use super::{Operator, RunError, login::Login, status_schema};
use crate::{
    call::States,
    core::storage::{Storage, StorageConfig},
    event_queue::event_queue,
    families::{Family, Handler},
    registry::Registry,
    runtime::{
        KindContext, Namespaces, OperatorContext, Poster, Supervisor, Triggers, find_namespaces,
        observe::{Observation, Observer},
    },
    settings::Settings,
};
use kube::core::ApiResource;
use std::{any::TypeId, future, sync::Arc};
use tokio_util::sync::CancellationToken;

impl Operator {
    /// An operator with all handlers that attributes have registered in this program.
    ///
    /// The name is a DNS label. It is part of the keys under which progress is stored on the objects (`<name>.korf.dev/…`),
    /// so that operators don't take each other's progress for their own: to an operator with another name, all objects are
    /// new.
    pub fn new(name: impl Into<String>) -> Self {
        Self::with_registry(name, Registry::collect())
    }

    /// An operator with these handlers only: for several operators in one program, and for tests.
    pub fn with_registry(name: impl Into<String>, registry: Registry) -> Self {
        Self {
            name: name.into(),
            registry,
            states: States::default(),
            storage: StorageConfig::default(),
            namespaces: Namespaces::All,
            settings: Settings::default(),
            observer: Observer::default(),
            one_at_a_time: false,
            follow_generations: false,
            selectors: Vec::new(),
            client: None,
        }
    }

    /// Adds a handler that was built by hand.
    #[must_use]
    pub fn handler(mut self, handler: Handler) -> Self {
        self.registry.add(handler);
        self
    }

    /// Adds a value that handlers take as [`State<T>`](crate::State): a connection pool, say. It is cloned
    /// for each call. A second value of one type replaces the first.
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, state: T) -> Self {
        self.states.insert(TypeId::of::<T>(), Box::new(state));
        self
    }

    /// Runs until the process gets SIGTERM or SIGINT (Ctrl-C).
    ///
    /// # Errors
    /// The operator can't start, or the process can't listen for signals. Later errors are logged and retried.
    pub async fn run(self) -> Result<(), RunError> {
        let stop = CancellationToken::new();
        let signal = signal(stop.clone(), self.observer.clone())?;
        tokio::select! {
            ended = self.run_until(stop.clone()) => ended,
            () = signal => Ok(()),
        }
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// The operator can't start.
    pub async fn run_until(self, stop: CancellationToken) -> Result<(), RunError> {
        let storage = self.check()?;
        let patience = self.settings.login.patience;
        let (events, requests) = event_queue(self.settings.posting.capacity);
        let Login { client, for_handlers, address, rejected } = match self.client {
            Some(client) => Login::with(client),
            None => Login::begin(&self.settings, &self.observer).await?,
        };
        if let Some(field) = self.storage.status_field(&self.name) {
            let changes = |handler: &&Handler| matches!(handler.family, Family::Change(_));
            let kinds = self.registry.handlers().iter().filter(changes).map(|handler| &handler.kind);
            status_schema::check(&client, kinds, &field, &self.settings).await?;
        }
        let stopping = stop.child_token();
        let operator = Arc::new(OperatorContext {
            client,
            for_handlers,
            address,
            states: Arc::new(self.states),
            events,
            triggers: Triggers::default(),
            triggered: self.registry.triggered(),
            storage,
            one_at_a_time: self.one_at_a_time,
            follow_generations: self.follow_generations,
            selectors: self.selectors,
            settings: self.settings,
            observer: self.observer,
            stopping: stopping.clone(),
        });
        let kinds = KindContext::group(self.registry.handlers().to_vec(), &operator);
        let poster = Poster::new(&self.name, Arc::clone(&operator), requests);
        let namespaces = find_namespaces(Arc::clone(&operator), self.namespaces.clone());
        let supervisor =
            Supervisor::new(operator).service(|shutdown| poster.run(shutdown)).service(|_| namespaces);
        let life = supervisor.run(kinds, &self.namespaces);
        let end = async {
            rejected.cancelled().await;
            stopping.cancel();
            future::pending().await
        };
        tokio::select! {
            () = life => {}
            () = end => {}
        }
        if rejected.is_cancelled() { Err(RunError::Rejected(patience)) } else { Ok(()) }
    }

    /// Checks all that needs no cluster, and returns the storage.
    fn check(&self) -> Result<Storage, RunError> {
        let storage = self.storage.storage(&self.name)?;
        self.registry.check(&self.states)?;
        self.registry.check_essence(&storage)?;
        if self.namespaces == Namespaces::Some(Vec::new()) {
            return Err(RunError::NoNamespace);
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

/// Cancels `stop` on the first signal, and ends on the second.
fn signal(stop: CancellationToken, observer: Observer) -> Result<impl Future<Output = ()>, RunError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    Ok(async move {
        for _ in 0..2 {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            observer.observe(Observation::StopRequested { signal: name });
            stop.cancel();
        }
    })
}
