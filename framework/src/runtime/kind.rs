//! Kind contexts: what the turns of one kind's objects need.

use super::{
    catalog::ServedKind,
    clock,
    daemons::DaemonNews,
    failures::WatchFailures,
    health::{Health, WatchHealth, WriteHealth},
    index::Indexer,
    lead::{Holdings, Relisting},
    object::WatchedObject,
    observe::{
        Observation, Observer,
        metrics::{Called, KindMetrics, Metrics},
    },
    probes::Probes,
    related::Relations,
    triggers::Triggers,
    write::Permissions,
};
use crate::{
    call::{Context, States},
    event_queue::EventQueue,
    extract::Indexes,
    families::{ChangeFn, DaemonHandler, EventHandler, Family, Handler, Kind, Parameter, TimerHandler},
    settings::Settings,
};
use korf_core::{body::Body, cycle::Setup, handler::OnChange, queue::KindNeeds, storage::Storage};
use kube::{
    Api, Client,
    core::{ApiResource, Selector},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The most fields of a kind that are reported as dropped by the API server.
const MOST_DROPPED: usize = 100;

/// What all kinds of an operator share.
pub struct OperatorContext {
    /// The client of the API server, for the operator's own requests.
    pub client: Client,
    /// The same for those of handlers.
    pub for_handlers: Client,
    /// The API server's address, for people.
    pub address: String,
    /// The values of `State` arguments.
    pub states: Arc<States>,
    /// The values of `Index` arguments.
    pub indexes: Arc<Indexes>,
    /// The Kubernetes events that wait to be posted.
    pub events: EventQueue,
    /// The triggers that handlers have given.
    pub triggers: Triggers,
    /// The handlers of any kind.
    pub any_kind: Vec<EventHandler>,
    /// A permit for each watch that is being opened.
    pub opening: Arc<Semaphore>,
    /// Where progress and finalizers are stored.
    pub storage: Storage,
    /// Objects are resumed whose generation has changed though nothing else has.
    pub follow_generations: bool,
    /// A cycle calls only the first of the handlers that are due.
    pub one_at_a_time: bool,
    /// The kinds of which the API server is asked for some objects only.
    pub selectors: Vec<(ApiResource, Selector)>,
    /// All limits, delays and sizes.
    pub settings: Settings,
    /// Whom to tell what happens.
    pub observer: Observer,
    /// What is noted for those that ask whether the operator is alive and ready.
    pub health: Health,
    /// What is counted for those that ask.
    pub metrics: Metrics,
    /// Which objects are this replica's.
    pub holdings: Holdings,
    /// Tells the watches to list again.
    pub relisting: Relisting,
    /// Cancelled when the operator stops.
    pub stopping: CancellationToken,
    /// What the operator says of itself when it is asked.
    #[expect(dead_code, reason = "it keeps them for the health, which only borrows them")]
    pub probes: Arc<Probes>,
}

// States and client are omitted: they may hold secrets.
impl fmt::Debug for OperatorContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorContext").field("address", &self.address).finish_non_exhaustive()
    }
}

impl OperatorContext {
    /// The part of a handler's call that is about the operator.
    pub(super) fn call(&self, handler: &str, param: Option<&Parameter>) -> Context {
        Context {
            handler: handler.to_owned(),
            client: self.for_handlers.clone(),
            states: Arc::clone(&self.states),
            indexes: Arc::clone(&self.indexes),
            stop: self.stopping.clone(),
            triggers: self.triggers.clone(),
            param: param.cloned(),
            now: clock::now(),
        }
    }
}

