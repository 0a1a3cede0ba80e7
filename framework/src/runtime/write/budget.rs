//! Retry budgets: how long the requests of one write are retried before the object is left alone.

use super::fault::Fault;
use crate::{
    runtime::lead::Fence,
    settings::{Requests, Settings},
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How an object's requests went in its last turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They succeeded, or nothing is known of them.
    Good,
    /// They failed until they were given up. Now they are tried once, so that an object whose requests fail forever doesn't
    /// take a worker from others.
    Failing,
}

impl Standing {
    /// That of an object that the framework has failed over for so many turns in a row: most often it could not be read.
    pub fn after(errors: usize) -> Self {
        if errors > 0 { Self::Failing } else { Self::Good }
    }

    /// How long requests are retried that meet a fault.
    fn limit(self, fault: Fault, requests: &Requests) -> Duration {
        match (self, fault) {
            (Self::Good, _) => requests.patience,
            (Self::Failing, Fault::Transient) => Duration::ZERO,
            // The cause may be another one by now: a conflict, say.
            (Self::Failing, _) => requests.short_patience,
        }
    }
}

/// The time for all requests of one write or read.
#[derive(Clone, Copy, Debug)]
pub struct RetryBudget<'a> {
    begun: Instant,
    standing: Standing,
    /// Whether the object is this operator's.
    pub(super) fence: &'a Fence,
    settings: &'a Settings,
}

impl<'a> RetryBudget<'a> {
    /// A budget that begins now.
    pub fn new(standing: Standing, fence: &'a Fence, settings: &'a Settings) -> Self {
        Self { begun: Instant::now(), standing, fence, settings }
    }

    /// The tries of one request; fewer where its permission is known to be missing.
    pub fn tries(self, permission_is_missing: bool) -> Tries<'a> {
        let requests = &self.settings.requests;
        let permission_tries =
            if permission_is_missing { requests.known_permission_tries } else { requests.permission_tries };
        Tries { budget: self, made: 0, permission_tries }
    }
}

/// The tries of one request.
#[derive(Debug)]
pub struct Tries<'a> {
    budget: RetryBudget<'a>,
    made: usize,
    permission_tries: usize,
}

impl Tries<'_> {
    /// The delay before the next try.
    pub fn delay(&self) -> Duration {
        let delays = &self.budget.settings.requests.delays;
        delays.get(self.made).or(delays.last()).copied().unwrap_or(Duration::from_secs(1))
    }

    /// Waits for the next try.
    pub async fn wait(&mut self) {
        sleep(self.delay()).await;
        self.made += 1;
    }

    /// Whether there is no time left to retry after this fault.
    pub fn is_exhausted(&self, fault: Fault) -> bool {
        let limit = self.budget.standing.limit(fault, &self.budget.settings.requests);
        self.budget.begun.elapsed() + self.delay() > limit
    }

    /// Whether a missing permission was waited for long enough.
    pub fn is_forbidden(&self) -> bool {
        self.made >= self.permission_tries
    }
}
