//! The server: its state, and its answers to requests.

use super::{
    answer::{Answer, Refusal},
    fault::{Fate, Faults, Passage},
    log::{Exchange, MERGE, Request},
    path::{Family, Place, Target},
    served::Served,
    service::Wire,
    store::Store,
    watching::{WatchEvent, Watching},
    writing::{Deleted, Subject, Update, success},
};
use http::Method;
use korf::__private::clock;
use kube::{Client, Resource, core::ApiResource};
use serde_json::Value;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// An API server in memory; its clones are one server.
#[derive(Clone)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    /// By themselves: they may ask the server.
    faults: Arc<Mutex<Box<dyn Faults>>>,
    /// Wakes watches. The number is that of the last cut of all connections.
    news: Arc<watch::Sender<u64>>,
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
    /// A server that serves no kinds, and with which nothing goes wrong.
    pub fn new() -> Self {
        let state = State { store: Store::default(), log: Vec::new() };
        Self {
            state: Arc::new(Mutex::new(state)),
            faults: Arc::new(Mutex::new(Box::new(()))),
            news: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Box<dyn Faults>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a kind from now on; one that is served already, with its objects, is served in the new way.
    pub fn serve(&self, kind: Served) {
        self.state().store.serve(kind);
        self.wake();
    }

    /// Takes a kind away, with all its objects. Its watches end.
    pub fn withdraw(&self, kind: &ApiResource) {
        self.state().store.withdraw(&family(kind));
        self.cut();
    }

    /// A client; the name is for the [log](Self::exchanges). It belongs to the tokio runtime that it is made in.
    pub fn client(&self, who: &str) -> Client {
        Client::new(Wire::new(self.clone(), who), "default")
    }

    /// What goes wrong from now on. `()` is nothing.
    pub fn set_faults(&self, faults: impl Faults + 'static) {
        *self.faults() = Box::new(faults);
    }

    /// All requests so far, in the order in which they came.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.state().log.clone()
    }

    /// The number of the last change.
    pub fn revision(&self) -> u64 {
        self.state().store.revision()
    }

    /// Forgets what was before now: watches and pages that go on from there get 410.
    pub fn compact(&self) {
        self.state().store.compact();
    }

    /// Forgets what was before now, and breaks all watches: they have to begin with a new listing.
    pub fn expire(&self) {
        self.state().store.skip();
        self.compact();
        self.cut();
    }

    /// Breaks all watches, as a network does.
    pub fn cut(&self) {
        self.news.send_modify(|cuts| *cuts += 1);
    }

    /// The objects of a kind as they are now, by namespace and name.
    pub fn objects(&self, kind: &ApiResource) -> Vec<Arc<Value>> {
        let place = Place { family: family(kind), namespace: None };
        self.state().store.objects(&place).map(|objects| objects.into_values().collect()).unwrap_or_default()
    }

    /// One object as it is now.
    pub fn object<K: Resource<DynamicType = ()>>(
        &self,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<Arc<Value>> {
        let family = family(&ApiResource::erase::<K>(&()));
        let place = Place { family, namespace: namespace.map(str::to_owned) };
        self.state().store.get(&place, name).ok()
    }

    /// Whether a kind's objects live in namespaces; so do those of kinds that aren't served.
    pub(crate) fn is_namespaced(&self, kind: &ApiResource) -> bool {
        self.state().store.served(&family(kind)).map_or(true, |served| served.namespaced)
    }

    pub(crate) fn has_status_subresource(&self, kind: &ApiResource) -> bool {
        self.state().store.served(&family(kind)).is_ok_and(|served| served.status_subresource)
    }

    /// Answers a request at once, whatever the faults are: for what users of the cluster do in a test.
    ///
    /// # Errors
    /// The server's refusal: a `Status` object.
    pub fn ask(&self, request: Request) -> Result<Arc<Value>, Arc<Value>> {
        let number = self.enter(request.clone());
        match self.answer(number, &request) {
            Answer::Document(code, document) if code < 400 => Ok(document),
            Answer::Document(_, document) => Err(document),
            Answer::Text(code, _) => Err(Arc::new(Refusal::injected(code).status())),
            Answer::Watch(_) => Err(Arc::new(Refusal::bad_request("a watch has no one answer").status())),
        }
    }

    /// Puts a request into the log; returns its number there.
    pub(super) fn enter(&self, request: Request) -> usize {
        let mut state = self.state();
        state.log.push(Exchange { at: clock::now(), request, code: None, answered: false, effect: None });
        state.log.len() - 1
    }

    pub(super) fn fate(&self, request: &Request) -> Fate {
        self.faults().request(request)
    }

    pub(super) fn passage(&self, event: &WatchEvent) -> Passage {
        self.faults().event(event)
    }

    /// Carries out a request of the log.
    pub(super) fn answer(&self, number: usize, request: &Request) -> Answer {
        let (answer, changed) = {
            let mut state = self.state();
            let before = state.store.revision();
            let answer = self.carry_out(&mut state.store, request).unwrap_or_else(Answer::from);
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
        self.news.send_modify(|_| {});
    }

    fn carry_out(&self, store: &mut Store, request: &Request) -> Result<Answer, Refusal> {
        match Target::of(&request.path, store)? {
            Target::Discovery { group, version } => {
                Ok(Answer::Document(200, Arc::new(store.discovery(&group, &version))))
            }
            Target::Objects(place) => match request.method {
                Method::GET if request.is_watch() => {
                    let watching =
                        Watching::open(self.clone(), self.news.subscribe(), store, place, &request.query)?;
                    Ok(Answer::Watch(Box::new(watching)))
                }
                Method::GET => Ok(Answer::Document(200, Arc::new(store.list(&place, &request.query)?))),
                Method::POST => store
                    .create(&place, request.body.clone(), clock::now())
                    .map(|object| Answer::Document(201, object)),
                _ => Err(unsupported(store, &place, &request.method)),
            },
            Target::Object { place, name, status } => {
                of_object(store, Subject { place: &place, name: &name, status }, request)
            }
        }
    }
}

fn of_object(store: &mut Store, subject: Subject<'_>, request: &Request) -> Result<Answer, Refusal> {
    let Subject { place, name, status } = subject;
    let document = |object| Answer::Document(200, object);
    match request.method {
        _ if status && !store.served(&place.family)?.status_subresource => {
            Err(Refusal::not_found(store.served(&place.family)?, name))
        }
        Method::GET => store.get(place, name).map(document),
        Method::PUT => store.update(subject, Update::Replace(request.body.clone())).map(document),
        Method::PATCH if request.content != MERGE => Err(Refusal::unsupported_media_type()),
        Method::PATCH => store.update(subject, Update::Merge(request.body.clone())).map(document),
        Method::DELETE if !status => match store.delete(place, name, &request.body, clock::now())? {
            Deleted::Marked(object) => Ok(document(object)),
            Deleted::Gone(object) => Ok(document(Arc::new(success(store.served(&place.family)?, &object)))),
        },
        _ => Err(unsupported(store, place, &request.method)),
    }
}

fn unsupported(store: &Store, place: &Place, method: &Method) -> Refusal {
    let verb = match *method {
        Method::POST => "create",
        Method::DELETE => "delete",
        _ => "update",
    };
    store.served(&place.family).map_or_else(|refusal| refusal, |served| Refusal::not_supported(served, verb))
}

fn family(kind: &ApiResource) -> Family {
    Family { group: kind.group.clone(), plural: kind.plural.clone() }
}
