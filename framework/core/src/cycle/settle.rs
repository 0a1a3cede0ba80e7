//! Settlement of a cycle: from the outcomes of its handlers to the patch.

use super::{
    Setup,
    handling::{Cycle, Ready, is_below, is_finished},
};
use crate::{
    Reason,
    body::Body,
    handler::FilterFailed,
    patch::{Edits, Finalizer},
    progress::{Counts, Progress, Record},
    retry::Outcome,
    storage::{Encoding, EssencePatch, Slot, Storage, StoredEssence},
};
use jiff::{SignedDuration, Timestamp};
use std::{iter, sync::Arc, time::Duration};

/// The outcome of a handler that was called.
#[derive(Clone, Debug, PartialEq)]
pub struct HandlerOutcome {
    /// The handler, and the number of the attempt.
    pub ready: Ready,
    /// The outcome of the attempt.
    pub outcome: Outcome,
    /// The sub-handlers that the handler has registered, of all levels, with the outcomes of those that were called.
    pub subs: Vec<SubOutcome>,
}

/// The outcome of a sub-handler.
#[derive(Clone, Debug, PartialEq)]
pub struct SubOutcome {
    /// Its full id, `parent/sub`.
    pub id: String,
    /// The start of its first attempt.
    pub started: Timestamp,
    /// The outcome of this attempt; none if it wasn't called.
    pub outcome: Option<Outcome>,
}

/// The state of a cycle after its outcomes are in.
#[derive(Clone, Debug, PartialEq)]
pub enum CycleState {
    /// Some handlers are unfinished; the next one is due after this time.
    Open(Duration),
    /// All handlers are finished.
    Processed(Counts),
    /// No handler was to be called; only the diff-base is updated.
    Skipped,
    /// Handlers have rejected the object, and it waits for its next change.
    Rejected(Counts),
    /// Delete handlers failed permanently, and the object is kept.
    Held(Counts),
    /// Delete handlers rejected an object for which no handler has ever run: it is released.
    Released,
    /// Handlers rejected the object after others had handled an older version of it: the cycle restarts.
    Restart,
}

impl CycleState {
    /// Whether a handler has failed permanently, or rejected the object; none while handlers are unfinished, or where none was to
    /// be called.
    pub fn has_failed(&self) -> Option<bool> {
        match self {
            Self::Open(_) | Self::Skipped | Self::Restart => None,
            Self::Processed(counts) => Some(counts.failed > 0),
            Self::Rejected(_) | Self::Held(_) | Self::Released => Some(true),
        }
    }

    /// Whether the object's state was handled completely.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Processed(_) | Self::Skipped)
    }

    /// Whether the finalizer is removed, at the end of a deletion.
    pub fn removes_finalizer(&self) -> bool {
        matches!(self, Self::Processed(_) | Self::Skipped | Self::Released)
    }
}

/// A settled cycle: its state, and the records that are to be stored.
#[derive(Clone, Debug)]
pub struct Settled<'a> {
    /// The state of the cycle.
    pub state: CycleState,
    cycle: &'a Cycle,
    next: Progress,
}

impl Settled<'_> {
    /// The edits that store it, each smaller than the one before: the first are those to be written, the others are for
    /// objects that are too large for them.
    ///
    /// Those that can't fit into the object's annotations are left out, unless there is no smaller one.
    pub fn edits(&self, storage: &Storage, body: &Body) -> impl Iterator<Item = Edits> {
        let mut sizes = iter::successors(Some(storage.clone()), Storage::smaller);
        let (mut last, mut some_fit) = (None::<Storage>, false);
        iter::from_fn(move || {
            for storage in sizes.by_ref() {
                let patch = self.edits_in(&storage, body);
                // Made again rather than kept: the first are nearly always those that are written.
                if last.as_ref().is_some_and(|last| self.edits_in(last, body) == patch) {
                    continue;
                }
                last = Some(storage);
                if patch.fits(body) {
                    some_fit = true;
                    return Some(patch);
                }
            }
            let smallest = last.take().filter(|_| !some_fit)?;
            Some(self.edits_in(&smallest, body))
        })
    }

    /// Whether an object has what was to be stored. The schema of its kind may drop it.
    pub fn is_stored(&self, storage: &Storage, body: &Body) -> bool {
        let handled = matches!(self.state, CycleState::Processed(_) | CycleState::Skipped);
        let records = self.next.iter().all(|(id, _)| storage.holds(body, Slot::Progress(id)));
        records && (self.cycle.reason == Reason::Delete || !handled || storage.holds(body, Slot::DiffBase))
    }

    fn edits_in(&self, storage: &Storage, body: &Body) -> Edits {
        let mut patch = Edits::default();
        patch.set_closing(storage.part());
        patch.store(storage.write_progress(body, &self.cycle.stored, &self.next));
        patch.store_essence(self.cycle.essences(storage, body, &self.next, &self.state));
        if self.cycle.reason == Reason::Delete && self.state.removes_finalizer() {
            patch.set_finalizer(Finalizer::Remove(storage.finalizer().to_owned()));
        }
        patch
    }
}

