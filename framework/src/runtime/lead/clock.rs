//! Clock of leases: the time since the machine was started, which no correction moves, and which goes on while the machine
//! sleeps.
//!
//! Other replicas count the seconds while this machine, or this process, is suspended. `std::time::Instant` doesn't count
//! them on Linux.

use std::{ops::Add, time::Duration};

/// A point in time, by the clock of leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Before all others.
    pub const EVER: Self = Self(Duration::ZERO);
    /// After all others.
    pub const NEVER: Self = Self(Duration::MAX);

    /// The time that has passed since the machine was started.
    pub fn since_start(self) -> Duration {
        self.0
    }

    /// So long after the machine was started.
    pub fn at(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// Now. Under the test kit, as tokio's clock goes.
    pub fn now() -> Self {
        super::super::clock::elapsed().map_or_else(Self::since_boot, Self)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn since_boot() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Self(Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default()))
    }

    /// The clock of other systems goes on while they sleep.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn since_boot() -> Self {
        use std::{sync::LazyLock, time::Instant};
        static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
        Self(FIRST.elapsed() + Duration::from_secs(1))
    }

    /// The time until a later one; none if it isn't later.
    pub fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }

    /// The time since the machine was started, for decisions of the core.
    pub fn since_ever(self) -> Duration {
        self.0
    }

    /// Whole milliseconds.
    pub(super) fn milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn from_milliseconds(milliseconds: u64) -> Self {
        if milliseconds == u64::MAX { Self::NEVER } else { Self(Duration::from_millis(milliseconds)) }
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_clock_goes_on() {
        let (begun, instant) = (Moment::now(), Instant::now());
        assert!(begun > Moment::EVER && begun < Moment::NEVER);
        while instant.elapsed() < Duration::from_millis(2) {}
        let passed = begun.until(Moment::now());
        assert!(passed >= Duration::from_millis(2) && passed < Duration::from_secs(60), "{passed:?}");
    }

    #[test]
    fn milliseconds_are_rounded_down_and_never_stays_never() {
        let moment = Moment(Duration::from_micros(1_999));
        assert_eq!((moment.milliseconds(), Moment::NEVER.milliseconds()), (1, u64::MAX));
        assert_eq!(Moment::from_milliseconds(u64::MAX), Moment::NEVER);
    }
}
