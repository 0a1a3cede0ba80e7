//! Reactor: the operator's one loop, from watch events through the queue to workers.

use super::{
    kind::{KindContext, Namespaces, OperatorContext},
    listing::FirstListings,
    memory::{Memories, Memory},
    observe::{Left, Observation, Phase},
    watch::watch,
    worker::work,
};
use futures::{StreamExt, stream};
use korf_core::{
    Uid,
    queue::{Event, Queue, Source, TurnEnd, TurnReport},
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
use tracing::Instrument;

/// How far away the next timer is where there is none.
const IDLE: Duration = Duration::from_secs(3600);

/// Brings objects and handlers together.
#[derive(Debug)]
pub struct Reactor {
    operator: Arc<OperatorContext>,
    kinds: Vec<Arc<KindContext>>,
    queue: Queue,
    memories: Memories,
    workers: JoinSet<(TurnReport, Memory)>,
    /// The object that each worker has.
    at_work: HashMap<task::Id, Uid>,
    /// Since when all workers are busy while objects wait.
    saturated: Option<Instant>,
    /// The first listings of all watches; none once they are complete.
    listings: Option<FirstListings>,
}

impl Reactor {
    /// A reactor for these kinds.
    pub fn new(operator: Arc<OperatorContext>, kinds: Vec<KindContext>) -> Self {
        let kinds: Vec<_> = kinds.into_iter().map(Arc::new).collect();
        let needs = kinds.iter().map(|kind| kind.needs());
        Self {
            queue: Queue::new(needs).with_limits(operator.settings.queue()),
            operator,
            kinds,
            memories: Memories::default(),
            workers: JoinSet::new(),
            at_work: HashMap::new(),
            saturated: None,
            listings: Some(FirstListings::default()),
        }
    }

    /// Serves until the operator is told to stop.
    pub async fn serve(&mut self, namespaces: &Namespaces) {
        let watches = (0..).zip(&self.kinds).map(|(number, kind)| {
            let events = watch(Arc::clone(kind), namespaces.clone());
            events.map(move |(place, event)| (Source { kind: number, place }, event))
        });
        let mut events = stream::select_all(watches);
        let stopping = self.operator.stopping.clone();
        while !stopping.is_cancelled() {
            self.start_workers();
            let next = self.next_due();
            // Nothing here waits for anything else: the watches are always drained.
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                Some((source, event)) = events.next() => self.observe(source, event),
                () = time::sleep_until(next.into()) => self.expire(),
            }
        }
    }

    fn observe(&mut self, source: Source, event: Event) {
        let listed = self.listings.as_mut().is_some_and(|listings| listings.observe(source, &event));
        self.queue.observe(source, event, now());
        self.forget();
        if listed {
            self.listed(source.kind);
        }
    }

    /// Tells that a watch of this kind is listed for the first time, if that is the last one of its kind, or of all.
    fn listed(&mut self, number: u32) {
        let Some(listings) = &self.listings else { return };
        let objects = |number: u32| {
            let places = self.kinds[number as usize].places()?;
            listings.of_kind(number, places.len())
        };
        if let Some(objects) = objects(number) {
            self.kinds[number as usize].observe_listed(objects);
        }
        if (0..).zip(&self.kinds).all(|(number, _)| objects(number).is_some()) {
            self.listings = None;
            self.operator.observer.observe(Observation::PhaseEntered(Phase::Serving));
        }
    }

    /// Drops the memories of forgotten objects.
    fn forget(&mut self) {
        for uid in self.queue.take_forgotten() {
            self.memories.forget(&uid);
        }
    }

    fn start_workers(&mut self) {
        let limit = self.operator.settings.queueing.concurrency.max(1);
        while self.workers.len() < limit {
            let Some(job) = self.queue.next_job() else { break };
            let kind = Arc::clone(&self.kinds[job.source.kind as usize]);
            let uid = Uid::from(job.body.uid());
            let memory = self.memories.take(&uid);
            let worker = self.workers.spawn(work(kind, job, memory).in_current_span());
            self.at_work.insert(worker.id(), uid);
        }
        let starved = self.workers.len() >= limit && self.queue.waiting() > 0;
        self.saturated = starved.then(|| self.saturated.unwrap_or_else(now));
    }

    fn ended(&mut self, ended: Result<(task::Id, (TurnReport, Memory)), task::JoinError>) {
        match ended {
            Ok((worker, (report, memory))) => {
                self.at_work.remove(&worker);
                self.memories.put_back(&report.uid, memory);
                self.queue.finish(report, now());
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
    }

    /// When something is to be done though nothing happens.
    fn next_due(&self) -> Instant {
        let warning = self.saturated.map(|since| since + self.operator.settings.queueing.saturation);
        self.queue.next_due().into_iter().chain(warning).min().unwrap_or_else(|| now() + IDLE)
    }

    fn expire(&mut self) {
        let now = now();
        self.queue.expire(now);
        self.tell_outages();
        let settings = &self.operator.settings.queueing;
        let after = settings.saturation;
        if self.saturated.is_some_and(|since| since + after <= now) {
            let (waiting, workers) = (self.queue.waiting(), settings.concurrency);
            self.operator.observer.observe(Observation::Saturated { waiting, workers, after });
            self.saturated = Some(now + settings.reminder.saturating_sub(after));
        }
    }

    fn tell_outages(&mut self) {
        for news in self.queue.take_outage_news() {
            self.operator.observer.observe(Observation::Outage(&news));
        }
    }

    fn left(&self) -> Left {
        let handlers = self.kinds.iter().map(|kind| kind.running()).sum();
        Left { handlers, changes: self.workers.len().saturating_sub(handlers) }
    }

    /// Lets running handlers finish within this time, and stores their outcomes.
    pub async fn drain(mut self, grace: Duration) {
        if self.workers.is_empty() {
            return;
        }
        let operator = Arc::clone(&self.operator);
        operator.observer.observe(Observation::Draining { left: self.left(), grace });
        let all = async { while self.workers.join_next().await.is_some() {} };
        if time::timeout(grace, all).await.is_err() {
            operator.observer.observe(Observation::Abandoned { left: self.left(), grace });
            self.workers.shutdown().await;
        }
    }
}

fn now() -> Instant {
    time::Instant::now().into_std()
}
