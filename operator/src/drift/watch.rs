//! Watch: the tables that are looked at, by their objects.
//!
//! An object is in it from its last plan on, until its table is dropped, or the object is no longer this process's ([`Hold`]). One that was
//! given a turn has to be planned for again until the next look: otherwise it no longer exists, and is forgotten.

use super::{Verdict, Watched, judge};
use crate::{marker::Owner, metrics::Metrics, plan::Found, secrets::SecretId};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Namespace and name of an object.
pub type Name = (String, String);

/// What shows that an object is this process's, and no other replica's. The object's memo has it, which the framework drops when
/// the object is another's: its table isn't looked at any more.
#[derive(Clone, Debug, Default)]
pub struct Hold(Arc<()>);

/// Tells whether an object is still this process's.
#[derive(Clone, Debug, Default)]
pub struct Held(Option<Weak<()>>);

impl Held {
    /// Whether the object is another replica's by now, or gone.
    pub fn is_lost(&self) -> bool {
        self.0.as_ref().is_some_and(|hold| hold.strong_count() == 0)
    }
}

/// The tables of one database that are looked at. Its clones are the same.
#[derive(Clone, Debug)]
pub struct Watch {
    all: Arc<Mutex<All>>,
    /// The Secret that leads to the database; `None`: it is the operator's own.
    place: Option<SecretId>,
    metrics: Metrics,
}

/// The tables of all databases.
#[derive(Debug, Default)]
struct All {
    tables: HashMap<Name, Entry>,
    /// Of objects whose handlers have said that they are this process's.
    holds: HashMap<Name, Weak<()>>,
}

#[derive(Debug)]
struct Entry {
    place: Option<SecretId>,
    watched: Arc<Watched>,
    /// What is known of the table: the sum of the verdict for which the object needn't have a turn.
    judged: Option<u64>,
    /// The sum of the verdict for which it was given one, if that tells a difference.
    seen: Option<u64>,
    /// Whether it was given one, and hasn't been planned for since.
    is_called: bool,
}

impl All {
    /// Forgets the objects that are another process's by now.
    fn forget_lost(&mut self) {
        let Self { tables, holds } = self;
        holds.retain(|name, hold| {
            let is_held = hold.strong_count() > 0;
            if !is_held {
                tables.remove(name);
            }
            is_held
        });
    }
}

impl Watch {
    /// The watch of the operator's own database.
    pub fn new(metrics: Metrics) -> Self {
        Self { all: Arc::default(), place: None, metrics }
    }

    /// The watch of the database of a Secret: each object has its table in one of them.
    #[must_use]
    pub fn beside(&self, place: Option<SecretId>) -> Self {
        Self { place, ..self.clone() }
    }

    /// Takes in that an object is this process's for as long as there is the hold.
    pub fn hold(&self, namespace: &str, name: &str, hold: &Hold) {
        self.all().holds.insert((namespace.to_owned(), name.to_owned()), Arc::downgrade(&hold.0));
    }

    /// What tells whether the object is still this process's, if that was taken in.
    pub fn held(&self, namespace: &str, name: &str) -> Held {
        Held(self.all().holds.get(&(namespace.to_owned(), name.to_owned())).cloned())
    }

    /// Takes in that a table is as its object asks.
    pub fn note_applied(&self, watched: Watched) {
        self.note(watched.applied(), None);
    }

    /// Takes in that a table isn't as its object asks, and that a person has to do something about it. As long as the table
    /// stays as it is, the object has no turn for it.
    pub fn note_refused(&self, watched: Watched, found: &Found) {
        let judged = judge(&watched, found).sum();
        self.note(watched, judged);
    }

    fn note(&self, watched: Watched, judged: Option<u64>) {
        let mut all = self.all();
        let name = name_of(&watched.claim.owner);
        let before =
            all.tables.get(&name).filter(|before| *before.watched == watched && before.place == self.place);
        // A look doesn't see all that a plan sees.
        let seen = before.and_then(|before| before.seen).filter(|_| judged.is_some());
        let (place, watched) = (self.place.clone(), Arc::new(watched));
        all.tables
            .insert(name, Entry { place, watched, judged: seen.or(judged), seen: None, is_called: false });
        self.metrics.note_watched(all.tables.len());
    }

    /// Looks no more at an object's table until the next plan.
    pub fn leave_alone(&self, namespace: &str, name: &str) {
        let mut all = self.all();
        all.tables.remove(&(namespace.to_owned(), name.to_owned()));
        self.metrics.note_watched(all.tables.len());
    }

    /// Forgets an object.
    pub fn forget(&self, namespace: &str, name: &str) {
        let (mut all, name) = (self.all(), (namespace.to_owned(), name.to_owned()));
        all.tables.remove(&name);
        all.holds.remove(&name);
        self.metrics.note_watched(all.tables.len());
    }

    /// The Secrets of all databases with tables to look at; `None` is the operator's own.
    pub fn places(&self) -> BTreeSet<Option<SecretId>> {
        let mut all = self.all();
        all.forget_lost();
        self.metrics.note_watched(all.tables.len());
        all.tables.values().map(|entry| entry.place.clone()).collect()
    }

    /// The tables of this database, in order. Objects that have had a turn since the last time, and no plan, are forgotten.
    pub fn begin(&self) -> Vec<Arc<Watched>> {
        let mut all = self.all();
        all.forget_lost();
        all.tables.retain(|_, entry| !entry.is_called || entry.place != self.place);
        self.metrics.note_watched(all.tables.len());
        let here = all.tables.values().filter(|entry| entry.place == self.place);
        let mut here: Vec<_> = here.map(|entry| Arc::clone(&entry.watched)).collect();
        here.sort_unstable_by(|one, other| {
            let key = |watched: &Watched| name_of(&watched.claim.owner);
            key(one).cmp(&key(other))
        });
        here
    }

    /// Takes in what a look says of a table, and returns whether its object has to have a turn.
    pub fn note_verdict(&self, watched: &Arc<Watched>, verdict: &Verdict) -> bool {
        let mut all = self.all();
        let entry = all.tables.get_mut(&name_of(&watched.claim.owner));
        // Since the look began, it may have been planned for.
        let Some(entry) = entry.filter(|entry| Arc::ptr_eq(&entry.watched, watched)) else { return false };
        let sum = verdict.sum();
        entry.is_called = sum != entry.judged;
        entry.seen = sum.filter(|_| matches!(verdict, Verdict::Differs(_)));
        entry.is_called
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(owner: &Owner) -> Name {
    (owner.namespace.clone(), owner.name.clone())
}
