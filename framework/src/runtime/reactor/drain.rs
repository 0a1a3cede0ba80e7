//! Drain: the end of all that runs, once the operator is told to stop.

use super::{IDLE, Reactor, now};
use crate::runtime::observe::{Left, Observation};
use std::{sync::Arc, time::Duration};
use tokio::time;

impl Reactor {
    pub(super) fn left(&mut self) -> Left {
        let handlers = self.kinds.iter().map(|kind| kind.running()).sum();
        let changes =
            self.workers.len().saturating_sub(handlers) + self.daemons.edited().waiting(&self.queue);
        Left { handlers, daemons: self.daemons.left(), changes }
    }

    /// Lets running handlers and daemons finish within this time, and stores their outcomes.
    pub async fn drain(mut self, grace: Duration) {
        let holdings = self.operator.holdings.clone();
        self.finish_within(grace).await;
        // The futures of daemons that are left end with it.
        drop(self);
        holdings.have_ended();
    }

    pub(super) async fn finish_within(&mut self, grace: Duration) {
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
    pub(super) async fn finish(&mut self) {
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
    pub(super) fn write_for_daemons(&mut self) {
        // The end of a daemon comes with what it asks for.
        self.take_daemon_news();
        while self.workers.len() < self.concurrency() {
            let Some(uid) = self.daemons.edited().next_of(&self.queue, now(), |_| true) else { return };
            if let Some(job) = self.queue.job_of(&uid) {
                self.start_worker(job);
            }
        }
    }

    /// Whether nothing runs, and nothing is left to be written.
    pub(super) fn is_drained(&mut self) -> bool {
        self.workers.is_empty() && !self.daemons.is_one_running() && self.daemons.edited().is_empty()
    }
}
