//! What is known of one object while nobody is at it.

use super::{Fingerprint, Job, Source, Told, backlog::Pending, raw::Raw};
use crate::{
    core::{
        body::Body,
        cycle::Look,
        version::{Newest, News},
    },
    handler::TypeMap,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Whether the newest version that is known is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is.
    None,
    /// The watch has shown an older one though this one was known for long: the object is to be read.
    Open,
    /// A worker reads it.
    Settling,
}

/// Whether an object is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is.
    There,
    /// The watch says that it is gone. A narrow watch may show it again.
    Gone,
    /// A worker has found it gone. Older events may still be on their way.
    Buried,
}

/// What is known of one object.
#[derive(Debug)]
pub struct Entry {
    pub source: Source,
    /// Its name, namespace and uid; and its labels, where handlers of raw events may ask for them when it is gone. The last
    /// that the watch has shown of one that is gone.
    pub identity: Body,
    pub newest: Option<Newest>,
    pub doubt: Doubt,
    pub queued: bool,
    pub running: bool,
    /// A worker has looked at it to the end.
    pub looked_at: bool,
    pub life: Life,
    /// A narrow watch has shown it again since its last turn began, in which it was gone.
    pub is_back: bool,
    pub errors: usize,
    /// The last of these errors is that it could not be read.
    pub unread: bool,
    pub initial: bool,
    /// How much was left of a wait that a change has ended.
    pub unslept: Option<Duration>,
    /// What handlers of raw events are to be told.
    pub raw: Raw,
    pub waiting: Option<Fingerprint>,
    pub memo: TypeMap,
}

impl Entry {
    /// An object that a watch shows for the first time.
    pub fn new(source: Source, body: &Body, listed: bool) -> Self {
        Self {
            source,
            identity: identity(body, None),
            newest: None,
            doubt: Doubt::None,
            queued: false,
            running: false,
            looked_at: false,
            life: Life::There,
            is_back: false,
            errors: 0,
            unread: false,
            initial: listed,
            unslept: None,
            raw: Raw::default(),
            waiting: None,
            memo: TypeMap::default(),
        }
    }

    /// Takes in what the watch shows of it, for handlers of raw events too; what that tells.
    pub fn show(&mut self, body: &Body, spied: bool, now: Instant) -> News {
        let news = self.weigh(body.version(), now);
        if spied {
            self.keep_labels(body);
        }
        self.is_back |= self.life == Life::Gone;
        self.life = Life::There;
        news
    }

    /// Keeps the labels of an object that is there, unless newer ones are known.
    fn keep_labels(&mut self, body: &Body) {
        let is_newest = self.newest.as_ref().is_some_and(|newest| newest.is(body.version()));
        if is_newest || self.life != Life::There {
            self.identity = identity(body, body.value()["metadata"].get("labels"));
        }
    }

    /// The object's turn, at what is to be looked at.
    pub fn job(&mut self, pending: Option<Pending>) -> Job {
        (self.queued, self.running, self.is_back) = (false, true, false);
        if let Some(Pending::Gone(last)) = &pending {
            // It may be told later.
            (self.life, self.identity) = (Life::Gone, last.clone());
        }
        let echo = matches!(pending, Some(Pending::Echo(_)));
        let (body, fetch, look) = match pending {
            Some(Pending::Body(body) | Pending::Gone(body)) => (body, false, Look::Changed),
            Some(Pending::Echo(body)) => (body, false, Look::Again),
            Some(Pending::Fetch) => (self.identity.clone(), true, Look::Changed),
            None if self.life == Life::Gone => (self.identity.clone(), false, Look::Changed),
            None => (self.identity.clone(), true, Look::Again),
        };
        if self.doubt != Doubt::None {
            self.doubt = if fetch { Doubt::Settling } else { Doubt::Open };
        }
        Job {
            source: self.source,
            body,
            fetch,
            gone: self.life != Life::There,
            look: if !echo && !self.looked_at { Look::First } else { look },
            known: self.newest.clone(),
            initial: self.initial,
            event: self.raw.take(),
            echo,
            unslept: self.unslept.take(),
            waiting: self.waiting,
            memo: self.memo.clone(),
            errors: self.errors,
        }
    }

    /// Takes in that a worker is done with it, and what that means for handlers of raw events.
    pub fn end_turn(&mut self, report: Told) {
        self.running = false;
        self.raw.silence(report.silent);
        if let Some(untold) = report.untold {
            self.raw.put_back(untold);
        }
    }

    /// Takes in that a worker has looked at it to the end.
    pub fn rest(&mut self, settled: bool, planned: bool, waiting: Option<Fingerprint>) {
        (self.errors, self.life) = (0, Life::There);
        self.looked_at |= planned;
        self.initial &= !settled;
        self.waiting = waiting;
    }

    /// What a version tells that the watch shows.
    fn weigh(&mut self, version: &str, now: Instant) -> News {
        if self.doubt != Doubt::None {
            return News::Doubtful;
        }
        let news = self.newest.get_or_insert_with(|| Newest::none(now)).weigh(version, now);
        match news {
            News::Newer => self.newest = Some(Newest::seen(version, now)),
            News::Doubtful => self.doubt = Doubt::Open,
            News::None => {}
        }
        news
    }

    /// Takes note of the newest version that a worker knows. Returns whether it covers what the watch has shown
    /// meanwhile; none where the two can't be compared.
    pub fn catch_up(&mut self, newest: Newest) -> Option<bool> {
        match self.doubt {
            Doubt::None => {}
            Doubt::Open => return None,
            Doubt::Settling => {
                (self.newest, self.doubt) = (Some(newest), Doubt::None);
                return None;
            }
        }
        let covered = self.newest.as_ref().map_or(Some(true), |seen| newest.covers(seen));
        if covered != Some(false) {
            self.newest = Some(newest);
        }
        covered
    }
}

fn identity(body: &Body, labels: Option<&Value>) -> Body {
    let mut metadata = json!({"name": body.name(), "namespace": body.namespace(), "uid": body.uid()});
    if let Some(labels) = labels {
        metadata["labels"] = labels.clone();
    }
    json!({ "metadata": metadata }).into()
}
