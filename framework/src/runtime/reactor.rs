//! The operator's one loop: events into the queue, jobs out to workers, and an end in good order.

use super::{
    kind::{Namespaces, Watched},
    queue::{Done, Finish, Queue, Source, Told},
    report::{self, Left},
    watch::watch,
    worker::work,
};
use futures::{StreamExt, stream};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    task::{self, JoinSet},
    time,
};
use tokio_util::sync::CancellationToken;

/// All workers busy for this long is worth a warning, and this long is between two of them.
const SATURATED: Duration = Duration::from_secs(30);
const REMIND: Duration = Duration::from_secs(300);

/// How much is done at once, and how long it may take to stop.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most objects that are handled at the same time.
    pub concurrency: usize,
    /// How long running handlers may take to finish when the operator is told to stop.
    pub grace: Duration,
}

/// Brings objects and handlers together.
#[derive(Debug)]
pub struct Reactor {
    kinds: Vec<Arc<Watched>>,
    limits: Limits,
    queue: Queue,
    workers: JoinSet<Done>,
    /// Which object each worker is at.
    at_work: HashMap<task::Id, String>,
    /// Since when all workers are busy while objects wait.
    saturated: Option<Instant>,
}

impl Reactor {
    /// A reactor for these kinds.
    pub fn new(kinds: Vec<Watched>, limits: Limits) -> Self {
        let kinds: Vec<_> = kinds.into_iter().map(Arc::new).collect();
        let of =
            |is: fn(&Watched) -> bool| (0..kinds.len()).filter(|kind| is(&kinds[*kind])).collect::<Vec<_>>();
        let narrow = of(|kind| kind.selector().is_some());
        Self {
            queue: Queue::new(of(Watched::is_spied)).narrowed(narrow),
            kinds,
            limits,
            workers: JoinSet::new(),
            at_work: HashMap::new(),
            saturated: None,
        }
    }

    /// Runs until it is told to stop; then running handlers may finish, for some time.
    pub async fn run(mut self, namespaces: &Namespaces, stop: &CancellationToken) {
        let kinds = self.kinds.iter().enumerate();
        let watches = kinds.map(|(kind, watched)| {
            let events = watch(Arc::clone(watched), namespaces.clone());
            events.map(move |(place, event)| (Source { kind, place }, event))
        });
        let mut events = stream::select_all(watches);
        while !stop.is_cancelled() {
            self.start_workers();
            let timer = self.next_timer();
            // Nothing here waits for anything else: the watch is always drained.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = self.workers.join_next_with_id() => self.finished(done),
                Some((source, event)) = events.next() => self.queue.observe(source, event, now()),
                () = time::sleep_until(timer.into()) => self.tick(),
            }
        }
        drop(events);
        self.wind_down().await;
    }

    fn start_workers(&mut self) {
        while self.workers.len() < self.limits.concurrency {
            let Some(job) = self.queue.next() else { break };
            let kind = Arc::clone(&self.kinds[job.source.kind]);
            let uid = job.body.uid().to_owned();
            let worker = self.workers.spawn(work(kind, job));
            self.at_work.insert(worker.id(), uid);
        }
        let starved = self.workers.len() >= self.limits.concurrency && self.queue.waiting() > 0;
        self.saturated = starved.then(|| self.saturated.unwrap_or_else(now));
    }

    fn finished(&mut self, done: Result<(task::Id, Done), task::JoinError>) {
        match done {
            Ok((worker, done)) => {
                self.at_work.remove(&worker);
                self.queue.finish(done, now());
            }
            // Workers catch the panics of what they call.
            Err(error) => {
                report::worker_lost(&error.to_string());
                if let Some(uid) = self.at_work.remove(&error.id()) {
                    let end = Finish::Broken { delay: SATURATED, newest: None };
                    self.queue.finish(Done { uid, end, told: Told::default() }, now());
                }
            }
        }
    }

    /// When there is something to do though nothing happens.
    fn next_timer(&self) -> Instant {
        let retry = self.queue.next_timer();
        let warning = self.saturated.map(|since| since + SATURATED);
        retry.into_iter().chain(warning).min().unwrap_or_else(|| now() + Duration::from_secs(3600))
    }

    fn tick(&mut self) {
        let now = now();
        self.queue.expire(now);
        if self.saturated.is_some_and(|since| since + SATURATED <= now) {
            report::saturated(self.queue.waiting(), self.limits.concurrency);
            self.saturated = Some(now + REMIND - SATURATED);
        }
    }

    /// What workers are at.
    fn left(&self) -> Left {
        let handlers = self.kinds.iter().map(|kind| kind.calls.running()).sum();
        Left { handlers, changes: self.workers.len().saturating_sub(handlers) }
    }

    /// Lets running handlers finish and store what they came to.
    async fn wind_down(mut self) {
        if self.workers.is_empty() {
            return;
        }
        report::waiting_for_workers(self.left(), self.limits.grace);
        let all = async { while self.workers.join_next().await.is_some() {} };
        if time::timeout(self.limits.grace, all).await.is_err() {
            report::abandoned(self.left(), self.limits.grace);
            self.workers.shutdown().await;
        }
    }
}

fn now() -> Instant {
    time::Instant::now().into_std()
}
