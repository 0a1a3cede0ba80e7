//! Survey: what the loop counts when somebody asks for it, so that nothing is counted while nobody does.

use korf_core::queue::ObjectCounts;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

/// For how long a survey is good enough, so that questions cost the loop no more than they should.
const FRESH: Duration = Duration::from_secs(1);
/// The longest wait for the loop, which may be stuck, or not have begun.
const PATIENCE: Duration = Duration::from_secs(1);

/// What there is in an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By the titles of their kinds.
    pub kinds: BTreeMap<String, KindCounts>,
    /// The objects that wait for a worker.
    pub queued: usize,
    /// For how long the first of these has waited.
    pub oldest: Duration,
    /// The objects that may be handled at the same time.
    pub workers: usize,
    /// The objects that are being handled.
    pub busy: usize,
    /// The daemons that run.
    pub daemons: usize,
    /// What is away that handlers need: the number of causes.
    pub outages: usize,
    /// The parts into which all objects are divided.
    pub shards: usize,
    /// Those whose objects are handled here.
    pub served: usize,
}

/// What there is of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindCounts {
    /// Its objects.
    pub objects: ObjectCounts,
    /// The handlers that run, without daemons.
    pub running: usize,
}

/// The question, and the newest answer.
#[derive(Clone, Debug, Default)]
pub struct Survey(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_asked: AtomicBool,
    asked: Notify,
    answer: watch::Sender<Option<(Instant, Counts)>>,
}

impl Survey {
    /// Waits until somebody asks.
    pub async fn asked(&self) {
        while !self.is_asked() {
            self.0.asked.notified().await;
        }
    }

    /// Whether somebody asks.
    pub fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::Acquire)
    }

    /// Answers all that ask.
    pub fn answer(&self, counts: Counts) {
        self.0.is_asked.store(false, Ordering::Release);
        self.0.answer.send_replace(Some((Instant::now(), counts)));
    }

    /// Asks, unless it is known. Where the loop doesn't answer, that is what it said last.
    pub async fn ask(&self) -> Counts {
        let mut answer = self.0.answer.subscribe();
        let is_fresh = answer.borrow_and_update().as_ref().is_some_and(|(at, _)| at.elapsed() < FRESH);
        if !is_fresh {
            self.0.is_asked.store(true, Ordering::Release);
            self.0.asked.notify_one();
            let _ = timeout(PATIENCE, answer.changed()).await;
        }
        let counts = answer.borrow().as_ref().map(|(_, counts)| counts.clone());
        counts.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, join};
    use tokio::time::advance;

    fn busy(busy: usize) -> Counts {
        Counts { busy, ..Counts::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_counted_before_somebody_asks_and_at_most_once_a_second() {
        let survey = Survey::default();
        assert!(survey.asked().now_or_never().is_none());
        let answer = async {
            survey.asked().await;
            survey.answer(busy(1));
        };
        assert_eq!(join!(survey.ask(), survey.ask(), answer), (busy(1), busy(1), ()));
        assert_eq!(survey.ask().await, busy(1));
        assert!(!survey.is_asked());
        advance(FRESH).await;
        assert!(survey.ask().now_or_never().is_none());
        assert!(survey.is_asked());
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_answer_has_said_what_it_said_last() {
        let survey = Survey::default();
        assert_eq!(survey.ask().await, Counts::default());
        survey.answer(busy(2));
        advance(2 * FRESH).await;
        let begun = Instant::now();
        assert_eq!((survey.ask().await, begun.elapsed()), (busy(2), PATIENCE));
    }
}
