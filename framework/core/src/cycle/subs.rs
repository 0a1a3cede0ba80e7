//! Sub-handlers: their states, and the state of their parent.

use crate::{
    Reason,
    progress::Record,
    retry::{Attempt, Outcome},
};
use jiff::Timestamp;
use std::time::Duration;

/// The state of one sub-handler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SubState {
    /// It has succeeded, or its failure is ignored.
    Finished,
    /// It has failed permanently.
    Failed,
    /// It is to be called now.
    Due {
        /// The start of its first attempt.
        started: Timestamp,
        /// The attempt that is due.
        attempt: Attempt,
    },
    /// It is to be called after this time.
    Wait(Duration),
}

impl SubState {
    /// The state of a sub-handler with this record, if it has one; `eager`: the object has changed, and delays are
    /// ignored.
    pub fn of(record: Option<&Record>, now: Timestamp, eager: bool) -> Self {
        let Some(record) = record else {
            return Self::Due { started: now, attempt: Attempt::after(0, now, now) };
        };
        match record.next_due() {
            None if record.failure => Self::Failed,
            None => Self::Finished,
            Some(due) if due > now && !eager => {
                Self::Wait(Duration::try_from(due.duration_since(now)).unwrap_or_default())
            }
            Some(_) => {
                let attempt = Attempt::after(record.retries, record.started, now);
                Self::Due { started: record.started, attempt }
            }
        }
    }

    /// The state after an attempt.
    pub fn after(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Success | Outcome::Ignored => Self::Finished,
            Outcome::Failed { .. } | Outcome::Rejected { .. } => Self::Failed,
            Outcome::Retry { after, .. } | Outcome::Waiting { after, .. } | Outcome::Children { after } => {
                Self::Wait(*after)
            }
        }
    }
}

/// The state of a parent, as its sub-handlers determine it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParentState {
    /// All sub-handlers are finished. Those that have failed permanently count as finished, as in Kopf.
    Finished,
    /// The object is being deleted and these sub-handlers have failed permanently: the parent fails, and the object is
    /// kept.
    Failed(Vec<String>),
    /// It is called again after this time, for the first unfinished sub-handler.
    Wait(Duration),
}

impl ParentState {
    /// The state of a parent that was called for this reason, from the states of its sub-handlers by their ids.
    pub fn of(reason: Reason, subs: &[(String, SubState)]) -> Self {
        let waits = subs.iter().filter_map(|(_, state)| match state {
            SubState::Wait(after) => Some(*after),
            SubState::Due { .. } => Some(Duration::ZERO),
            SubState::Finished | SubState::Failed => None,
        });
        if let Some(after) = waits.min() {
            return Self::Wait(after);
        }
        let failed = subs.iter().filter(|(_, state)| *state == SubState::Failed).map(|(id, _)| id.clone());
        match failed.collect::<Vec<_>>() {
            failed if reason == Reason::Delete && !failed.is_empty() => Self::Failed(failed),
            _ => Self::Finished,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> Timestamp {
        "2026-11-22T14:53:30Z".parse().unwrap()
    }

    fn record() -> Record {
        Record::new(start(), Reason::Create)
    }

    #[test]
    fn the_state_of_a_sub_handler_follows_from_its_record() {
        let (now, later) = (start() + MINUTE, start() + MINUTE * 2);
        let due = |retries, elapsed, started| SubState::Due {
            started,
            attempt: Attempt { before: retries, elapsed },
        };
        let cases = [
            (None, due(0, Duration::ZERO, now), due(0, Duration::ZERO, now)),
            (Some(record().succeeded(now)), SubState::Finished, SubState::Finished),
            (Some(record().failed(now, "no")), SubState::Failed, SubState::Failed),
            (Some(record().postponed(Some(later), None)), SubState::Wait(MINUTE), due(1, MINUTE, start())),
            (Some(record().postponed(Some(now), None)), due(1, MINUTE, start()), due(1, MINUTE, start())),
            (Some(record().postponed(None, None)), due(1, MINUTE, start()), due(1, MINUTE, start())),
        ];
        for (record, state, eager) in cases {
            assert_eq!(SubState::of(record.as_ref(), now, false), state, "{record:?}");
            assert_eq!(SubState::of(record.as_ref(), now, true), eager, "{record:?}, eager");
        }
    }

    #[test]
    fn the_state_after_an_attempt_follows_from_its_outcome() {
        for (outcome, state) in [
            (Outcome::Success, SubState::Finished),
            (Outcome::Ignored, SubState::Finished),
            (Outcome::Failed { message: "no".into() }, SubState::Failed),
            (Outcome::Rejected { message: "no".into() }, SubState::Failed),
            (Outcome::Retry { after: MINUTE, message: "no".into() }, SubState::Wait(MINUTE)),
            (Outcome::Waiting { after: MINUTE, message: "not yet".into() }, SubState::Wait(MINUTE)),
            (Outcome::Children { after: MINUTE }, SubState::Wait(MINUTE)),
        ] {
            assert_eq!(SubState::after(&outcome), state);
        }
    }

    #[test]
    fn a_parent_waits_for_its_first_sub_handler_and_fails_only_in_a_deletion() {
        use SubState::{Failed, Finished, Wait};
        let second = Duration::from_secs(1);
        for (states, created, deleted) in [
            (vec![], ParentState::Finished, ParentState::Finished),
            (vec![Finished], ParentState::Finished, ParentState::Finished),
            (vec![Finished, Failed], ParentState::Finished, ParentState::Failed(vec!["1".into()])),
            (vec![Failed, Wait(MINUTE), Wait(second)], ParentState::Wait(second), ParentState::Wait(second)),
        ] {
            let subs: Vec<_> = (0..).map(|id: u32| id.to_string()).zip(states).collect();
            assert_eq!(ParentState::of(Reason::Create, &subs), created, "{subs:?}");
            assert_eq!(ParentState::of(Reason::Delete, &subs), deleted, "{subs:?}");
        }
    }
}
