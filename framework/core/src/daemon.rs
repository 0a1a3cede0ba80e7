//! Daemon of one object: when it is started, and the steps by which it is stopped.

use crate::{retry::Outcome, schedule::later};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// A future that is dropped has at least this time to end, since it may be in another thread's hands.
const LEAST_TIMEOUT: Duration = Duration::from_millis(100);

/// A daemon that is due, and that no turn of its object has started, is due again after this time.
const UNSTARTED: Duration = Duration::from_secs(5);

/// A daemon that can't see the stop flag has at most this time to finish what it has begun. It may have brought its end about
/// itself, by the very request whose answer it awaits: a DELETE of a Pod that is cut off leaves a Pod that nothing removes.
const UNHEEDING: Duration = Duration::from_secs(1);

/// The options that only daemons have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaemonOptions {
    /// The time from the object's first turn to the start.
    pub initial_delay: Duration,
    /// The time from the stop flag to the cancellation; none: the operator's, or a second at most if the daemon can't see
    /// the flag.
    pub cancellation_backoff: Option<Duration>,
    /// The time from the cancellation until the daemon is abandoned; none: the operator's.
    pub cancellation_timeout: Option<Duration>,
    /// The object gets a finalizer before the daemon starts, and is kept until the daemon has ended.
    pub finalizer: bool,
}

/// The reason why a daemon is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// Its filter no longer matches the object.
    Mismatched,
    /// The object is being deleted, is gone, or is no longer watched.
    Deleted,
    /// The object is handed over to another replica of the operator, or the operator is paused: a daemon is started elsewhere, or
    /// later.
    HandedOver,
    /// The operator stops.
    OperatorStops,
}

/// How long a daemon is waited for that was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopTimes {
    /// From the flag to the cancellation.
    pub backoff: Duration,
    /// From the cancellation until it is abandoned.
    pub timeout: Duration,
}

/// The attempts of a daemon that has failed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// The attempts before the present one, or before the next.
    pub before: u32,
    /// The start of the first one.
    pub first: Instant,
    /// The same, by the wall clock.
    pub started: Timestamp,
    /// The object's state that the present one, or the last, began with: a hash.
    pub of: u64,
}

/// What is to be done with a daemon now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    None,
    /// The object is to have a turn, which starts the daemon with the newest state.
    Wake,
    /// An attempt is started.
    Start(Attempts),
    /// It is told to stop.
    Signal(StopReason),
    /// It has no task, and isn't started any more.
    Drop,
    /// Its future is dropped.
    Cancel,
    /// It isn't waited for any longer.
    Abandon,
}

/// The state of one daemon of one object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DaemonState {
    /// It isn't for the object, or was stopped.
    #[default]
    Off,
    /// It starts at this time: after its initial delay, or after a failure.
    Waiting {
        /// Not before.
        due: Instant,
        /// When the object is to have a turn for that.
        ask: Instant,
        /// The attempts so far; none before the first.
        attempts: Option<Attempts>,
    },
    /// Its task runs.
    Running(Attempts),
    /// Its task was told to stop, and hasn't ended.
    Stopping {
        /// When the next step is taken; none once it is abandoned.
        due: Option<Instant>,
        /// Its future was dropped, unless it blocks its thread.
        cancelled: bool,
        /// The times of the steps.
        times: StopTimes,
    },
    /// It could not read the object in this state, and is started when that has changed.
    Rejected {
        /// The state.
        of: u64,
    },
    /// It has ended by itself, and isn't started again for this object.
    Ended,
}

impl DaemonState {
    fn waiting(due: Instant, attempts: Option<Attempts>) -> Self {
        Self::Waiting { due, ask: due, attempts }
    }

