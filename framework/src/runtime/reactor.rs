//! Reactor: the operator's one loop, from watch events through the queue to workers.

mod counts;
mod drain;
mod listings;
mod triggers;
mod turnover;
mod workers;

use super::{
    catalog::{ServedKind, catalog},
    daemons::{Daemons, News},
    files,
    found::{Found, Slot},
    kind::{KindContext, OperatorContext},
    lead::Tenures,
    listing::FirstListings,
    memory::{Memories, Memory},
    namespaces::Region,
    observe::Observation,
    places::{KindNews, watch},
    unmet::UnmetTriggers,
};
use futures::{StreamExt, stream};
use korf_core::{
    Uid,
    queue::{Event, Queue, Source, TurnReport},
};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    task::{self, JoinSet},
    time,
};

/// How far away the next timer is where there is none.
const IDLE: Duration = Duration::from_secs(3600);

/// Brings objects and handlers together.
#[derive(Debug)]
pub struct Reactor {
    operator: Arc<OperatorContext>,
    kinds: Vec<Arc<KindContext>>,
    /// The number of those that have handlers of their own, which come first.
    declared: usize,
    found: Found,
    queue: Queue,
    /// Which objects are this replica's.
    tenures: Tenures,
    memories: Memories,
    daemons: Daemons,
    workers: JoinSet<(TurnReport, Memory)>,
    /// The object that each worker has.
    at_work: HashMap<task::Id, Uid>,
    /// Since when all workers are busy while objects wait.
    saturated: Option<Instant>,
    /// Handlers wait until all indexed kinds are listed; none once they are.
    indexing: Option<IndexGate>,
    listings: FirstListings,
    unmet: UnmetTriggers,
    /// All kinds were listed once.
    serving: bool,
    /// It was told that there may be too few open files.
    files_told: bool,
}

/// The first listing of indexed kinds.
#[derive(Clone, Copy, Debug)]
struct IndexGate {
    /// When the log tells what is waited for.
    tell: Instant,
    told: bool,
    /// When handlers are called, whatever the indexes lack.
    ends: Option<Instant>,
}

impl Reactor {
    /// A reactor for these kinds.
    pub fn new(operator: Arc<OperatorContext>, kinds: Vec<KindContext>) -> Self {
        let daemons = Daemons::default();
        let hearing = |mut kind: KindContext| {
            kind.daemon_news = daemons.sender();
            Arc::new(kind)
        };
        let kinds: Vec<_> = kinds.into_iter().map(hearing).collect();
        let needs = kinds.iter().map(|kind| kind.needs());
        let watching = &operator.settings.watching;
        let ends = Some(watching.index_limit).filter(|limit| !limit.is_zero()).map(|limit| now() + limit);
        let indexing = IndexGate { tell: now() + watching.index_patience, told: false, ends };
        let mut queue =
            Queue::new(needs).with_limits(operator.settings.queue()).divided(operator.holdings.shards());
        let tenures = Tenures::new(operator.holdings.clone(), now());
        tenures.serving().for_each(|shard| queue.serve(shard));
        operator.relisting.share_is(operator.holdings.shards(), tenures.serving());
        Self {
            indexing: kinds.iter().any(|kind| kind.is_indexed()).then_some(indexing),
            queue,
            tenures,
            operator,
            declared: kinds.len(),
            kinds,
            found: Found::default(),
            memories: Memories::default(),
            daemons,
            workers: JoinSet::new(),
            at_work: HashMap::new(),
            saturated: None,
            listings: FirstListings::default(),
            unmet: UnmetTriggers::default(),
            serving: false,
            files_told: false,
        }
    }

