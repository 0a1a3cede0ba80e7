//! One kind of objects, as the runtime needs it.

use super::{calls::Calls, object::Object, rights::Rights};
use crate::{
    core::{
        body::Body,
        cycle::Setup,
        selector::{Term, selector},
        storage::Storage,
        task::Trigger,
    },
    handler::{Handler, Kind, Postbox, States},
};
use kube::{
    Api, Client,
    core::{ApiResource, Expression, Selector, SelectorExt},
};
use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

/// Where objects are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// In the whole cluster.
    All,
    /// In these.
    Some(Vec<String>),
}

/// A kind with its handlers, and all that a worker needs to handle its objects.
pub struct Watched {
    pub(super) kind: Kind,
    pub(super) handlers: Vec<Handler>,
    setup: Setup,
    /// The same with everything in annotations, once the status turned out not to keep it.
    outside_status: OnceLock<Setup>,
    pub(super) states: Arc<States>,
    pub(super) stopping: CancellationToken,
    server: Server,
    status_subresource: AtomicBool,
    /// Its handlers that are being called.
    pub(super) calls: Calls,
    pub(super) rights: Rights,
    /// Which objects the API server is asked for.
    selector: Selector,
}

/// What is the same for all kinds.
#[derive(Clone, Debug)]
pub struct Common {
    /// Where things are kept on the objects.
    pub storage: Storage,
    /// Only one of an object's handlers is called in a cycle.
    pub one_at_a_time: bool,
    /// The kinds of which only some objects are asked for, and which.
    pub selectors: Vec<(ApiResource, Selector)>,
    /// Of the other kinds, only what all handlers have in common is asked for.
    pub narrow: bool,
}

/// The API server.
#[derive(Clone)]
pub struct Server {
    /// For requests to it.
    pub client: Client,
    /// Where it is, for people.
    pub address: String,
    /// Where events about objects go.
    pub events: Postbox,
}

impl Server {
    /// The API server that this client talks to.
    pub fn new(client: Client, address: String) -> Self {
        Self { client, address, events: Postbox::default() }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("kind", &self.kind)
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}

impl Watched {
    /// The kinds that these handlers are of, each with its handlers in their order.
    pub fn group(
        handlers: Vec<Handler>,
        common: &Common,
        states: &Arc<States>,
        server: &Server,
        stopping: &CancellationToken,
    ) -> Vec<Self> {
        let mut kinds: Vec<(Kind, Vec<Handler>)> = Vec::new();
        for handler in handlers {
            match kinds.iter_mut().find(|(known, _)| known.resource == handler.kind.resource) {
                Some((_, handlers)) => handlers.push(handler),
                None => kinds.push((handler.kind.clone(), vec![handler])),
            }
        }
        let watched = |(kind, handlers): (Kind, Vec<Handler>)| {
            let setup = common.setup(&handlers);
            Self {
                selector: common.selector(&kind.resource, &setup),
                kind,
                handlers,
                setup,
                outside_status: OnceLock::new(),
                states: Arc::clone(states),
                stopping: stopping.clone(),
                server: server.clone(),
                status_subresource: AtomicBool::new(false),
                calls: Calls::default(),
                rights: Rights::default(),
            }
        };
        kinds.into_iter().map(watched).collect()
    }

    /// An object as the core knows it, with its kind.
    pub(super) fn body(&self, object: Object) -> Body {
        object.into_body().of_kind(&self.kind.resource.api_version, &self.kind.resource.kind)
    }

    /// What the core knows of the kind.
    pub(super) fn setup(&self) -> &Setup {
        self.outside_status.get().unwrap_or(&self.setup)
    }

    /// Keeps things in annotations from now on, since the status doesn't keep them; false if they are there already.
    pub(super) fn leave_the_status(&self) -> bool {
        let Some(storage) = self.setup().storage.outside_status() else { return false };
        self.outside_status.set(Setup { storage, ..self.setup.clone() }).is_ok()
    }

    /// The handlers of raw events.
    pub(super) fn spies(&self) -> impl Iterator<Item = &Handler> {
        self.handlers.iter().filter(|handler| handler.trigger == Trigger::Event)
    }

    pub(super) fn is_spied(&self) -> bool {
        self.spies().next().is_some()
    }

    /// Which objects are asked for, as the API server has it; none where all are.
    pub(super) fn selector(&self) -> Option<String> {
        (!self.selector.selects_all()).then(|| self.selector.to_string())
    }

    /// Whether the API server is asked for this object.
    pub(super) fn selects(&self, body: &Body) -> bool {
        let labels = body.value()["metadata"]["labels"].as_object().into_iter().flatten();
        let labels = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        self.selector.matches(&labels.collect())
    }

    pub(super) fn client(&self) -> &Client {
        &self.server.client
    }

    pub(super) fn events(&self) -> &Postbox {
        &self.server.events
    }

    /// Where the API server is, for people.
    pub(super) fn server(&self) -> &str {
        &self.server.address
    }

    /// `databasetables.v1.kopf.demo`, as kubectl takes it.
    pub(super) fn title(&self) -> String {
        let resource = &self.kind.resource;
        let parts = [&resource.plural, &resource.version, &resource.group];
        parts.map(String::as_str).into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
    }

    /// The objects of one namespace, or of all.
    pub(super) fn api(&self, namespace: Option<&str>) -> Api<Object> {
        match namespace {
            Some(namespace) => {
                Api::namespaced_with(self.server.client.clone(), namespace, &self.kind.resource)
            }
            None => Api::all_with(self.server.client.clone(), &self.kind.resource),
        }
    }

    pub(super) fn api_of(&self, body: &Body) -> Api<Object> {
        self.api(body.namespace())
    }

    /// Whether the status is written by requests of its own.
    pub(super) fn has_status_subresource(&self) -> bool {
        self.status_subresource.load(Ordering::Relaxed)
    }

    /// Takes note of what the API server says of the kind.
    pub(super) fn set_status_subresource(&self, present: bool) {
        self.status_subresource.store(present, Ordering::Relaxed);
    }
}

impl Common {
    fn setup(&self, handlers: &[Handler]) -> Setup {
        let tasks = handlers.iter().map(Handler::task).collect();
        Setup { storage: self.storage.clone(), tasks, one_at_a_time: self.one_at_a_time }
    }

    /// The selector that was asked for, or else, if that was, what all handlers have in common.
    fn selector(&self, resource: &ApiResource, setup: &Setup) -> Selector {
        let chosen = self.selectors.iter().find(|(kind, _)| kind == resource);
        chosen.map_or_else(
            || selector(&setup.tasks).into_iter().filter(|_| self.narrow).map(expression).collect(),
            |(_, selector)| selector.clone(),
        )
    }
}

fn expression(term: Term) -> Expression {
    match term {
        Term::Equals(key, value) => Expression::Equal(key, value),
        Term::Exists(key) => Expression::Exists(key),
        Term::Absent(key) => Expression::DoesNotExist(key),
    }
}