    /// Takes in whether the daemon is for the object as it is now, with a hash of what it can read there.
    pub fn matched(
        &mut self,
        wanted: bool,
        options: &DaemonOptions,
        times: StopTimes,
        (now, clock): (Instant, Timestamp),
        object: impl FnOnce() -> u64,
    ) -> Step {
        if !wanted {
            return self.stop(StopReason::Mismatched, times, now);
        }
        if *self == Self::Off {
            *self = Self::waiting(later(now, options.initial_delay), None);
        }
        if let Self::Rejected { of } = *self {
            let seen = object();
            if seen == of {
                return Step::None;
            }
            let attempts = Attempts { before: 0, first: now, started: clock, of: seen };
            *self = Self::Running(attempts);
            return Step::Start(attempts);
        }
        match *self {
            Self::Waiting { due, attempts, .. } if due <= now => {
                let first = Attempts { before: 0, first: now, started: clock, of: 0 };
                let attempts = Attempts { of: object(), ..attempts.unwrap_or(first) };
                *self = Self::Running(attempts);
                Step::Start(attempts)
            }
            _ => Step::None,
        }
    }

    /// Tells the daemon to stop.
    pub fn stop(&mut self, why: StopReason, times: StopTimes, now: Instant) -> Step {
        match self {
            Self::Waiting { .. } | Self::Rejected { .. } => {
                *self = Self::Off;
                Step::Drop
            }
            Self::Running(_) => {
                let due = Some(later(now, times.backoff));
                *self = Self::Stopping { due, cancelled: false, times };
                Step::Signal(why)
            }
            Self::Stopping { .. } | Self::Off | Self::Ended => Step::None,
        }
    }

    /// Takes in that its object is another operator's by now: its future is dropped without further waiting.
    pub fn cut(&mut self, times: StopTimes, now: Instant) -> Step {
        match self {
            Self::Waiting { .. } | Self::Rejected { .. } => {
                *self = Self::Off;
                Step::Drop
            }
            Self::Running(_) | Self::Stopping { cancelled: false, .. } => {
                let due = Some(later(now, times.timeout.max(LEAST_TIMEOUT)));
                *self = Self::Stopping { due, cancelled: true, times };
                Step::Cancel
            }
            Self::Stopping { .. } | Self::Off | Self::Ended => Step::None,
        }
    }

    /// When something is to be done with it though nothing happens.
    pub fn due(&self) -> Option<Instant> {
        match self {
            Self::Waiting { ask, .. } => Some(*ask),
            Self::Stopping { due, .. } => *due,
            Self::Off | Self::Running(_) | Self::Rejected { .. } | Self::Ended => None,
        }
    }

    /// What is to be done because time has passed.
    pub fn expire(&mut self, now: Instant) -> Step {
        if self.due().is_none_or(|due| due > now) {
            return Step::None;
        }
        match self {
            Self::Waiting { ask, .. } => {
                *ask = later(now, UNSTARTED);
                Step::Wake
            }
            Self::Stopping { due, cancelled: true, .. } => {
                *due = None;
                Step::Abandon
            }
            Self::Stopping { due, cancelled, times, .. } => {
                (*cancelled, *due) = (true, Some(later(now, times.timeout.max(LEAST_TIMEOUT))));
                Step::Cancel
            }
            Self::Off | Self::Running(_) | Self::Rejected { .. } | Self::Ended => Step::None,
        }
    }

    /// Takes in that its task has ended; without an outcome where it was cancelled.
    pub fn ended(&mut self, outcome: Option<&Outcome>, now: Instant) {
        *self = match (&*self, outcome) {
            (
                Self::Running(attempts),
                Some(
                    Outcome::Retry { after, .. }
                    | Outcome::Waiting { after, .. }
                    | Outcome::Children { after },
                ),
            ) => {
                let attempts = Attempts { before: attempts.before.saturating_add(1), ..*attempts };
                Self::waiting(later(now, *after), Some(attempts))
            }
            (Self::Running(attempts), Some(Outcome::Rejected { .. })) => Self::Rejected { of: attempts.of },
            (Self::Running(_), _) => Self::Ended,
            _ => Self::Off,
        };
    }

    /// Whether it runs, or has been told to stop and is waited for.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running(_) | Self::Stopping { due: Some(_), .. })
    }

    /// Whether it isn't waited for any longer, and hasn't ended.
    pub fn is_abandoned(&self) -> bool {
        matches!(self, Self::Stopping { due: None, .. })
    }
}