    /// Serves until the operator is told to stop.
    pub async fn serve(&mut self, region: Region) {
        let watch = |number: u32, kind: &Arc<KindContext>| {
            let news = watch(Arc::clone(kind), region.clone());
            news.map(move |news| (number, news)).boxed()
        };
        let mut news = stream::select_all((0..).zip(&self.kinds).map(|(number, kind)| watch(number, kind)));
        let mut catalog = catalog(&self.operator);
        let (stopping, triggers) = (self.operator.stopping.clone(), self.operator.triggers.clone());
        let (health, survey) = (self.operator.health.clone(), self.operator.metrics.survey().clone());
        while !stopping.is_cancelled() {
            if self.tenures.is_news(now()) {
                self.turn_over();
            }
            self.take_triggers();
            // Also where there are events all the time, in a long listing.
            if self.next_due() <= now() {
                self.expire();
            }
            self.write_for_left();
            self.start_workers();
            self.queue.mark_waiting(now());
            if survey.is_asked() {
                survey.answer(self.counts());
            }
            let next = self.next_due().min(now() + health.beat());
            // Nothing here waits for anything else: the watches are always drained.
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                () = self.tenures.changed() => {}
                Some(news) = self.daemons.next() => self.take_in_daemon_news(news),
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                Some((kind, news)) = news.next() => self.take_in(kind, news),
                Some(kinds) = catalog.next() => for number in self.find(kinds) {
                    news.push(watch(number, &self.kinds[number as usize]));
                },
                // They are taken at the beginning of each round, so that neither they nor events keep the other waiting.
                () = triggers.given() => {}
                () = survey.asked() => {}
                () = time::sleep_until(next.into()) => {}
            }
        }
    }

    fn take_in(&mut self, kind: u32, news: KindNews) {
        match news {
            KindNews::Event(place, event) => self.observe(Source { kind, place }, event),
            KindNews::Places => {
                self.count_watches();
                self.listed(kind);
            }
            KindNews::Gone => {
                self.found.lose(kind);
                self.listings.forget(kind);
            }
        }
    }

    /// Takes in which kinds there are. Returns the numbers of those that are watched from now on.
    fn find(&mut self, kinds: Vec<ServedKind>) -> Vec<u32> {
        let mut begun = Vec::new();
        for served in self.found.take_in(kinds) {
            match self.found.slot(&served.resource, &self.kinds, &self.queue) {
                Slot::Known(number) => self.kinds[number as usize].set_categories(served.categories),
                Slot::Free(number) => {
                    if let Some(kind) = KindContext::found(served, &self.operator) {
                        self.add(number, kind);
                        begun.push(number);
                    }
                }
                Slot::Later => {}
            }
        }
        self.serve_if_listed();
        begun
    }

    fn add(&mut self, number: u32, mut kind: KindContext) {
        kind.daemon_news = self.daemons.sender();
        self.queue.set_kind(number, kind.needs());
        self.found.occupy(number);
        match self.kinds.get_mut(number as usize) {
            Some(before) => *before = Arc::new(kind),
            None => self.kinds.push(Arc::new(kind)),
        }
    }

    fn observe(&mut self, source: Source, event: Event) {
        let listed = self.listings.observe(source, &event);
        self.daemons.observe(&event, now());
        // Handlers are called for what the indexes show already.
        let kind = &self.kinds[source.kind as usize];
        kind.index(&event);
        kind.relate(&event);
        for gone in self.queue.observe(source, event, now()) {
            kind.unindex(&gone);
            kind.relate_gone(&gone);
            self.daemons.observe_gone(&gone, now());
        }
        self.forget();
        if listed && self.listings.is_told(source.kind) {
            let objects = self.listings.of_place(source).unwrap_or_default();
            self.kinds[source.kind as usize].observe_listed(&[source.place], objects);
        } else if listed {
            self.listed(source.kind);
        }
    }

    /// Warns where the watches take most of the files that the process may open.
    fn count_watches(&mut self) {
        let watches = self.kinds.iter().map(|kind| kind.places().namespaces.len()).sum();
        if let Some(files) = files::limit()
            && files::are_scarce(watches, files)
            && !std::mem::replace(&mut self.files_told, true)
        {
            self.operator.observer.observe(Observation::FilesScarce { watches, files });
        }
    }

    /// Drops the memories of forgotten objects.
    fn forget(&mut self) {
        for uid in self.queue.take_forgotten() {
            self.memories.forget(&uid);
            self.daemons.forget(&uid, now());
        }
    }

    /// When something is to be done though nothing happens.
    fn next_due(&self) -> Instant {
        let warning = self.saturated.map(|since| since + self.operator.settings.queueing.saturation);
        let waiting = self.indexing.into_iter().flat_map(|gate| [Some(gate.tell), gate.ends]).flatten();
        let due = self.queue.next_due().into_iter().chain(self.daemons.next_due());
        let due = due.chain(self.tenures.next_due()).chain(self.daemons.edited_due());
        due.chain(warning).chain(waiting).chain(self.unmet.next_due()).min().unwrap_or_else(|| now() + IDLE)
    }

    fn expire(&mut self) {
        let now = now();
        self.queue.expire(now);
        self.expire_daemons();
        self.tell_outages();
        let settings = &self.operator.settings.queueing;
        let after = settings.saturation;
        if self.saturated.is_some_and(|since| since + after <= now) {
            let (waiting, workers) = (self.queue.waiting(), settings.concurrency);
            self.operator.observer.observe(Observation::Saturated { waiting, workers, after });
            self.saturated = Some(now + settings.reminder.saturating_sub(after));
        }
        for (kind, target) in self.unmet.expire(now) {
            let Some((namespace, name)) = &target.object else { continue };
            let (kind, namespace) = (&*self.kinds[kind as usize].title(), namespace.as_deref());
            self.operator.observer.observe(Observation::TriggersWait { kind, namespace, name });
        }
        if let Some(gate) = self.indexing.filter(|gate| gate.tell.min(gate.ends.unwrap_or(gate.tell)) <= now)
        {
            let kinds = self.unlisted_indexes();
            let is_over = gate.ends.is_some_and(|ends| ends <= now);
            let later = IndexGate { tell: now + settings.reminder, told: true, ..gate };
            self.indexing = Some(later).filter(|_| !is_over);
            self.operator.observer.observe(match is_over {
                true => Observation::IndexesLackSomething { kinds: &kinds },
                false => Observation::IndexesAwaited { kinds: &kinds },
            });
        }
    }

    fn tell_outages(&mut self) {
        for news in self.queue.take_outage_news() {
            self.operator.observer.observe(Observation::Outage(&news));
        }
    }

    fn expire_daemons(&mut self) {
        self.daemons.expire(&mut self.queue, now());
        self.note_drained();
    }

    fn take_daemon_news(&mut self) {
        while let Some(news) = self.daemons.try_next() {
            self.daemons.take_in(news, &mut self.queue, now());
        }
    }

    fn take_in_daemon_news(&mut self, news: News) {
        self.daemons.take_in(news, &mut self.queue, now());
        self.note_drained();
    }
}

fn now() -> Instant {
    time::Instant::now().into_std()
}
