//! Plan of a turn: the next step for an object.

use super::{
    Reading, Setup,
    handling::{Cycle, Ready, is_finished},
};
use crate::{
    Reason,
    cause::{Cause, Occasion, Resumption, Situation},
    daemon::Hold,
    filter::FilterInput,
    handler::{FilterFailed, OnChange},
    patch::Finalizer,
    progress::Record,
    retry::Attempt,
};
use jiff::Timestamp;

/// The next step for an object.
#[derive(Debug)]
pub enum Plan {
    /// Nothing.
    Idle(Idle),
    /// Nothing until this time.
    Wait(Timestamp),
    /// The finalizer is changed; then the object is planned for again.
    Write(Finalizer),
    /// Handlers are called.
    Run(Box<Cycle>),
}

/// The reason why nothing is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// No handler matches the object: it is neither logged nor written.
    Stealth,
    /// The object is gone.
    Gone,
    /// It is being deleted, and has no finalizer of ours.
    Free,
    /// Nothing relevant has changed.
    Noop,
    /// Handlers have rejected this very essence; the object waits for its next change.
    Rejected,
    /// Delete handlers failed permanently; the object is kept until it changes or the operator restarts.
    Held,
    /// It is being deleted, and its delete handlers wait for a daemon to end.
    Awaiting,
}

/// Plans the next step for an object.
///
/// # Errors
/// A filter can't be evaluated.
pub fn plan<I>(
    setup: &Setup<I>,
    reading: &Reading,
    situation: Situation,
    now: Timestamp,
) -> Result<Plan, FilterFailed> {
    let cause = Cause::of(&reading.body, situation, setup.storage.finalizer(), reading.past());
    let input = reading.filter_input(cause.reason());
    if let Some(change) = finalizer_change(setup, &input, situation)? {
        return Ok(Plan::Write(change));
    }
    let called = called(setup, reading, situation, cause, &input)?;
    let concerned = setup.any(|handler| handler.concerns(&input))?;
    Ok(match cause {
        _ if !concerned => Plan::Idle(Idle::Stealth),
        Cause::Gone => Plan::Idle(Idle::Gone),
        Cause::Free => Plan::Idle(Idle::Free),
        Cause::Handle(Reason::Delete) if situation.hold == Hold::Running => Plan::Idle(Idle::Awaiting),
        Cause::Noop => Plan::Idle(Idle::Noop),
        Cause::Handle(reason) if reason.is_resumption() && called.is_empty() => Plan::Idle(Idle::Noop),
        Cause::Handle(reason) => Cycle::of(setup, reason, called, reading).open(setup, situation, now),
    })
}

/// The handlers that a cause calls, by their indices.
pub(super) fn called<I>(
    setup: &Setup<I>,
    reading: &Reading,
    situation: Situation,
    cause: Cause,
    input: &FilterInput<'_>,
) -> Result<Vec<usize>, FilterFailed> {
    setup.called(cause.reason(), is_resumed(situation, cause), &reading.stored, input)
}

/// After a start, resume handlers join whatever else is to be done.
fn is_resumed(situation: Situation, cause: Cause) -> bool {
    situation.resumption == Some(Resumption::Start)
        || matches!(cause, Cause::Handle(reason) if reason.is_resumption())
}

/// Whether any handler is for an object that is new, or may become so.
///
/// # Errors
/// A filter can't be evaluated.
pub fn is_concerned<I>(setup: &Setup<I>, reading: &Reading) -> Result<bool, FilterFailed> {
    let input = reading.filter_input(Reason::Create);
    setup.any(|handler| handler.concerns(&input))
}

/// The ids of the update handlers that a creation leaves out, where it calls no create handler.
///
/// # Errors
/// A filter can't be evaluated.
pub fn left_out<'a, I>(
    setup: &'a Setup<I>,
    cycle: &Cycle,
    reading: &Reading,
) -> Result<Vec<&'a str>, FilterFailed> {
    let creates = |index: &usize| setup.handlers[*index].on == OnChange::Create;
    if cycle.reason != Reason::Create || cycle.called.iter().any(creates) {
        return Ok(Vec::new());
    }
    let input = reading.filter_input(Reason::Create);
    let mut ids = Vec::new();
    for handler in setup.handlers.iter().filter(|handler| handler.on == OnChange::Update) {
        if handler.concerns(&input)? {
            ids.push(handler.id.as_str());
        }
    }
    Ok(ids)
}

