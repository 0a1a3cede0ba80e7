//! Signals between the operator and its daemons: the stop flag, and the newest state of an object.

use crate::core::{body::Body, daemon::StopReason, version::is_newer};
use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// Tells one attempt of a daemon to stop.
#[derive(Debug, Default)]
pub struct StopSignal {
    reason: OnceLock<StopReason>,
    told: Notify,
    heeded: AtomicBool,
}

impl StopSignal {
    /// Notes that the daemon can see the flag.
    pub(crate) fn is_heeded(&self) {
        self.heeded.store(true, Ordering::Relaxed);
    }

    /// Whether the daemon can see the flag.
    pub(crate) fn heeds(&self) -> bool {
        self.heeded.load(Ordering::Relaxed)
    }

    /// Tells it to stop.
    pub(crate) fn tell(&self, reason: StopReason) {
        self.reason.get_or_init(|| reason);
        self.told.notify_waiters();
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// Waits until it is told to stop.
    pub(crate) async fn told(&self) -> StopReason {
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            // What is told from now on is heard.
            told.as_mut().enable();
            match self.reason() {
                Some(reason) => return reason,
                None => told.await,
            }
        }
    }
}

/// The newest state of one object, for those of its daemons that ask for it.
#[derive(Debug, Default)]
pub struct LiveState {
    newest: Mutex<Newest>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Newest {
    /// None while nobody looks.
    body: Option<Body>,
    /// The number of changes so far.
    revision: u64,
    /// Those who look.
    views: usize,
}

impl LiveState {
    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in another view, which has seen this state; returns the revision.
    pub(crate) fn open(&self, body: &Body) -> u64 {
        self.join();
        self.show(body);
        self.lock().revision
    }

    /// Takes in another view.
    pub(crate) fn join(&self) {
        self.lock().views += 1;
    }

    /// A view ends.
    pub(crate) fn close(&self) {
        let mut newest = self.lock();
        newest.views = newest.views.saturating_sub(1);
        if newest.views == 0 {
            newest.body = None;
        }
    }

    /// Takes in a state; only if somebody looks, and it is newer than the known one.
    pub(crate) fn show(&self, body: &Body) {
        self.take_in(body, |known| is_newer(body.version(), known.version()));
    }

    /// Takes in a state that was read. It may be older than the known one: a restored cluster counts its versions again.
    pub(crate) fn show_read(&self, body: &Body) {
        self.take_in(body, |known| body.version() != known.version());
    }

    fn take_in(&self, body: &Body, is_news: impl FnOnce(&Body) -> bool) {
        let mut newest = self.lock();
        if newest.views > 0 && newest.body.as_ref().is_none_or(is_news) {
            newest.body = Some(body.clone());
            newest.revision += 1;
            self.changed.notify_waiters();
        }
    }

    pub(crate) fn newest(&self) -> Option<Body> {
        self.lock().body.clone()
    }

    /// Waits for a revision after this one; returns the newest.
    pub(crate) async fn changed(&self, seen: u64) -> u64 {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let revision = self.lock().revision;
            if revision > seen {
                return revision;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use serde_json::json;

    fn body(version: &str) -> Body {
        json!({"metadata": {"resourceVersion": version}}).into()
    }

    #[test]
    fn a_view_sees_newer_states_only_and_nothing_is_kept_for_nobody() {
        let live = LiveState::default();
        live.show(&body("1"));
        assert_eq!(live.newest(), None, "nobody looks");
        let seen = live.open(&body("5"));
        assert_eq!(live.changed(seen).now_or_never(), None);
        live.show(&body("4"));
        live.show(&body("5"));
        assert_eq!(live.changed(seen).now_or_never(), None, "an older state, and the same one");
        live.show(&body("6"));
        assert_eq!(live.changed(seen).now_or_never(), Some(seen + 1));
        assert_eq!(live.newest(), Some(body("6")));
        live.join();
        live.close();
        assert!(live.newest().is_some(), "another view looks");
        live.close();
        assert_eq!(live.newest(), None);
    }

    #[test]
    fn a_state_that_was_read_is_shown_though_its_version_is_older_and_later_ones_follow() {
        let live = LiveState::default();
        let seen = live.open(&body("500"));
        live.show(&body("7"));
        assert_eq!(live.newest(), Some(body("500")), "an event may be late");
        live.show_read(&body("500"));
        assert_eq!(live.changed(seen).now_or_never(), None, "the same one");
        live.show_read(&body("6"));
        live.show(&body("7"));
        assert_eq!((live.changed(seen).now_or_never(), live.newest()), (Some(seen + 2), Some(body("7"))));
    }

    #[test]
    fn a_flag_that_is_set_between_the_question_and_the_wait_is_seen() {
        let signal = StopSignal::default();
        assert_eq!(signal.told().now_or_never(), None);
        let mut waiting = Box::pin(signal.told());
        assert_eq!((&mut waiting).now_or_never(), None);
        signal.tell(StopReason::Deleted);
        signal.tell(StopReason::OperatorStops);
        assert_eq!(waiting.now_or_never(), Some(StopReason::Deleted), "the first reason stays");
        assert_eq!(signal.told().now_or_never(), Some(StopReason::Deleted));
    }
}
