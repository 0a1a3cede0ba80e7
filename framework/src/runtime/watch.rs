//! Watches one kind for as long as the operator lives: a failure is logged once, and retried.

use super::{
    built_in::is_built_in,
    health::{WatchHealth, noting},
    kind::{KindContext, Namespaces},
    object::WatchedObject,
    observe::Observation,
    versions::look_for_newer,
    write::{explain, explain_watch, watch_code},
};
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use korf_core::queue::Event;
use kube::{
    Client,
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
    runtime::{
        WatchStreamExt,
        watcher::{self, Config, InitialListStrategy, watcher},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// All that happens to the objects of a kind, from their listing on, with the number of the place where.
pub fn watch(kind: Arc<KindContext>, namespaces: Namespaces) -> BoxStream<'static, (u32, Event)> {
    let begun = async move {
        let asked = kind.operator.health.watch(&kind.title(), None);
        let scope = discover(&kind, &asked).await;
        let places = match (scope, namespaces) {
            (Scope::Cluster, _) | (_, Namespaces::All) => vec![None],
            (Scope::Namespaced, Namespaces::Some(names)) => names.into_iter().map(Some).collect(),
        };
        kind.set_places(places.clone());
        let watches = (0..).zip(places).map(|(number, place)| {
            let events = Watch::new(Arc::clone(&kind), place).events();
            events.map(move |event| (number, event)).boxed()
        });
        stream::select_all(watches)
    };
    stream::once(begun).flatten().boxed()
}

/// Waits until the API server knows the kind, and notes its scope and subresources.
async fn discover(kind: &KindContext, health: &WatchHealth) -> Scope {
    let (mut logged, mut delay) = (None, Duration::from_millis(250));
    loop {
        let answer = ask_for(kind).await;
        note(&answer, health);
        match answer {
            Ok(scope) => {
                if logged.is_some() {
                    kind.observe(Observation::KindFound { kind: &kind.title() });
                }
                look_for_newer(kind).await;
                return scope;
            }
            Err(why) if logged.as_ref() == Some(&why) => {}
            Err(why) => {
                undiscovered(kind, why.as_deref());
                logged = Some(why);
            }
        }
        sleep(delay).await;
        delay = (delay * 2).min(kind.operator.settings.watching.discovery_interval);
    }
}

fn note(answer: &Result<Scope, Option<String>>, health: &WatchHealth) {
    match answer {
        Ok(_) => health.found(),
        Err(None) => health.waits(),
        Err(Some(_)) => return health.fails(),
    }
    health.in_contact();
}

/// Asks the API server for the kind, once.
///
/// # Errors
/// The reason why it can't tell; none where it doesn't know the kind.
async fn ask_for(kind: &KindContext) -> Result<Scope, Option<String>> {
    let resource = &kind.kind.resource;
    let gvk = GroupVersionKind::gvk(&resource.group, &resource.version, &resource.kind);
    match timeout(kind.operator.settings.requests.timeout, pinned_kind(kind.client(), &gvk)).await {
        Ok(Ok((_, capabilities))) => {
            let mut plurals = capabilities.subresources.iter().map(|(resource, _)| &resource.plural);
            kind.set_status_subresource(
                plurals.any(|plural| plural.ends_with("/status") || plural == "status"),
            );
            Ok(capabilities.scope)
        }
        Ok(Err(error)) if is_unknown(&error) => Err(None),
        Ok(Err(error)) => Err(Some(explain(&error))),
        Err(_) => {
            let limit = kind.operator.settings.requests.timeout.as_secs();
            Err(Some(format!("the API server has not answered which kinds it has within {limit} seconds")))
        }
    }
}

fn undiscovered(kind: &KindContext, why: Option<&str>) {
    match why {
        None => kind.observe(Observation::KindMissing {
            kind: &kind.title(),
            built_in: is_built_in(&kind.kind.resource.group),
        }),
        Some(why) => kind.observe(Observation::DiscoveryFailed {
            server: &kind.operator.address,
            kind: &kind.title(),
            why,
        }),
    }
}

fn is_unknown(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 404,
        kube::Error::Discovery(_) => true,
        _ => false,
    }
}

/// The time within which a second watch that can't go on from where it was is a failure.
const RELISTS_APART: Duration = Duration::from_secs(60);

/// A server that is too busy for a watch for longer than this is a failure.
const BUSY: Duration = Duration::from_secs(10);

/// One watch, in one namespace or in all.
struct Watch {
    kind: Arc<KindContext>,
    namespace: Option<String>,
    health: WatchHealth,
    /// The operator's, which notes each contact.
    client: Client,
    stream: Option<BoxStream<'static, watcher::Result<watcher::Event<WatchedObject>>>>,
    strategy: InitialListStrategy,
    failing: Option<String>,
    /// The initial list has begun, and has not ended.
    listing: bool,
    /// When a watch last couldn't go on from where it was.
    outdated: Option<Instant>,
    /// Since when the server is too busy for a watch.
    busy: Option<Instant>,
    /// The kind's CRD may have changed since the last listing.
    revised: bool,
}

impl Watch {
    fn new(kind: Arc<KindContext>, namespace: Option<String>) -> Self {
        let strategy = InitialListStrategy::StreamingList;
        let health = kind.operator.health.watch(&kind.title(), namespace.as_deref());
        Self {
            client: noting(kind.client(), health.clone()),
            kind,
            namespace,
            health,
            stream: None,
            strategy,
            failing: None,
            listing: false,
            outdated: None,
            busy: None,
            revised: false,
        }
    }

