//! Watch: one kind in one place, for as long as it is there. A failure is logged once, and retried.

use super::{
    backoff::WatchBackoff,
    health::{WatchHealth, noting},
    hiccup::{Hiccup, Hiccups},
    kind::KindContext,
    lead::{Relisted, is_about_share, sharing},
    object::WatchedObject,
    observe::Observation,
    write::{explain_watch, watch_code},
};
use crate::settings::Settings;
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use korf_core::queue::Event;
use kube::{
    Client,
    runtime::{
        WatchStreamExt,
        watcher::{self, Config, InitialListStrategy, watcher},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// The most watches that are opened at a time.
const OPENINGS: usize = 32;

/// A permit for each watch that is being opened: thousands of connections at once are more than some API servers and proxies take.
pub fn openings() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(OPENINGS))
}

/// The watch can't go on before the kind is discovered again, which is to be asked for after this delay.
struct Pause(Duration);

/// News of a watch.
pub enum WatchNews {
    /// Something happens to an object.
    Event(Event),
    /// The kind's CRD may have changed, or is gone: the watch goes on once the kind is discovered again, which is to be asked
    /// for after this delay. That is the last news.
    Paused(Box<Watch>, Duration),
}

/// The longest delay after a failed watch of a kind without handlers of its own.
const FOUND_DELAY: Duration = Duration::from_secs(300);

/// One watch, in one namespace or in all.
pub struct Watch {
    kind: Arc<KindContext>,
    namespace: Option<String>,
    health: WatchHealth,
    /// The operator's, which notes each contact.
    client: Client,
    stream: Option<BoxStream<'static, watcher::Result<watcher::Event<WatchedObject>>>>,
    strategy: InitialListStrategy,
    is_failing: bool,
    /// Few watches open at a time.
    opening: Option<OwnedSemaphorePermit>,
    /// The initial list has begun, and has not ended.
    listing: bool,
    hiccups: Hiccups,
    /// The kind's CRD may have changed since the last listing.
    revised: bool,
    relisted: Relisted,
    /// It asks for the replica's share alone.
    shares: bool,
    /// It lists because the operator has taken over some of the objects.
    again: bool,
}

impl Watch {
    /// A watch that hasn't begun.
    pub fn new(kind: Arc<KindContext>, namespace: Option<String>) -> Self {
        let strategy = InitialListStrategy::StreamingList;
        let health = kind.health(namespace.as_deref());
        Self {
            client: noting(kind.client(), health.clone()),
            relisted: kind.operator.relisting.follow(),
            shares: false,
            again: false,
            kind,
            namespace,
            health,
            stream: None,
            strategy,
            is_failing: false,
            opening: None,
            listing: false,
            hiccups: Hiccups::default(),
            revised: false,
        }
    }

    /// The same, for when its kind is discovered again.
    pub fn paused(kind: Arc<KindContext>, namespace: Option<String>) -> Self {
        let watch = Self::new(kind, namespace);
        watch.health.pauses();
        watch
    }

    /// All that it sees.
    pub fn news(self) -> impl Stream<Item = WatchNews> + Send {
        self.health.goes_on();
        stream::unfold(Some(Box::new(self)), |watch| async {
            let mut watch = watch?;
            Some(match watch.next().await {
                Ok(event) => (WatchNews::Event(event), Some(watch)),
                Err(Pause(delay)) => (WatchNews::Paused(watch, delay), None),
            })
        })
    }

    async fn next(&mut self) -> Result<Event, Pause> {
        loop {
            if self.stream.is_none() {
                if self.kind.may_share() {
                    self.kind.operator.relisting.settled().await;
                }
                self.opening = Arc::clone(&self.kind.operator.opening).acquire_owned().await.ok();
                self.relisted.begins();
                self.stream = Some(self.open());
            }
            let limit = self.listing_limit();
            let next = match &mut self.stream {
                Some(stream) => tokio::select! {
                    biased;
                    () = self.relisted.asked(), if self.kind.has_turns() => {
                        self.list_again();
                        continue;
                    }
                    next = timeout(limit, stream.next()) => match next {
                        Ok(next) => next,
                        Err(_) => {
                            self.turn_to_pages();
                            continue;
                        }
                    },
                    () = self.health.opened() => {
                        self.works();
                        self.opening = None;
                        continue;
                    }
                },
                None => None,
            };
            self.opening = None;
            match next {
                Some(Ok(event)) => {
                    self.listing = matches!(event, watcher::Event::Init | watcher::Event::InitApply(_));
                    // `Init` comes before anything was asked for where the list is read in pages.
                    if !matches!(event, watcher::Event::Init) {
                        self.works();
                    }
                    return Ok(self.translate(event));
                }
                Some(Err(error)) => {
                    self.listing = false;
                    self.recover(&error)?;
                }
                None => (self.stream, self.listing) = (None, false),
            }
        }
    }

