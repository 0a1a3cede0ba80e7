//! Limit of a pool: how many connections it may have, which the server may lower.

use std::time::Duration;
use tokio::time::Instant;

/// The time after which one connection more is tried where the server has admitted no more.
const AGAIN: Duration = Duration::from_secs(30);

/// How many connections a pool may use, and what it has.
#[derive(Debug)]
pub(super) struct Limit {
    most: usize,
    places: usize,
    /// Connections that exist, idle ones too.
    alive: usize,
    connecting: usize,
    /// When the server admitted no more for the last time.
    refused: Option<Instant>,
    /// Whether one connection more is being tried.
    probing: bool,
}

impl Limit {
    pub(super) fn new(most: usize) -> Self {
        Self { most, places: most, alive: 0, connecting: 0, refused: None, probing: false }
    }

    /// The connections that may be used at a time.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// The connections that exist, idle ones too.
    pub(super) fn alive(&self) -> usize {
        self.alive
    }

    /// The attempts to connect that are under way.
    pub(super) fn connecting(&self) -> usize {
        self.connecting
    }

    /// There is one place more, if the server has admitted no more for a while. As long as this works, the next one follows at
    /// once.
    pub(super) fn grow(&mut self, now: Instant) {
        let is_due = self.refused.is_none_or(|refused| now >= refused + AGAIN);
        if self.places < self.most && is_due && !self.probing {
            self.places += 1;
            self.probing = true;
        }
    }

    pub(super) fn begins(&mut self) {
        self.connecting += 1;
    }

    pub(super) fn succeeds(&mut self) {
        self.ends();
        self.alive += 1;
        self.places = self.places.max(self.alive);
    }

    /// The attempt has failed, or was given up.
    pub(super) fn ends(&mut self) {
        self.connecting -= 1;
        self.probing = false;
    }

    /// The server admits no more, so there are no more places than connections. Returns whether there is a connection to wait
    /// for: another one exists or is being made.
    pub(super) fn refused(&mut self, now: Instant) -> bool {
        let waits = self.alive > 0 || self.connecting > 1;
        self.refused = Some(now);
        self.ends();
        if waits {
            self.places = self.places.min(self.alive.max(1));
        }
        waits
    }

    pub(super) fn closes(&mut self) {
        self.alive -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit with connections that exist, and some that are being made.
    fn limit(most: usize, alive: usize, connecting: usize) -> Limit {
        Limit { alive, connecting, ..Limit::new(most) }
    }

    #[test]
    fn a_server_that_admits_no_more_leaves_as_many_places_as_there_are_connections() {
        for (most, alive, connecting, waits, places) in [
            (8, 2, 1, true, 2),
            (8, 2, 6, true, 2),
            (8, 7, 1, true, 7),
            // The other attempt may succeed, and then its connection is one to wait for.
            (8, 0, 2, true, 1),
            // Nothing to wait for.
            (8, 0, 1, false, 8),
            (1, 0, 1, false, 1),
        ] {
            let mut limit = limit(most, alive, connecting);
            assert_eq!(limit.refused(Instant::now()), waits, "{most} {alive} {connecting}");
            assert_eq!(limit.places(), places, "{most} {alive} {connecting}");
        }
    }

    #[test]
    fn one_more_is_tried_after_a_while_and_the_next_follows_success() {
        let (mut limit, start) = (limit(8, 2, 1), Instant::now());
        let grows = |limit: &mut Limit, now| {
            let before = limit.places();
            limit.grow(now);
            limit.places() > before
        };
        assert!(!grows(&mut limit, start), "all places are there");
        assert!(limit.refused(start));
        assert_eq!(limit.places, 2);
        assert!(!grows(&mut limit, start + AGAIN - Duration::from_millis(1)));
        let later = start + AGAIN;
        assert!(grows(&mut limit, later) && !grows(&mut limit, later), "one at a time");
        limit.begins();
        limit.succeeds();
        assert!(grows(&mut limit, later), "it goes on");
        limit.begins();
        assert!(limit.refused(later));
        assert!(!grows(&mut limit, later) && limit.places == 3);
    }
}
