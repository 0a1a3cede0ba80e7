//! Observations: events in the life of the operator, for its sinks.
//!
//! The runtime doesn't log. It hands an [`Observation`] to its [`Observer`], and the observer to each of its sinks. The
//! log (`runtime::observe::log`) is one of them; metrics and traces are others.

mod log;
pub(crate) mod metrics;
mod peering;
pub(crate) mod traces;

pub use peering::{PauseCause, PeeringNews};

use crate::families::{ActivityKind, Kind};
use korf_core::{
    Reason,
    cycle::{Cycle, CycleState, Idle},
    error::Error,
    patch::Finalizer,
    progress::UnreadableEntry,
    queue::OutageNews,
    retry::Outcome,
};
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

/// Something that happens in the operator.
///
/// ```
/// use korf::{Operator, observe::Observation};
///
/// let operator = Operator::new("greeter").observe(|observation| {
///     if let Observation::HandlerEnded { handler, took, .. } = observation {
///         println!("{} took {took:?}", handler.id);
///     }
/// });
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant's doc explains its fields")]
pub enum Observation<'a> {
    // The operator.
    /// It doesn't have this handler, or activity, which is for an operator of another name.
    HandlerLeftOut { id: &'a str, operator: &'a str, location: &'a str },
    /// It begins to log in.
    LoginBegins,
    /// It has credentials, by its own search or by this login handler. The API server has not seen them yet.
    LoginSucceeded { handler: Option<&'a str> },
    /// The API server rejects the credentials, and reading them again doesn't help. The operator ends if that lasts for `patience`.
    LoginRejected { why: Option<&'a str>, patience: Duration },
    /// The API server accepts the credentials again, or other ones: the operator has logged in again.
    LoginRenewed,
    /// An attempt of an activity begins.
    ActivityBegins { activity: ActivityKind, id: &'a str },
    /// An attempt of an activity still runs, after this time.
    ActivityRuns { activity: ActivityKind, id: &'a str, after: Duration },
    /// An attempt of an activity has ended. `known`: if it waits, so it did after the attempt before.
    ActivityEnded {
        activity: ActivityKind,
        id: &'a str,
        outcome: &'a Outcome,
        known: bool,
        words: &'a str,
        took: Duration,
    },
    /// It was told to stop before its start-up handlers were done.
    StartupInterrupted,
    /// It stops though some clean-up handlers are not finished.
    CleanupAbandoned { ids: &'a [&'a str] },
    /// A probe fails for the first time since it has last answered.
    ProbeFails { id: &'a str, why: &'a str },
    /// A probe answers again.
    ProbeRecovers { id: &'a str },
    /// It has entered a phase of its life.
    PhaseEntered(Phase),
    /// Whether it is alive and ready is served at this address, with these paths.
    HealthServed { address: SocketAddr, paths: &'a str },
    /// A signal tells it to stop.
    StopRequested { signal: &'a str },
    /// It waits for running handlers and writes before it stops.
    Draining { left: Left, grace: Duration },
    /// It stops though some handlers and writes are not finished.
    Abandoned { left: Left, grace: Duration },
    /// All workers have been busy for long while objects wait.
    Saturated { waiting: usize, workers: usize, after: Duration },
    /// Watches take so many files that the process may run out of them.
    FilesScarce { watches: usize, files: usize },
    /// A worker has ended in an unexpected way.
    WorkerLost { why: &'a str },
    /// A service of the operator has ended in an unexpected way.
    ServiceLost { why: &'a str },
    /// No handler is called yet, because these kinds have index functions and aren't listed; with the namespaces where they aren't,
    /// if they are listed in others.
    IndexesAwaited { kinds: &'a [String] },
    /// All indexes are filled: handlers are called from now on. `told`: the log has told of the wait.
    IndexesFilled { told: bool },
    /// Handlers are called from now on, though these kinds have index functions and aren't listed: `watching.index_limit` is over.
    IndexesLackSomething { kinds: &'a [String] },
    /// Whether the API server sends each replica its share of the objects alone; `why`: why it can't be asked.
    SharesAsked { helped: bool, why: Option<&'a str> },
    /// It takes part in the election of those replicas that work, under this name.
    ElectionBegins { identity: &'a str, namespace: &'a str },
    /// Something happens to one of so many shards.
    Lease { shard: u16, of: u16, event: LeaseEvent },
    /// So many shards of all were lost: what handlers do for their objects is cut off.
    LeasesLost { shards: usize, of: u16, why: &'a str },
    /// It holds so many shards of all, and there are so many replicas: for now, none is under way.
    LeasesSettled { held: usize, of: u16, replicas: usize },
    /// Another replica works.
    StandsBy { leader: &'a str },
    /// A Lease of this name is another operator's.
    LeaseForeign { lease: &'a str, why: &'a str },
    /// The replicas have agreed on another number of shards than this one's.
    ShardsDiffer { own: u16, agreed: &'a str },
    /// The replicas have agreed on this one's number of shards again.
    ShardsAgree { shards: u16 },
    /// Requests for Leases fail, with these verbs. `denied`: the operator has no right to them.
    LeasesFail { namespace: &'a str, verbs: &'a str, why: &'a str, denied: bool },
    /// All requests for Leases work again.
    LeasesWork,
    /// Kubernetes events could not be posted.
    EventsDropped { events: usize, why: &'a str },
    /// Kubernetes events were left to be posted when the operator had to stop.
    EventsLeft { events: usize },

    /// A mapping function of `watches` has failed: nothing gets a turn for this change of its object.
    MappingFailed { id: &'a str, why: &'a str },
    /// A trigger by a handler is for an object that doesn't exist, or isn't watched.
    TriggerInVain { by: &'a str, kind: &'a str, namespace: Option<&'a str>, name: &'a str },
    /// A trigger by a handler is for a kind that no handler is for.
    TriggerForNobody { by: &'a str, kind: &'a str },
    /// A trigger by a handler is for an object that isn't this replica's; without a name, for all objects of a kind, some of which
    /// aren't.
    TriggerStrays { by: &'a str, kind: &'a str, namespace: Option<&'a str>, name: Option<&'a str> },
    /// Triggers wait because the kind of their objects isn't listed; one of them is for this object.
    TriggersWait { kind: &'a str, namespace: Option<&'a str>, name: &'a str },
    /// An object is given more turns by triggers than is good, the last one by this handler: it is delayed.
    TriggeredTooOften { by: &'a str, turns: usize, window: Duration, delay: Duration },
    /// Something is away that handlers need: it has just gone, it is still away, or it is back.
    Outage(&'a OutageNews),
    /// Something happens among operators for the same objects.
    Peering(PeeringNews<'a>),

    // Watches.
    /// A watch begins, or begins again.
    WatchBegins { kind: &'a str, namespace: Option<&'a str>, selector: Option<&'a str> },
    /// A kind is listed for the first time: everywhere in these namespaces, or, where there are none, in the cluster. Namespaces
    /// and kinds that come later are listed by themselves.
    Listed { kind: &'a str, namespaces: &'a [String], selector: Option<&'a str>, objects: usize },
    /// A namespace in which the operator is to work doesn't exist.
    NamespaceMissing { namespace: &'a str },
    /// A namespace that was missing exists now.
    NamespaceFound { namespace: &'a str },
    /// The API server doesn't tell whether a namespace exists.
    NamespaceUnknown { namespace: &'a str, why: &'a str },
    /// The API server doesn't tell which namespaces there are, for globs; it is asked until it does. `denied`: the operator has
    /// no right to know.
    NamespacesUnknown { why: &'a str, known: bool, denied: bool },
    /// The API server tells again which namespaces there are.
    NamespacesKnown,
    /// No namespace fits the operator's globs.
    NoNamespaceFits { globs: &'a str },
    /// A namespace for Leases was named, and the operator has none.
    LeaseNamespaceUnused { namespace: &'a str },
    /// A namespace is gone that was served for a glob.
    NamespaceGone { namespace: &'a str },
    /// A watch fails; it is retried until it works. `namespace`: where, if the kind is watched in several. `known`: another watch
    /// of the kind fails for the same reason.
    WatchFailed { server: &'a str, kind: &'a str, namespace: Option<&'a str>, why: &'a str, known: bool },
    /// A watch can't go on from where it was: all is listed again.
    Relisting { kind: &'a str, why: &'a str },
    /// The API server is too busy for a watch, for a moment.
    WatchDelayed { kind: &'a str, why: &'a str },
    /// All watches of a kind work again.
    WatchRecovered { kind: &'a str },
    /// The API server can't stream the initial list.
    ListingInPages { kind: &'a str },
    /// The API server doesn't know a kind.
    KindMissing { kind: &'a str, built_in: bool },
    /// The API server serves a kind in other versions than the operator's; `served` is the newest one.
    VersionMissing { kind: &'a str, served: &'a str },
    /// The API server knows a kind that it didn't know.
    KindFound { kind: &'a str },
    /// The API server serves a newer version of a kind than the operator knows.
    NewerVersion { kind: &'a str, newer: &'a str },
    /// The API server can't be asked about a kind.
    DiscoveryFailed { server: &'a str, kind: &'a str, why: &'a str },

    // Objects: these come within the object's span.
    /// Something happens to a daemon besides its attempts.
    Daemon { handler: HandlerName<'a>, event: DaemonEvent },
    /// So many changes that daemons asked for can't be written any more: the object is gone, or there were too many.
    DaemonEditsDropped { edits: usize, gone: bool },
    /// Handling begins.
    CycleBegins { cycle: &'a Cycle, kind: &'a Kind },
    /// Handling has come to a state, which is stored now.
    CycleEnds { reason: Reason, state: &'a CycleState },
    /// These update handlers match the object for the first time, which is a creation.
    UpdateLeftOut { handlers: &'a [&'a str] },
    /// Nothing is to be done for the object now.
    Idle(Idle),
    /// The finalizer is added, or removed where no handler needs it.
    FinalizerChanges(&'a Finalizer),
    /// Entries on the object can't be decoded.
    Unreadable(&'a [UnreadableEntry]),
    /// An attempt of a handler begins.
    /// `epoch`: how often the lease of its object has changed hands, where there are leases.
    HandlerBegins { handler: HandlerName<'a>, epoch: Option<u64> },
    /// An attempt of a handler has ended; `outage` is what was away that it needed. `known`: it still waits for the same as after the
    /// attempt before.
    HandlerEnded {
        handler: HandlerName<'a>,
        outcome: &'a Outcome,
        words: &'a str,
        took: Duration,
        outage: Option<&'a str>,
        known: bool,
        epoch: Option<u64>,
    },
    /// The object's lease is over: its turn was broken off, and handlers that ran in it were dropped.
    TurnLost { epoch: Option<u64> },
    /// An index function has told by which keys the object is found.
    Indexed { id: &'a str },
    /// An index function has failed for the object in another way than before. Either the object has `kept` its entries, or
    /// it has none now.
    IndexFailed { id: &'a str, error: &'a Error, kept: bool },
    /// Handlers wait for their next attempt.
    Sleeping { due: Duration },
    /// A change has ended a wait.
    SleepInterrupted { unslept: Duration },
    /// The API server did not keep some fields of a write.
    Inconsistent { fields: &'a [String] },
    /// A write failed, and is retried soon.
    WriteFailed { why: &'a str, again: Duration },
    /// A read failed, and is retried soon.
    ReadFailed { why: &'a str, again: Duration },
    /// A write failed for so long that the object is left alone for a while.
    WritePostponed { cause: PostponeCause, why: &'a str, again: Duration },
    /// The API server rejects something that handlers asked for: it is not written.
    EditsRejected { status: bool, why: &'a str },
    /// Something that handlers asked for can't be done.
    EditLeftOut { why: &'a str },
    /// An event handler's write met a newer version: its handler is called for that, too.
    EditOutdated,
    /// The diff-base is stored in a smaller form.
    DiffBaseCompressed,
    /// Only a digest of the diff-base is stored.
    DiffBaseDigested,
    /// The object was created with the operator's state of another one on it: it is removed.
    Copied,
    /// Others have removed the operator's state from the object this often in a row: it is left alone for a while.
    Stripped { strips: usize, again: Duration },
    /// The framework failed over the object, which is throttled.
    Throttled { delay: Duration, why: &'a str },
    /// The object isn't throttled any longer.
    ThrottlingEnded,
}

/// The phases of an operator's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It logs in, and its start-up handlers are called; then its services start.
    Starting,
    /// Its kinds are being listed for the first time; listed objects are handled already, once all indexes are filled.
    Listing,
    /// All kinds are listed.
    Serving,
    /// It was told to stop: running handlers may finish.
    Draining,
    /// Its clean-up handlers are called; then its services end.
    CleaningUp,
}

/// Something that happens to a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEvent {
    /// It is this replica's from now on; its Lease has changed hands so often.
    Held {
        /// That number.
        epoch: u64,
    },
    /// It is handed over once nothing of it goes on.
    Left,
    /// It was lost.
    Lost,
}

/// Something that happens to a daemon besides its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonEvent {
    /// It is told to stop, and has time for that.
    Signalled,
    /// Its future is dropped, if it is at an `.await`.
    Forced,
    /// Its future was dropped.
    Cancelled,
    /// It has not ended in time, and isn't waited for.
    Abandoned,
    /// It has ended because it was told to.
    ExitedOnRequest,
    /// It has ended by itself.
    ExitedOnItsOwn,
}

/// A handler, as the log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlerName<'a> {
    /// Its family: `Handler`, `Timer`, `Daemon`.
    pub family: &'static str,
    /// Its id.
    pub id: &'a str,
}

/// The reason for which a write is postponed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostponeCause {
    /// It failed, and may succeed later.
    Failed,
    /// The API server rejects it.
    Rejected,
    /// The API server rejects the removal of the finalizer, so that the object stays.
    Unreleased,
    /// The operator lacks a permission.
    Forbidden,
}

/// Work that is left when the operator stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Handlers that run.
    pub handlers: usize,
    /// Daemons that have not ended; abandoned ones, too.
    pub daemons: usize,
    /// Objects that are being read or written.
    pub changes: usize,
}

/// A sink of observations.
pub type Sink = Arc<dyn Fn(&Observation<'_>) + Send + Sync>;

/// Hands observations to its sinks, of which the log is the first.
#[derive(Clone)]
pub struct Observer(Arc<[Sink]>);

impl Observer {
    /// An observer with these sinks.
    pub fn new(sinks: impl IntoIterator<Item = Sink>) -> Self {
        Self(sinks.into_iter().collect())
    }

    /// The same with another sink.
    #[must_use]
    pub fn with(self, sink: Sink) -> Self {
        Self(self.0.iter().cloned().chain([sink]).collect())
    }

    /// The same with Kopf's words in the log where korf has others.
    #[must_use]
    pub(crate) fn logging_as_kopf(self) -> Self {
        let others = self.0.iter().skip(1).cloned();
        Self([Arc::new(log::write_as_kopf) as Sink].into_iter().chain(others).collect())
    }

    /// Hands an observation to each sink.
    pub fn observe(&self, observation: Observation<'_>) {
        self.0.iter().for_each(|sink| sink(&observation));
    }
}

/// An observer that writes the log.
impl Default for Observer {
    fn default() -> Self {
        Self::new([Arc::new(log::write) as Sink])
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.len()).finish()
    }
}
