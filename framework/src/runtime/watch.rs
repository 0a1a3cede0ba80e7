//! Watches one kind, for as long as the operator lives: whatever fails is said once, and tried again.

use super::{
    built_in::is_built_in,
    fault::{explain, explain_watch, watch_code},
    kind::{Namespaces, Watched},
    object::Object,
    queue::Event,
    report,
};
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
    runtime::{
        WatchStreamExt,
        watcher::{self, Config, InitialListStrategy, watcher},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// The server ends each watch after this time, and a connection that is silent for longer is dead. Kopf
/// gives up after 70 s of silence.
const WATCH_SECONDS: u32 = 60;

/// The longest time between two questions for a kind that isn't there.
const PATIENCE: Duration = Duration::from_secs(10);

/// About the time between a 410 and the listing that it asks for: less would be hard on a server that answers all its clients so.
const BREATH: Duration = Duration::from_secs(1);

/// All that happens to the objects of a kind, from their listing on, with the number of the place where.
pub fn watch(watched: Arc<Watched>, namespaces: Namespaces) -> BoxStream<'static, (usize, Event)> {
    let begun = async move {
        let scope = discover(&watched).await;
        watched.check_results().await;
        let places = match (scope, namespaces) {
            (Scope::Cluster, _) | (_, Namespaces::All) => vec![None],
            (Scope::Namespaced, Namespaces::Some(names)) => names.into_iter().map(Some).collect(),
        };
        let watches = places.into_iter().enumerate().map(|(number, place)| {
            let events = Watch::new(Arc::clone(&watched), place).events();
            events.map(move |event| (number, event)).boxed()
        });
        stream::select_all(watches)
    };
    stream::once(begun).flatten().boxed()
}

/// Waits until the API server knows the kind; takes note of what it says of it.
async fn discover(watched: &Watched) -> Scope {
    let (mut said, mut delay) = (None, Duration::from_millis(250));
    loop {
        match ask_for(watched).await {
            Ok(scope) => {
                if said.is_some() {
                    report::kind_is_there(&watched.title());
                }
                return scope;
            }
            Err(why) if said.as_ref() == Some(&why) => {}
            Err(why) => {
                report_undiscovered(watched, why.as_deref());
                said = Some(why);
            }
        }
        sleep(delay).await;
        delay = (delay * 2).min(PATIENCE);
    }
}

/// Asks the API server for the kind, once. It says why it can't tell; nothing where it doesn't know the kind.
async fn ask_for(watched: &Watched) -> Result<Scope, Option<String>> {
    let resource = &watched.kind.resource;
    let gvk = GroupVersionKind::gvk(&resource.group, &resource.version, &resource.kind);
    match timeout(Duration::from_secs(30), pinned_kind(watched.client(), &gvk)).await {
        Ok(Ok((_, capabilities))) => {
            let mut plurals = capabilities.subresources.iter().map(|(resource, _)| &resource.plural);
            watched.set_status_subresource(
                plurals.any(|plural| plural.ends_with("/status") || plural == "status"),
            );
            Ok(capabilities.scope)
        }
        Ok(Err(error)) if is_unknown(&error) => Err(None),
        Ok(Err(error)) => Err(Some(explain(&error))),
        Err(_) => Err(Some("no answer within 30 seconds".to_owned())),
    }
}

fn report_undiscovered(watched: &Watched, why: Option<&str>) {
    match why {
        None => report::kind_is_missing(&watched.title(), is_built_in(&watched.kind.resource.group)),
        Some(why) => report::discovery_fails(watched.server(), &watched.title(), why),
    }
}

fn is_unknown(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 404,
        kube::Error::Discovery(_) => true,
        _ => false,
    }
}

/// One watch, in one namespace or in all.
struct Watch {
    watched: Arc<Watched>,
    namespace: Option<String>,
    stream: Option<BoxStream<'static, watcher::Result<watcher::Event<Object>>>>,
    strategy: InitialListStrategy,
    failing: Option<String>,
}

impl Watch {
    fn new(watched: Arc<Watched>, namespace: Option<String>) -> Self {
        let strategy = InitialListStrategy::StreamingList;
        Self { watched, namespace, stream: None, strategy, failing: None }
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
            let next = match &mut self.stream {
                Some(stream) => stream.next().await,
                None => None,
            };
            match next {
                Some(Ok(event)) => {
                    // `Init` comes before anything was asked for where the list is read in pages.
                    if !matches!(event, watcher::Event::Init) && self.failing.take().is_some() {
                        report::watch_works(&self.watched.title());
                    }
                    return translate(event, &self.watched);
                }
                Some(Err(error)) => self.recover(&error).await,
                None => self.stream = None,
            }
        }
    }

    fn open(&self) -> BoxStream<'static, watcher::Result<watcher::Event<Object>>> {
        let selector = self.watched.selector();
        report::watching(&self.watched.title(), self.namespace.as_deref(), selector.as_deref());
        let config = Config {
            initial_list_strategy: self.strategy.clone(),
            label_selector: selector,
            ..Config::default().timeout(WATCH_SECONDS)
        };
        watcher(self.watched.api(self.namespace.as_deref()), config).default_backoff().boxed()
    }

    /// The stream waits before it goes on, and goes on by itself but where it can't know better.
    async fn recover(&mut self, error: &watcher::Error) {
        match (watch_code(error), error) {
            // Servers before 1.34, or with the feature switched off.
            (Some(400 | 422), watcher::Error::WatchStartFailed(_))
                if self.strategy == InitialListStrategy::StreamingList =>
            {
                report::listing_in_pages(&self.watched.title());
                self.strategy = InitialListStrategy::ListWatch;
                self.stream = None;
                return;
            }
            // The kind was taken away. It may come back, and be another one then.
            (Some(404), _) => self.begin_anew(BREATH).await,
            // kube-runtime would ask for the same version again, or wait as long as the outage before has made it wait. But
            // the server is there; all it wants is a new listing.
            (Some(410), watcher::Error::WatchStartFailed(_) | watcher::Error::WatchError(_)) => {
                self.begin_anew(BREATH.mul_f64(0.5 + fastrand::f64())).await;
            }
            _ => {}
        }
        self.report_failure(explain_watch(error));
    }

    /// With another stream, after this time. The kind's CRD may have been changed: it may have got a status subresource.
    async fn begin_anew(&mut self, after: Duration) {
        self.stream = None;
        sleep(after).await;
        discover(&self.watched).await;
    }

    fn report_failure(&mut self, why: String) {
        let title = self.watched.title();
        if self.failing.as_ref() == Some(&why) {
            report::watch_still_fails(&title, &why);
        } else {
            report::watch_fails(self.watched.server(), &title, &why);
            self.failing = Some(why);
        }
    }
}

fn translate(event: watcher::Event<Object>, watched: &Watched) -> Event {
    match event {
        watcher::Event::Init => Event::Listing,
        watcher::Event::InitApply(object) => Event::Listed(watched.body(object)),
        watcher::Event::InitDone => Event::ListingDone,
        watcher::Event::Apply(object) => Event::Applied(watched.body(object)),
        watcher::Event::Delete(object) => Event::Deleted(watched.body(object)),
    }
}
