//! Backoff of a watch that fails: the delays between its tries.
//!
//! kube's own goes up to 30 seconds. An API server that has just started rejects the first tries, too, so that a watch would be away
//! for long after its return.

use kube::runtime::utils::Backoff;
use std::time::Duration;
use tokio::time::Instant;

/// The first delay.
const FIRST: Duration = Duration::from_millis(800);

/// Delays that double up to a limit. Each is drawn from its upper half, so that the watches of many operators, or namespaces, don't
/// come all at once.
#[derive(Debug)]
pub struct WatchBackoff {
    most: Duration,
    next: Duration,
    /// The last failure.
    last: Option<Instant>,
}

impl WatchBackoff {
    /// Delays up to this one. They begin again with the first failure after twice as long a time without one.
    pub fn up_to(most: Duration) -> Self {
        Self { most, next: FIRST.min(most), last: None }
    }
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let before = self.last.replace(Instant::now());
        if before.is_some_and(|before| before.elapsed() > self.most * 2) {
            self.next = FIRST.min(self.most);
        }
        let delay = self.next;
        self.next = delay.saturating_mul(2).min(self.most);
        Some(delay.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

impl Backoff for WatchBackoff {
    /// Nothing: the watcher's stream calls it for `Init`, too, which comes before anything was asked for where lists are read in
    /// pages.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    /// Each step: the seconds since the last failure, and the longest delay in milliseconds.
    #[tokio::test(start_paused = true)]
    async fn delays_double_up_to_their_limit_and_begin_again_after_a_while_without_failures() {
        for (most, steps) in [
            (5000, &[(0, 800), (1, 1600), (2, 3200), (3, 5000), (10, 5000), (11, 800), (1, 1600)][..]),
            (1000, &[(0, 800), (1, 1000), (2, 1000), (3, 800)]),
            (10, &[(0, 10), (0, 10), (1, 10)]),
        ] {
            let mut backoff = WatchBackoff::up_to(Duration::from_millis(most));
            for (pause, longest) in steps {
                advance(Duration::from_secs(*pause)).await;
                backoff.reset();
                let (delay, longest) = (backoff.next().unwrap(), Duration::from_millis(*longest));
                assert!((longest / 2..=longest).contains(&delay), "{delay:?} of {longest:?}");
            }
        }
    }
}
