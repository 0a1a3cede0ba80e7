//! Watch: the tables that are looked at, by their objects.
//!
//! An object is in it from its last plan on, until its table is dropped. One that was given a turn has to be planned for again until
//! the next look: otherwise it no longer exists, or is another replica's by now, and is forgotten.

use super::{Verdict, Watched, judge};
use crate::{marker::Owner, metrics::Metrics, plan::Found, secrets::SecretId};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Namespace and name of an object.
pub type Name = (String, String);

/// The tables of one database that are looked at. Its clones are the same.
#[derive(Clone, Debug)]
pub struct Watch {
    all: Arc<Mutex<HashMap<Name, Entry>>>,
    /// The Secret that leads to the database; `None`: it is the operator's own.
    place: Option<SecretId>,
    metrics: Metrics,
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
        let before = all.get(&name).filter(|before| *before.watched == watched && before.place == self.place);
        // A look doesn't see all that a plan sees.
        let seen = before.and_then(|before| before.seen).filter(|_| judged.is_some());
        let (place, watched) = (self.place.clone(), Arc::new(watched));
        all.insert(name, Entry { place, watched, judged: seen.or(judged), seen: None, is_called: false });
        self.metrics.note_watched(all.len());
    }

    /// Forgets an object.
    pub fn forget(&self, namespace: &str, name: &str) {
        let mut all = self.all();
        all.remove(&(namespace.to_owned(), name.to_owned()));
        self.metrics.note_watched(all.len());
    }

    /// The Secrets of all databases with tables to look at; `None` is the operator's own.
    pub fn places(&self) -> BTreeSet<Option<SecretId>> {
        self.all().values().map(|entry| entry.place.clone()).collect()
    }

    /// The tables of this database, in order. Objects that have had a turn since the last time, and no plan, are forgotten.
    pub fn begin(&self) -> Vec<Arc<Watched>> {
        let mut all = self.all();
        all.retain(|_, entry| !entry.is_called || entry.place != self.place);
        self.metrics.note_watched(all.len());
        let here = all.values().filter(|entry| entry.place == self.place);
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
        let entry = all.get_mut(&name_of(&watched.claim.owner));
        // Since the look began, it may have been planned for.
        let Some(entry) = entry.filter(|entry| Arc::ptr_eq(&entry.watched, watched)) else { return false };
        let sum = verdict.sum();
        entry.is_called = sum != entry.judged;
        entry.seen = sum.filter(|_| matches!(verdict, Verdict::Differs(_)));
        entry.is_called
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Name, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(owner: &Owner) -> Name {
    (owner.namespace.clone(), owner.name.clone())
}
