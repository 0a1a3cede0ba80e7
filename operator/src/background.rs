//! Background: work for an object that may take hours, and goes on between the attempts of its handlers.
//!
//! A handler that waited for it would keep a worker busy, and its object from being deleted. So some handlers wait for a moment, because
//! most work is over then; all others are called again when the work is over.
//!
//! Nothing depends on this memory but the errors in it. What a process of before was doing, the next one finds in the database.

mod turns;

use crate::{
    error::{DatabaseError, TableError},
    marker::Owner,
    spec::Table,
};
use std::{
    collections::HashMap,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, oneshot, watch},
    task::AbortHandle,
    time::timeout,
};
use tracing::Instrument;
pub use turns::Lane;
use turns::{Piece, Turns, Wait};

/// The time for which a handler waits, when it asks first.
const PATIENCE: Duration = Duration::from_secs(5);
/// The handlers that wait at the same time, for each place. The others of an operator, several times as many, have other things to do.
const PATIENT: usize = 2;
/// The most tables that a message names.
const MOST_NAMED: usize = 3;

/// The work for all objects: for each, one piece at most.
#[derive(Debug)]
pub struct Background {
    state: Mutex<State>,
    patience: Duration,
    patient: Semaphore,
}

#[derive(Debug)]
struct State {
    works: HashMap<Name, Work>,
    turns: Turns<oneshot::Sender<()>>,
    /// The last number of a piece, or of a lane.
    last: u64,
}

/// Namespace and name of an object.
type Name = (String, String);
type End = Option<Result<(), TableError>>;

/// What is done, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doing {
    /// The table, as PostgreSQL prints it.
    pub table: String,
    /// What it gets, or loses.
    pub what: String,
    /// What somebody had changed of it, if that is put right.
    pub drift: Option<String>,
}

struct Work {
    piece: Piece,
    owner: Owner,
    spec: Table,
    doing: Doing,
    /// Whether a handler has asked for it.
    is_known: bool,
    end: watch::Receiver<End>,
    /// Called at the end.
    awaited: Option<Box<dyn FnOnce() + Send>>,
    task: AbortHandle,
}

/// What has become of the work for an object.
#[derive(Debug)]
pub enum Progress {
    /// It goes on, or waits for its turn: in words.
    Going(Arc<str>),
    /// It is over.
    Over(Result<(), TableError>),
}

/// A place, or one in the queue: left when dropped.
struct Turn {
    background: Weak<Background>,
    piece: Piece,
}

impl Background {
    /// Room for this many pieces of work at the same time, of all lanes together. Others wait for their turn.
    pub fn new(places: usize) -> Self {
        let state = State { works: HashMap::new(), turns: Turns::new(places), last: 0 };
        Self {
            state: Mutex::new(state),
            patience: PATIENCE,
            patient: Semaphore::new(PATIENT * places.max(1)),
        }
    }

    /// A lane for one database.
    pub fn lane(&self) -> Lane {
        Lane(self.state().next())
    }

    /// Begins work for an object, in place of what goes on for it. It is for this spec.
    pub fn begin(
        self: &Arc<Self>,
        lane: Lane,
        owner: &Owner,
        spec: &Table,
        doing: Doing,
        work: impl Future<Output = Result<(), TableError>> + Send + 'static,
    ) {
        let (call, called) = oneshot::channel();
        let (ended, end) = watch::channel(None);
        let (before, mut over) = (self.take(&owner.namespace, &owner.name), Vec::new());
        drop(before);
        let mut state = self.state();
        let piece = Piece { lane, number: state.next() };
        let begins = state.turns.enter(piece, call);
        let turn = Turn { background: Arc::downgrade(self), piece };
        let name = name(owner);
        let task = async move {
            if !begins && called.await.is_err() {
                return;
            }
            let result = work.await;
            ended.send_replace(Some(result));
            turn.end(&name);
        };
        let task = tokio::spawn(task.in_current_span()).abort_handle();
        // Whose object is gone, nobody asks for. Where somebody does, the database has the answer, too.
        over.extend(state.works.extract_if(|_, work| work.is_over()));
        let (owner, spec) = (owner.clone(), spec.clone());
        let work = Work { piece, spec, doing, is_known: false, end, awaited: None, task, owner };
        state.works.insert((work.owner.namespace.clone(), work.owner.name.clone()), work);
    }