    fn events(self) -> impl Stream<Item = Event> + Send {
        stream::unfold(self, |mut watch| async {
            let event = watch.next().await;
            Some((event, watch))
        })
    }

    async fn next(&mut self) -> Event {
        loop {
            if self.stream.is_none() {
                self.stream = Some(self.open());
            }
            let limit = self.listing_limit();
            let next = match &mut self.stream {
                Some(stream) => match timeout(limit, stream.next()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.turn_to_pages();
                        continue;
                    }
                },
                None => None,
            };
            match next {
                Some(Ok(event)) => {
                    self.listing = matches!(event, watcher::Event::Init | watcher::Event::InitApply(_));
                    // `Init` comes before anything was asked for where the list is read in pages.
                    if !matches!(event, watcher::Event::Init) {
                        self.works();
                    }
                    return self.translate(event);
                }
                Some(Err(error)) => {
                    self.listing = false;
                    self.recover(&error).await;
                }
                None => (self.stream, self.listing) = (None, false),
            }
        }
    }

    fn open(&self) -> BoxStream<'static, watcher::Result<watcher::Event<WatchedObject>>> {
        let selector = self.kind.selector();
        self.kind.observe(Observation::WatchBegins {
            kind: &self.kind.title(),
            namespace: self.namespace.as_deref(),
            selector: selector.as_deref(),
        });
        let config = Config {
            initial_list_strategy: self.strategy.clone(),
            label_selector: selector,
            ..Config::default().timeout(self.server_timeout())
        };
        watcher(self.kind.api_by(&self.client, self.namespace.as_deref()), config).default_backoff().boxed()
    }

    /// The time after which the server ends a watch, in seconds.
    fn server_timeout(&self) -> u32 {
        let seconds = self.kind.operator.settings.watching.server_timeout.as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
    }

    fn works(&mut self) {
        self.busy = None;
        self.health.works();
        if self.failing.take().is_some() {
            self.kind.observe(Observation::WatchRecovered { kind: &self.kind.title() });
        }
    }

    /// The longest silence of the server now. One that doesn't know what it was asked for streams the list as if it were
    /// changes, and never says that the list has ended.
    fn listing_limit(&self) -> Duration {
        let streams = self.listing && self.strategy == InitialListStrategy::StreamingList;
        if streams { self.kind.operator.settings.watching.listing_silence } else { Duration::MAX }
    }

    /// With another stream, whose list is read in pages.
    fn turn_to_pages(&mut self) {
        self.kind.observe(Observation::ListingInPages { kind: &self.kind.title() });
        (self.strategy, self.stream) = (InitialListStrategy::ListWatch, None);
    }

    /// The stream waits before it goes on, and goes on by itself but where it can't know better.
    async fn recover(&mut self, error: &watcher::Error) {
        let (code, streaming) = (watch_code(error), self.strategy == InitialListStrategy::StreamingList);
        if streaming && matches!((code, error), (Some(400 | 422), watcher::Error::WatchStartFailed(_))) {
            // Servers before 1.34, or with the feature switched off.
            return self.turn_to_pages();
        }
        if code == Some(429) && self.busy.get_or_insert_with(Instant::now).elapsed() < BUSY {
            // So it is for a moment after each change of a CRD.
            let (kind, why) = (&self.kind.title(), &explain_watch(error));
            return self.kind.observe(Observation::WatchDelayed { kind, why });
        }
        let outdated = code == Some(410) && !matches!(error, watcher::Error::InitialListFailed(_));
        let before = if outdated { self.outdated.replace(Instant::now()) } else { None };
        if outdated && before.is_none_or(|before| before.elapsed() >= RELISTS_APART) {
            // A change of the CRD cuts all its watches, and so does a long outage. That is no failure, unless it goes on.
            let (kind, why) = (&self.kind.title(), &explain_watch(error));
            self.kind.observe(Observation::Relisting { kind, why });
        } else {
            self.failed(explain_watch(error));
        }
        match (code, error) {
            // The kind was taken away. It may come back, and be another one then.
            (Some(404), _) => self.restart(self.kind.operator.settings.watching.relist_delay).await,
            // kube-runtime would ask for the same version again, or wait as long as the outage before has made it wait. But
            // the server is there; all it wants is a new listing.
            (Some(410), watcher::Error::WatchStartFailed(_) | watcher::Error::WatchError(_)) => {
                let delay = self.kind.operator.settings.watching.relist_delay;
                self.restart(delay.mul_f64(0.5 + fastrand::f64())).await;
            }
            _ => {}
        }
    }

    /// With another stream, after this time. The kind's CRD may have been changed: it may have got a status subresource.
    async fn restart(&mut self, after: Duration) {
        (self.stream, self.revised) = (None, true);
        sleep(after).await;
        discover(&self.kind, &self.health).await;
    }

    fn failed(&mut self, why: String) {
        let known = self.failing.as_ref() == Some(&why);
        let (server, kind) = (&self.kind.operator.address, &self.kind.title());
        self.kind.observe(Observation::WatchFailed { server, kind, why: &why, known });
        self.failing = Some(why);
        self.health.fails();
    }

    fn translate(&mut self, event: watcher::Event<WatchedObject>) -> Event {
        match event {
            watcher::Event::Init if self.revised => Event::ListingRevised,
            watcher::Event::Init => Event::Listing,
            watcher::Event::InitApply(object) => Event::Listed(self.kind.body(object)),
            watcher::Event::InitDone => {
                self.revised = false;
                self.health.listed();
                Event::ListingDone
            }
            watcher::Event::Apply(object) => Event::Applied(self.kind.body(object)),
            watcher::Event::Delete(object) => Event::Deleted(self.kind.body(object)),
        }
    }
}