    fn open(&mut self) -> BoxStream<'static, watcher::Result<watcher::Event<WatchedObject>>> {
        let selector = self.kind.selector();
        self.kind.observe(Observation::WatchBegins {
            kind: &self.kind.title(),
            namespace: self.namespace.as_deref(),
            selector: selector.as_deref(),
        });
        let config = Config {
            initial_list_strategy: self.strategy.clone(),
            label_selector: selector,
            ..Config::default().timeout(server_timeout(&self.kind.operator.settings))
        };
        let delay = self.kind.operator.settings.watching.retry_delay;
        // The operator may lack the permission for any number of kinds that nobody has named.
        let backoff = WatchBackoff::up_to(if self.kind.is_found() { delay.max(FOUND_DELAY) } else { delay });
        let share = self.kind.operator.relisting.selector().filter(|_| self.kind.may_share());
        self.shares = share.is_some();
        let client = share.map_or_else(|| self.client.clone(), |share| sharing(&self.client, share));
        watcher(self.kind.api_by(&client, self.namespace.as_deref()), config).backoff(backoff).boxed()
    }

    fn works(&mut self) {
        self.hiccups.end();
        self.health.works();
        let namespace = self.namespace.as_deref();
        if std::mem::take(&mut self.is_failing) && self.kind.failures().end(namespace) {
            self.kind.observe(Observation::WatchRecovered { kind: &self.kind.title() });
        }
    }

    /// The longest silence of the server now. One that doesn't know what it was asked for streams the list as if it were
    /// changes, and never says that the list has ended.
    fn listing_limit(&self) -> Duration {
        let streams = self.listing && self.strategy == InitialListStrategy::StreamingList;
        if streams { self.kind.operator.settings.watching.listing_silence } else { Duration::MAX }
    }

    /// With another stream, since the operator has taken over some of the objects.
    fn list_again(&mut self) {
        (self.stream, self.opening) = (None, None);
        (self.listing, self.again) = (false, true);
    }

    /// With another stream, whose list is read in pages.
    fn turn_to_pages(&mut self) {
        self.kind.observe(Observation::ListingInPages { kind: &self.kind.title() });
        (self.strategy, self.stream) = (InitialListStrategy::ListWatch, None);
    }

    /// The stream waits before it goes on, and goes on by itself but where it can't know better.
    fn recover(&mut self, error: &watcher::Error) -> Result<(), Pause> {
        let (code, streaming) = (watch_code(error), self.strategy == InitialListStrategy::StreamingList);
        if streaming && matches!((code, error), (Some(400 | 422), watcher::Error::WatchStartFailed(_))) {
            // Servers before 1.34, or with the feature switched off.
            self.turn_to_pages();
            return Ok(());
        }
        if self.shares && is_about_share(code) {
            self.kind.operator.relisting.set_helped(false);
            (self.stream, self.shares) = (None, false);
            return Ok(());
        }
        let (kind, why) = (&self.kind.title(), explain_watch(error));
        match self.hiccups.of(error) {
            Some(Hiccup::Busy) => {
                self.kind.observe(Observation::WatchDelayed { kind, why: &why });
                return Ok(());
            }
            Some(Hiccup::Outdated) => self.kind.observe(Observation::Relisting { kind, why: &why }),
            None => self.failed(&why),
        }
        let delay = self.kind.operator.settings.watching.relist_delay;
        match (code, error) {
            // The kind was taken away. It may come back, and be another one then.
            (Some(404), _) => Err(self.pause(delay)),
            // kube-runtime would ask for the same version again, or wait as long as the outage before has made it wait. But
            // the server is there; all it wants is a new listing.
            (Some(410), watcher::Error::WatchStartFailed(_) | watcher::Error::WatchError(_)) => {
                Err(self.pause(delay.mul_f64(0.5 + fastrand::f64())))
            }
            _ => Ok(()),
        }
    }

    /// Ends the stream: the next one comes after this time, and finds a kind whose CRD may have been changed. It may have got a
    /// status subresource.
    fn pause(&mut self, delay: Duration) -> Pause {
        (self.stream, self.revised) = (None, true);
        self.health.pauses();
        Pause(delay)
    }

    fn failed(&mut self, why: &str) {
        let reason = match &self.namespace {
            // The same for all of them, such as a missing permission.
            Some(namespace) => why.replace(&format!("\"{namespace}\""), "…"),
            None => why.to_owned(),
        };
        let is_news = self.kind.failures().begin(self.namespace.as_deref(), &reason);
        // Where there is one watch, it is clear which one fails.
        let is_one_of_several = self.kind.places().namespaces.len() > 1;
        self.kind.observe(Observation::WatchFailed {
            server: &self.kind.operator.address,
            kind: &self.kind.title(),
            namespace: self.namespace.as_deref().filter(|_| is_one_of_several),
            why,
            known: !is_news,
        });
        self.is_failing = true;
        self.health.fails();
    }

    fn translate(&mut self, event: watcher::Event<WatchedObject>) -> Event {
        match event {
            watcher::Event::Init if self.revised => Event::ListingRevised,
            watcher::Event::Init if self.again => Event::ListingAgain,
            watcher::Event::Init => Event::Listing,
            watcher::Event::InitApply(object) => Event::Listed(self.kind.body(object)),
            watcher::Event::InitDone => {
                (self.revised, self.again) = (false, false);
                self.health.listed();
                Event::ListingDone
            }
            watcher::Event::Apply(object) => Event::Applied(self.kind.body(object)),
            watcher::Event::Delete(object) => Event::Deleted(self.kind.body(object)),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.is_failing {
            self.kind.failures().end(self.namespace.as_deref());
        }
    }
}

/// The time after which the server ends a watch, in seconds.
pub fn server_timeout(settings: &Settings) -> u32 {
    u32::try_from(settings.watching.server_timeout.as_secs()).unwrap_or(u32::MAX).max(1)
}
