//! Limit of a pool: how many connections it may have, which the server may lower.
//!
//! A place is the right to have a connection. Who has a place uses an idle connection, or else makes one.

use std::time::Duration;
use tokio::time::Instant;

/// The time after which one connection more is tried where the server has admitted no more.
const AGAIN: Duration = Duration::from_secs(30);

/// The places of a pool, and what they are used for.
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

    /// The connections that there may be.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// The connections that exist, idle ones too.
    pub(super) fn alive(&self) -> usize {
        self.alive
    }

    /// Whether there is one place more now, after the server has admitted no more for a while. As long as this works, the
    /// next one follows at once.
    pub(super) fn grows(&mut self, now: Instant) -> bool {
        let is_due = self.refused.is_none_or(|refused| now >= refused + AGAIN);
        let grows = self.places < self.most && is_due && !self.probing;
        if grows {
            self.places += 1;
            self.probing = true;
        }
        grows
    }

    pub(super) fn begins(&mut self) {
        self.connecting += 1;
    }

    pub(super) fn succeeds(&mut self) {
        self.ends();
        self.alive += 1;
    }

    /// The attempt has failed, or was given up.
    pub(super) fn ends(&mut self) {
        self.connecting -= 1;
        self.probing = false;
    }

    /// The server admits no more. Returns how many places are too many, the caller's among them; none if no other connection
    /// exists or is being made, so that there is nothing to wait for.
    pub(super) fn refused(&mut self, now: Instant) -> Option<usize> {
        let waits = self.alive > 0 || self.connecting > 1;
        self.refused = Some(now);
        waits.then(|| self.places.saturating_sub(self.alive.max(1)))
    }

    /// Places that nobody has any more.
    pub(super) fn shrinks(&mut self, by: usize) {
        self.places -= by;
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
        for (most, alive, connecting, surplus) in [
            (8, 2, 1, Some(6)),
            (8, 2, 6, Some(6)),
            (8, 7, 1, Some(1)),
            // The other attempt may succeed, and then its connection is one to wait for.
            (8, 0, 2, Some(7)),
            // Nothing to wait for.
            (8, 0, 1, None),
            (1, 0, 1, None),
        ] {
            let now = Instant::now();
            assert_eq!(limit(most, alive, connecting).refused(now), surplus, "{most} {alive} {connecting}");
        }
    }

    #[test]
    fn one_more_is_tried_after_a_while_and_the_next_follows_success() {
        let (mut limit, start) = (limit(8, 2, 1), Instant::now());
        assert!(!limit.grows(start), "all places are there");
        let surplus = limit.refused(start).unwrap();
        limit.ends();
        limit.shrinks(surplus);
        assert_eq!(limit.places, 2);
        assert!(!limit.grows(start + AGAIN - Duration::from_millis(1)));
        let later = start + AGAIN;
        assert!(limit.grows(later) && !limit.grows(later), "one at a time");
        limit.begins();
        limit.succeeds();
        assert!(limit.grows(later), "it goes on");
        limit.begins();
        assert_eq!(limit.refused(later), Some(1));
        limit.ends();
        limit.shrinks(1);
        assert!(!limit.grows(later) && limit.places == 3);
    }
}
