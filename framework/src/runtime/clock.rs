//! Clock: the wall-clock time, which the test kit can control.
//!
//! Records on objects carry wall-clock times: they outlive the process, and people read them. So in production this is
//! the wall clock, with all corrections that it gets. Under the test kit it is a time that tokio's clock moves, so
//! that a test that lets an hour pass sees it pass everywhere.

use jiff::Timestamp;
use std::time::Duration;

/// The time now.
pub fn now() -> Timestamp {
    if let Some(now) = controlled::now() {
        return now;
    }
    Timestamp::now()
}

/// The time on the clock that tests move; none in production. It may be any, and never goes back.
pub fn elapsed() -> Option<Duration> {
    controlled::elapsed()
}

pub use controlled::{Controlled, control};

mod controlled {
    use jiff::Timestamp;
    use std::{cell::Cell, marker::PhantomData, time::Duration};
    use tokio::time::Instant;

    thread_local! {
        /// A wall-clock time, and when it was, by the clock that tests move. tokio's time can be paused on runtimes of
        /// one thread only, so one thread's time is enough.
        static BEGINNING: Cell<Option<(Timestamp, Instant)>> = const { Cell::new(None) };
    }

    pub(super) fn now() -> Option<Timestamp> {
        let (time, instant) = BEGINNING.get()?;
        time.checked_add(instant.elapsed()).ok()
    }

    pub(super) fn elapsed() -> Option<Duration> {
        let (_, instant) = BEGINNING.get()?;
        // None is the first one of all times.
        Some(instant.elapsed() + Duration::from_secs(1))
    }

    /// While it lives, the time on this thread follows tokio's clock.
    #[derive(Debug)]
    #[must_use = "the time is under control until this is dropped"]
    pub struct Controlled {
        before: Option<(Timestamp, Instant)>,
        /// It belongs to its thread.
        thread: PhantomData<*const ()>,
    }

    /// Sets the time on this thread: `time` at `instant`, and from there on as tokio's clock goes. Where that one is
    /// paused, it can only be read within its runtime.
    pub fn control(time: Timestamp, instant: Instant) -> Controlled {
        Controlled { before: BEGINNING.replace(Some((time, instant))), thread: PhantomData }
    }

    impl Drop for Controlled {
        fn drop(&mut self) {
            BEGINNING.set(self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::{Instant, advance};

    #[tokio::test(start_paused = true)]
    async fn the_time_follows_tokios_clock_while_it_is_under_control_and_no_longer() {
        let time: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        {
            let _controlled = control(time, Instant::now());
            advance(Duration::from_secs(3600)).await;
            assert_eq!(now().to_string(), "2026-01-01T01:00:00Z");
        }
        assert!(now() > "2026-01-02T00:00:00Z".parse().unwrap());
    }
}