/// One kind: its handlers, and what the turns of its objects need.
pub struct KindContext {
    pub(super) kind: Arc<Kind>,
    /// The change handlers.
    pub(super) setup: Setup<ChangeFn>,
    pub(super) events: Vec<EventHandler>,
    pub(super) timers: Vec<TimerHandler>,
    pub(super) daemons: Vec<DaemonHandler>,
    /// Where the reactor is told of daemons.
    pub(super) daemon_news: DaemonNews,
    pub(super) indexes: Vec<Indexer>,
    pub(super) relations: Relations,
    /// There are handlers that are called in turns.
    has_turns: bool,
    pub(super) operator: Arc<OperatorContext>,
    pub(super) permissions: Permissions,
    /// What its writes come to.
    pub(super) writes: WriteHealth,
    /// What is counted of it.
    pub(super) metrics: Arc<KindMetrics>,
    status_subresource: AtomicBool,
    /// The handlers that are running.
    running: AtomicUsize,
    /// Which objects the API server is asked for.
    selector: Selector,
    /// The fields that the API server has not kept, as far as the log has warned of them.
    dropped: Mutex<BTreeSet<String>>,
    /// The newer version by which the kind is served, as far as the log has warned of it.
    newer: Mutex<Option<String>>,
    /// It was found in the catalog, and has handlers of any kind alone.
    is_found: bool,
    /// The categories that it is in, as far as a handler asks for one.
    categories: Mutex<Vec<String>>,
    places: Mutex<KindPlaces>,
    failures: Mutex<WatchFailures>,
}

impl fmt::Debug for KindContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KindContext")
            .field("kind", &self.kind)
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}

/// Where a kind is watched.
#[derive(Debug, Default)]
pub struct KindPlaces {
    /// The namespaces by the numbers of their watches; one that has no name where the whole cluster is watched.
    pub namespaces: BTreeMap<u32, Option<String>>,
    /// These are all: the kind is discovered, and so are the namespaces that there are.
    pub complete: bool,
}

