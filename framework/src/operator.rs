//! Operator: handlers, what they share, and where they work.

use crate::{
    call::States,
    core::{
        retry::seconds,
        storage::{InvalidName, Storage, StorageConfig},
    },
    event_queue::event_queue,
    families::{Family, Handler},
    registry::{Registry, StartError},
    runtime::{
        KindContext, Namespaces, OperatorContext, Poster, Supervisor, find_namespaces,
        observe::{Observation, Observer},
    },
    settings::Settings,
};
use kube::{
    Client, Resource,
    core::{ApiResource, Selector},
};
use login::Login;
use std::{any::TypeId, collections::BTreeSet, fmt, future, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Handlers, with all that they need to be called: build it, then [`run`](Operator::run) it.
///
/// ```no_run
/// # async fn example() -> Result<(), korf::RunError> {
/// korf::Operator::new("greeter").state(String::from("hello")).namespaces(["default"]).run().await
/// # }
/// ```
pub struct Operator {
    name: String,
    registry: Registry,
    states: States,
    storage: StorageConfig,
    namespaces: Namespaces,
    settings: Settings,
    observer: Observer,
    one_at_a_time: bool,
    selectors: Vec<(ApiResource, Selector)>,
    client: Option<Client>,
}

// States and client are omitted: they may hold secrets.
impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("name", &self.name)
            .field("registry", &self.registry)
            .field("storage", &self.storage)
            .field("namespaces", &self.namespaces)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

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

    /// Stores progress and the finalizer under Kopf's names, and logs under Kopf's, so that this operator can replace one
    /// written with Kopf, and be replaced by it, even in the middle of a retry. Only one operator of each kind of objects
    /// in a cluster may do so.
    #[must_use]
    pub fn kopf_compatible(mut self) -> Self {
        self.storage.kopf = true;
        self.observer = self.observer.logging_as_kopf();
        self
    }

    /// Handles only the objects of these namespaces (and cluster-scoped ones).
    #[must_use]
    pub fn namespaces<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
        self.namespaces = Namespaces::Some(names.into_iter().collect());
        self
    }

    /// Handles the objects of all namespaces, which is the default.
    #[must_use]
    pub fn all_namespaces(mut self) -> Self {
        self.namespaces = Namespaces::All;
        self
    }

    /// Asks the API server only for those objects of a kind that match a selector; the others aren't even sent.
    ///
    /// To the operator, an object that stops matching is gone, and so is its memory; it never learns of its deletion. An
    /// operator with a delete handler of that kind doesn't start, unless the handler is `optional`: its finalizer would keep
    /// such an object forever. Filter by `labels = …` there.
    ///
    /// ```
    /// use k8s_openapi::api::core::v1::Pod;
    /// use kube::core::Expression;
    ///
    /// let mine = Expression::Equal("app".into(), "web".into());
    /// let operator = korf::Operator::new("pods").select::<Pod>(mine);
    /// ```
    #[must_use]
    pub fn select<K: Resource<DynamicType = ()>>(mut self, selector: impl Into<Selector>) -> Self {
        let resource = ApiResource::erase::<K>(&());
        self.selectors.retain(|(known, _)| *known != resource);
        self.selectors.push((resource, selector.into()));
        self
    }

    /// The most objects that are handled at the same time; 64 by default, at least 1.
    #[must_use]
    pub fn concurrency(mut self, objects: usize) -> Self {
        self.settings.queueing.concurrency = objects.max(1);
        self
    }

    /// Stores the progress after each handler, and not once for all handlers of an object that are due: a crash then repeats
    /// one handler at most, at the price of one write for each.
    #[must_use]
    pub fn one_at_a_time(mut self) -> Self {
        self.one_at_a_time = true;
        self
    }

    /// The time that running handlers have to finish when the operator is told to stop; 25 s by default, since Kubernetes
    /// kills a pod 30 s after it has asked it to stop.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.stopping.grace = grace;
        self
    }

    /// Takes these settings instead of the defaults: limits, delays and sizes.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Calls this function for each [`Observation`]: for metrics, say. It is called where things happen, and must not block.
    #[must_use]
    pub fn observe(mut self, sink: impl Fn(&Observation<'_>) + Send + Sync + 'static) -> Self {
        self.observer = self.observer.with(Arc::new(sink));
        self
    }

    /// The settings.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Uses this client; by default, the kubeconfig's current context, or else the pod's service account.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// The operator's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it handles the objects of some namespaces alone.
    pub(crate) fn is_namespaced(&self) -> bool {
        self.namespaces != Namespaces::All
    }

    /// The handlers.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether it was told to be [`kopf_compatible`](Self::kopf_compatible).
    pub fn is_kopf_compatible(&self) -> bool {
        self.storage.kopf
    }

    /// The same with other functions behind its handlers; the test kit counts their steps.
    #[doc(hidden)]
    #[must_use]
    pub fn map_handlers(mut self, change: impl Fn(Handler) -> Handler) -> Self {
        self.registry = self.registry.handlers().iter().cloned().map(change).collect();
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
            storage,
            one_at_a_time: self.one_at_a_time,
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

mod login;
mod status_schema;
// rustdoc shows methods in the order of the source: those of `storage` come after `new` and `run`.
mod storage;

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

/// The reason why an operator can't run.
#[non_exhaustive]
pub enum RunError {
    /// There is a mistake in the handlers.
    Start(StartError),
    /// The operator's name can't be part of annotations, or its prefix or finalizer isn't valid.
    Name(InvalidName),
    /// The list of namespaces is empty.
    NoNamespace,
    /// There is a selector for a kind without handlers.
    NoHandlers(String),
    /// The schema of a kind's CRD drops the field of the status storage.
    StatusStorage {
        /// The name of the CRD.
        definition: String,
        /// The field of the status.
        field: String,
    },
    /// There are no usable credentials for a cluster, or none at all.
    Login(String),
    /// The API server has rejected the credentials for this time, although they were read again.
    Rejected(Duration),
    /// The process can't listen for signals.
    Signals(std::io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
            Self::NoNamespace => {
                f.write_str("the list of namespaces is empty: name one, or use `.all_namespaces()`")
            }
            Self::NoHandlers(kind) => write!(
                f,
                "there is a selector for {kind} but no handler: register one, or remove the `.select`"
            ),
            Self::StatusStorage { definition, field } => write!(
                f,
                "progress can't be stored in `status.{field}`: the schema of the CRD {definition} drops it. Give the \
                 status `x-kubernetes-preserve-unknown-fields: true`, or don't use `.status_storage()`"
            ),
            Self::Login(why) => write!(
                f,
                "no cluster to connect to: set KUBECONFIG to a kubeconfig file, or put one at ~/.kube/config, \
                 or run in a pod with a service account ({why})"
            ),
            Self::Rejected(patience) => write!(
                f,
                "the API server has rejected the credentials for {} seconds (401), although they were read again: the \
                 operator ends, so that it can be started with others",
                seconds(*patience)
            ),
            Self::Signals(error) => write!(f, "the process can't listen for signals: {error}"),
        }
    }
}

// As its text: a `main` that returns it prints it so.
impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for RunError {}

impl From<StartError> for RunError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<InvalidName> for RunError {
    fn from(error: InvalidName) -> Self {
        Self::Name(error)
    }
}
