//! Reactor: the operator's one loop, from watch events through the queue to workers.

mod triggers;
mod turnover;

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
    observe::{
        Left, Observation, Phase,
        metrics::{Counts, KindCounts},
    },
    places::{KindNews, watch},
    unmet::UnmetTriggers,
    worker::work,
};
use futures::{StreamExt, stream};
use korf_core::{
    Uid,
    queue::{Event, Job, Queue, Source, TurnEnd, TurnReport},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    task::{self, JoinSet},
    time,
};
use tracing::Instrument;

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
        let indexing = IndexGate { tell: now() + operator.settings.watching.index_patience, told: false };
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

    /// Tells that all objects of a kind are listed for the first time, or those of all kinds, if that is so.
    fn listed(&mut self, number: u32) {
        let kind = Arc::clone(&self.kinds[number as usize]);
        let places = {
            let places = kind.places();
            places.complete.then(|| places.namespaces.keys().copied().collect::<Vec<_>>())
        };
        let Some(places) = places else { return };
        let Some(objects) = self.listings.tell(number, places.iter().copied()) else { return };
        if !places.is_empty() {
            kind.observe_listed(&places, objects);
        }
        self.tell_unmet(number);
        if self.unlisted_indexes().is_empty()
            && let Some(IndexGate { told, .. }) = self.indexing.take()
        {
            self.operator.observer.observe(Observation::IndexesFilled { told });
        }
        self.serve_if_listed();
    }

    /// Tells that the operator serves once all kinds with handlers of their own are listed. It doesn't wait for the objects of
    /// others, which it may not be allowed to list.
    fn serve_if_listed(&mut self) {
        let mut declared = (0..).zip(&self.kinds[..self.declared]);
        let is_listed = declared.all(|(number, _)| self.listings.is_told(number));
        let is_found = self.operator.any_kind.is_empty() || self.found.is_known();
        if !self.serving && is_listed && is_found {
            self.serving = true;
            self.operator.observer.observe(Observation::PhaseEntered(Phase::Serving));
        }
    }

    /// The indexed kinds that aren't listed.
    fn unlisted_indexes(&self) -> Vec<String> {
        let indexed = (0..).zip(&self.kinds).filter(|(_, kind)| kind.is_indexed());
        let unlisted = indexed.filter(|(number, _)| !self.listings.is_told(*number));
        unlisted.map(|(number, kind)| self.unlisted(number, kind)).collect()
    }

    /// A kind that isn't listed; with the namespaces where it isn't, if it is in others.
    fn unlisted(&self, number: u32, kind: &KindContext) -> String {
        let all = &kind.places().namespaces;
        let is_listed =
            |place: &u32| self.listings.of_place(Source { kind: number, place: *place }).is_some();
        let unlisted: Vec<_> = all.iter().filter(|(place, _)| !is_listed(place)).collect();
        let some = unlisted.len() < all.len();
        let named = unlisted.iter().filter_map(|(_, namespace)| namespace.as_deref()).filter(|_| some);
        match named.collect::<Vec<_>>()[..] {
            [] => kind.title(),
            [one] => format!("{} in namespace {one:?}", kind.title()),
            [one, ref more @ ..] => {
                format!("{} in namespace {one:?} and {} others", kind.title(), more.len())
            }
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

    fn start_workers(&mut self) {
        if self.indexing.is_some() {
            return;
        }
        let limit = self.concurrency();
        while self.workers.len() < limit {
            let Some(job) = self.queue.next_job() else { break };
            self.start_worker(job);
        }
        let starved = self.workers.len() >= limit && self.queue.waiting() > 0;
        self.saturated = starved.then(|| self.saturated.unwrap_or_else(now));
    }

    fn concurrency(&self) -> usize {
        self.operator.settings.queueing.concurrency.max(1)
    }

    fn start_worker(&mut self, job: Job) {
        let kind = Arc::clone(&self.kinds[job.source.kind as usize]);
        let uid = Uid::from(job.body.uid());
        let Some(fence) = self.tenures.fence(self.operator.holdings.shards().of(&uid)).cloned() else {
            return self.queue.finish(TurnReport::new(uid, TurnEnd::Lost), now());
        };
        let mut memory = self.memories.take(&uid).under(fence);
        if !kind.daemons.is_empty() {
            self.daemons.note(&uid, &mut memory.daemons);
        }
        let worker = self.workers.spawn(work(kind, job, memory).in_current_span());
        self.at_work.insert(worker.id(), uid);
    }

    fn ended(&mut self, ended: Result<(task::Id, (TurnReport, Memory)), task::JoinError>) {
        // What it has told of daemons comes before its end.
        self.take_daemon_news();
        match ended {
            Ok((worker, (report, memory))) => {
                self.at_work.remove(&worker);
                if matches!(report.end, TurnEnd::Lost) {
                    self.turn_over();
                }
                let edited = memory.leaves_edits().then(|| report.uid.clone());
                self.daemons.edited().remove(&report.uid);
                self.memories.put_back(&report.uid, memory);
                self.queue.finish(report, now());
                if let Some(uid) = edited {
                    self.daemons.has_left_edits(uid, &self.queue, now());
                }
                self.tell_outages();
            }
            // Workers catch the panics of handlers and filters.
            Err(error) => {
                self.operator.observer.observe(Observation::WorkerLost { why: &error.to_string() });
                if let Some(uid) = self.at_work.remove(&error.id()) {
                    let delay = self.operator.settings.persistence.failed_delay;
                    let end = TurnEnd::Failed { delay, newest: None };
                    self.queue.finish(TurnReport::new(uid, end), now());
                }
            }
        }
        self.forget();
        self.note_drained();
    }

    /// When something is to be done though nothing happens.
    fn next_due(&self) -> Instant {
        let warning = self.saturated.map(|since| since + self.operator.settings.queueing.saturation);
        let waiting = self.indexing.map(|indexing| indexing.tell);
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
        if self.indexing.is_some_and(|indexing| indexing.tell <= now) {
            self.indexing = Some(IndexGate { tell: now + settings.reminder, told: true });
            let kinds = self.unlisted_indexes();
            self.operator.observer.observe(Observation::IndexesAwaited { kinds: &kinds });
        }
    }

    fn tell_outages(&mut self) {
        for news in self.queue.take_outage_news() {
            self.operator.observer.observe(Observation::Outage(&news));
        }
    }

    /// What there is, for those that ask.
    fn counts(&mut self) -> Counts {
        let holdings = &self.operator.holdings;
        let (shards, served) = (holdings.shards(), holdings.served().borrow().clone());
        let is_all = served.0.len() == shards.all().count();
        let census = self.queue.census(|uid| is_all || served.0.contains_key(&shards.of(uid)));
        let mut kinds = BTreeMap::<String, KindCounts>::new();
        for (number, kind) in (0..).zip(&self.kinds) {
            let counts = kinds.entry(kind.metrics.title().to_owned()).or_default();
            counts.running += kind.running();
            if let Some(objects) = census.objects.get(&number) {
                counts.objects.add(objects);
            }
        }
        Counts {
            kinds,
            queued: census.queued,
            oldest: census.oldest.map_or(Duration::ZERO, |since| now().saturating_duration_since(since)),
            workers: self.operator.settings.queueing.concurrency.max(1),
            busy: self.workers.len(),
            daemons: self.daemons.left(),
            outages: census.outages,
            shards: shards.all().count(),
            served: served.0.len(),
        }
    }

    fn left(&mut self) -> Left {
        let handlers = self.kinds.iter().map(|kind| kind.running()).sum();
        let changes =
            self.workers.len().saturating_sub(handlers) + self.daemons.edited().waiting(&self.queue);
        Left { handlers, daemons: self.daemons.left(), changes }
    }

    fn expire_daemons(&mut self) {
        self.daemons.expire(&mut self.queue, now());
        self.note_drained();
    }

    /// Lets running handlers and daemons finish within this time, and stores their outcomes.
    pub async fn drain(mut self, grace: Duration) {
        let holdings = self.operator.holdings.clone();
        self.finish_within(grace).await;
        // The futures of daemons that are left end with it.
        drop(self);
        holdings.have_ended();
    }

    async fn finish_within(&mut self, grace: Duration) {
        self.take_daemon_news();
        self.daemons.stop_all(now());
        if self.is_drained() {
            return;
        }
        let operator = Arc::clone(&self.operator);
        let left = self.left();
        operator.observer.observe(Observation::Draining { left, grace });
        if time::timeout(grace, self.finish()).await.is_err() {
            let left = self.left();
            operator.observer.observe(Observation::Abandoned { left, grace });
            self.workers.shutdown().await;
        }
    }

    /// Waits for all that runs, and writes what daemons ask for in the end.
    async fn finish(&mut self) {
        loop {
            self.write_for_daemons();
            if self.is_drained() {
                return;
            }
            let due = self.daemons.next_due().into_iter().chain(self.daemons.edited_due());
            let next = due.chain(self.tenures.next_due()).min().unwrap_or_else(|| now() + IDLE);
            tokio::select! {
                biased;
                () = self.tenures.changed() => self.turn_over(),
                Some(news) = self.daemons.next() => self.take_in_daemon_news(news),
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                () = time::sleep_until(next.into()) => {
                    self.turn_over();
                    self.expire_daemons();
                }
            }
        }
    }

    /// Gives the objects a turn whose daemons ask for a write.
    fn write_for_daemons(&mut self) {
        // The end of a daemon comes with what it asks for.
        self.take_daemon_news();
        while self.workers.len() < self.concurrency() {
            let Some(uid) = self.daemons.edited().next_of(&self.queue, now(), |_| true) else { return };
            if let Some(job) = self.queue.job_of(&uid) {
                self.start_worker(job);
            }
        }
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

    /// Whether nothing runs, and nothing is left to be written.
    fn is_drained(&mut self) -> bool {
        self.workers.is_empty() && !self.daemons.is_one_running() && self.daemons.edited().is_empty()
    }
}

fn now() -> Instant {
    time::Instant::now().into_std()
}
