//! Explanation of an object: what is stored on it, what the next plan does with it, and where each change handler stands.
//!
//! It is made by [`plan`], as a turn would be that nothing but the object itself has brought about.

use super::{
    Cycle, Idle, Plan, Reading, Setup,
    handling::is_below,
    is_concerned,
    plan::{called, plan},
};
use crate::{
    Reason,
    body::Body,
    cause::{Cause, Occasion, Situation},
    daemon::Hold,
    essence::Cleaner,
    filter::Unmet,
    handler::{ChangeHandler, FilterFailed, OnChange, evaluate_with},
    patch::Finalizer,
    progress::Record,
    retry::{Attempt, AttemptFailure},
    storage::StoredFor,
};
use jiff::Timestamp;

/// What becomes of an object.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// The object as it would be handled: without the state of another object, with which it was copied.
    pub reading: Reading,
    /// The state on it is another object's, and is removed first.
    pub copied: bool,
    /// How the finalizer is changed before anything else.
    pub finalizer: Option<Finalizer>,
    /// The reason that handlers are or would be called for.
    pub reason: Reason,
    /// What comes then.
    pub next: Next,
    /// Each change handler, in the order of [`Setup::handlers`].
    pub handlers: Vec<HandlerExplanation<'a>>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing, for this reason.
    Nothing(Idle),
    /// Nothing until this time.
    Wait(Timestamp),
    /// The handlers that are due are called; where there are none, the object is noted as handled.
    Call,
    /// Nothing: a filter can't be evaluated, and the object is tried again and again.
    Unknown(FilterFailed),
}

/// One change handler, as far as an object is concerned.
#[derive(Clone, Debug)]
pub struct HandlerExplanation<'a> {
    /// Where it stands.
    pub standing: Standing<'a>,
    /// Its sub-handlers with their records, by id.
    pub subs: Vec<(String, Record)>,
    /// A deletion waits for it.
    pub holds: bool,
}

/// Where a change handler stands with an object.
#[derive(Clone, Debug)]
pub enum Standing<'a> {
    /// It isn't for this object, because of this condition.
    Unselected(Unmet<'a>),
    /// Its filter can't be evaluated.
    Unknown(FilterFailed),
    /// It is for other occasions than this one.
    Uncalled,
    /// It is for such occasions, but not for this change, because of this condition.
    Unchanged(Unmet<'a>),
    /// A handler of the same id is called instead of it.
    Shared,
    /// It is called.
    Due {
        /// The number of the attempt, and the time since the first one.
        attempt: Attempt,
        /// The limit that it has reached: it fails permanently instead.
        limit: Option<AttemptFailure>,
        /// Its record, if it was called before.
        record: Option<Record>,
    },
    /// It is called after those that are due.
    Later,
    /// It waits for its next attempt.
    Waiting {
        /// When the attempt is due.
        due: Timestamp,
        /// Its attempts so far.
        record: Record,
    },
    /// It has succeeded, and others haven't finished.
    Succeeded(Record),
    /// It has failed permanently, or rejected the object.
    Failed(Record),
}

/// Explains an object at this time; `hold`: whether daemons need the finalizer.
pub fn explain<I>(setup: &Setup<I>, body: Body, hold: Hold, now: Timestamp) -> Explanation<'_> {
    let situation = Situation {
        gone: false,
        occasion: Occasion::Again,
        resumption: None,
        rearmed: false,
        eager: false,
        hold,
    };
    let mut reading = Reading::of(setup, body, now);
    let copied = is_copy(setup, &reading);
    if copied {
        reading = Reading::of(setup, without_state(setup, &reading.body), now);
    }
    let mut planned = plan(setup, &reading, situation, now);
    let mut finalizer = None;
    if let Ok(Plan::Write(change)) = &planned {
        reading = Reading::of(setup, change.applied(&reading.body), now);
        finalizer = Some(change.clone());
        planned = plan(setup, &reading, situation, now);
    }
    let cause = Cause::of(&reading.body, situation, setup.storage.finalizer(), reading.past());
    let cycle = match &planned {
        Ok(Plan::Run(cycle)) => Some(Cycle::clone(cycle)),
        Ok(_) => opened(setup, &reading, situation, cause, now),
        Err(_) => None,
    };
    let view = View { setup, reading: &reading, cycle, reason: cause.reason() };
    let handlers = (0..setup.handlers.len()).map(|index| view.handler(index, now)).collect();
    Explanation { copied, finalizer, reason: cause.reason(), next: planned.into(), handlers, reading }
}

