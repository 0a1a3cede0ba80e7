//! One cycle of handling: what is to be done now, and what is written when it was done.
//!
//! [`plan`] looks at an object and says what comes next. Where handlers are to be called, it opens a
//! [`Cycle`]; the worker calls them, and [`Cycle::settle`] turns the outcomes into one patch. The answer to
//! that patch is the next object to be planned for.

#[cfg(test)]
mod tests;

use super::{
    Reason,
    body::Body,
    cause::{Cause, Past},
    diff::{Diff, diff},
    essence::essence,
    patch::{Finalizer, Patch},
    progress::{Counts, Progress, Record, Unreadable},
    retry::{Attempt, Limits, Outcome},
    storage::Storage,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};

/// What the core knows of one kind of objects.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where things are kept on the object.
    pub storage: Storage,
    /// The kind's handlers, in the order in which they are called.
    pub tasks: Vec<Task>,
}

/// A handler, as far as planning goes.
#[derive(Clone, Debug)]
pub struct Task {
    /// The handler's id.
    pub id: String,
    /// When it is called.
    pub reason: Reason,
    /// How long and how often it is tried.
    pub limits: Limits,
}

/// How an object came to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// For the first time in this process.
    First,
    /// Somebody else changed it.
    Changed,
    /// Nobody else changed it: a retry is due, or our own write has come back.
    Again,
}

/// What comes next for an object.
#[derive(Debug)]
pub enum Plan {
    /// Nothing.
    Rest(Rest),
    /// Nothing before this time.
    Wait(Timestamp),
    /// The finalizer is changed; then the object is planned for again.
    Write(Finalizer),
    /// Handlers are called.
    Run(Box<Cycle>),
}

/// Why nothing comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The object is gone.
    Gone,
    /// It is being deleted, and doesn't wait for us.
    Free,
    /// Nothing has changed that is handled.
    Noop,
    /// Handlers could not read this very essence; it waits for the next change.
    Refused,
    /// Deletion handlers failed for good; the object is kept until it changes or the operator restarts.
    Held,
}

/// The handling of one change of one object, as it stands now.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// Why handlers are called.
    pub reason: Reason,
    /// The essence that was handled last; none while the object is new.
    pub old: Option<Arc<Value>>,
    /// The object's essence.
    pub new: Arc<Value>,
    /// From `old` to `new`.
    pub diff: Arc<Diff>,
    /// The handlers whose turn it is now.
    pub ready: Vec<Ready>,
    /// Handling for another reason that this one puts an end to.
    pub superseded: Option<(Reason, Counts)>,
    stored: Progress,
    current: Progress,
    basis: Option<Value>,
    /// Something may have been done for this object before.
    touched: bool,
}

/// A handler whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ready {
    /// Its place in [`Setup::tasks`].
    pub task: usize,
    /// The start of its first attempt.
    pub started: Timestamp,
    /// Which attempt it is.
    pub attempt: Attempt,
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

impl Setup {
    fn tasks_for(&self, reason: Reason) -> impl Iterator<Item = (usize, &Task)> {
        self.tasks.iter().enumerate().filter(move |(_, task)| task.reason == reason)
    }

    /// Whether objects have to wait for us when they are deleted.
    pub fn needs_finalizer(&self) -> bool {
        self.tasks_for(Reason::Delete).next().is_some()
    }

    /// What counts as the user's state of an object.
    pub fn essence(&self, body: &Body) -> Value {
        essence(body, &self.storage, &[])
    }

    /// What korf has stored on an object and can't read, and so takes for absent.
    pub fn faults(&self, body: &Body, now: Timestamp) -> Vec<Unreadable> {
        let progress = self.storage.read_progress(body, self.ids(), now);
        self.storage.faults(body).into_iter().chain(progress.unreadable().cloned()).collect()
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().map(|task| task.id.as_str())
    }
}

