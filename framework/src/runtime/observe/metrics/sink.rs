//! Sink of observations that come seldom: watches that begin again, activities, dropped events.

use super::{
    Own,
    kind::{Restart, number},
};
use crate::runtime::observe::Observation;
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
            Observation::ActivityEnded { activity, id, outcome, .. } => {
                let mut activities = self.activities();
                let counts = activities.entry((activity.as_str(), id.to_owned())).or_default();
                counts[number(outcome)] += 1;
            }
            _ => {}
        }
    }
}
