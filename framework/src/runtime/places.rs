//! Places of a kind: the namespaces in which it is watched, or the cluster. They come and go.

use super::{
    discovery::{Discovery, discover},
    kind::KindContext,
    namespaces::Region,
    versions::look_for_newer,
    watch::{Watch, WatchNews},
};
use futures::{
    Stream, StreamExt,
    future::{self, AbortHandle, BoxFuture, FutureExt},
    stream::{self, BoxStream, SelectAll, abortable},
};
use korf_core::queue::Event;
use kube::discovery::Scope;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

/// News of a kind.
#[derive(Debug)]
pub enum KindNews {
    /// Something happens in the place with this number.
    Event(u32, Event),
    /// It was found in the catalog, and is gone with all its objects. That is the last news.
    Gone,
    /// It is known in which places it is watched, or these are other ones than before.
    Places,
}

/// All that happens to the objects of a kind, from their listing on.
pub fn watch(kind: Arc<KindContext>, region: Region) -> impl Stream<Item = KindNews> + Send {
    stream::unfold(Some(Places::new(kind, region)), |places| async {
        let mut places = places?;
        let news = places.next().await;
        let goes_on = !matches!(news, KindNews::Gone);
        Some((news, goes_on.then_some(places)))
    })
}

struct Place {
    number: u32,
    /// Ends its watch.
    end: Option<AbortHandle>,
}

struct Places {
    kind: Arc<KindContext>,
    region: Region,
    /// Under way at the start, and whenever the kind may have changed.
    discovery: Option<BoxStream<'static, Discovery>>,
    /// The question for newer versions, for which nothing waits.
    question: Option<BoxFuture<'static, ()>>,
    /// None until the kind is discovered.
    scope: Option<Scope>,
    by_namespace: BTreeMap<Option<String>, Place>,
    watches: SelectAll<BoxStream<'static, (u32, WatchNews)>>,
    /// Watches that go on once the kind is discovered again, by the numbers of their places.
    paused: BTreeMap<u32, Box<Watch>>,
    /// The number of the next place.
    next: u32,
    news: VecDeque<KindNews>,
}

impl Places {
    fn new(kind: Arc<KindContext>, region: Region) -> Self {
        Self {
            discovery: Some(discover(Arc::clone(&kind), Duration::ZERO)),
            question: None,
            kind,
            region,
            scope: None,
            by_namespace: BTreeMap::new(),
            watches: SelectAll::new(),
            paused: BTreeMap::new(),
            next: 0,
            news: VecDeque::new(),
        }
    }

    async fn next(&mut self) -> KindNews {
        loop {
            if let Some(news) = self.news.pop_front() {
                return news;
            }
            let is_namespaced = self.scope == Some(Scope::Namespaced);
            tokio::select! {
                biased;
                () = self.region.changed(), if is_namespaced => self.revise(),
                found = next_of(&mut self.discovery) => self.discovered(found),
                Some((number, news)) = self.watches.next() => match news {
                    WatchNews::Event(event) => return KindNews::Event(number, event),
                    WatchNews::Paused(watch, delay) => self.pause(number, watch, delay),
                },
                () = answered(&mut self.question) => self.question = None,
            }
        }
    }

    /// Takes in that a watch can't go on before the kind is discovered again.
    fn pause(&mut self, number: u32, watch: Box<Watch>, delay: Duration) {
        self.paused.insert(number, watch);
        if self.discovery.is_none() {
            self.discovery = Some(discover(Arc::clone(&self.kind), delay));
        }
    }

    fn discovered(&mut self, found: Option<Discovery>) {
        match found {
            Some(Discovery::Missing) => self.withdraw(),
            Some(Discovery::Served(scope)) => {
                self.discovery = None;
                let asks = !self.kind.is_found();
                self.question = asks.then(|| look_for_newer(Arc::clone(&self.kind)).boxed());
                self.scope = Some(scope);
                self.revise();
                for (number, watch) in std::mem::take(&mut self.paused) {
                    self.begin(number, *watch);
                }
            }
            None => self.discovery = None,
        }
    }

    /// Takes in that the kind is gone, with the objects of all places. A watch that still runs, at another API server maybe,
    /// would go on without a listing when the kind is back: all begin again then.
    fn withdraw(&mut self) {
        for (namespace, place) in &mut self.by_namespace {
            place.end.take().iter().for_each(AbortHandle::abort);
            let begin = || Box::new(Watch::paused(Arc::clone(&self.kind), namespace.clone()));
            self.paused.entry(place.number).or_insert_with(begin);
            self.news.push_back(KindNews::Event(place.number, Event::Withdrawn));
        }
        self.news.extend(self.kind.is_found().then_some(KindNews::Gone));
    }

    /// Begins watches where there are none, and ends those where none are to be.
    fn revise(&mut self) {
        let (wanted, complete) = self.wanted();
        let gone: Vec<_> =
            self.by_namespace.keys().filter(|place| !wanted.contains(*place)).cloned().collect();
        for namespace in gone {
            self.end(&namespace);
        }
        for namespace in wanted {
            if !self.by_namespace.contains_key(&namespace) {
                let number = self.next;
                self.next += 1;
                self.by_namespace.insert(namespace.clone(), Place { number, end: None });
                self.begin(number, Watch::new(Arc::clone(&self.kind), namespace));
            }
        }
        let numbers = self.by_namespace.iter().map(|(namespace, place)| (place.number, namespace.clone()));
        self.kind.set_places(numbers.collect(), complete);
        self.news.push_back(KindNews::Places);
    }

    /// The places where the kind is to be watched, and whether these are all.
    fn wanted(&mut self) -> (BTreeSet<Option<String>>, bool) {
        match (&self.scope, self.region.served()) {
            (Some(Scope::Namespaced), Some(served)) => {
                (served.names.into_iter().map(Some).collect(), served.complete)
            }
            _ => (BTreeSet::from([None]), true),
        }
    }

    fn begin(&mut self, number: u32, watch: Watch) {
        let Some(place) = self.by_namespace.values_mut().find(|place| place.number == number) else { return };
        let (news, end) = abortable(watch.news());
        place.end = Some(end);
        self.watches.push(news.map(move |news| (number, news)).boxed());
    }

    /// Ends the watch of a place whose objects are gone with it.
    fn end(&mut self, namespace: &Option<String>) {
        let Some(place) = self.by_namespace.remove(namespace) else { return };
        place.end.iter().for_each(AbortHandle::abort);
        self.paused.remove(&place.number);
        self.news.push_back(KindNews::Event(place.number, Event::Withdrawn));
    }
}

async fn next_of(discovery: &mut Option<BoxStream<'static, Discovery>>) -> Option<Discovery> {
    match discovery {
        Some(discovery) => discovery.next().await,
        None => future::pending().await,
    }
}

async fn answered(question: &mut Option<BoxFuture<'static, ()>>) {
    match question {
        Some(question) => question.await,
        None => future::pending().await,
    }
}