    /// Looks at the work for an object, if there is any; the first one who looks waits a moment for it. What is over is forgotten, and
    /// what is for another spec, or for an earlier object of this name, is given up.
    pub async fn look(&self, owner: &Owner, spec: &Table) -> Option<Progress> {
        let name = name(owner);
        let found = self.state().works.get_mut(&name).map(|work| {
            let is_wanted = work.owner == *owner && work.spec == *spec;
            (is_wanted, !mem::replace(&mut work.is_known, true), work.end.clone())
        });
        let (is_wanted, is_first, mut end) = found?;
        if !is_wanted {
            self.give_up(&owner.namespace, &owner.name);
            return None;
        }
        if is_first && let Ok(_one_of_few) = self.patient.try_acquire() {
            drop(timeout(self.patience, end.wait_for(Option::is_some)).await);
        }
        let state = self.state();
        let work = state.works.get(&name)?;
        if !work.is_over() {
            return Some(Progress::Going(state.words(work).into()));
        }
        drop(state);
        let work = self.take(&owner.namespace, &owner.name)?;
        let result = work.end.borrow().clone();
        Some(Progress::Over(match result {
            Some(result) => result,
            None => Err(DatabaseError::interrupted().into()),
        }))
    }

    /// Calls this once the work for an object is over, and at once if there is none.
    pub fn when_over(&self, owner: &Owner, call: impl FnOnce() + Send + 'static) {
        if let Some(work) = self.state().works.get_mut(&name(owner)).filter(|work| !work.is_over()) {
            work.awaited = Some(Box::new(call));
            return;
        }
        call();
    }

    /// Gives up the work for an object. The database may go on with the statement that it has been given.
    pub fn give_up(&self, namespace: &str, name: &str) {
        drop(self.take(namespace, name));
    }

    /// It is dropped by the caller, who holds no lock.
    fn take(&self, namespace: &str, name: &str) -> Option<Work> {
        self.state().works.remove(&(namespace.to_owned(), name.to_owned()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// What becomes of a work.
    fn words(&self, work: &Work) -> String {
        let Doing { table, what, drift } = &work.doing;
        let drift = |how: &str| drift.as_ref().map_or_else(String::new, |words| format!("{how}: {words}"));
        let Some(Wait { own, has_others }) = self.turns.wait_of(work.piece) else {
            let drift = drift(", because somebody had changed it");
            return format!("table {table} is being changed: {what}{drift}");
        };
        let mut before: Vec<_> =
            self.works.values().filter(|work| own.contains(&work.piece.number)).collect();
        before.sort_by_key(|work| work.piece.number);
        let tables = before.iter().take(MOST_NAMED).map(|work| work.doing.table.clone());
        let more = own.len().saturating_sub(MOST_NAMED);
        let tables: Vec<_> = tables.chain((more > 0).then(|| format!("{more} more"))).collect();
        let here = (!tables.is_empty()).then(|| format!("to {}", tables.join(", ")));
        let others = has_others.then(|| "in other databases".to_owned());
        let all: Vec<_> = here.into_iter().chain(others).collect();
        format!(
            "table {table} waits for its turn: {what} comes after what is being done {}{}",
            all.join(" and "),
            drift(". Somebody had changed it")
        )
    }
}

impl Work {
    /// Whether it has an end, good or bad.
    fn is_over(&self) -> bool {
        self.end.borrow().is_some() || self.end.has_changed().is_err()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Turn {
    /// Leaves the place, and calls who waits for the end.
    fn end(self, name: &Name) {
        let Some(background) = self.background.upgrade() else { return };
        let work = background
            .state()
            .works
            .get_mut(name)
            .filter(|work| work.piece == self.piece)
            .map(|work| work.awaited.take());
        drop(self);
        if let Some(Some(call)) = work {
            call();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(background) = self.background.upgrade() else { return };
        let calls = background.state().turns.leave(self.piece);
        for call in calls {
            // One that was given up just now leaves its place itself.
            let _ = call.send(());
        }
    }
}

fn name(owner: &Owner) -> Name {
    (owner.namespace.clone(), owner.name.clone())
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("doing", &self.doing)
            .field("is_known", &self.is_known)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