impl DaemonOptions {
    /// How long a daemon is waited for; `heeds`: it has asked for the stop flag.
    pub fn stop_times(&self, heeds: bool, usual: StopTimes) -> StopTimes {
        let backoff = if heeds { usual.backoff } else { usual.backoff.min(UNHEEDING) };
        StopTimes {
            backoff: self.cancellation_backoff.unwrap_or(backoff),
            timeout: self.cancellation_timeout.unwrap_or(usual.timeout),
        }
    }
}

/// Whether an object's daemons need the finalizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// They don't.
    #[default]
    None,
    /// One is to be started that needs it.
    Needed,
    /// One runs that needs it: the object stays, and its delete handlers wait.
    Running,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMES: StopTimes = StopTimes { backoff: Duration::from_secs(3), timeout: Duration::from_secs(2) };

    fn clock() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn retry(after: Duration) -> Outcome {
        Outcome::Retry { after, message: String::new() }
    }

    fn running(now: Instant) -> DaemonState {
        DaemonState::Running(Attempts { before: 0, first: now, started: clock(), of: 1 })
    }

    /// A daemon that has been told to stop.
    fn stopping(reason: StopReason, now: Instant) -> DaemonState {
        let mut state = running(now);
        assert_eq!(state.stop(reason, TIMES, now), Step::Signal(reason));
        state
    }

    #[test]
    fn it_starts_after_its_initial_delay_where_it_is_wanted() {
        let now = Instant::now();
        for (delay, passed, wanted, started) in [
            (0, 0, true, true),
            (0, 0, false, false),
            (5, 0, true, false),
            (5, 5, true, true),
            (5, 5, false, false),
        ] {
            let options = DaemonOptions { initial_delay: SECOND * delay, ..DaemonOptions::default() };
            let mut state = DaemonState::default();
            let first = state.matched(true, &options, TIMES, (now, clock()), || 1);
            assert_eq!(first != Step::None, delay == 0);
            if delay > 0 {
                let step = state.matched(wanted, &options, TIMES, (now + SECOND * passed, clock()), || 1);
                assert_eq!(matches!(step, Step::Start(_)), started, "{delay} {passed} {wanted}");
            }
        }
    }

    #[test]
    fn one_that_is_there_is_never_started_a_second_time() {
        let now = Instant::now();
        let mut abandoned = stopping(StopReason::Mismatched, now);
        assert_eq!(abandoned.expire(now + 3 * SECOND), Step::Cancel);
        assert_eq!(abandoned.expire(now + 5 * SECOND), Step::Abandon);
        assert!(abandoned.is_abandoned());
        for state in [running(now), stopping(StopReason::Mismatched, now), abandoned, DaemonState::Ended] {
            let mut state = state;
            let step =
                state.matched(true, &DaemonOptions::default(), TIMES, (now + 600 * SECOND, clock()), || 1);
            assert_eq!(step, Step::None, "{state:?}");
        }
    }

    #[test]
    fn the_stop_sequence_is_flag_then_cancellation_then_abandonment() {
        let now = Instant::now();
        let mut state = stopping(StopReason::Deleted, now);
        let mut steps = Vec::new();
        while let Some(due) = state.due() {
            assert_eq!(state.expire(due - SECOND), Step::None);
            steps.push(((due - now).as_secs(), state.expire(due), state.is_running()));
        }
        assert_eq!(steps, [(3, Step::Cancel, true), (5, Step::Abandon, false)]);
    }

    #[test]
    fn what_an_end_means_depends_on_whether_it_was_told_to_stop() {
        let now = Instant::now();
        let failed = Outcome::Failed { message: String::new() };
        let rejected = Outcome::Rejected { message: String::new() };
        let attempts = Attempts { before: 1, first: now, started: clock(), of: 1 };
        let waiting = |after: Duration| DaemonState::waiting(now + after, Some(attempts));
        let stopped = || stopping(StopReason::Mismatched, now);
        let cases = [
            (running(now), Some(Outcome::Success), DaemonState::Ended),
            (running(now), Some(Outcome::Ignored), DaemonState::Ended),
            (running(now), Some(failed), DaemonState::Ended),
            (running(now), Some(rejected), DaemonState::Rejected { of: 1 }),
            (running(now), Some(retry(7 * SECOND)), waiting(7 * SECOND)),
            (running(now), None, DaemonState::Ended),
            (stopped(), Some(Outcome::Success), DaemonState::Off),
            (stopped(), Some(retry(SECOND)), DaemonState::Off),
            (stopped(), None, DaemonState::Off),
        ];
        for (mut state, outcome, expected) in cases {
            state.ended(outcome.as_ref(), now);
            assert_eq!(state, expected, "{outcome:?}");
        }
    }

    #[test]
    fn attempts_count_on_until_it_is_told_to_stop() {
        let now = Instant::now();
        let options = DaemonOptions::default();
        let mut state = DaemonState::default();
        for attempt in 0..3 {
            let at = now + SECOND * attempt;
            let step = state.matched(true, &options, TIMES, (at, clock()), || 1);
            assert_eq!(step, Step::Start(Attempts { before: attempt, first: now, started: clock(), of: 1 }));
            state.ended(Some(&retry(SECOND)), at);
        }
        state.stop(StopReason::Mismatched, TIMES, now);
        assert_eq!(state, DaemonState::Off);
    }

    #[test]
    fn one_that_is_due_asks_for_a_turn_again_until_it_is_started() {
        let now = Instant::now();
        let mut state = DaemonState::waiting(now, None);
        assert_eq!((state.expire(now), state.due()), (Step::Wake, Some(now + UNSTARTED)));
        assert_eq!(state.expire(now + SECOND), Step::None);
        assert_eq!(state.expire(now + UNSTARTED), Step::Wake);
        let step = state.matched(true, &DaemonOptions::default(), TIMES, (now + UNSTARTED, clock()), || 1);
        assert!(matches!(step, Step::Start(_)), "{step:?}");
    }

    #[test]
    fn one_that_could_not_read_the_object_is_started_with_another_state_only() {
        let now = Instant::now();
        let options = DaemonOptions { initial_delay: SECOND, ..DaemonOptions::default() };
        let mut state = DaemonState::Rejected { of: 1 };
        assert_eq!(state.due(), None);
        assert_eq!(state.matched(true, &options, TIMES, (now, clock()), || 1), Step::None);
        let started = Attempts { before: 0, first: now, started: clock(), of: 2 };
        assert_eq!(state.matched(true, &options, TIMES, (now, clock()), || 2), Step::Start(started));
        let mut state = DaemonState::Rejected { of: 1 };
        assert_eq!(state.stop(StopReason::Mismatched, TIMES, now), Step::Drop);
        assert_eq!(state, DaemonState::Off);
    }

    #[test]
    fn a_future_that_is_dropped_has_a_moment_to_end_whatever_the_timeout() {
        let now = Instant::now();
        let mut state = running(now);
        state.stop(StopReason::Deleted, StopTimes { backoff: Duration::ZERO, timeout: Duration::ZERO }, now);
        assert_eq!((state.expire(now), state.due()), (Step::Cancel, Some(now + LEAST_TIMEOUT)));
    }

    #[test]
    fn one_that_cannot_see_the_flag_is_cancelled_after_a_second_unless_it_says_otherwise() {
        let given = DaemonOptions {
            cancellation_backoff: Some(9 * SECOND),
            cancellation_timeout: Some(8 * SECOND),
            ..DaemonOptions::default()
        };
        let cases = [
            (DaemonOptions::default(), true, (3, 2)),
            (DaemonOptions::default(), false, (1, 2)),
            (given, false, (9, 8)),
            (given, true, (9, 8)),
        ];
        for (options, heeds, expected) in cases {
            let times = options.stop_times(heeds, TIMES);
            assert_eq!((times.backoff.as_secs(), times.timeout.as_secs()), expected);
        }
    }
}
