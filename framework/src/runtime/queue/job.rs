//! What a worker is given, and what it has to say in the end.

use super::Source;
use crate::{
    core::{body::Body, cycle::Look, version::Newest},
    handler::{EventType, TypeMap},
};
use std::time::Duration;

/// One object's turn.
#[derive(Clone, Debug)]
pub struct Job {
    /// The watch that brought it.
    pub source: Source,
    /// The object; only its name, namespace and uid where it is to be read first.
    pub body: Body,
    /// Whether the worker has to read it.
    pub fetch: bool,
    /// Whether the watch says that it is gone.
    pub gone: bool,
    /// How it came to be looked at.
    pub look: Look,
    /// The version that was known before.
    pub known: Option<Newest>,
    /// A listing showed the object first, and it was not handled to the end since.
    pub initial: bool,
    /// What handlers of raw events are called for.
    pub event: Option<EventType>,
    /// There is nothing new but for handlers of raw events: an echo, maybe of an older state.
    pub echo: bool,
    /// How much was left of a wait that a change has ended.
    pub unslept: Option<Duration>,
    /// The essence when handlers began to wait.
    pub waiting: Option<Fingerprint>,
    /// What handlers remember of the object.
    pub memo: TypeMap,
    /// How often in a row the framework has broken down over the object.
    pub errors: usize,
}

/// An essence in so many bytes that a change of it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of all of it.
    pub whole: u64,
    /// Of all but the annotations, which other operators change all the time.
    pub state: u64,
}

/// What a worker has to say when it is done with an object.
#[derive(Clone, Debug)]
pub struct Done {
    /// The object's uid.
    pub uid: String,
    /// How it went.
    pub end: Finish,
    /// What it means for handlers of raw events.
    pub told: Told,
}

/// What a worker's turn means for handlers of raw events.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What they were to be told, and weren't.
    pub untold: Option<EventType>,
    /// The versions that they have written, and are not to be called for.
    pub silent: Vec<String>,
    /// They have written, and since then the framework only what it keeps on the object. What others change in between
    /// is told by itself.
    pub last: bool,
}

impl Told {
    /// Handlers of raw events have brought these versions by what they have asked for.
    pub fn written(&mut self, versions: Vec<String>) {
        self.last |= !versions.is_empty();
        self.silent.extend(versions);
    }

    /// The framework has written these versions; with what handlers of changes ask for, or only what it keeps on the object.
    /// Where handlers of raw events have written last, they aren't called for what is kept of that: they would write once
    /// more, and so on for ever.
    pub fn stored(&mut self, versions: Vec<String>, adds: bool) {
        self.last &= !adds;
        if self.last {
            self.silent.extend(versions);
        }
    }
}

/// How a worker's turn went.
#[derive(Clone, Debug)]
pub enum Finish {
    /// The object is as it should be, or is to be looked at again after a while.
    Seen {
        /// The newest version that the worker knows.
        newest: Newest,
        /// The time to the next look.
        due: Option<Duration>,
        /// Whether it was handled to the end.
        settled: bool,
        /// Whether the worker has come to ask what is to be done.
        planned: bool,
        /// The essence when handlers began to wait for their next attempt, or failed for good.
        waiting: Option<Fingerprint>,
    },
    /// Handlers of raw events were called, and nothing has changed; or all that was to be done is left to another turn.
    Spied {
        /// The time to the next look: where what they have written could not be stored, say.
        due: Option<Duration>,
    },
    /// There is no such object any more.
    Gone,
    /// It is there, but no longer one that the watch shows.
    OutOfSight,
    /// It could not be read, and is tried again after a while. What needs no read doesn't wait for that.
    Unread {
        /// The time to the next try.
        delay: Duration,
    },
    /// Something broke inside the framework; the object is tried again after a while.
    Broken {
        /// The time to the next try.
        delay: Duration,
        /// The newest version that the worker knows, if it came so far.
        newest: Option<Newest>,
    },
}
