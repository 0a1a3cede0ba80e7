//! The end of a cycle: from the outcomes of its handlers to what is written.

use super::{Cycle, Ready, Setup, is_finished};
use crate::{
    Reason,
    body::Body,
    patch::{Finalizer, Patch},
    progress::{Counts, Progress, Record},
    retry::Outcome,
    storage::{Form, Kept, Storage, Written},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::time::Duration;

/// A handler that was called, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The handler, and which attempt it was.
    pub ready: Ready,
    /// What the attempt came to.
    pub outcome: Outcome,
    /// The sub-handlers that the handler has registered, of all levels: those that were called with their
    /// outcomes.
    pub subs: Vec<SubDone>,
}

/// A sub-handler, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SubDone {
    /// Its full id, `parent/sub`.
    pub id: String,
    /// The start of its first attempt.
    pub started: Timestamp,
    /// What this attempt came to; none if it wasn't called.
    pub outcome: Option<Outcome>,
}

/// How a cycle stands after its outcomes are in.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Handlers are left; the next one is due in this time.
    Open(Duration),
    /// All handlers are done.
    Processed(Counts),
    /// There was no handler to be called; the change is only noted.
    Skipped,
    /// Handlers could not read the object, and it waits for its next change.
    Refused(Counts),
    /// Deletion handlers failed for good, and the object is kept.
    Held(Counts),
    /// Deletion handlers could not read an object that nothing was ever done for: it is let go.
    Released,
    /// Handlers could not read what others have handled an older essence of: all begin anew.
    Restart,
}

impl End {
    /// Whether the object's state was handled to its end.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Processed(_) | Self::Skipped)
    }

    fn lets_go(&self) -> bool {
        matches!(self, Self::Processed(_) | Self::Skipped | Self::Released)
    }
}

impl Cycle {
    /// What is written now that these handlers have come to these outcomes; as small as it has to be to fit into the
    /// object's annotations.
    pub fn settle(&self, setup: &Setup, body: &Body, done: &[Done], now: Timestamp) -> (Patch, End) {
        let current =
            done.iter().fold(self.current.clone(), |progress, done| self.with(setup, progress, done, now));
        let end = if self.is_wanted(setup, body) {
            End::Open(Duration::ZERO)
        } else {
            self.end(setup, &current, now)
        };
        let next = match end {
            // What was done for another reason is forgotten only in the end: it tells that something was done.
            End::Open(_) | End::Held(_) if self.reason == Reason::Delete => {
                self.stored.of_others(self.reason).updated(&current)
            }
            End::Open(_) | End::Held(_) | End::Refused(_) => current,
            End::Processed(_) if self.reason != Reason::Delete => self.owed(setup, &current, body, now),
            End::Restart => self.anew(setup, &current, now),
            End::Processed(_) | End::Skipped | End::Released => Progress::default(),
        };
        let mut storage = setup.storage.clone();
        let mut patch = self.patch(&storage, body, &next, &end);
        while !patch.fits(body)
            && let Some(smaller) = storage.smaller()
        {
            storage = smaller;
            patch = self.patch(&storage, body, &next, &end);
        }
        (patch, end)
    }

    fn patch(&self, storage: &Storage, body: &Body, next: &Progress, end: &End) -> Patch {
        let mut patch = Patch::default();
        patch.keep(storage.write_progress(body, &self.stored, next));
        let Written { patch: essences, form } = self.essences(storage, body, next, end);
        patch.keep_as(form, essences);
        if self.reason == Reason::Delete && end.lets_go() {
            patch.finalizer(Finalizer::Remove(storage.finalizer().to_owned()));
            patch.keep_no_status();
        }
        patch
    }