impl Cycle {
    /// Settles the cycle for an object as it is now.
    ///
    /// # Errors
    /// A filter can't be evaluated.
    pub fn settle<I>(
        &self,
        setup: &Setup<I>,
        body: &Body,
        outcomes: &[HandlerOutcome],
        now: Timestamp,
    ) -> Result<Settled<'_>, FilterFailed> {
        let current = outcomes
            .iter()
            .fold(self.current.clone(), |progress, outcome| self.with(setup, progress, outcome, now));
        let state = if self.is_wanted(setup, body)? {
            CycleState::Open(Duration::ZERO)
        } else {
            self.state(setup, &current, now)
        };
        let next = match state {
            // Records of another purpose are removed only at the end: they show that handlers have run.
            CycleState::Open(_) | CycleState::Held(_) if self.reason == Reason::Delete => {
                self.left(setup).updated(&current)
            }
            CycleState::Open(_) | CycleState::Held(_) | CycleState::Rejected(_) => current,
            CycleState::Processed(_) if self.reason != Reason::Delete => {
                self.owed(setup, &current, body, now)?
            }
            CycleState::Restart => self.restarted(setup, &current, now),
            CycleState::Processed(_) | CycleState::Skipped | CycleState::Released => Progress::default(),
        };
        Ok(Settled { state, cycle: self, next })
    }

    /// The records that this deletion leaves as they are: of another purpose, and of delete handlers that aren't for the object
    /// now, and may be again.
    fn left<I>(&self, setup: &Setup<I>) -> Progress {
        let is_called = |id: &str| {
            let mut called = self.called.iter().map(|index| setup.handlers[*index].id.as_str());
            called.any(|handler| id == handler || is_below(id, handler))
        };
        let stays = |(id, record): &(&str, &Record)| {
            let other = |purpose| purpose != self.reason.purpose() || !is_called(id);
            record.purpose.is_some_and(other)
        };
        let left = self.stored.iter().filter(stays);
        left.fold(Progress::default(), |left, (id, record)| left.with(id, record.clone()))
    }

    /// Adds the outcomes of one handler and its sub-handlers to the progress.
    fn with<I>(
        &self,
        setup: &Setup<I>,
        progress: Progress,
        done: &HandlerOutcome,
        now: Timestamp,
    ) -> Progress {
        let id = &setup.handlers[done.ready.handler].id;
        let record = self.attempted(id, done.ready.started, &done.outcome, now);
        let record = record.with_subrefs(done.subs.iter().map(|sub| sub.id.clone()));
        let progress = progress.with(id.clone(), record);
        let called = done.subs.iter().filter_map(|sub| Some((sub, sub.outcome.as_ref()?)));
        called.fold(progress, |progress, (sub, outcome)| {
            let outcome = match outcome {
                // The parent accepted the object, and only a parent makes an object wait for its next change.
                Outcome::Rejected { message } => &Outcome::Failed { message: message.clone() },
                outcome => outcome,
            };
            let record = self.attempted(&sub.id, sub.started, outcome, now);
            let below = done.subs.iter().filter(|other| is_below(&other.id, &sub.id));
            progress.with(sub.id.clone(), record.with_subrefs(below.map(|other| other.id.clone())))
        })
    }

    fn attempted(&self, id: &str, started: Timestamp, outcome: &Outcome, now: Timestamp) -> Record {
        let begun = self.current.get(id).filter(|record| record.retries > 0).cloned();
        let mut before = begun.unwrap_or_else(|| Record::new(started, self.reason));
        before.purpose = Some(self.reason.purpose());
        before.saw_newer = self.reason != Reason::Delete
            && match outcome {
                // It didn't run: it has seen nothing new.
                Outcome::Rejected { .. } => self.current.get(id).is_some_and(Record::has_seen),
                _ => self.is_later(),
            };
        match outcome {
            Outcome::Success | Outcome::Ignored => before.succeeded(now),
            Outcome::Retry { after, message } => before.postponed(Some(later(now, *after)), Some(message)),
            Outcome::Waiting { after, message } => before.waiting(later(now, *after), message),
            Outcome::Children { after } => before.postponed(Some(later(now, *after)), None),
            Outcome::Failed { message } if self.reason != Reason::Delete => before.failed(now, message),
            Outcome::Failed { message } => self.unless_known(id, before.failed(now, message)),
            Outcome::Rejected { message } => self.unless_known(id, before.rejected(now, message)),
        }
    }

    /// Keeps a recorded failure with the same message as it is: two operators that keep an object would otherwise wake
    /// each other with their records forever.
    fn unless_known(&self, id: &str, record: Record) -> Record {
        let known = self.stored.get(id).filter(|known| {
            let same = known.rejected == record.rejected && known.message == record.message;
            known.failure && known.purpose.is_none_or(|purpose| purpose == self.reason.purpose()) && same
        });
        known.cloned().unwrap_or(record)
    }

    fn state<I>(&self, setup: &Setup<I>, current: &Progress, now: Timestamp) -> CycleState {
        let records = || self.records(setup, current).map(|(_, record)| record);
        let counts = Counts::of(records());
        let rejected = records().flatten().any(|record| record.rejected);
        match self.reason {
            _ if counts == Counts::default() => CycleState::Skipped,
            // At once, whatever is unfinished: if the essence is as before when the object is seen next, nothing shows that
            // another one was rejected.
            reason if reason != Reason::Delete && rejected && self.is_later() => CycleState::Restart,
            _ if counts.running > 0 => CycleState::Open(next_due(records(), now)),
            Reason::Delete
                if rejected && !self.touched && !self.is_held(setup, &current.without_rejections()) =>
            {
                CycleState::Released
            }
            Reason::Delete if self.is_held(setup, current) => CycleState::Held(counts),
            Reason::Delete => CycleState::Processed(counts),
            _ if rejected => CycleState::Rejected(counts),
            _ => CycleState::Processed(counts),
        }
    }

    /// Whether the essence differs from the one that the first handler to finish saw.
    pub(super) fn is_later(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| !pending.is(&self.new))
    }

    /// The changes of the diff-base, and of the pending one: the essence that the first handler to finish saw. It becomes
    /// the diff-base at the end; changes since then are the next update.
    fn essences(
        &self,
        storage: &Storage,
        body: &Body,
        progress: &Progress,
        state: &CycleState,
    ) -> EssencePatch {
        let new = || StoredEssence::Whole(Arc::clone(&self.new));
        let erased =
            || EssencePatch { patch: storage.erase_pending_diff_base(body), encoding: Encoding::Text };
        match (self.reason, state) {
            (Reason::Delete, state) if state.removes_finalizer() => erased(),
            (Reason::Delete, _) => EssencePatch::default(),
            (_, CycleState::Processed(_) | CycleState::Skipped) => {
                let handled = self.pending.clone().unwrap_or_else(new);
                let known = self.old.as_ref().is_some_and(|old| handled.is(old));
                if known { erased() } else { storage.write_diff_base(body, &handled) }
            }
            (_, CycleState::Restart) => erased(),
            _ if self.pending.is_some() => EssencePatch::default(),
            // It is resumed as it was handled: any later change is an update.
            (reason, _) if reason.is_resumption() => erased(),
            _ if progress.iter().any(|(_, record)| record.is_finished()) => {
                storage.write_pending_diff_base(body, &new())
            }
            // The pending diff-base belongs to an essence that was rejected.
            _ => erased(),
        }
    }
}

fn later(now: Timestamp, after: Duration) -> Timestamp {
    SignedDuration::try_from(after)
        .ok()
        .and_then(|after| now.checked_add(after).ok())
        .unwrap_or(Timestamp::MAX)
}

fn next_due<'a>(records: impl Iterator<Item = Option<&'a Record>>, now: Timestamp) -> Duration {
    let unfinished = records.filter(|record| !is_finished(*record));
    let due = unfinished.map(|record| record.and_then(Record::next_due).unwrap_or(now));
    Duration::try_from(due.min().unwrap_or(now).duration_since(now)).unwrap_or_default()
}
