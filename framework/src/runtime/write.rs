//! Writes to objects: the one way from a turn's outcomes to the object that results.
//!
//! [`KindContext::commit`] writes, whatever it is: the finalizer, edits of event handlers and timers, or the outcomes of a
//! cycle. A [`Stop`] ends it early. Outcomes that the API server doesn't accept stay in the object's memory
//! ([`Unsaved`]), so that their handlers aren't called again for it.

mod budget;
mod fault;
mod message;
mod permissions;
mod request;
mod unsaved;
mod writing;

pub use budget::{RetryBudget, Standing};
pub use fault::{Fault, is_terminating, watch_code};
pub use message::{explain, explain_watch};
pub use permissions::Permissions;
pub use request::Unread;
pub use unsaved::Unsaved;

use super::{clock, kind::KindContext, memory::Memory, observe::Observation};
use jiff::Timestamp;
use korf_core::{
    Reason,
    body::Body,
    cycle::{Cycle, CycleState, HandlerOutcome},
    handler::FilterFailed,
    patch::{Edits, Finalizer, Omit},
    storage::Encoding,
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use writing::{Unwritten, WriteFailure, Writing};

/// A write that a turn asks for.
#[derive(Debug)]
pub enum Intent {
    /// Our finalizer, added or removed.
    Finalizer(Finalizer),
    /// The edits of event handlers or timers.
    Edits {
        /// Their edits.
        edits: Edits,
        /// They are for the very state that the handlers saw.
        exactly: bool,
    },
    /// The outcomes of a cycle's handlers.
    Outcomes(Arc<Outcomes>),
}

/// The outcomes of a cycle's handlers.
#[derive(Debug)]
pub struct Outcomes {
    /// The cycle.
    pub cycle: Cycle,
    /// The outcomes of its handlers.
    pub handlers: Vec<HandlerOutcome>,
    /// The edits that the handlers have requested.
    pub edits: Edits,
    /// The time of the outcomes.
    at: Timestamp,
}

impl Outcomes {
    /// The outcomes of these handlers, as of now.
    pub fn new(cycle: Cycle, handlers: Vec<HandlerOutcome>, edits: Edits) -> Self {
        Self { cycle, handlers, edits, at: clock::now() }
    }
}

/// The result of a write.
#[derive(Debug)]
pub struct Written {
    /// The object as it is now.
    pub newest: Body,
    /// The cycle whose outcomes were written.
    pub cycle: Option<WrittenCycle>,
}

/// A cycle whose outcomes were written.
#[derive(Debug)]
pub struct WrittenCycle {
    /// The reason of the cycle.
    pub reason: Reason,
    /// The state of the cycle.
    pub state: CycleState,
    /// The essence that its handlers saw.
    pub essence: Arc<Value>,
    /// The object without changes by others, where handlers have changed it.
    pub ours: Option<Body>,
}

impl Written {
    fn plain(newest: Body) -> Self {
        Self { newest, cycle: None }
    }
}

/// The reason for which a write ends early.
#[derive(Debug)]
pub enum Stop {
    /// There is no such object any more: it is gone, or another one has its name.
    Gone,
    /// The object is left alone for a while.
    Later {
        /// The object as it was planned for, without changes by others.
        seen: Body,
        /// For how long.
        after: Duration,
    },
    /// A filter can't be evaluated.
    Failed(FilterFailed),
}

impl From<FilterFailed> for Stop {
    fn from(failed: FilterFailed) -> Self {
        Self::Failed(failed)
    }
}

impl KindContext {
    /// Writes what a turn wants written.
    ///
    /// # Errors
    /// If the object is gone, or is left alone for a while because the API server accepts no form of it.
    pub(super) async fn commit(
        &self,
        body: Body,
        intent: Intent,
        memory: &mut Memory,
    ) -> Result<Written, Stop> {
        let standing = memory.unsaved.as_ref().map_or(Standing::Good, Unsaved::standing);
        let fence = memory.fence.clone();
        let budget = RetryBudget::new(standing, &fence, &self.operator.settings);
        match intent {
            Intent::Finalizer(change) => self.commit_finalizer(body, change.into(), budget, memory).await,
            Intent::Edits { edits, exactly } => {
                let writing = Writing::new(self, body, &edits, Omit::default(), budget);
                self.commit_edits(if exactly { writing.exactly() } else { writing }, memory).await
            }
            Intent::Outcomes(outcomes) => self.commit_outcomes(body, outcomes, budget, memory).await,
        }
    }

    async fn commit_finalizer(
        &self,
        body: Body,
        edits: Edits,
        budget: RetryBudget<'_>,
        memory: &mut Memory,
    ) -> Result<Written, Stop> {
        let written = Writing::new(self, body, &edits, Omit::default(), budget).finish().await;
        match written {
            Ok(newest) => {
                memory.write_has_worked();
                Ok(Written::plain(newest))
            }
            Err(Unwritten::Gone) => Err(Stop::Gone),
            // The next turn comes at once, after those of the objects that wait.
            Err(Unwritten::Changed { seen, .. }) => Err(Stop::Later { seen, after: Duration::ZERO }),
            Err(Unwritten::Failed(failure)) => Err(self.postpone(failure, None, memory)),
        }
    }

    /// Writes edits. Those of event handlers are for the very state that they saw: where that has changed, they are called
    /// for the newer state, too, and these edits are dropped.
    async fn commit_edits(&self, writing: Writing<'_>, memory: &mut Memory) -> Result<Written, Stop> {
        let written = match writing.finish().await {
            Ok(newest) => newest,
            Err(Unwritten::Gone) => return Err(Stop::Gone),
            Err(Unwritten::Changed { newest, .. }) => {
                self.observe(Observation::EditOutdated);
                memory.has_been_read();
                return Ok(Written::plain(newest));
            }
            Err(Unwritten::Failed(failure)) if failure.is_final() => {
                self.observe(Observation::EditsRejected { status: false, why: &failure.why });
                failure.newest
            }
            Err(Unwritten::Failed(failure)) => return Err(self.postpone(failure, None, memory)),
        };
        memory.write_has_worked();
        Ok(Written::plain(written))
    }

    async fn commit_outcomes(
        &self,
        body: Body,
        outcomes: Arc<Outcomes>,
        budget: RetryBudget<'_>,
        memory: &mut Memory,
    ) -> Result<Written, Stop> {
        let failure = match self.write_outcomes(body, &outcomes, true, budget).await {
            Ok(stored) => return Ok(self.stored(&outcomes.cycle, stored, memory)),
            Err(Unstored::Stop(stop)) => return Err(stop),
            Err(Unstored::Failed(failure)) => failure,
        };
        // It may be what handlers have asked for that makes the object too large, or that the server can't take.
        let may_be_theirs = match failure.fault {
            Fault::TooLarge => true,
            Fault::Unexplained => {
                memory.unsaved.as_ref().is_some_and(|unsaved| unsaved.is_always(&failure.why))
            }
            _ => false,
        };
        if !may_be_theirs || !self.has_edits(&outcomes, &failure.seen, budget) {
            return Err(self.postpone(failure, Some(outcomes), memory));
        }
        let WriteFailure { seen, why, .. } = failure;
        match self.write_outcomes(seen, &outcomes, false, budget).await {
            Ok(stored) => {
                self.observe(Observation::EditsRejected { status: false, why: &why });
                Ok(self.stored(&outcomes.cycle, stored, memory))
            }
            Err(Unstored::Stop(stop)) => Err(stop),
            Err(Unstored::Failed(failure)) => Err(self.postpone(failure, Some(outcomes), memory)),
        }
    }

    /// Writes the outcomes in the largest form that the API server accepts.
    async fn write_outcomes(
        &self,
        mut body: Body,
        outcomes: &Outcomes,
        with_edits: bool,
        budget: RetryBudget<'_>,
    ) -> Result<Stored, Unstored> {
        let (cycle, setup) = (&outcomes.cycle, &self.setup);
        // Until the object that a finalizer is removed from is the one that was settled for.
        'settle: loop {
            let settled = cycle.settle(setup, &body, &outcomes.handlers, outcomes.at)?;
            let mut last = None;
            for own in settled.edits(&setup.storage, &body.clone()) {
                let encoding = own.encoding();
                let mut edits = if with_edits { outcomes.edits.clone() } else { Edits::default() };
                edits.join(own);
                match Writing::new(self, body.clone(), &edits, Omit::default(), budget).finish_apart().await {
                    Ok((newest, _)) if !settled.is_stored(&setup.storage, &newest) => {
                        return Err(Unstored::Failed(WriteFailure {
                            seen: newest.clone(),
                            newest,
                            why: "it accepts the progress and doesn't keep it: the schema of the kind's CRD must \
                                  have the field, or x-kubernetes-preserve-unknown-fields"
                                .to_owned(),
                            fault: Fault::Invalid,
                            releases: false,
                            in_doubt: false,
                        }));
                    }
                    Ok((newest, ours)) => {
                        return Ok(Stored { newest, ours, encoding, state: settled.state.clone() });
                    }
                    Err(Unwritten::Gone) => return Err(Unstored::Stop(Stop::Gone)),
                    Err(Unwritten::Changed { newest, .. }) => {
                        body = newest;
                        continue 'settle;
                    }
                    Err(Unwritten::Failed(failure)) if failure.fault == Fault::TooLarge => {
                        body = failure.seen.clone();
                        last = Some(failure);
                    }
                    Err(Unwritten::Failed(failure)) => return Err(Unstored::Failed(failure)),
                }
            }
            return Err(Unstored::Failed(last.unwrap_or_else(|| WriteFailure {
                newest: body.clone(),
                seen: body,
                why: "its progress can't be made to fit".to_owned(),
                fault: Fault::TooLarge,
                releases: false,
                in_doubt: false,
            })));
        }
    }

    fn has_edits(&self, outcomes: &Outcomes, body: &Body, budget: RetryBudget<'_>) -> bool {
        Writing::new(self, body.clone(), &outcomes.edits, Omit::default(), budget).is_pending()
    }

    fn stored(&self, cycle: &Cycle, stored: Stored, memory: &mut Memory) -> Written {
        memory.unsaved = None;
        self.observe(Observation::CycleEnds { reason: cycle.reason, state: &stored.state });
        match stored.encoding {
            Encoding::Text => {}
            Encoding::Deflated => self.observe(Observation::DiffBaseCompressed),
            Encoding::Digest => {
                if !std::mem::replace(&mut memory.warned_of_digest, true) {
                    self.observe(Observation::DiffBaseDigested);
                }
            }
        }
        let Stored { newest, ours, state, .. } = stored;
        Written {
            newest,
            cycle: Some(WrittenCycle { reason: cycle.reason, state, essence: Arc::clone(&cycle.new), ours }),
        }
    }
}

/// Outcomes that were stored.
struct Stored {
    newest: Body,
    ours: Option<Body>,
    encoding: Encoding,
    state: CycleState,
}

/// Why outcomes weren't stored.
enum Unstored {
    Stop(Stop),
    Failed(WriteFailure),
}

impl From<FilterFailed> for Unstored {
    fn from(failed: FilterFailed) -> Self {
        Self::Stop(failed.into())
    }
}
