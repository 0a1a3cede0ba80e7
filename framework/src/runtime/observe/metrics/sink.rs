//! Sink of observations that come seldom: watches that begin again, activities, dropped events.

use super::{
    Own,
    kind::{Restart, number},
    lock,
};
use crate::runtime::observe::{LeaseEvent, Observation};
use std::sync::atomic::Ordering::Relaxed;

impl Own {
    /// Takes in an observation.
    pub(super) fn observe(&self, observation: &Observation<'_>) {
        match *observation {
            Observation::WatchFailed { kind, .. } => self.of(kind).note_restart(Restart::Failed),
            Observation::Relisting { kind, .. } => self.of(kind).note_restart(Restart::Expired),
            Observation::EventsDropped { events, .. } | Observation::EventsLeft { events } => {
                self.events_dropped.fetch_add(events as u64, Relaxed);
            }
            Observation::Lease { shard, event, .. } => self.lease(shard, event),
            Observation::ActivityEnded { activity, id, outcome, .. } => {
                let mut activities = self.activities();
                let counts = activities.entry((activity.as_str(), id.to_owned())).or_default();
                counts[number(outcome)] += 1;
            }
            _ => {}
        }
    }

    fn lease(&self, shard: u16, event: LeaseEvent) {
        let mut held = lock(&self.held);
        let change = match event {
            LeaseEvent::Held { .. } => {
                held.insert(shard);
                0
            }
            LeaseEvent::Left => 1,
            LeaseEvent::Lost => 2,
        };
        if change > 0 {
            held.remove(&shard);
        }
        self.lease_changes[change].fetch_add(1, Relaxed);
    }
}