/// Says what comes next for an object; `gone` is what the watch says of it.
pub fn plan(setup: &Setup, body: &Body, gone: bool, look: Look, now: Timestamp) -> Plan {
    if let Some(change) = finalizer_change(setup, body, gone) {
        return Plan::Write(change);
    }
    let old = setup.storage.read_diff_base(body);
    let new = setup.essence(body);
    let difference = diff(old.as_ref().unwrap_or(&Value::Null), &new);
    let stored = setup.storage.read_progress(body, setup.ids(), now);
    let past = Past {
        handled: old.is_some(),
        changed: !difference.is_empty(),
        begun: !stored.clone().for_purpose(Reason::Update).is_empty(),
    };
    match Cause::of(body, gone, setup.storage.finalizer(), past) {
        Cause::Gone => Plan::Rest(Rest::Gone),
        Cause::Free => Plan::Rest(Rest::Free),
        Cause::Noop => Plan::Rest(Rest::Noop),
        Cause::Handle(reason) => {
            let basis = setup.storage.read_basis(body);
            let touched = old.is_some() || stored.iter().any(|(_, r)| r.retries > 0 && !r.refused);
            let cycle = Cycle {
                reason,
                current: stored.clone().for_purpose(reason),
                superseded: superseded(&stored, reason),
                stored,
                basis,
                touched,
                old: old.map(Arc::new),
                new: Arc::new(new),
                diff: Arc::new(difference),
                ready: Vec::new(),
            };
            cycle.open(setup, look, now)
        }
    }
}

/// The finalizer comes before any side effect, and goes where nobody needs it.
fn finalizer_change(setup: &Setup, body: &Body, gone: bool) -> Option<Finalizer> {
    let name = setup.storage.finalizer();
    let present = body.finalizers().any(|f| f == name);
    match (setup.needs_finalizer(), present) {
        _ if gone => None,
        (true, false) if !body.is_deleting() => Some(Finalizer::Add(name.to_owned())),
        (false, true) => Some(Finalizer::Remove(name.to_owned())),
        _ => None,
    }
}

/// The first records of another purpose, if nothing is on record for this one yet.
fn superseded(stored: &Progress, reason: Reason) -> Option<(Reason, Counts)> {
    if !stored.clone().for_purpose(reason).is_empty() {
        return None;
    }
    let purpose = stored.iter().find_map(|(_, record)| record.purpose.filter(|p| *p != reason))?;
    let of_purpose = stored.iter().filter(|(_, record)| record.purpose == Some(purpose));
    Some((purpose, count(of_purpose.map(|(_, record)| Some(record)))))
}

/// Counts handlers by their records; one without a record is still to be called.
fn count<'a>(records: impl Iterator<Item = Option<&'a Record>>) -> Counts {
    records.fold(Counts::default(), |mut counts, record| {
        match record {
            Some(record) if record.success => counts.succeeded += 1,
            Some(record) if record.failure => counts.failed += 1,
            _ => counts.running += 1,
        }
        counts
    })
}

impl Cycle {
    fn open(mut self, setup: &Setup, look: Look, now: Timestamp) -> Plan {
        self.rearm(look);
        if let Some(rest) = self.stands(setup, look) {
            return Plan::Rest(rest);
        }
        let unfinished = || {
            let records = setup.tasks_for(self.reason).map(|(at, task)| (at, self.current.get(&task.id)));
            records.filter(|(_, record)| !record.is_some_and(Record::is_finished))
        };
        let due = |record: Option<&Record>| record.and_then(Record::next_due).unwrap_or(now);
        let ready: Vec<_> = unfinished()
            .filter(|(_, record)| due(*record) <= now)
            .map(|(task, record)| Ready::new(task, record, now))
            .collect();
        if let Some(next) = unfinished().map(|(_, record)| due(record)).min().filter(|_| ready.is_empty()) {
            return Plan::Wait(next);
        }
        self.ready = ready;
        Plan::Run(Box::new(self))
    }

    /// Forgets failures that a change of the object may have mended.
    fn rearm(&mut self, look: Look) {
        let refused = self.current.iter().any(|(_, record)| record.refused);
        let changed = self.basis.as_ref() != Some(&*self.new);
        if self.reason == Reason::Delete && look != Look::Again {
            self.current = self.current.without_failures();
        } else if self.reason != Reason::Delete && refused && (changed || look == Look::First) {
            self.current = Progress::default();
            self.basis = None;
        }
    }

    /// Whether an end that was reached before still holds.
    fn stands(&self, setup: &Setup, look: Look) -> Option<Rest> {
        let tasks = || setup.tasks_for(self.reason).map(|(_, task)| self.current.get(&task.id));
        let finished = tasks().all(|record| record.is_some_and(Record::is_finished));
        let failed = tasks().flatten().any(|record| record.failure);
        match self.reason {
            Reason::Delete if finished && failed => Some(Rest::Held),
            Reason::Create | Reason::Update if look != Look::First => {
                tasks().flatten().any(|record| record.refused).then_some(Rest::Refused)
            }
            _ => None,
        }
    }

