//! Turn of an object: a worker's job, and its report.

use super::{event::Source, outage::Blockings};
use crate::{
    Uid,
    body::Body,
    cause::{Occasion, Resumption},
    version::Newest,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The type of a watch event, for event handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEventType {
    /// A listing shows the object: at the start, or after the watch was broken for long.
    Listed,
    /// The object was added.
    Added,
    /// The object was changed.
    Modified,
    /// The object is gone. One that was deleted while the watch was broken has only its name, namespace, uid and labels
    /// left.
    Deleted,
}

/// The extent of an object's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it: event handlers, timers and change handlers.
    Whole,
    /// Event handlers and timers: nothing is new for change handlers.
    Partial,
    /// What daemons have left to be written: nothing else is done for the object here any more.
    Edits,
}

/// One object's turn.
#[derive(Clone, Debug)]
pub struct Job {
    /// The watch that brought it.
    pub source: Source,
    /// The object; only its name, namespace and uid where it has to be read first.
    pub body: Body,
    /// Whether the worker has to read it.
    pub fetch: bool,
    /// Whether the watch has shown its deletion.
    pub gone: bool,
    /// The occasion of the turn.
    pub occasion: Occasion,
    /// The version that was known before.
    pub known: Option<Newest>,
    /// Why it is resumed, if it is.
    pub resumption: Option<Resumption>,
    /// A trigger has come: handlers that wait for their next attempt are to be called though they aren't due.
    pub prompt: bool,
    /// An earlier turn has stored the operator's state on it.
    pub stored: bool,
    /// Its generation when it was handled completely; 0 if that isn't known.
    pub generation: i64,
    /// The event that event handlers are called for.
    pub event: Option<WatchEventType>,
    /// Whether a timer may be due.
    pub tick: bool,
    /// The extent of the work. A partial turn may show an older state.
    pub extent: Extent,
    /// The rest of a wait that a change has ended.
    pub unslept: Option<Duration>,
    /// The essence when handlers began to wait.
    pub waiting: Option<Fingerprint>,
    /// The ids of handlers that have waited for an outage, and are called though they aren't due.
    pub early: Vec<Arc<str>>,
    /// What its handlers have waited for.
    pub blocked: Blockings,
    /// The number of turns in a row that the framework has failed over the object.
    pub errors: usize,
}

/// Hashes of an essence, to notice its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of all of it.
    pub whole: u64,
    /// Of all but the annotations, which other operators change all the time.
    pub state: u64,
}

/// A worker's report of a turn.
#[derive(Clone, Debug)]
pub struct TurnReport {
    /// The object's uid.
    pub uid: Uid,
    /// Its end.
    pub end: TurnEnd,
    /// The event that event handlers were to be called for, and weren't.
    pub undelivered: Option<WatchEventType>,
    /// When its timers are due next.
    pub tick: NextTick,
    /// The newest state, for kinds whose bodies are retained.
    pub body: Option<Body>,
    /// Whether handlers have failed permanently, where all that were called have finished.
    pub failed: Option<bool>,
    /// Whether it has another turn only because handlers wait for what takes its time, where that was looked at.
    pub patient: Option<bool>,
}

impl TurnReport {
    /// A turn that ended like this, with nothing else to report.
    pub fn new(uid: impl Into<Uid>, end: TurnEnd) -> Self {
        let uid = uid.into();
        Self {
            uid,
            end,
            undelivered: None,
            tick: NextTick::AsBefore,
            body: None,
            failed: None,
            patient: None,
        }
    }
}

/// When an object's timers are due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextTick {
    /// When they were due before: they weren't looked at.
    AsBefore,
    /// At this time.
    At(Instant),
    /// Never: no timer is for the object.
    Never,
}

/// The end of a turn.
#[derive(Clone, Debug)]
pub enum TurnEnd {
    /// The object is as it should be, or gets another turn after a while.
    Seen {
        /// The newest version that the worker knows.
        newest: Newest,
        /// The time to the next turn.
        due: Option<Duration>,
        /// Whether it was handled completely.
        settled: bool,
        /// Whether it was resumed as the job asks, or is not to be.
        resumed: bool,
        /// Whether the worker has planned for change handlers.
        planned: bool,
        /// Whether it has called the handlers that were to be called though they weren't due.
        called: bool,
        /// The essence when handlers began to wait for their next attempt, or failed permanently.
        waiting: Option<Fingerprint>,
        /// What its handlers wait for.
        blocked: Blockings,
        /// The causes that a handler has waited for, and got past.
        got_past: Vec<Arc<str>>,
        /// Whether the operator's state was stored on it.
        stored: bool,
        /// Its generation, where it was handled completely.
        generation: Option<i64>,
    },
    /// A partial turn that changed nothing; or one whose work is left to another turn.
    Partial {
        /// The time to the next turn, if one is needed.
        due: Option<Duration>,
    },
    /// The object is gone.
    Gone,
    /// The object is no longer this operator's, or was not for a while: the turn was broken off.
    Lost,
    /// It could not be read, and is retried after a while. What needs no read doesn't wait for that.
    Unread {
        /// The time to the next try.
        delay: Duration,
    },
    /// The framework failed over it; the object is retried after a while.
    Failed {
        /// The time to the next try.
        delay: Duration,
        /// The newest version that the worker knows, if it came so far.
        newest: Option<Newest>,
    },
}