    /// The progress after one handler and its sub-handlers.
    fn with(&self, setup: &Setup, progress: Progress, done: &Done, now: Timestamp) -> Progress {
        let id = &setup.tasks[done.ready.task].id;
        let record = self.attempted(id, done.ready.started, &done.outcome, now);
        let record = record.with_subrefs(done.subs.iter().map(|sub| sub.id.clone()));
        let progress = progress.with(id.clone(), record);
        let called = done.subs.iter().filter_map(|sub| Some((sub, sub.outcome.as_ref()?)));
        called.fold(progress, |progress, (sub, outcome)| {
            let outcome = match outcome {
                // Its parent could read the object, and it is the parent that the object waits for.
                Outcome::Unreadable { message } => &Outcome::GaveUp { message: message.clone() },
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
        before.purpose = Some(self.reason);
        before.later = self.reason != Reason::Delete
            && match outcome {
                // It has seen nothing but what it had seen before.
                Outcome::Unreadable { .. } => self.current.get(id).is_some_and(Record::has_seen),
                _ => self.is_later(),
            };
        match outcome {
            Outcome::Success | Outcome::Ignored => before.succeeded(now),
            Outcome::Retry { after, message } => before.postponed(Some(later(now, *after)), Some(message)),
            Outcome::Children { after } => before.postponed(Some(later(now, *after)), None),
            Outcome::GaveUp { message } if self.reason != Reason::Delete => before.failed(now, message),
            Outcome::GaveUp { message } => self.unless_known(id, before.failed(now, message)),
            Outcome::Unreadable { message } => self.unless_known(id, before.refused(now, message)),
        }
    }

    /// A failure that is on record already, for the same reason, is nothing new, and nothing to write: two operators
    /// that keep an object would wake each other with their records for ever.
    fn unless_known(&self, id: &str, record: Record) -> Record {
        let known = self.stored.get(id).filter(|known| {
            let same = known.refused == record.refused && known.message == record.message;
            known.failure && known.purpose.is_none_or(|purpose| purpose == self.reason) && same
        });
        known.cloned().unwrap_or(record)
    }

    fn end(&self, setup: &Setup, current: &Progress, now: Timestamp) -> End {
        let records = || self.records(setup, current).map(|(_, record)| record);
        let counts = Counts::of(records());
        let refused = records().flatten().any(|record| record.refused);
        match self.reason {
            _ if counts == Counts::default() => End::Skipped,
            _ if counts.running > 0 => End::Open(next_due(records(), now)),
            Reason::Delete
                if refused && !self.touched && !self.is_held(setup, &current.without_refusals()) =>
            {
                End::Released
            }
            Reason::Delete if self.is_held(setup, current) => End::Held(counts),
            Reason::Delete => End::Processed(counts),
            _ if refused && self.is_later() => End::Restart,
            _ if refused => End::Refused(counts),
            _ => End::Processed(counts),
        }
    }

    /// Whether the essence is another one than that which the handler saw that finished first.
    pub(super) fn is_later(&self) -> bool {
        self.basis.as_ref().is_some_and(|basis| !basis.is(&self.new))
    }

    /// The changes of the diff-base, and of the basis, which becomes the diff-base in the end: the essence
    /// that the handler saw which finished first. What has changed since is the next update.
    fn essences(&self, storage: &Storage, body: &Body, progress: &Progress, end: &End) -> Written {
        let new = || Kept::Whole(Value::clone(&self.new));
        let erased = || Written { patch: storage.erase_basis(body), form: Form::Text };
        match (self.reason, end) {
            (Reason::Delete, end) if end.lets_go() => erased(),
            (Reason::Delete, _) => Written::default(),
            (_, End::Processed(_) | End::Skipped) => {
                let handled = self.basis.clone().unwrap_or_else(new);
                let known = self.old.as_ref().is_some_and(|old| handled.is(old));
                if known { erased() } else { storage.write_diff_base(body, &handled) }
            }
            (_, End::Restart) => erased(),
            _ if self.basis.is_some() => Written::default(),
            // It is resumed as it was handled: whatever comes now is an update.
            (Reason::Resume, _) => erased(),
            _ if progress.iter().any(|(_, record)| record.is_finished()) => storage.write_basis(body, &new()),
            // What is there belongs to an essence that was refused.
            _ => erased(),
        }
    }
}

/// Whether one handler is a sub-handler of another, of whatever level.
pub(super) fn is_below(id: &str, parent: &str) -> bool {
    id.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
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