    /// What is written now that these handlers have come to these outcomes.
    pub fn settle(
        &self,
        setup: &Setup,
        body: &Body,
        outcomes: &[(Ready, Outcome)],
        now: Timestamp,
    ) -> (Patch, End) {
        let current = outcomes.iter().fold(self.current.clone(), |progress, (ready, outcome)| {
            let id = &setup.tasks[ready.task].id;
            progress.with(id.clone(), self.record(id, *ready, outcome, now))
        });
        let end = self.end(setup, &current, now);
        let mut patch = Patch::default();
        let next = match end {
            // What was done for another reason is forgotten only in the end: it tells that something was done.
            End::Open(_) | End::Held(_) if self.reason == Reason::Delete => self.stored.updated(&current),
            End::Open(_) | End::Held(_) | End::Refused(_) => current,
            End::Processed(_) | End::Skipped | End::Released | End::Restart => Progress::default(),
        };
        patch.annotate(setup.storage.write_progress(body, &self.stored, &next));
        patch.annotate(self.essences(setup, body, &next, &end));
        if self.reason == Reason::Delete && matches!(end, End::Processed(_) | End::Released | End::Skipped) {
            patch.finalizer(Finalizer::Remove(setup.storage.finalizer().to_owned()));
        }
        if let Some(status) = setup.storage.write_status_progress(body, &self.stored, &next) {
            patch.status(status);
        }
        (patch, end)
    }

    fn record(&self, id: &str, ready: Ready, outcome: &Outcome, now: Timestamp) -> Record {
        let before = self.current.get(id).cloned().unwrap_or_else(|| Record::new(ready.started, self.reason));
        match outcome {
            Outcome::Success | Outcome::Ignored => before.succeeded(now),
            Outcome::Retry { after, message } => before.postponed(Some(later(now, *after)), Some(message)),
            Outcome::GaveUp { message } => before.failed(now, message),
            Outcome::Unreadable { message } => {
                let record = before.refused(now, message);
                // Refused again for the same reason, after a restart: nothing new, nothing to write.
                let known =
                    self.stored.get(id).filter(|known| known.refused && known.message == record.message);
                known.cloned().unwrap_or(record)
            }
        }
    }

    fn end(&self, setup: &Setup, current: &Progress, now: Timestamp) -> End {
        let records = || setup.tasks_for(self.reason).map(|(_, task)| current.get(&task.id));
        let counts = count(records());
        let unreadable = records().flatten().any(|record| record.refused);
        let seen_by_others = self.basis.as_ref().is_some_and(|basis| *basis != *self.new);
        match self.reason {
            _ if counts == Counts::default() => End::Skipped,
            _ if counts.running > 0 => End::Open(next_due(records(), now)),
            Reason::Delete if unreadable && !self.touched => End::Released,
            Reason::Delete if counts.failed > 0 => End::Held(counts),
            Reason::Create | Reason::Update if unreadable && seen_by_others => End::Restart,
            Reason::Create | Reason::Update if unreadable => End::Refused(counts),
            _ => End::Processed(counts),
        }
    }

    /// The changes of the diff-base, and of the basis, which becomes the diff-base in the end: the essence
    /// that the handler saw which finished first. What has changed since is the next update.
    fn essences(&self, setup: &Setup, body: &Body, progress: &Progress, end: &End) -> Map<String, Value> {
        let storage = &setup.storage;
        match (self.reason, end) {
            (Reason::Delete, End::Processed(_) | End::Released | End::Skipped) => storage.erase_basis(body),
            (Reason::Delete, _) => Map::new(),
            (_, End::Processed(_) | End::Skipped) => {
                let handled = self.basis.as_ref().unwrap_or(&self.new);
                let known = self.old.as_deref() == Some(handled);
                if known { storage.erase_basis(body) } else { storage.write_diff_base(body, handled) }
            }
            (_, End::Restart) => storage.erase_basis(body),
            _ if self.basis.is_some() => Map::new(),
            _ if progress.iter().any(|(_, record)| record.is_finished()) => {
                storage.write_basis(body, &self.new)
            }
            // What is there belongs to an essence that was refused.
            _ => storage.erase_basis(body),
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
    let due = |record: Option<&Record>| match record {
        Some(record) if record.is_finished() => None,
        record => Some(record.and_then(Record::next_due).unwrap_or(now)),
    };
    let next = records.filter_map(due).min().unwrap_or(now);
    Duration::try_from(next.duration_since(now)).unwrap_or_default()
}

impl Ready {
    fn new(task: usize, record: Option<&Record>, now: Timestamp) -> Self {
        let started = record.map_or(now, |record| record.started);
        let elapsed = Duration::try_from(now.duration_since(started)).unwrap_or_default();
        let before = record.map_or(0, |record| record.retries);
        Self { task, started, attempt: Attempt { before, elapsed } }
    }
}
