//! The server: its state, and its answers to requests.

use super::{
    answer::{Answer, FieldError, Rejection},
    apply::Applied,
    changes::Changes,
    faults::{Delivery, EventDelivery, Faults},
    log::{APPLY, Exchange, JSON, MERGE, Request, STRATEGIC},
    managers::Author,
    served::ServedKind,
    service::Connection,
    store::Store,
    target::{Collection, GroupResource, Target},
    watch::{OpenWatch, WatchEvent},
    write::{Deleted, Subject, Update, success},
};
use http::Method;
use korf::__private::clock;
use kube::{Client, Resource, core::ApiResource};
use serde_json::Value;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// An API server in memory; its clones are one server.
#[derive(Clone)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    /// With a lock of their own, as they may use the server.
    faults: Arc<Mutex<Box<dyn Faults>>>,
    changes: Arc<Changes>,
}

pub(super) struct State {
    pub store: Store,
    pub log: Vec<Exchange>,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

impl Default for ApiServer {
    fn default() -> Self {
        Self::new()
    }
}

impl ApiServer {
    /// A server with the built-in kinds of Kubernetes, and without faults.
    pub fn new() -> Self {
        let state = State { store: Store::default(), log: Vec::new() };
        Self {
            state: Arc::new(Mutex::new(state)),
            faults: Arc::new(Mutex::new(Box::new(()))),
            changes: Arc::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Box<dyn Faults>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a kind from now on. If it is served already, it keeps its objects.
    pub fn serve(&self, kind: ServedKind) {
        self.state().store.serve(kind);
        self.wake();
    }

    /// Removes a kind with all its objects. Its watches break.
    pub fn remove_kind(&self, kind: &ApiResource) {
        self.state().store.remove_kind(&group_resource(kind));
        self.break_watches();
    }

    /// A client with this name in the [log](Self::exchanges). It belongs to the current tokio runtime.
    pub fn client(&self, client: &str) -> Client {
        Client::new(Connection::new(self.clone(), client), "default")
    }

    /// Sets the faults from now on; `()` is none.
    pub fn set_faults(&self, faults: impl Faults + 'static) {
        *self.faults() = Box::new(faults);
    }

    /// All requests so far, in their order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.state().log.clone()
    }

    /// The number of the last change.
    pub fn revision(&self) -> u64 {
        self.state().store.revision()
    }

    /// Forgets all earlier versions: watches and pages that continue from one get 410.
    pub fn compact(&self) {
        self.state().store.compact();
    }

    /// Forgets all earlier versions and breaks all watches: they have to relist.
    pub fn expire(&self) {
        self.state().store.skip();
        self.compact();
        self.break_watches();
    }

    /// Breaks all watches, as a network failure does.
    pub fn break_watches(&self) {
        self.changes.break_watches();
    }

    /// The objects of a kind as they are now, by namespace and name.
    pub fn objects(&self, kind: &ApiResource) -> Vec<Arc<Value>> {
        let collection = Collection { group_resource: group_resource(kind), namespace: None };
        self.state()
            .store
            .objects(&collection)
            .map(|objects| objects.into_values().collect())
            .unwrap_or_default()
    }

    /// One object as it is now.
    pub fn object<K: Resource<DynamicType = ()>>(
        &self,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<Arc<Value>> {
        let group_resource = group_resource(&ApiResource::erase::<K>(&()));
        let collection = Collection { group_resource, namespace: namespace.map(str::to_owned) };
        self.state().store.get(&collection, name).ok()
    }

    /// Whether a kind is namespaced. Kinds that aren't served count as namespaced.
    pub(crate) fn is_namespaced(&self, kind: &ApiResource) -> bool {
        self.state().store.served(&group_resource(kind)).map_or(true, |served| served.namespaced)
    }

    pub(crate) fn has_status_subresource(&self, kind: &ApiResource) -> bool {
        self.state().store.served(&group_resource(kind)).is_ok_and(|served| served.status_subresource)
    }

    /// Answers a request at once, without faults: for the users of the cluster in a test.
    ///
    /// # Errors
    /// The server's rejection: a `Status` object.
    pub fn ask(&self, request: Request) -> Result<Arc<Value>, Arc<Value>> {
        let number = self.log(request.clone());
        match self.answer(number, &request) {
            Answer::Document(code, document) if code < 400 => Ok(document),
            Answer::Document(_, document) => Err(document),
            Answer::Text(code, text) => {
                Err(Arc::new(Rejection::new(code, "NotFound", text.trim_end()).status()))
            }
            Answer::Watch(_) => {
                Err(Arc::new(Rejection::bad_request("a watch has no single answer").status()))
            }
        }
    }

    /// Logs a request. Returns its number in the log.
    pub(super) fn log(&self, request: Request) -> usize {
        let mut state = self.state();
        state.log.push(Exchange { at: clock::now(), request, code: None, answered: false, effect: None });
        state.log.len() - 1
    }

    pub(super) fn delivery(&self, request: &Request) -> Delivery {
        self.faults().request(request)
    }

    pub(super) fn event_delivery(&self, event: &WatchEvent) -> EventDelivery {
        self.faults().event(event)
    }

    /// Executes a logged request.
    pub(super) fn answer(&self, number: usize, request: &Request) -> Answer {
        let (answer, changed) = {
            let mut state = self.state();
            let before = state.store.revision();
            let answer = self.execute(&mut state.store, request).unwrap_or_else(Answer::from);
            let effect = state.store.last_change(before);
            let changed = effect.is_some();
            let entry = &mut state.log[number];
            (entry.code, entry.effect) = (Some(answer.code()), effect);
            (answer, changed)
        };
        if changed {
            self.wake();
        }
        answer
    }

    /// Notes that the client got its answer.
    pub(super) fn answered(&self, number: usize) {
        self.state().log[number].answered = true;
    }

    fn wake(&self) {
        self.changes.wake();
    }

    fn execute(&self, store: &mut Store, request: &Request) -> Result<Answer, Rejection> {
        if request.query.contains_key("dryRun") {
            return Err(Rejection::not_done("dry runs"));
        }
        match Target::of(&request.path, store)? {
            Target::Core => Ok(Answer::Document(200, Arc::new(store.groups(str::is_empty)))),
            Target::Groups => Ok(Answer::Document(200, Arc::new(store.groups(|group| !group.is_empty())))),
            Target::Group(group) => Ok(Answer::Document(200, Arc::new(store.group(&group)?))),
            Target::Discovery { group, version } => {
                Ok(Answer::Document(200, Arc::new(store.discovery(&group, &version))))
            }
            Target::Objects(collection) => match request.method {
                Method::GET if request.is_watch() => {
                    let watch = OpenWatch::open(
                        self.clone(),
                        Arc::clone(&self.changes),
                        store,
                        collection,
                        &request.query,
                    )?;
                    Ok(Answer::Watch(Box::new(watch)))
                }
                Method::GET => Ok(Answer::Document(200, Arc::new(store.list(&collection, &request.query)?))),
                Method::POST => store
                    .create(&collection, request.body.clone(), author(request))
                    .map(|object| Answer::Document(201, object)),
                Method::DELETE => Err(Rejection::not_done("deletions of whole collections")),
                _ => Err(unsupported(store, &collection, &request.method)),
            },
            Target::Object { collection, name, status } => {
                of_object(store, Subject { collection: &collection, name: &name, status }, request)
            }
        }
    }
}

fn of_object(store: &mut Store, subject: Subject<'_>, request: &Request) -> Result<Answer, Rejection> {
    let Subject { collection, name, status } = subject;
    let document = |object| Answer::Document(200, object);
    match request.method {
        _ if status && !store.served(&collection.group_resource)?.status_subresource => {
            Err(Rejection::not_found(store.served(&collection.group_resource)?, name))
        }
        Method::GET => store.get(collection, name).map(document),
        Method::PUT => {
            store.update(subject, Update::Replace(request.body.clone()), author(request)).map(document)
        }
        Method::PATCH => patch(store, subject, request),
        Method::DELETE if !status => match store.delete(collection, name, &request.body, clock::now())? {
            Deleted::Marked(object) => Ok(document(object)),
            Deleted::Gone(object) => {
                Ok(document(Arc::new(success(store.served(&collection.group_resource)?, &object))))
            }
        },
        _ => Err(unsupported(store, collection, &request.method)),
    }
}

fn patch(store: &mut Store, subject: Subject<'_>, request: &Request) -> Result<Answer, Rejection> {
    let (body, author) = (request.body.clone(), author(request));
    let update = match request.content.as_str() {
        APPLY => return apply(store, subject, request),
        MERGE => Update::Merge(body),
        JSON => Update::Json(body),
        STRATEGIC if store.served(&subject.collection.group_resource)?.is_built_in() => {
            return Err(Rejection::not_done(
                "strategic merge patches: test it with a merge patch or by server-side apply",
            ));
        }
        _ => return Err(Rejection::unsupported_media_type()),
    };
    if request.forces() {
        let why = FieldError::Forbidden("may not be specified for non-apply patch".into());
        return Err(Rejection::invalid_patch_options("force", &why));
    }
    store.update(subject, update, author).map(|object| Answer::Document(200, object))
}

fn apply(store: &mut Store, subject: Subject<'_>, request: &Request) -> Result<Answer, Rejection> {
    if !request.query.contains_key("fieldManager") {
        let why = FieldError::Required("is required for apply patch");
        return Err(Rejection::invalid_patch_options("fieldManager", &why));
    }
    Ok(match store.apply(subject, request.body.clone(), request.forces(), author(request))? {
        Applied::Created(object) => Answer::Document(201, object),
        Applied::Merged(object) => Answer::Document(200, object),
    })
}

fn author(request: &Request) -> Author<'_> {
    Author { manager: request.query.get("fieldManager").unwrap_or(&request.client), now: clock::now() }
}

fn unsupported(store: &Store, collection: &Collection, method: &Method) -> Rejection {
    let verb = match *method {
        Method::POST => "create",
        Method::DELETE => "delete",
        _ => "update",
    };
    store
        .served(&collection.group_resource)
        .map_or_else(|rejection| rejection, |served| Rejection::not_supported(served, verb))
}

fn group_resource(kind: &ApiResource) -> GroupResource {
    GroupResource { group: kind.group.clone(), plural: kind.plural.clone() }
}
