//! Unsaved outcomes: kept in an object's memory while the API server doesn't accept them, and stored by a later turn.

use super::{
    Fault, Intent, Outcomes, RetryBudget, Standing, Stop, Unread, Written, message::without_values,
    writing::WriteFailure,
};
use crate::{
    event_queue::{EventRequest, Severity, reference},
    runtime::{
        kind::KindContext,
        lead::Fence,
        memory::Memory,
        observe::{Observation, PostponeCause},
    },
};
use korf_core::{Reason, body::Body};
use std::sync::Arc;

/// So many turns may fail for a reason that the API server doesn't explain before what handlers have asked for is suspected.
const SEVERAL_TURNS: usize = 4;

/// Outcomes that the API server has not accepted so far.
#[derive(Debug)]
pub struct Unsaved {
    pub outcomes: Option<Arc<Outcomes>>,
    why: String,
    fault: Fault,
    /// The number of turns in a row that have failed so.
    turns: usize,
    /// See [`WriteFailure::in_doubt`].
    in_doubt: bool,
    /// It has come up in this turn.
    is_recent: bool,
}

impl Unsaved {
    /// The standing of the object's next requests.
    pub fn standing(&self) -> Standing {
        if self.fault.is_transient() { Standing::Failing } else { Standing::Good }
    }

    /// Whether all of several turns have failed for this reason.
    pub fn is_always(&self, why: &str) -> bool {
        self.turns >= SEVERAL_TURNS && self.why == why
    }

    /// Notes that the object was read.
    pub fn has_been_read(&mut self) {
        self.in_doubt = false;
    }

    /// Whether it still matters after a turn. Without outcomes, it does for as long as the same is tried in each turn.
    pub fn outlives_turn(&mut self) -> bool {
        std::mem::take(&mut self.is_recent) || self.in_doubt || self.outcomes.is_some()
    }
}

impl KindContext {
    /// Stores the outcomes of an earlier turn, if there are any that could not be stored. Where the answer to another write
    /// was lost, reads the object: change handlers see no state from before our own writes.
    /// Returns what was written, and the object as it was before, with changes by others.
    pub(in crate::runtime) async fn catch_up(
        &self,
        body: Body,
        memory: &mut Memory,
    ) -> Result<(Written, Body), Stop> {
        let plain = |body: Body| (Written::plain(body.clone()), body);
        let Some(unsaved) = &mut memory.unsaved else { return Ok(plain(body)) };
        // The outcomes of a creation or an update no longer matter then, and must not keep the object.
        let is_outdated =
            |body: &Body, outcomes: &Outcomes| body.is_deleting() && outcomes.cycle.reason != Reason::Delete;
        unsaved.outcomes.take_if(|outcomes| is_outdated(&body, outcomes));
        let newest = self.clear_doubt(body, unsaved, &memory.fence).await?;
        unsaved.outcomes.take_if(|outcomes| is_outdated(&newest, outcomes));
        match unsaved.outcomes.clone() {
            Some(outcomes) => {
                let written = self.commit(newest.clone(), Intent::Outcomes(outcomes), memory).await?;
                Ok((written, newest))
            }
            None => Ok(plain(newest)),
        }
    }

    async fn clear_doubt(&self, body: Body, unsaved: &mut Unsaved, fence: &Fence) -> Result<Body, Stop> {
        // While the operator stops, handlers aren't called any more.
        if !unsaved.in_doubt || self.operator.stopping.is_cancelled() {
            return Ok(body);
        }
        let budget = RetryBudget::new(Standing::Failing, fence, &self.operator.settings);
        let newest = match self.read(&body, budget).await {
            Ok(newest) => newest,
            Err(Unread::Gone) => return Err(Stop::Gone),
            // The watch has to do.
            Err(Unread::Failed(_, Fault::Forbidden)) => body,
            Err(Unread::Failed(..)) => {
                let after = self.operator.settings.persistence.failed_delay;
                return Err(Stop::Later { seen: body, after });
            }
        };
        unsaved.has_been_read();
        Ok(newest)
    }

    /// Leaves the object alone for a while, and keeps its outcomes in memory.
    pub(super) fn postpone(
        &self,
        failure: WriteFailure,
        outcomes: Option<Arc<Outcomes>>,
        memory: &mut Memory,
    ) -> Stop {
        let WriteFailure { seen, why, fault, releases, in_doubt, .. } = failure;
        let delays = &self.operator.settings.persistence;
        let after = if fault.is_transient() { delays.failed_delay } else { delays.rejected_delay };
        let known = memory.unsaved.take();
        // A transient error has another message each time.
        let is_known =
            |known: &Unsaved| known.why == why || (known.fault.is_transient() && fault.is_transient());
        if !known.as_ref().is_some_and(is_known) {
            let cause = match fault {
                fault if fault.is_transient() => PostponeCause::Failed,
                Fault::Forbidden => PostponeCause::Forbidden,
                _ if releases => PostponeCause::Unreleased,
                _ => PostponeCause::Rejected,
            };
            self.observe(Observation::WritePostponed { cause, why: &why, again: after });
            if cause == PostponeCause::Unreleased {
                self.post_unreleased(&seen, &why);
            }
        }
        let turns = known.as_ref().filter(|known| known.why == why).map_or(1, |known| known.turns + 1);
        let in_doubt = in_doubt || known.as_ref().is_some_and(|known| known.in_doubt);
        let outcomes = outcomes.or_else(|| known.and_then(|known| known.outcomes));
        memory.unsaved = Some(Unsaved { outcomes, why, fault, turns, in_doubt, is_recent: true });
        Stop::Later { seen, after }
    }

    /// Posts an event about an object that the API server keeps: `kubectl describe` is where people look. More of them may
    /// read events than the object, so there are no values in it.
    fn post_unreleased(&self, body: &Body, why: &str) {
        self.operator.events.push(EventRequest {
            regarding: reference(body, &self.kind),
            severity: Severity::Warning,
            reason: "FinalizerRejected".to_owned(),
            message: format!(
                "The API server rejects the removal of the finalizer, so the object stays: {}",
                without_values(why)
            ),
            handler: "finalizer".to_owned(),
        });
    }
}
