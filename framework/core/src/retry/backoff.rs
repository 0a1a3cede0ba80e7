//! Backoff: the delay before the next attempt.

use std::time::Duration;

/// The delay before the next attempt, after an error without a delay of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backoff {
    /// A constant delay, as in Kopf.
    Constant(Duration),
    /// `initial` after the first attempt, doubled after each one up to `max`, less up to a quarter of
    /// jitter, so that objects that failed together aren't all retried together.
    Exponential {
        /// The delay after the first failed attempt.
        initial: Duration,
        /// The longest delay.
        max: Duration,
    },
}

impl Default for Backoff {
    fn default() -> Self {
        Self::Exponential { initial: Duration::from_secs(1), max: Duration::from_secs(60) }
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
            Self::Exponential { initial, max } => {
                let doubled = initial.saturating_mul(2u32.saturating_pow(attempt.min(31)));
                let delay = doubled.min(max);
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
    fn an_exponential_backoff_doubles_up_to_its_maximum() {
        let backoff = Backoff::Exponential { initial: SECOND, max: 60 * SECOND };
        let delays: Vec<_> = (0..8).map(|n| backoff.delay(n, 0.0).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.delay(u32::MAX, 0.0), 60 * SECOND);
    }

    #[test]
    fn jitter_shortens_an_exponential_delay_by_a_quarter_at_most_and_a_constant_one_never() {
        let exponential = Backoff::Exponential { initial: 8 * SECOND, max: 60 * SECOND };
        assert_eq!(exponential.delay(0, 1.0), 6 * SECOND);
        assert_eq!(Backoff::Constant(SECOND).delay(7, 1.0), SECOND);
    }
}
