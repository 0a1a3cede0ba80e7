//! Workers: those that are free get the objects whose turn it is, and report what has come of it.

use super::{Reactor, now};
use crate::runtime::{memory::Memory, observe::Observation, worker::work};
use korf_core::{
    Uid,
    queue::{Job, TurnEnd, TurnReport},
};
use std::sync::Arc;
use tokio::task;
use tracing::Instrument;

impl Reactor {
    pub(super) fn start_workers(&mut self) {
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

    pub(super) fn concurrency(&self) -> usize {
        self.operator.settings.queueing.concurrency.max(1)
    }

    pub(super) fn start_worker(&mut self, job: Job) {
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

    pub(super) fn ended(&mut self, ended: Result<(task::Id, (TurnReport, Memory)), task::JoinError>) {
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
}
