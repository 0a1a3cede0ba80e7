//! Hiccups: errors of a watch that are none unless they go on.

use super::write::watch_code;
use kube::runtime::watcher::Error;
use std::time::Duration;
use tokio::time::Instant;

/// The time within which a second watch that can't go on from where it was is a failure.
const RELISTS_APART: Duration = Duration::from_secs(60);

/// A server that is too busy for a watch for longer than this is a failure.
const BUSY: Duration = Duration::from_secs(10);

/// An error that passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hiccup {
    /// The watch can't go on from where it was. A change of the CRD cuts all its watches, and so does a long outage.
    Outdated,
    /// The server is too busy. So it is for a moment after each change of a CRD.
    Busy,
}

/// The hiccups of one watch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hiccups {
    /// When the watch last couldn't go on from where it was.
    outdated: Option<Instant>,
    /// Since when the server is too busy.
    busy: Option<Instant>,
}

impl Hiccups {
    /// The hiccup that an error is; none if it is a failure.
    pub fn of(&mut self, error: &Error) -> Option<Hiccup> {
        match (watch_code(error), error) {
            (Some(429), _) => {
                let is_short = self.busy.get_or_insert_with(Instant::now).elapsed() < BUSY;
                is_short.then_some(Hiccup::Busy)
            }
            (Some(410), Error::InitialListFailed(_)) => None,
            (Some(410), _) => {
                let before = self.outdated.replace(Instant::now());
                let is_rare = before.is_none_or(|before| before.elapsed() >= RELISTS_APART);
                is_rare.then_some(Hiccup::Outdated)
            }
            _ => None,
        }
    }

    /// Takes in that the watch works.
    pub fn end(&mut self) {
        self.busy = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn error(code: u16) -> Error {
        Error::WatchError(Status::failure("no", "No").with_code(code).boxed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_is_no_hiccup() {
        let mut hiccups = Hiccups::default();
        let steps = [
            (410, 0, Some(Hiccup::Outdated)),
            (410, 59, None),
            (410, 60, Some(Hiccup::Outdated)),
            (429, 0, Some(Hiccup::Busy)),
            (429, 9, Some(Hiccup::Busy)),
            (429, 1, None),
            (500, 0, None),
        ];
        for (code, after, hiccup) in steps {
            tokio::time::advance(Duration::from_secs(after)).await;
            assert_eq!(hiccups.of(&error(code)), hiccup, "{code} after {after} s");
        }
        hiccups.end();
        assert_eq!(hiccups.of(&error(429)), Some(Hiccup::Busy));
    }
}
