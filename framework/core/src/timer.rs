//! Timers of one object: when each of them is called next.

use crate::schedule::later;
use std::time::{Duration, Instant};

/// When a timer is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSchedule {
    /// The time from the end of one run to the start of the next; with `sharp`, from start to start.
    pub interval: Duration,
    /// The time from the object's first turn to the first run.
    pub initial_delay: Duration,
    /// The timer is called only when the object's essence hasn't changed for this time.
    pub idle: Option<Duration>,
    /// Runs start on a grid of intervals from the first one on. Those that would have started during another run, or
    /// while the operator was suspended, are skipped.
    pub sharp: bool,
}

impl TimerSchedule {
    /// A call in each interval, the first one at once.
    pub fn every(interval: Duration) -> Self {
        Self { interval, initial_delay: Duration::ZERO, idle: None, sharp: false }
    }
}

/// One timer of one object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimerState {
    /// The next call is not before.
    next: Instant,
    /// The start of the grid: that of the first run.
    grid: Option<Instant>,
    /// The attempts of a run that failed and is retried, and the start of the first of them.
    retried: Option<(u32, Instant)>,
}

impl TimerState {
    /// A timer of an object that is seen for the first time.
    pub fn new(schedule: &TimerSchedule, now: Instant) -> Self {
        Self { next: later(now, schedule.initial_delay), grid: None, retried: None }
    }

    /// When it is due, if the object's essence changed at `changed`. A retry doesn't wait for the object to be idle.
    pub fn due(&self, schedule: &TimerSchedule, changed: Instant) -> Instant {
        match schedule.idle.filter(|_| self.retried.is_none()) {
            Some(idle) => self.next.max(later(changed, idle)),
            None => self.next,
        }
    }

    /// The number of attempts before the next one, and the start of the first one of this run.
    pub fn attempts(&self, now: Instant) -> (u32, Instant) {
        self.retried.unwrap_or((0, now))
    }

    /// A run is over that began at `started`: it succeeded, or failed permanently.
    pub fn finished(&mut self, schedule: &TimerSchedule, started: Instant, now: Instant) {
        let first = *self.grid.get_or_insert(started);
        self.retried = None;
        self.next = if schedule.sharp {
            on_grid(first, schedule.interval, now)
        } else {
            later(now, schedule.interval)
        };
    }

    /// An attempt failed that began at `started`, and is retried after a delay.
    pub fn failed(&mut self, started: Instant, now: Instant, after: Duration) {
        self.grid.get_or_insert(started);
        let (attempts, first) = self.attempts(started);
        (self.retried, self.next) = (Some((attempts.saturating_add(1), first)), later(now, after));
    }
}

/// The first point of a grid after `now`.
fn on_grid(first: Instant, interval: Duration, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(first).as_nanos();
    let step = interval.as_nanos().max(1);
    let points = u64::try_from((passed / step + 1) * step).unwrap_or(u64::MAX);
    later(first, Duration::from_nanos(points))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Runs of these lengths; returns the seconds at which they start.
    fn starts(schedule: TimerSchedule, changed: u32, lengths: &[u32]) -> Vec<u64> {
        let start = Instant::now();
        let mut state = TimerState::new(&schedule, start);
        let mut starts = Vec::new();
        for length in lengths {
            let due = state.due(&schedule, start + SECOND * changed);
            starts.push((due - start).as_secs());
            state.finished(&schedule, due, due + SECOND * *length);
        }
        starts
    }

    #[test]
    fn an_interval_counts_from_the_end_of_a_run_and_a_sharp_one_from_start_to_start() {
        let every = TimerSchedule::every(10 * SECOND);
        let sharp = TimerSchedule { sharp: true, ..every };
        let delayed = TimerSchedule { initial_delay: 7 * SECOND, ..every };
        let idle = TimerSchedule { idle: Some(30 * SECOND), ..every };
        let cases = [
            (every, 0, vec![0, 0, 3, 0], vec![0, 10, 20, 33]),
            (sharp, 0, vec![0, 3, 9, 10, 25, 0], vec![0, 10, 20, 30, 50, 80]),
            (TimerSchedule { sharp: true, ..delayed }, 0, vec![4, 4], vec![7, 17]),
            (delayed, 0, vec![1, 1], vec![7, 18]),
            (idle, 5, vec![0, 0], vec![35, 45]),
            (TimerSchedule { idle: Some(30 * SECOND), ..delayed }, 0, vec![0], vec![30]),
        ];
        for (schedule, changed, lengths, expected) in cases {
            assert_eq!(starts(schedule, changed, &lengths), expected, "{schedule:?}");
        }
    }

    #[test]
    fn a_retry_comes_after_its_own_delay_and_counts_until_the_run_is_over() {
        let schedule = TimerSchedule { idle: Some(60 * SECOND), ..TimerSchedule::every(10 * SECOND) };
        let start = Instant::now();
        let mut state = TimerState::new(&schedule, start);
        let first = state.due(&schedule, start);
        assert_eq!((first, state.attempts(first)), (start + 60 * SECOND, (0, first)));
        state.failed(first, first + SECOND, 2 * SECOND);
        // A change meanwhile doesn't delay it.
        let second = state.due(&schedule, first);
        assert_eq!((second, state.attempts(second)), (first + 3 * SECOND, (1, first)));
        state.failed(second, second, 2 * SECOND);
        assert_eq!(state.attempts(second).0, 2);
        state.finished(&schedule, second, second);
        assert_eq!(state.attempts(second), (0, second));
        assert_eq!(state.due(&schedule, start), second + 10 * SECOND);
    }

    #[test]
    fn a_sharp_timer_never_doubles_after_a_pause() {
        let schedule = TimerSchedule { sharp: true, ..TimerSchedule::every(10 * SECOND) };
        let start = Instant::now();
        let mut state = TimerState::new(&schedule, start);
        state.finished(&schedule, start, start);
        // The machine was suspended: the run starts 57 seconds late.
        let late = start + 67 * SECOND;
        state.finished(&schedule, late, late);
        assert_eq!(state.due(&schedule, start), start + 70 * SECOND);
    }

    #[test]
    fn intervals_beyond_all_times_and_of_no_time_are_survived() {
        let start = Instant::now();
        for interval in [Duration::ZERO, Duration::MAX] {
            for sharp in [false, true] {
                let schedule =
                    TimerSchedule { sharp, idle: Some(interval), ..TimerSchedule::every(interval) };
                let mut state = TimerState::new(&schedule, start);
                state.finished(&schedule, start, start);
                assert!(state.due(&schedule, start) >= start, "{schedule:?}");
            }
        }
    }
}
