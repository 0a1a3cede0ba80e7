//! Operator: handlers, what they share, and where they work.

// rustdoc shows the methods in the order of these.
mod health;
mod inspection;
mod leases;
mod life;
mod login;
mod metrics;
mod options;
mod peering;
mod running;
mod starting;
mod status_schema;
mod storage;

pub(crate) use inspection::{Inspection, Unanswered};
pub use running::RunningOperator;

use crate::{
    call::States,
    core::{
        namespaces::InvalidNamespaces,
        retry::seconds,
        shard::InvalidShards,
        storage::{InvalidName, StorageConfig},
    },
    registry::{Registry, StartError},
    runtime::{
        Holdings, Namespaces, PeeringOptions,
        health::{Health, HealthSite},
        observe::{Observer, metrics::Metrics},
    },
    settings::{InvalidSetting, Settings},
};
use kube::{
    Client,
    core::{ApiResource, Selector},
};
use std::{collections::BTreeMap, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

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
    /// What was wrong first with a handler that it was given by hand.
    misplaced: Option<StartError>,
    states: States,
    storage: StorageConfig,
    namespaces: Result<Namespaces, InvalidNamespaces>,
    peering: PeeringOptions,
    settings: Settings,
    observer: Observer,
    one_at_a_time: bool,
    follow_generations: bool,
    selectors: Vec<(ApiResource, Selector)>,
    client: Option<Client>,
    /// Which objects are this replica's.
    holdings: Holdings,
    health: Health,
    metrics: Metrics,
    /// What is served of it, and where.
    sites: BTreeMap<SocketAddr, HealthSite>,
    /// What the command line and the environment say, which has the last word.
    overrides: Option<Overrides>,
    leases: leases::LeaseOptions,
}

/// Changes settings, after start-up handlers have.
pub(crate) type Overrides = Arc<dyn Fn(&mut Settings) -> Result<(), InvalidSetting> + Send + Sync>;

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

/// The reason why an operator can't run.
#[non_exhaustive]
pub enum RunError {
    /// There is a mistake in the handlers.
    Start(Box<StartError>),
    /// The operator's name can't be part of annotations, or its prefix or finalizer isn't valid.
    Name(InvalidName),
    /// The list of namespaces is empty, or lets none in.
    NoNamespace,
    /// There is a mistake in a list of namespaces.
    Namespaces(InvalidNamespaces),
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
    /// None of the login handlers has given usable credentials.
    LoginHandlers(String),
    /// A start-up handler has failed permanently.
    Startup {
        /// The handler's id.
        id: String,
        /// What has happened to it: `failed permanently: …`.
        words: String,
    },
    /// These clean-up handlers have failed permanently.
    Cleanup {
        /// Their ids.
        ids: Vec<String>,
    },
    /// There can't be so many shards.
    Shards(InvalidShards),
    /// A setting, of code, the command line or the environment, can't be as it is, or doesn't go together with another one.
    Setting(InvalidSetting),
    /// The API server has rejected the credentials for this time, although they were read again.
    Rejected(Duration),
    /// The process can't listen for signals.
    Signals(io::Error),
    /// Whether the operator is alive and ready can't be served there.
    Health(SocketAddr, io::Error),
    /// Metrics can't be served there.
    Metrics(SocketAddr, io::Error),
    /// Two parts of it are to be served at one port of these addresses, of which one includes the other.
    HealthTwice([SocketAddr; 2]),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
            Self::NoNamespace => f.write_str(
                "the list of namespaces is empty, or takes out all that it lets in: name one, or use `.all_namespaces()`",
            ),
            Self::Namespaces(error) => error.fmt(f),
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
            Self::LoginHandlers(why) => write!(f, "the operator can't log in: {why}"),
            Self::Startup { id, words } => write!(f, "the operator can't start: Activity '{id}' {words}"),
            Self::Cleanup { ids } => {
                write!(f, "clean-up handlers have failed, see above: {}", ids.join(", "))
            }
            Self::Shards(error) => error.fmt(f),
            Self::Setting(error) => error.fmt(f),
            Self::Rejected(patience) => write!(
                f,
                "the API server has rejected the credentials for {} seconds (401), although they were read again: the \
                 operator ends, so that it can be started with others",
                seconds(*patience)
            ),
            Self::Signals(error) => write!(f, "the process can't listen for signals: {error}"),
            Self::Health(address, error) => {
                write!(
                    f,
                    "the operator's health can't be served at {address}: {error}{}",
                    health::advice(error)
                )
            }
            Self::Metrics(address, error) => {
                write!(
                    f,
                    "the operator's metrics can't be served at {address}: {error}{}",
                    health::advice(error)
                )
            }
            Self::HealthTwice([one, other]) => write!(
                f,
                "the operator's health can't be served both at {one} and at {other}: give `--health-addr`, `--liveness` and \
                 `--metrics-addr` the same address, or other ports"
            ),
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
        Self::Start(Box::new(error))
    }
}

impl From<InvalidName> for RunError {
    fn from(error: InvalidName) -> Self {
        Self::Name(error)
    }
}

impl From<InvalidNamespaces> for RunError {
    fn from(error: InvalidNamespaces) -> Self {
        Self::Namespaces(error)
    }
}
