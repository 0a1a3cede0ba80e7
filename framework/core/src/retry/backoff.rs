//! How long to wait before the next attempt.

use std::time::Duration;

/// The delay before the next attempt, after an error that names no delay of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backoff {
    /// Always the same, as Kopf does it.
    Constant(Duration),
    /// `first` after the first attempt, doubled after each one up to `most`, less up to a quarter of
    /// jitter, so that objects that failed together don't all come back together.
    Growing {
        /// The delay after the first failed attempt.
        first: Duration,
        /// The longest delay.
        most: Duration,
    },
}

impl Default for Backoff {
    fn default() -> Self {
        Self::Growing { first: Duration::from_secs(1), most: Duration::from_secs(60) }
    }
}

impl From<Duration> for Backoff {
    fn from(delay: Duration) -> Self {
        Self::Constant(delay)
    }
}

impl Backoff {
    /// The delay after attempt `attempt` (from 0 on); `jitter` is a random number in `0.0..1.0`.
    pub fn delay(self, attempt: u32, jitter: f64) -> Duration {
        match self {
            Self::Constant(delay) => delay,
            Self::Growing { first, most } => {
                let doubled = first.saturating_mul(2u32.saturating_pow(attempt.min(31)));
                let delay = doubled.min(most);
                delay - delay.div_f64(4.0).min(delay).mul_f64(jitter.clamp(0.0, 1.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_growing_backoff_doubles_up_to_its_cap() {
        let backoff = Backoff::Growing { first: SECOND, most: 60 * SECOND };
        let delays: Vec<_> = (0..8).map(|n| backoff.delay(n, 0.0).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.delay(u32::MAX, 0.0), 60 * SECOND);
    }

    #[test]
    fn jitter_shortens_a_growing_delay_by_a_quarter_at_most_and_a_constant_one_never() {
        let growing = Backoff::Growing { first: 8 * SECOND, most: 60 * SECOND };
        assert_eq!(growing.delay(0, 1.0), 6 * SECOND);
        assert_eq!(Backoff::Constant(SECOND).delay(7, 1.0), SECOND);
    }
}
