//! The operator: handlers, what they share, and where they are at work.

mod login;
mod storage;

use crate::{
    core::storage::{Choice, InvalidName, Storage},
    handler::{Handler, States},
    registry::{Registry, StartError},
    runtime::{self, Common, Namespaces, Poster, Reactor, Server, Watched},
};
use kube::{
    Client, Resource,
    core::{ApiResource, Selector},
};
use std::{any::TypeId, collections::BTreeSet, fmt, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How many objects are handled at the same time, unless said otherwise.
pub const CONCURRENCY: usize = 64;

/// How long running handlers may take to finish when the operator is told to stop, unless said otherwise.
/// Kubernetes kills a pod 30 s after it has asked it to stop.
pub const GRACE: Duration = Duration::from_secs(25);

/// How long the API server may be silent on a connection before that counts as dead. The server ends watches before;
/// without this limit, a watch whose answer got lost would be waited for without end.
pub const SILENCE: Duration = Duration::from_secs(90);

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
    storage: Choice,
    namespaces: Namespaces,
    limits: runtime::Limits,
    one_at_a_time: bool,
    selectors: Vec<(ApiResource, Selector)>,
    narrow: bool,
    client: Option<Client>,
}

// Neither the states nor the client: what they hold is nobody's business.
impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("name", &self.name)
            .field("registry", &self.registry)
            .field("storage", &self.storage)
            .field("namespaces", &self.namespaces)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Operator {
    /// An operator with all handlers that attributes have registered in this program.
    ///
    /// The name is a DNS label. It becomes part of the keys under which progress is kept on the objects
    /// (`<name>.korf.dev/…`), so that two operators don't take each other's for their own: renaming an
    /// operator makes it handle all objects anew.
    pub fn new(name: impl Into<String>) -> Self {
        Self::with_registry(name, Registry::collect())
    }

    /// An operator with these handlers alone: for embedding, and for tests.
    pub fn with_registry(name: impl Into<String>, registry: Registry) -> Self {
        Self {
            name: name.into(),
            registry,
            states: States::default(),
            storage: Choice::default(),
            namespaces: Namespaces::All,
            limits: runtime::Limits { concurrency: CONCURRENCY, grace: GRACE },
            one_at_a_time: false,
            selectors: Vec::new(),
            narrow: false,
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

    /// Keeps progress and the finalizer under Kopf's own names, and logs under Kopf's, so that this
    /// operator can take the place of one that was written with Kopf, and give it back, in the middle of a
    /// retry if need be. Of all operators of one kind in a cluster, one may do so.
    #[must_use]
    pub fn kopf_compatible(mut self) -> Self {
        self.storage.kopf = true;
        self
    }

    /// Handles the objects of these namespaces alone (and those of kinds that have none).
    #[must_use]
    pub fn namespaces<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
        self.namespaces = Namespaces::Some(names.into_iter().collect());
        self
    }

    /// Handles the objects of all namespaces; that is the default.
    #[must_use]
    pub fn all_namespaces(mut self) -> Self {
        self.namespaces = Namespaces::All;
        self
    }

    /// Asks the API server for those objects alone that have the labels which all handlers of their kind ask for; the others
    /// aren't even sent. Where a deletion handler keeps objects back, all of the kind are.
    ///
    /// Of a finalizer on an object that isn't sent, nobody learns: one that an earlier version of the operator, with other
    /// handlers, has left there would keep the object for ever. So this is for those who ask for it.
    #[must_use]
    pub fn narrow(mut self) -> Self {
        self.narrow = true;
        self
    }

    /// Asks the API server for those objects of a kind alone that match a selector; the others aren't even sent.
    ///
    /// An object that no longer matches is out of sight: no handler is called for its deletion, and if there are deletion
    /// handlers, their finalizer is taken off it. Of an object that stops matching while the operator is down nobody learns,
    /// and its finalizer is left for you to remove.
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

    /// How many objects are handled at the same time; [`CONCURRENCY`] by default, at least 1.
    #[must_use]
    pub fn concurrency(mut self, objects: usize) -> Self {
        self.limits.concurrency = objects.max(1);
        self
    }

    /// Calls only one of an object's handlers in a cycle, and stores the progress before the next one: a crash
    /// then repeats one handler at most, for one more write each.
    #[must_use]
    pub fn one_at_a_time(mut self) -> Self {
        self.one_at_a_time = true;
        self
    }

    /// How long running handlers may take to finish when the operator is told to stop; [`GRACE`] by default.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.limits.grace = grace;
        self
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
    /// What keeps the operator from starting, or from hearing signals. What happens later is logged, and
    /// waited for.
    pub async fn run(self) -> Result<(), RunError> {
        let stop = CancellationToken::new();
        let signal = signal(stop.clone())?;
        tokio::select! {
            ended = self.run_until(stop.clone()) => ended,
            () = signal => Ok(()),
        }
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// What keeps the operator from starting.
    pub async fn run_until(self, stop: CancellationToken) -> Result<(), RunError> {
        let storage = self.check()?;
        let server = match self.client {
            Some(client) => Server::new(client, "the API server".into()),
            None => login::login().await?,
        };
        let handlers = self.registry.handlers().to_vec();
        let (selectors, narrow) = (self.selectors, self.narrow);
        let common = Common { storage, one_at_a_time: self.one_at_a_time, selectors, narrow };
        let kinds = Watched::group(handlers, &common, &Arc::new(self.states), &server, &stop);
        let work = Reactor::new(kinds, self.limits).run(&self.namespaces, &stop);
        Poster::new(&self.name, server).beside(work, &stop, self.limits.grace).await;
        Ok(())
    }

    /// What keeps it from starting whatever the cluster; and where it keeps its things.
    fn check(&self) -> Result<Storage, RunError> {
        let storage = self.storage.storage(&self.name)?;
        self.registry.check(&self.states)?;
        if self.namespaces == Namespaces::Some(Vec::new()) {
            return Err(RunError::NoNamespace);
        }
        let handled = |kind: &ApiResource| {
            self.registry.handlers().iter().any(|handler| handler.kind.resource == *kind)
        };
        if let Some((kind, _)) = self.selectors.iter().find(|(kind, _)| !handled(kind)) {
            return Err(RunError::NoHandlers(kind.kind.clone()));
        }
        Ok(storage)
    }
}

/// Cancels `stop` on a signal; ends on a second one: who asks twice doesn't want to wait for handlers.
fn signal(stop: CancellationToken) -> Result<impl Future<Output = ()>, RunError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    Ok(async move {
        for _ in 0..2 {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            runtime::stop_requested(name);
            stop.cancel();
        }
    })
}

/// What keeps an operator from running.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The handlers don't fit together.
    Start(StartError),
    /// The operator's name can't be part of annotations, or its prefix or finalizer isn't valid.
    Name(InvalidName),
    /// It was told to handle the objects of no namespace.
    NoNamespace,
    /// It was told which objects of a kind to ask for, and has no handlers of that kind.
    NoHandlers(String),
    /// There are no usable credentials for a cluster.
    Login(String),
    /// The process can't hear signals.
    Signals(std::io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
            Self::NoNamespace => {
                f.write_str("the list of namespaces is empty: name one, or say `.all_namespaces()`")
            }
            Self::NoHandlers(kind) => write!(
                f,
                "there is a selector for {kind}, and no handler: register one, or take the `.select` away"
            ),
            Self::Login(why) => write!(
                f,
                "there is no cluster to log in to; set KUBECONFIG to a kubeconfig file, or put one at ~/.kube/config, \
                 or run in a pod with a service account ({why})"
            ),
            Self::Signals(error) => write!(f, "the process can't listen for signals: {error}"),
        }
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
