//! What is known of one object while nobody is at it.

use super::{Fingerprint, Job, Source, backlog::Pending};
use crate::{
    core::{body::Body, cycle::Look, version::Newest},
    handler::{EventType, TypeMap},
};
use serde_json::json;

/// What is known of one object.
#[derive(Debug)]
pub struct Entry {
    pub source: Source,
    /// Its name, namespace and uid.
    pub identity: Body,
    pub newest: Option<Newest>,
    pub queued: bool,
    pub running: bool,
    pub looked_at: bool,
    /// The object is gone; older news of it are no news.
    pub dead: bool,
    pub errors: usize,
    pub initial: bool,
    pub event: Option<EventType>,
    pub waiting: Option<Fingerprint>,
    pub silent: Option<String>,
    pub memo: TypeMap,
}

impl Entry {
    /// An object that a watch shows for the first time.
    pub fn new(source: Source, body: &Body, listed: bool) -> Self {
        let identity = json!({"metadata": {
            "name": body.name(), "namespace": body.namespace(), "uid": body.uid(),
        }});
        Self {
            source,
            identity: identity.into(),
            newest: None,
            queued: false,
            running: false,
            looked_at: false,
            dead: false,
            errors: 0,
            initial: listed,
            event: None,
            waiting: None,
            silent: None,
            memo: TypeMap::default(),
        }
    }

    /// The object's turn, at what is to be looked at.
    pub fn job(&mut self, pending: Option<Pending>) -> Job {
        (self.queued, self.running) = (false, true);
        self.dead |= matches!(pending, Some(Pending::Gone(_)));
        let echo = matches!(pending, Some(Pending::Echo(_)));
        let (body, fetch, look) = match pending {
            Some(Pending::Body(body) | Pending::Gone(body)) => (body, false, Look::Changed),
            Some(Pending::Echo(body)) => (body, false, Look::Again),
            Some(Pending::Fetch) => (self.identity.clone(), true, Look::Changed),
            None => (self.identity.clone(), true, Look::Again),
        };
        let first = !echo && !std::mem::replace(&mut self.looked_at, true);
        Job {
            source: self.source,
            body,
            fetch,
            gone: self.dead,
            look: if first { Look::First } else { look },
            known: self.newest.clone(),
            initial: self.initial,
            event: self.event.take(),
            echo,
            waiting: self.waiting,
            memo: self.memo.clone(),
            errors: self.errors,
        }
    }

    /// Takes note of the newest version that a worker knows. Returns whether it covers what the watch has shown
    /// meanwhile; none where the two can't be compared.
    pub fn catch_up(&mut self, newest: Newest) -> Option<bool> {
        let covered = self.newest.as_ref().map_or(Some(true), |seen| newest.covers(seen));
        if covered != Some(false) {
            self.newest = Some(newest);
        }
        covered
    }
}
