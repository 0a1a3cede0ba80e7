//! Life of an operator: made of its handlers and what they share, checked, and run.

use super::{Operator, RunError, login::Login, starting::Started};
use crate::{
    call::States,
    core::storage::StorageConfig,
    event_queue::event_queue,
    families::{Activity, ActivityKind, Handler},
    registry::{LeftOut, Registry},
    runtime::{
        ActivityCaller, Cleanup, Elector, Holdings, KindContext, Namespaces, OperatorContext, Peering,
        PeeringOptions, Poster, Probes, Relisting, Shutdown, Supervisor,
        health::Health,
        look_for_help,
        observe::{Observation, Observer, metrics::Metrics},
        openings, own_namespace, serve_namespaces,
    },
    settings::Settings,
};
use std::{any::TypeId, collections::BTreeMap, future, sync::Arc};
use tokio_util::sync::CancellationToken;

impl Operator {
    /// An operator with all handlers that attributes have registered in this program, except for those that name another
    /// operator: `#[korf::on_create(Kind, operator = "other")]`. Of several operators in one program, each has the handlers
    /// that name none.
    ///
    /// The name is a DNS label. It is part of the keys under which progress is stored on the objects (`<name>.korf.dev/…`),
    /// so that operators don't take each other's progress for their own: to an operator with another name, all objects are
    /// new.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let registry = Registry::collect_for(&name);
        Self::with_registry(name, registry)
    }

    /// An operator with these handlers only: for several operators in one program, and for tests.
    pub fn with_registry(name: impl Into<String>, registry: Registry) -> Self {
        let (name, health) = (name.into(), Health::default());
        Self {
            metrics: Metrics::new(&name, health.clone()),
            name,
            registry,
            misplaced: None,
            states: States::default(),
            storage: StorageConfig::default(),
            namespaces: Ok(Namespaces::All),
            peering: PeeringOptions::default(),
            settings: Settings::default(),
            observer: Observer::default(),
            one_at_a_time: false,
            follow_generations: false,
            selectors: Vec::new(),
            client: None,
            holdings: Holdings::everything(),
            health,
            sites: BTreeMap::new(),
            overrides: None,
            leases: super::leases::LeaseOptions::default(),
        }
    }

    /// Adds a handler that was built by hand. With one that is for an operator of another name, it doesn't start.
    #[must_use]
    pub fn handler(mut self, handler: Handler) -> Self {
        self.note_misplaced(LeftOut::handler(&handler, &self.name));
        self.registry.add(handler);
        self
    }

    /// Adds an activity that was built by hand. With one that is for an operator of another name, it doesn't start.
    #[must_use]
    pub fn activity(mut self, activity: Activity) -> Self {
        self.note_misplaced(LeftOut::activity(&activity, &self.name));
        self.registry.add_activity(activity);
        self
    }

    fn note_misplaced(&mut self, misplaced: Option<LeftOut>) {
        let mistake = misplaced.map(|misplaced| misplaced.given_to(&self.name));
        self.misplaced = self.misplaced.take().or(mistake);
    }

    /// Adds a value that handlers take as [`State<T>`](crate::State): a connection pool, say. It is cloned
    /// for each call. A second value of one type replaces the first.
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, state: T) -> Self {
        self.states.insert(TypeId::of::<T>(), Arc::new(state));
        self
    }

    /// Runs until the process gets SIGTERM or SIGINT (Ctrl-C).
    ///
    /// # Errors
    /// The operator can't start, the process can't listen for signals, its login is no longer accepted, or a clean-up handler
    /// has failed. Other errors are logged and retried.
    pub async fn run(self) -> Result<(), RunError> {
        let stop = CancellationToken::new();
        let signal = signal(stop.clone(), self.observer.clone())?;
        tokio::select! {
            ended = self.run_until(stop.clone()) => ended,
            () = signal => Ok(()),
        }
    }

    /// Runs until it is told to stop: in a program that has other things to do. See [`spawn`](Self::spawn), too.
    ///
    /// # Errors
    /// The operator can't start, its login is no longer accepted, or a clean-up handler has failed.
    pub async fn run_until(mut self, stop: CancellationToken) -> Result<(), RunError> {
        let server = self.serve_health(&stop)?;
        let ended = self.live(stop).await;
        if let Some(server) = server {
            server.end().await;
        }
        ended
    }

    async fn live(mut self, stop: CancellationToken) -> Result<(), RunError> {
        let ended = CancellationToken::new();
        // Logins that still run end with the operator.
        let _ended = ended.clone().drop_guard();
        match self.start(&stop, &ended).await? {
            Some(started) => self.serve(started, stop).await,
            None => Ok(()),
        }
    }

    async fn serve(self, started: Started, stop: CancellationToken) -> Result<(), RunError> {
        let Started { login, storage, setup } = started;
        let Login { client, for_handlers, address, rejected } = login;
        let patience = self.settings.login.patience;
        let election = self.election()?;
        if let Some(namespace) = self.unused_lease_namespace() {
            self.observer.observe(Observation::LeaseNamespaceUnused { namespace });
        }
        let (events, requests) = event_queue(self.settings.posting.capacity);
        let stopping = stop.child_token();
        let caller = ActivityCaller::new(
            for_handlers.clone(),
            stopping.clone(),
            self.observer.clone(),
            &self.settings,
        );
        let probes = self.registry.activities_of(ActivityKind::Probe);
        let probes = Probes::new(probes, caller.clone(), setup.clone(), self.settings.probing.clone());
        let probes = Arc::new(probes);
        // Start-up handlers may have changed settings.
        self.health.begin(&self.settings, &stopping);
        self.health.set_probes(&probes);
        let cleanup = Cleanup::new(self.registry.activities_of(ActivityKind::Cleanup), caller, setup.clone());
        let operator = Arc::new(OperatorContext {
            client,
            for_handlers,
            address,
            states: Arc::new(setup.states()),
            indexes: setup.indexes(),
            events,
            triggers: setup.triggers(),
            any_kind: self.registry.any_kind(),
            opening: openings(),
            storage,
            one_at_a_time: self.one_at_a_time,
            follow_generations: self.follow_generations,
            selectors: self.selectors,
            settings: self.settings,
            observer: self.observer,
            health: self.health,
            metrics: self.metrics,
            holdings: election.as_ref().map_or(self.holdings, |plan| Holdings::nothing(plan.shards)),
            relisting: Relisting::default(),
            stopping: stopping.clone(),
            probes,
        });
        let kinds = KindContext::group(self.registry.handlers().to_vec(), &operator);
        let poster = Poster::new(&self.name, Arc::clone(&operator), requests);
        let (region, namespaces) = serve_namespaces(Arc::clone(&operator), self.namespaces?);
        let replica_of = election.as_ref().map(|plan| plan.lease(&operator.client));
        let mut peering = Peering::new(&operator, &self.name, &self.peering, region.clone(), replica_of);
        if let Some(peering) = &mut peering {
            stopping.run_until_cancelled(peering.enter()).await;
        }
        let namespace = election.as_ref().and_then(|plan| plan.namespace.clone());
        let namespace = namespace.unwrap_or_else(|| own_namespace(&operator.client));
        let help = look_for_help(Arc::clone(&operator), namespace);
        let elector = election.map(|plan| Elector::new(Arc::clone(&operator), plan));
        let mut supervisor = Supervisor::new(operator, cleanup)
            .service_of(elector, Elector::run)
            .service(|shutdown| help_until(help, shutdown))
            .service(|shutdown| poster.run(shutdown))
            .service(|_| namespaces);
        if let Some(peering) = peering {
            supervisor = supervisor.service(|shutdown| peering.run(shutdown));
        }
        let life = supervisor.run(kinds, region);
        let end = async {
            rejected.cancelled().await;
            stopping.cancel();
            future::pending().await
        };
        let failed = tokio::select! {
            failed = life => failed,
            never = end => never,
        };
        match failed {
            _ if rejected.is_cancelled() => Err(RunError::Rejected(patience)),
            ids if ids.is_empty() => Ok(()),
            ids => Err(RunError::Cleanup { ids }),
        }
    }
}

async fn help_until(help: impl Future<Output = ()>, shutdown: Shutdown) {
    tokio::select! {
        () = help => {}
        () = shutdown.work_ended.cancelled() => {}
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