/// Adds the finalizer before any side effect, and removes it where no handler and no daemon needs it.
fn finalizer_change<I>(
    setup: &Setup<I>,
    input: &FilterInput<'_>,
    situation: Situation,
) -> Result<Option<Finalizer>, FilterFailed> {
    let name = setup.storage.finalizer();
    let present = input.body.finalizers().any(|finalizer| finalizer == name);
    let needed = situation.hold != Hold::None || setup.any(|handler| handler.needs_finalizer(input))?;
    Ok(match (needed, present) {
        _ if situation.gone => None,
        (true, false) if !input.body.is_deleting() => Some(Finalizer::Add(name.to_owned())),
        (false, true) => Some(Finalizer::Remove(name.to_owned())),
        _ => None,
    })
}

impl Cycle {
    /// The next step of the handling.
    fn open<I>(mut self, setup: &Setup<I>, situation: Situation, now: Timestamp) -> Plan {
        self.rearm(setup, situation, now);
        if let Some(idle) = self.reached_end(setup) {
            return Plan::Idle(idle);
        }
        let due = |record: Option<&Record>| {
            record.and_then(Record::next_due).filter(|_| !situation.eager).unwrap_or(now)
        };
        let unfinished: Vec<_> =
            self.records(setup, &self.current).filter(|(_, record)| !is_finished(*record)).collect();
        let mut ready: Vec<_> = unfinished
            .iter()
            .filter(|(_, record)| due(*record) <= now)
            .map(|(handler, record)| Ready::new(*handler, *record, now))
            .collect();
        if let Some(next) =
            unfinished.iter().map(|(_, record)| due(*record)).min().filter(|_| ready.is_empty())
        {
            return Plan::Wait(next);
        }
        if setup.one_at_a_time {
            ready.truncate(1);
        }
        self.ready = ready;
        Plan::Run(Box::new(self))
    }

    /// Forgets failures that a change of the object or a newer operator may have fixed.
    pub(super) fn rearm<I>(&mut self, setup: &Setup<I>, situation: Situation, now: Timestamp) {
        let first = situation.occasion == Occasion::First;
        let rejected = self.current.iter().any(|(_, record)| record.rejected);
        // A resumed object is unchanged since it was handled.
        let same =
            self.reason.is_resumption() || self.pending.as_ref().is_some_and(|pending| pending.is(&self.new));
        match self.reason {
            Reason::Delete if first || situation.rearmed => self.current = self.current.without_failures(),
            Reason::Delete => {}
            // Those that succeeded have seen another essence than the rejected one.
            _ if rejected && !same => {
                (self.current, self.pending) = (self.restarted(setup, &self.current, now), None)
            }
            _ if rejected && first => self.current = self.current.without_rejections(),
            _ => {}
        }
    }

    /// The end that was reached before, if it still applies.
    fn reached_end<I>(&self, setup: &Setup<I>) -> Option<Idle> {
        let records = || self.records(setup, &self.current).map(|(_, record)| record);
        let finished = records().all(is_finished);
        let rejected = records().flatten().any(|record| record.rejected);
        match self.reason {
            _ if !finished => None,
            Reason::Delete => self.is_held(setup, &self.current).then_some(Idle::Held),
            _ => rejected.then_some(Idle::Rejected),
        }
    }
}

impl Ready {
    fn new(handler: usize, record: Option<&Record>, now: Timestamp) -> Self {
        // A handler that is owed a call has a record before its first attempt.
        let started = record.filter(|record| record.retries > 0).map_or(now, |record| record.started);
        Self {
            handler,
            started,
            attempt: Attempt::after(record.map_or(0, |record| record.retries), started, now),
        }
    }
}