impl From<Result<Plan, FilterFailed>> for Next {
    fn from(planned: Result<Plan, FilterFailed>) -> Self {
        match planned {
            Ok(Plan::Idle(idle)) => Self::Nothing(idle),
            Ok(Plan::Wait(until)) => Self::Wait(until),
            // A finalizer is changed once.
            Ok(Plan::Run(_) | Plan::Write(_)) => Self::Call,
            Err(failed) => Self::Unknown(failed),
        }
    }
}

fn is_copy<I>(setup: &Setup<I>, reading: &Reading) -> bool {
    reading.stored_for == StoredFor::Another
        && !reading.body.is_deleting()
        && !reading.is_blank()
        && is_concerned(setup, reading).unwrap_or_default()
}

fn without_state<I>(setup: &Setup<I>, body: &Body) -> Body {
    let mut object = body.value().clone();
    if let Some(fields) = object.as_object_mut() {
        setup.storage.clean(fields);
    }
    object.into()
}

/// The handling that the object is in, if it is in one.
fn opened<I>(
    setup: &Setup<I>,
    reading: &Reading,
    situation: Situation,
    cause: Cause,
    now: Timestamp,
) -> Option<Cycle> {
    let Cause::Handle(reason) = cause else { return None };
    let called = called(setup, reading, situation, cause, &reading.filter_input(reason)).ok()?;
    let mut cycle = Cycle::of(setup, reason, called, reading);
    cycle.rearm(setup, situation, now);
    Some(cycle)
}

/// What handlers are looked at with.
struct View<'a, 'r, I> {
    setup: &'a Setup<I>,
    reading: &'r Reading,
    cycle: Option<Cycle>,
    reason: Reason,
}

impl<'a, I> View<'a, '_, I> {
    fn handler(&self, index: usize, now: Timestamp) -> HandlerExplanation<'a> {
        let handler = &self.setup.handlers[index];
        let is_called = |cycle: &&Cycle| cycle.called.contains(&index);
        let standing = match self.cycle.as_ref().filter(is_called) {
            Some(cycle) => of_called(handler, index, cycle, now),
            None => self.of_uncalled(handler),
        };
        let is_its = |id: &str| is_below(id, &handler.id) && !matches!(standing, Standing::Shared);
        let records = self.cycle.iter().flat_map(|cycle| cycle.progress().iter());
        let subs = records.filter(|(id, _)| is_its(id));
        let input = self.reading.filter_input(self.reason);
        HandlerExplanation {
            subs: subs.map(|(id, record)| (id.to_owned(), record.clone())).collect(),
            holds: handler.needs_finalizer(&input).unwrap_or_default(),
            standing,
        }
    }

    fn of_uncalled(&self, handler: &'a ChangeHandler<I>) -> Standing<'a> {
        let input = self.reading.filter_input(self.reason);
        let of_object = evaluate_with(&handler.id, || handler.filter.unmet(&input));
        let is_asked = match handler.on {
            OnChange::Update => self.reason == Reason::Update,
            on => on == OnChange::Field,
        };
        let by_change = || evaluate_with(&handler.id, || handler.filter.unmet_by_change(&input, true));
        let is_shared =
            |cycle: &Cycle| cycle.called.iter().any(|called| self.setup.handlers[*called].id == handler.id);
        match of_object {
            Ok(Some(unmet)) => Standing::Unselected(unmet),
            Ok(None) if self.cycle.as_ref().is_some_and(is_shared) => Standing::Shared,
            Ok(None) if !is_asked => Standing::Uncalled,
            Ok(None) => match by_change() {
                Ok(Some(unmet)) => Standing::Unchanged(unmet),
                Ok(None) => Standing::Uncalled,
                Err(failed) => Standing::Unknown(failed),
            },
            Err(failed) => Standing::Unknown(failed),
        }
    }
}

fn of_called<'a, I>(handler: &ChangeHandler<I>, index: usize, cycle: &Cycle, now: Timestamp) -> Standing<'a> {
    let record = cycle.progress().get(&handler.id).cloned();
    if let Some(ready) = cycle.ready.iter().find(|ready| ready.handler == index) {
        let attempt = ready.attempt;
        let limit = handler.limits.exhausted(&handler.id, attempt).and_then(|verdict| verdict.failure);
        return Standing::Due { attempt, limit, record: record.filter(|record| record.retries > 0) };
    }
    match record {
        Some(record) if record.success => Standing::Succeeded(record),
        Some(record) if record.failure => Standing::Failed(record),
        Some(record) => match record.next_due().filter(|due| *due > now) {
            Some(due) => Standing::Waiting { due, record },
            None => Standing::Later,
        },
        None => Standing::Later,
    }
}
