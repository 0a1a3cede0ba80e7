//! What is noted while a run goes on: the calls of handlers, and the lives of the operator.

use crate::script::Ending;
use jiff::Timestamp;
use korf::{Body, Call, EventType, Reason};
use korf_testing::api::{ApiServer, Request};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
};

/// When something happened, among all that is noted and among all changes of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The place among all that is noted.
    pub turn: usize,
    /// The number of the last change before it.
    pub revision: u64,
}

/// One call of a handler.
#[derive(Clone, Debug)]
pub struct Called {
    /// The handler's id; of a sub-handler, the full one.
    pub id: String,
    /// The number of the operator's life.
    pub life: usize,
    /// None for a raw event.
    pub reason: Option<Reason>,
    pub event: Option<EventType>,
    pub attempt: u32,
    pub body: Body,
    /// The essence as the handler sees it.
    pub new: Arc<Value>,
    pub begun: Moment,
    pub ended: Moment,
    pub ending: Ending,
}

/// How a life of the operator ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It was told to stop.
    Stopped,
    /// It was killed, or died at a place.
    Killed,
}

/// One life of the operator, from its start on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    pub begun: Moment,
    /// None while it lives.
    pub ended: Option<(Moment, Death)>,
}

/// A write that was refused as invalid.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The place among all that is noted.
    pub turn: usize,
    pub request: Request,
}

#[derive(Debug, Default)]
struct Notes {
    turns: usize,
    calls: Vec<Called>,
    lives: Vec<Life>,
    refused: Vec<Refused>,
    steps: Vec<(Timestamp, String)>,
}

/// Where all is noted; its clones are one record.
#[derive(Clone, Debug, Default)]
pub struct Record {
    notes: Arc<Mutex<Notes>>,
    server: Arc<OnceLock<ApiServer>>,
}

impl Record {
    /// From now on, moments are told by this server's changes.
    pub fn follow(&self, server: &ApiServer) {
        self.server.get_or_init(|| server.clone());
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now.
    pub fn moment(&self) -> Moment {
        let mut notes = self.notes();
        notes.turns += 1;
        Moment { turn: notes.turns, revision: self.server.get().map_or(0, ApiServer::revision) }
    }

    /// The operator is started.
    pub fn starts(&self) {
        self.ends(Death::Killed);
        let life = Life { begun: self.moment(), ended: None };
        self.notes().lives.push(life);
    }

    /// The operator ends.
    pub fn ends(&self, how: Death) {
        let moment = self.moment();
        if let Some(life) = self.notes().lives.last_mut() {
            life.ended = life.ended.or(Some((moment, how)));
        }
    }

    /// A write is refused as invalid.
    pub fn refuses(&self, request: &Request) {
        let mut notes = self.notes();
        notes.turns += 1;
        let turn = notes.turns;
        notes.refused.push(Refused { turn, request: request.clone() });
    }

    /// Something happens in the story.
    pub fn step(&self, at: Timestamp, text: String) {
        self.notes().steps.push((at, text));
    }

    /// A handler is called. Where it doesn't say how that ended, it was interrupted.
    pub fn begin(&self, call: &Call) -> Open {
        let begun = self.moment();
        let mut notes = self.notes();
        let life = notes.lives.len().saturating_sub(1);
        notes.calls.push(Called {
            id: call.id.clone(),
            life,
            reason: call.reason,
            event: call.event,
            attempt: call.attempt,
            body: call.body.clone(),
            new: Arc::clone(&call.new),
            begun,
            ended: begun,
            ending: Ending::Interrupted,
        });
        Open { record: self.clone(), number: notes.calls.len() - 1, ending: Ending::Interrupted }
    }

    /// All calls, by their beginnings.
    pub fn calls(&self) -> Vec<Called> {
        self.notes().calls.clone()
    }

    /// The writes that were refused as invalid.
    pub fn refused(&self) -> Vec<Refused> {
        self.notes().refused.clone()
    }

    pub fn lives(&self) -> Vec<Life> {
        self.notes().lives.clone()
    }

    pub fn steps(&self) -> Vec<(Timestamp, String)> {
        self.notes().steps.clone()
    }
}

/// A call that goes on.
#[derive(Debug)]
pub struct Open {
    record: Record,
    number: usize,
    ending: Ending,
}

impl Open {
    pub fn end(mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let ended = self.record.moment();
        let ending = if thread::panicking() { Ending::Panicked } else { self.ending };
        if let Some(call) = self.record.notes().calls.get_mut(self.number) {
            (call.ended, call.ending) = (ended, ending);
        }
    }
}
