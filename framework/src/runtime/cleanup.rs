//! Clean-up: the last handlers of an operator, called when all others have ended.

use super::{
    activity::{ActivityCaller, ActivityFailure},
    observe::Observation,
};
use crate::{extract::OperatorSetup, families::Activity};
use futures::{StreamExt, stream::FuturesUnordered};
use std::{fmt, time::Duration};
use tokio_util::sync::CancellationToken;

/// The clean-up handlers of an operator.
pub struct Cleanup {
    activities: Vec<Activity>,
    caller: ActivityCaller,
    setup: OperatorSetup,
}

// By hand: a client holds credentials.
impl fmt::Debug for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleanup").field("activities", &self.activities).finish_non_exhaustive()
    }
}

impl Cleanup {
    /// These clean-up handlers.
    pub fn new(activities: Vec<Activity>, caller: ActivityCaller, setup: OperatorSetup) -> Self {
        Self { activities, caller, setup }
    }

    /// The part of this grace that is left to other handlers, if `kept` of it is for these; at least half of it is.
    pub fn leaves(&self, grace: Duration, kept: Duration) -> Duration {
        if self.activities.is_empty() { grace } else { grace - kept.min(grace / 2) }
    }

    /// Calls them, beginning in the order of the source. None waits for another: one that hangs must not keep the others
    /// from cleaning up in the short time that there is. Returns the ids of those that have failed permanently.
    pub async fn run(self, grace_ended: &CancellationToken) -> Vec<String> {
        let call = |number: usize| {
            let activity = &self.activities[number];
            let called = self.caller.call(activity, &self.setup);
            async move { (number, called.await) }
        };
        let mut running: FuturesUnordered<_> = (0..self.activities.len()).map(call).collect();
        let (mut failed, mut left) = (Vec::new(), vec![true; self.activities.len()]);
        while let Some(Some((number, ended))) = grace_ended.run_until_cancelled(running.next()).await {
            left[number] = false;
            failed.extend(ended.err().map(|ActivityFailure { id, .. }| id));
        }
        let ids: Vec<_> = self.activities.iter().zip(left).filter(|(_, left)| *left).collect();
        let ids: Vec<_> = ids.into_iter().map(|(activity, _)| activity.id.as_str()).collect();
        if !ids.is_empty() {
            self.caller.observer.observe(Observation::CleanupAbandoned { ids: &ids });
        }
        failed
    }
}