/// A handler runs while this lives.
#[derive(Debug)]
pub struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl KindContext {
    /// The kinds of these handlers, each with its handlers in their order.
    pub fn group(handlers: Vec<Handler>, operator: &Arc<OperatorContext>) -> Vec<Self> {
        let mut kinds: Vec<Self> = Vec::new();
        let (any, handlers): (Vec<_>, Vec<_>) =
            handlers.into_iter().partition(|handler| handler.kind.is_any());
        for handler in handlers {
            let known = kinds.iter().position(|known| known.kind.resource == handler.kind.resource);
            let index = known.unwrap_or_else(|| {
                kinds.push(Self::new(handler.kind.clone(), operator));
                kinds.len() - 1
            });
            kinds[index].has_turns |= !matches!(handler.family, Family::Index(_) | Family::Related(_));
            match handler.family {
                Family::Change(handler) => kinds[index].setup.handlers.push(handler),
                Family::Event(handler) => kinds[index].events.push(handler),
                Family::Index(handler) => {
                    kinds[index].indexes.extend(Indexer::new(handler, &operator.indexes));
                }
                Family::Related(handler) => kinds[index].relations.add(handler),
                Family::Timer(handler) => kinds[index].timers.push(handler),
                Family::Daemon(handler) => kinds[index].daemons.push(handler),
            }
        }
        if !any.is_empty() {
            kinds.iter_mut().for_each(Self::look_on);
            operator.metrics.set_others(calls_of_events(&operator.any_kind));
        }
        for kind in &mut kinds {
            kind.metrics = operator.metrics.kind(&kind.title(), kind.calls());
        }
        kinds
    }

    /// A kind without handlers of its own, if handlers of any kind are for it.
    pub(super) fn found(served: ServedKind, operator: &Arc<OperatorContext>) -> Option<Self> {
        let ServedKind { resource, categories } = served;
        let mut kind = Self::new(Kind { resource, definition: None, scope: None }, operator);
        kind.is_found = true;
        kind.writes = operator.health.writes_aside(&kind.title());
        kind.metrics = operator.metrics.others();
        kind.look_on();
        kind.set_categories(categories);
        let is_meant = kind.events.iter().any(|handler| kind.is_meant(handler));
        is_meant.then_some(kind)
    }

    /// Adds the handlers of any kind that may be for this one.
    fn look_on(&mut self) {
        let resource = &self.kind.resource;
        let may_have = |handler: &&EventHandler| {
            handler.kinds.as_ref().is_some_and(|kinds| kinds.may_have(resource)) && !is_report(resource)
        };
        self.events.extend(self.operator.any_kind.iter().filter(may_have).cloned());
        self.has_turns |= !self.events.is_empty();
    }

    /// Whether an event handler is for this kind, by its categories.
    pub(super) fn is_meant(&self, handler: &EventHandler) -> bool {
        handler.kinds.as_ref().is_none_or(|kinds| {
            kinds.has_one_of(&self.categories.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Whether a handler asks for the categories that it is in.
    pub(super) fn asks_for_categories(&self) -> bool {
        let mut selections = self.events.iter().filter_map(|handler| handler.kinds.as_ref());
        selections.any(|kinds| kinds.category.is_some())
    }

    /// Takes in the categories that it is in.
    pub(super) fn set_categories(&self, categories: Vec<String>) {
        *self.categories.lock().unwrap_or_else(PoisonError::into_inner) = categories;
    }

    /// Whether it was found in the catalog: it is forgotten when it is gone.
    pub(super) fn is_found(&self) -> bool {
        self.is_found
    }

    /// The health of its watch in a place, or of its discovery. That of a kind without handlers of its own counts for nothing: the
    /// operator may not be allowed to watch it.
    pub(super) fn health(&self, namespace: Option<&str>) -> WatchHealth {
        let health = &self.operator.health;
        if self.is_found {
            health.aside(&self.title(), namespace)
        } else {
            health.watch(&self.title(), namespace)
        }
    }

    fn new(kind: Kind, operator: &Arc<OperatorContext>) -> Self {
        let selectors = &operator.selectors;
        let selector = selectors.iter().find(|(resource, _)| *resource == kind.resource);
        let writes = operator.health.writes(&title(&kind.resource));
        Self {
            selector: selector.map(|(_, selector)| selector.clone()).unwrap_or_default(),
            kind: Arc::new(kind),
            setup: Setup {
                storage: operator.storage.clone(),
                handlers: Vec::new(),
                one_at_a_time: operator.one_at_a_time,
            },
            events: Vec::new(),
            timers: Vec::new(),
            daemons: Vec::new(),
            daemon_news: DaemonNews::default(),
            indexes: Vec::new(),
            relations: Relations::default(),
            has_turns: false,
            operator: Arc::clone(operator),
            permissions: Permissions::default(),
            writes,
            metrics: Arc::default(),
            status_subresource: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            dropped: Mutex::default(),
            newer: Mutex::default(),
            is_found: false,
            categories: Mutex::default(),
            places: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// The ids of its handlers, and what each is usually called for.
    fn calls(&self) -> Vec<(String, Vec<Called>)> {
        let changes = self.setup.handlers.iter().map(|handler| (&handler.id, Called::of(handler.on)));
        let timers = self.timers.iter().map(|handler| (&handler.id, &[Called::Timer][..]));
        let daemons = self.daemons.iter().map(|handler| (&handler.id, &[Called::Daemon][..]));
        let all = changes.chain(timers).chain(daemons).map(|(id, calls)| (id.clone(), calls.to_vec()));
        all.chain(calls_of_events(&self.events)).collect()
    }

    /// Whether there are handlers that are called in turns.
    pub(super) fn has_turns(&self) -> bool {
        self.has_turns
    }

    /// Whether it needs no more objects than those of the replica's shards: index functions and mapping functions need all.
    pub(super) fn may_share(&self) -> bool {
        self.has_turns && self.indexes.is_empty() && self.relations.is_empty()
    }

    /// Whether only its objects of the replica's shards are known.
    pub(super) fn is_shared(&self) -> bool {
        self.may_share() && self.operator.relisting.selector().is_some()
    }

    /// What its handlers need of the queue.
    pub(super) fn needs(&self) -> KindNeeds {
        KindNeeds {
            events: !self.events.is_empty(),
            bodies: !self.timers.is_empty(),
            selected: self.selector().is_some(),
            resync: self.resync(),
            turnless: !self.has_turns,
        }
    }

    /// The shortest interval that its resume handlers ask for.
    fn resync(&self) -> Option<Duration> {
        let intervals = self.setup.handlers.iter().filter_map(|handler| match handler.on {
            OnChange::Resume { resync, .. } => resync,
            _ => None,
        });
        intervals.min()
    }

    /// An object as the core knows it, with its kind.
    pub(super) fn body(&self, object: WatchedObject) -> Body {
        object.into_body().of_kind(&self.kind.resource.api_version, &self.kind.resource.kind)
    }

    /// Those of these fields that the API server has not kept for the first time.
    pub(super) fn newly_dropped(&self, mut fields: Vec<String>) -> Vec<String> {
        if !fields.is_empty() {
            let mut known = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
            // A status with keys from data may have any number of fields.
            fields.retain(|field| known.len() < MOST_DROPPED && known.insert(field.clone()));
        }
        fields
    }

    /// Forgets that the API server has not kept these fields.
    pub(super) fn forget_dropped(&self, meant: impl Fn(&String) -> bool) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).retain(|field| !meant(field));
    }

    /// Takes in a newer version by which the kind is served; returns whether it was unknown.
    pub(super) fn note_newer(&self, version: &str) -> bool {
        let mut known = self.newer.lock().unwrap_or_else(PoisonError::into_inner);
        known.replace(version.to_owned()).as_deref() != Some(version)
    }

    pub(super) fn observe(&self, observation: Observation<'_>) {
        self.operator.observer.observe(observation);
    }

    /// Tells that its objects in these places are listed for the first time.
    pub(super) fn observe_listed(&self, places: &[u32], objects: usize) {
        let named = {
            let all = &self.places().namespaces;
            places.iter().filter_map(|place| all.get(place)?.clone()).collect::<Vec<_>>()
        };
        let selector = self.selector();
        self.observe(Observation::Listed {
            kind: &self.title(),
            namespaces: &named,
            selector: selector.as_deref(),
            objects,
        });
    }

    /// Counts a handler as running. Daemons are counted by their owner.
    pub(super) fn run(&self, called: Called) -> Option<Running<'_>> {
        (called != Called::Daemon).then(|| {
            self.running.fetch_add(1, Ordering::Relaxed);
            Running(&self.running)
        })
    }

    /// The number of handlers that are running.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// The selector that the API server is asked with; none where it is asked for all objects.
    pub(super) fn selector(&self) -> Option<String> {
        (!self.selector.selects_all()).then(|| self.selector.to_string())
    }

    pub(super) fn client(&self) -> &Client {
        &self.operator.client
    }

    /// `databasetables.v1.kopf.demo`, as kubectl takes it.
    pub(super) fn title(&self) -> String {
        title(&self.kind.resource)
    }

    /// The objects of one namespace, or of all.
    pub(super) fn api(&self, namespace: Option<&str>) -> Api<WatchedObject> {
        self.api_by(self.client(), namespace)
    }

    /// The same, by another client.
    pub(super) fn api_by(&self, client: &Client, namespace: Option<&str>) -> Api<WatchedObject> {
        let client = client.clone();
        match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &self.kind.resource),
            None => Api::all_with(client, &self.kind.resource),
        }
    }

    pub(super) fn api_of(&self, body: &Body) -> Api<WatchedObject> {
        self.api(body.namespace())
    }

    /// Whether the status is written by requests of its own.
    pub(super) fn has_status_subresource(&self) -> bool {
        self.status_subresource.load(Ordering::Relaxed)
    }

    /// Whether its objects are resumed when their generation has changed and nothing else has. Without a status subresource
    /// each write of the status changes the generation.
    pub(super) fn follows_generations(&self) -> bool {
        self.operator.follow_generations && self.has_status_subresource()
    }

    /// The places of its watches.
    pub(super) fn places(&self) -> MutexGuard<'_, KindPlaces> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in the places of its watches, and whether these are all.
    pub(super) fn set_places(&self, namespaces: BTreeMap<u32, Option<String>>, complete: bool) {
        *self.places() = KindPlaces { namespaces, complete };
    }

    /// The failing ones of its watches.
    pub(super) fn failures(&self) -> MutexGuard<'_, WatchFailures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in whether the kind has a status subresource.
    pub(super) fn set_status_subresource(&self, present: bool) {
        self.status_subresource.store(present, Ordering::Relaxed);
    }
}

/// The ids of event handlers, and what they are called for.
fn calls_of_events(handlers: &[EventHandler]) -> impl Iterator<Item = (String, Vec<Called>)> {
    handlers.iter().map(|handler| (handler.id.clone(), vec![Called::Event]))
}

/// Whether objects of a kind are reports on others, which handlers of any kind aren't for. They are in two groups at once.
pub fn is_report(resource: &ApiResource) -> bool {
    resource.plural == "events" && matches!(&*resource.group, "" | "events.k8s.io")
}

fn title(resource: &ApiResource) -> String {
    let parts = [&resource.plural, &resource.version, &resource.group];
    parts.map(String::as_str).into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}
