//! Strips: others remove the operator's state from an object, again and again.
//!
//! To the operator such an object is new each time. Once may be a `kubectl replace`; a controller that does it whenever it
//! sees the state would have the handlers called without end.

use std::time::Duration;
use tokio::time::Instant;

/// Strips that are further apart have nothing to do with each other.
const APART: Duration = Duration::from_secs(600);

/// The strips of one object.
#[derive(Debug, Default)]
pub struct Strips(Option<Series>);

#[derive(Debug)]
struct Series {
    strips: usize,
    /// The time of the last one.
    last: Instant,
    /// Until when the object is left alone for it.
    until: Option<Instant>,
}

/// What to do about an object without the operator's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stripped {
    /// It is handled as a new one.
    Handle,
    /// It is left alone for this time: it was stripped this often in a row, if that is news.
    Wait(Duration, Option<usize>),
}

impl Strips {
    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Takes in that the state is gone: for the first time, the object is handled at once; then each strip delays that by the
    /// next of these delays.
    pub fn note(&mut self, now: Instant, delays: &[Duration]) -> Stripped {
        let known = self.0.take().filter(|series| now < series.last + APART);
        let series = self.0.insert(known.unwrap_or(Series { strips: 0, last: now, until: None }));
        if let Some(until) = series.until {
            if now < until {
                return Stripped::Wait(until - now, None);
            }
            series.until = None;
            return Stripped::Handle;
        }
        (series.strips, series.last) = (series.strips + 1, now);
        let Some(number) = series.strips.checked_sub(2) else { return Stripped::Handle };
        let delay = delays.get(number).or(delays.last()).copied().unwrap_or(APART);
        series.until = Some(now + delay);
        Stripped::Wait(delay, Some(series.strips))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DELAYS: [Duration; 3] = [SECOND, Duration::from_secs(2), Duration::from_secs(5)];

    #[test]
    fn strips_in_a_row_delay_the_next_creation_ever_longer() {
        let (mut strips, mut now) = (Strips::default(), Instant::now());
        assert!(strips.is_empty());
        assert_eq!(strips.note(now, &DELAYS), Stripped::Handle, "it may be a `kubectl replace`");
        for (number, delay) in [(2, SECOND), (3, 2 * SECOND), (4, 5 * SECOND), (5, 5 * SECOND)] {
            now += SECOND / 10;
            assert_eq!(strips.note(now, &DELAYS), Stripped::Wait(delay, Some(number)));
            assert_eq!(
                strips.note(now + delay / 2, &DELAYS),
                Stripped::Wait(delay / 2, None),
                "others change it"
            );
            now += delay;
            assert_eq!(strips.note(now, &DELAYS), Stripped::Handle);
        }
        assert_eq!(strips.note(now + APART, &DELAYS), Stripped::Handle, "it is the first one again");
    }
}
