//! Triggers that handlers have given, on their way to the reactor.

use kube::core::ApiResource;
use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Notify,
};

/// What a trigger is for. Any number of triggers for the same are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The group of the objects.
    group: String,
    /// Their plural.
    plural: String,
    /// Namespace and name of the object; none: all of the kind.
    pub object: Option<(Option<String>, String)>,
}

impl Target {
    /// One object of a kind, or all.
    pub fn new(kind: &ApiResource, object: Option<(Option<String>, String)>) -> Self {
        Self { group: kind.group.clone(), plural: kind.plural.clone(), object }
    }

    /// All objects of its kind.
    pub fn of_all(&self) -> Self {
        Self { object: None, ..self.clone() }
    }

    /// Its kind, for people: `lights.korf.dev`.
    pub fn kind(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether it is for objects of this kind.
    pub fn is_of(&self, kind: &ApiResource) -> bool {
        self.group == kind.group && self.plural == kind.plural
    }
}

/// Who gives a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Giver {
    /// The handler's id.
    pub handler: String,
    /// The other replicas give it, too.
    pub is_everywhere: bool,
}

impl Giver {
    /// A handler for an object that is this replica's.
    pub fn here(handler: &str) -> Self {
        Self { handler: handler.to_owned(), is_everywhere: false }
    }

    /// A mapping function, which each replica calls.
    pub fn everywhere(handler: &str) -> Self {
        Self { handler: handler.to_owned(), is_everywhere: true }
    }
}

/// The triggers that wait to be taken; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Triggers(Arc<Shared>);

/// Lets the task that a handler has just woken run on another thread, should the handler go on to block its own.
///
/// tokio keeps the task that was woken last in a slot of the thread, from which no other thread takes it; another one that
/// is woken drives it out into the thread's queue.
pub fn wake_elsewhere() {
    if let Ok(runtime) = Handle::try_current()
        && runtime.runtime_flavor() == RuntimeFlavor::MultiThread
    {
        runtime.spawn(async {});
    }
}

#[derive(Debug, Default)]
struct Shared {
    /// With the one that has given each of them last.
    targets: Mutex<BTreeMap<Target, Giver>>,
    given: Notify,
}

impl Triggers {
    /// Gives a trigger. It never waits.
    pub fn give(&self, target: Target, by: Giver) {
        if self.targets().insert(target, by).is_none() {
            self.0.given.notify_one();
            wake_elsewhere();
        }
    }

    /// Waits until a trigger has been given since the last call.
    pub async fn given(&self) {
        self.0.given.notified().await;
    }

    /// Takes all that are there, with those that have given them.
    pub fn take(&self) -> BTreeMap<Target, Giver> {
        mem::take(&mut *self.targets())
    }

    /// Takes those for single objects, or those for all objects of a kind.
    pub fn take_some(&self, single: bool) -> Vec<Target> {
        let mut targets = self.targets();
        let (taken, left) =
            mem::take(&mut *targets).into_iter().partition(|(target, _)| target.object.is_some() == single);
        *targets = left;
        let taken: BTreeMap<Target, Giver> = taken;
        taken.into_keys().collect()
    }

    fn targets(&self) -> MutexGuard<'_, BTreeMap<Target, Giver>> {
        self.0.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
