//! Entry of one object, while no worker has it.

use super::{
    backlog::Pending,
    config::KindNeeds,
    event::Source,
    outage::Blockings,
    turn::{Extent, Fingerprint, Job, WatchEventType},
};
use crate::{
    Uid,
    body::Body,
    cause::{Occasion, Resumption},
    version::{Newest, News, Trust},
};
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

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
    /// The watch has shown its deletion, or it is inferred.
    Gone,
    /// A worker has found it gone. Older events may still come.
    Buried,
}

/// One object.
#[derive(Debug)]
pub struct Entry {
    pub source: Source,
    name: Name,
    pub newest: Option<Newest>,
    pub doubt: Doubt,
    pub queued: bool,
    pub running: bool,
    /// It gets turns: its shard is served.
    pub ours: bool,
    /// The turn that is under way began before its shard was left, which is served again.
    pub outdated: bool,
    /// A turn has planned for its change handlers.
    pub planned: bool,
    /// A turn has stored the operator's state on it.
    pub stored: bool,
    /// The handlers that have finished last have failed permanently, one at least.
    pub failed: bool,
    /// It has another turn only because handlers wait for what takes its time.
    pub patient: bool,
    /// Its generation when it was handled completely; 0 if that isn't known.
    pub generation: i64,
    pub life: Life,
    /// Its deletion is inferred: it may come back.
    pub inferred: bool,
    /// Why it is resumed, until it was.
    pub resumption: Option<Resumption>,
    /// The time of its next turn has come.
    pub turn_due: bool,
    /// The time of its next tick has come.
    pub tick_due: bool,
    /// It is to have a whole turn after the one that is under way, whatever that one comes to.
    pub woken: bool,
    /// What event handlers are to be called for: the newest of what the watch has shown.
    pub event: Option<WatchEventType>,
    pub(super) rare: Option<Box<Rare>>,
}

/// A name and a namespace.
#[derive(Debug)]
struct Name {
    /// See [`full_name`]. Neither part has a slash in it.
    text: Box<str>,
}

/// What few objects have, so that the others are small.
#[derive(Debug, Default, PartialEq)]
pub struct Rare {
    /// The labels, where event handlers may ask for them when the object is gone.
    labels: Option<Value>,
    /// The last state that the watch has shown of one that is gone.
    last: Option<Body>,
    /// The newest state, for kinds whose bodies are retained.
    pub retained: Option<Body>,
    errors: usize,
    /// The last of these errors is that it could not be read.
    unread: bool,
    /// What was left of a wait that a change has ended.
    pub unslept: Option<Duration>,
    /// The essence when handlers began to wait.
    waiting: Option<Fingerprint>,
    /// What its handlers wait for.
    blocked: Blockings,
    /// The causes whose handlers are called though they aren't due.
    pub early: BTreeSet<Arc<str>>,
    /// The same, for the turn that is under way.
    calling: BTreeSet<Arc<str>>,
    /// Why it is resumed once more, after what it is resumed for now.
    next: Option<Resumption>,
    /// A trigger has come since its last turn began.
    prompt: bool,
    /// How many listings had begun when a worker found it gone.
    pub buried: u64,
    /// What the watch has shown of it in its last turn, after which it is a new one.
    pub back: Option<Body>,
    /// A trigger has come, and no turn has planned for its handlers since.
    prompted: bool,
}

/// `<namespace>/<name>`; without the first part where there is no namespace.
pub fn full_name<'a>(namespace: Option<&str>, name: &'a str) -> Cow<'a, str> {
    namespace.map_or(Cow::Borrowed(name), |namespace| format!("{namespace}/{name}").into())
}

impl Name {
    fn of(body: &Body) -> Self {
        Self { text: full_name(body.namespace(), body.name()).into() }
    }

    fn body(&self, uid: &Uid, labels: Option<&Value>) -> Body {
        let (namespace, name) = match self.text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, &*self.text),
        };
        let mut metadata = json!({"name": name, "namespace": namespace, "uid": uid.to_string()});
        if let Some(labels) = labels {
            metadata["labels"] = labels.clone();
        }
        json!({ "metadata": metadata }).into()
    }
}

impl Entry {
    /// An object that a watch shows for the first time.
    pub fn new(source: Source, body: &Body, listed: bool) -> Self {
        Self {
            source,
            name: Name::of(body),
            newest: None,
            doubt: Doubt::None,
            queued: false,
            running: false,
            ours: true,
            outdated: false,
            planned: false,
            stored: false,
            failed: false,
            patient: false,
            generation: 0,
            life: Life::There,
            inferred: false,
            resumption: listed.then_some(Resumption::Start),
            turn_due: false,
            tick_due: false,
            woken: false,
            event: None,
            rare: None,
        }
    }

    /// The same, if it gets turns, or if it doesn't.
    pub fn of(self, ours: bool) -> Self {
        Self { ours, ..self }
    }

    /// Its name and namespace: see [`full_name`].
    pub fn name(&self) -> &str {
        &self.name.text
    }

    /// Its name, namespace and uid; and its labels, where event handlers may ask for them when it is gone. The last state
    /// that the watch has shown of one that is gone.
    pub fn identity(&self, uid: &Uid) -> Body {
        let rare = self.rare.as_ref();
        match rare.and_then(|rare| rare.last.clone()) {
            Some(last) => last,
            None => self.name.body(uid, rare.and_then(|rare| rare.labels.as_ref())),
        }
    }

    /// What few objects have.
    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The number of turns in a row that the framework has failed over the object.
    pub fn errors(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.errors)
    }

    /// Whether the last of these errors is that it could not be read.
    pub fn is_unread(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.unread)
    }

    /// Takes in that a turn has failed; whether because the object could not be read.
    pub fn failed(&mut self, unread: bool) {
        let rare = self.rare();
        (rare.errors, rare.unread) = (rare.errors + 1, unread);
    }

    /// Takes in what its handlers wait for; returns what they have waited for before.
    pub fn block(&mut self, blocked: Blockings) -> Blockings {
        if blocked.is_empty() && self.rare.is_none() {
            return Blockings::new();
        }
        mem::replace(&mut self.rare().blocked, blocked)
    }

    /// Takes in whether the handlers that were to be called early have had their turn. Otherwise they still are to be.
    pub fn has_called(&mut self, called: bool) {
        if let Some(rare) = &mut self.rare {
            let mut calling = mem::take(&mut rare.calling);
            rare.prompted &= !called;
            if !called {
                rare.early.append(&mut calling);
            }
        }
    }

    /// The handlers that are to be called though they aren't due.
    fn early(&mut self) -> Vec<Arc<str>> {
        let Some(rare) = &mut self.rare else { return Vec::new() };
        rare.calling.append(&mut rare.early);
        let waiting = rare.blocked.iter().filter(|(_, blocked)| rare.calling.contains(&blocked.cause));
        waiting.map(|(id, _)| Arc::clone(id)).collect()
    }

    /// Retains a state, or none.
    pub fn retain(&mut self, body: Option<Body>) {
        if body.is_some() || self.rare.is_some() {
            self.rare().retained = body;
        }
    }

    /// Takes in a state that the watch shows; returns what is new about it.
    pub fn show(&mut self, body: &Body, needs: KindNeeds, trust: Trust, now: Instant) -> News {
        let news = self.weigh(body.version(), trust, now);
        let is_newest = self.is_newest(body);
        if needs.events && (is_newest || self.life != Life::There) {
            let labels = body.value()["metadata"].get("labels").cloned();
            if labels.is_some() || self.rare.is_some() {
                let rare = self.rare();
                (rare.labels, rare.last) = (labels, None);
            }
        }
        // Our own write may have released it, which leaves its version as it was: what is retained of that is newer.
        if needs.bodies && is_newest && !(body.is_deleting() && self.newest_retained().is_some()) {
            self.retain(Some(body.clone()));
        }
        self.life = Life::There;
        news
    }

    /// Whether a state has the newest version that is known.
    pub fn is_newest(&self, body: &Body) -> bool {
        self.newest.as_ref().is_some_and(|newest| newest.is(body.version()))
    }

    /// The object's turn, with what is pending.
    pub fn job(&mut self, uid: &Uid, pending: Option<Pending>) -> Job {
        (self.queued, self.running) = (false, true);
        let turn_due = mem::take(&mut self.turn_due);
        // Timers and daemons have seen our own writes: a state from before them is for event handlers alone.
        let older = matches!(&pending, Some(Pending::Echo(body)) if !self.is_newest(body));
        let tick = !older && mem::take(&mut self.tick_due);
        if let Some(Pending::Gone(last)) = &pending {
            // Event handlers may be called for it later.
            self.life = Life::Gone;
            self.rare().last = Some(last.clone());
        }
        let gone = self.life == Life::Gone;
        let resumes = self.is_resumed_next();
        let extent = match &pending {
            _ if !self.ours => Extent::Edits,
            Some(Pending::Echo(_)) => Extent::Partial,
            None if !turn_due && !gone && !resumes => Extent::Partial,
            _ => Extent::Whole,
        };
        // A retry may follow a conflict: what is retained is not the newest state then.
        let as_retained = !turn_due && (extent == Extent::Partial || !self.is_waiting());
        let prompt = extent == Extent::Whole && self.begin_resumption();
        self.woken &= extent == Extent::Partial;
        let (body, fetch, occasion) = match pending {
            Some(Pending::Body(state)) => match state.body() {
                Some(body) => (body, false, Occasion::Changed),
                None => (self.identity(uid), true, Occasion::Changed),
            },
            Some(Pending::Gone(body)) => (body, false, Occasion::Changed),
            Some(Pending::Echo(body)) => (body, false, Occasion::Again),
            Some(Pending::Fetch) => (self.identity(uid), true, Occasion::Changed),
            None if gone => (self.identity(uid), false, Occasion::Changed),
            None => match self.newest_retained().filter(|_| as_retained) {
                Some(body) => (body, false, Occasion::Again),
                None => (self.identity(uid), true, Occasion::Again),
            },
        };
        if self.doubt != Doubt::None {
            self.doubt = if fetch { Doubt::Settling } else { Doubt::Open };
        }
        Job {
            source: self.source,
            body,
            fetch,
            gone,
            occasion: if extent == Extent::Whole && !self.planned { Occasion::First } else { occasion },
            known: self.newest.clone(),
            resumption: self.resumption,
            prompt,
            stored: self.stored,
            generation: self.generation,
            event: self.event.take(),
            tick,
            extent,
            unslept: self.rare.as_mut().and_then(|rare| rare.unslept.take()),
            waiting: self.rare.as_ref().and_then(|rare| rare.waiting),
            early: self.early(),
            blocked: self.rare.as_ref().map(|rare| rare.blocked.clone()).unwrap_or_default(),
            errors: self.errors(),
        }
    }

    /// Whether its handlers may wait for a retry.
    fn is_waiting(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.errors > 0 || rare.waiting.is_some())
    }

    /// Takes in that the object is to be resumed once more.
    pub fn resume(&mut self, why: Resumption) {
        let covered = self.awaits_start();
        let rare = self.rare();
        rare.prompt |= why == Resumption::Trigger;
        if !covered {
            rare.next = rare.next.into_iter().chain([why]).min();
        }
    }

    /// Whether it is to be resumed in its next turn, for what has come since the last one began.
    pub fn is_resumed_next(&self) -> bool {
        let next = self.rare.as_ref().filter(|rare| rare.next.is_some());
        next.is_some_and(|rare| rare.prompt || self.resumption.is_none())
    }

    /// Whether a trigger has come since its last turn began.
    pub fn is_prompt(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.prompt)
    }

    /// Begins with the next resumption, unless one is under way; returns whether a trigger has come for which no turn has
    /// planned.
    fn begin_resumption(&mut self) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        if self.resumption.is_none() {
            self.resumption = rare.next.take();
        }
        rare.prompted |= mem::take(&mut rare.prompt);
        rare.prompted
    }

    /// The retained state, if it is the newest one known.
    pub fn newest_retained(&self) -> Option<Body> {
        let newest = self.newest.as_ref().filter(|_| self.doubt == Doubt::None)?;
        self.rare.as_ref()?.retained.clone().filter(|body| newest.is(body.version()))
    }

    /// Takes in that a turn has ended as it should.
    pub fn rest(&mut self, resumed: bool, planned: bool, waiting: Option<Fingerprint>) {
        self.life = Life::There;
        self.planned |= planned;
        self.resumption = self.resumption.filter(|_| !resumed);
        if waiting.is_some() || self.rare.is_some() {
            let rare = self.rare();
            (rare.errors, rare.unread, rare.waiting) = (0, false, waiting);
            self.rare.take_if(|rare| **rare == Rare::default());
        }
    }

    /// What is new about a version that the watch shows.
    fn weigh(&mut self, version: &str, trust: Trust, now: Instant) -> News {
        if self.doubt != Doubt::None {
            return News::Doubtful;
        }
        let news = self.newest.get_or_insert_with(|| Newest::none(now)).weigh(version, trust, now);
        match news {
            News::Newer => self.newest = Some(Newest::seen(version, now)),
            News::Doubtful => self.doubt = Doubt::Open,
            News::None => {}
        }
        news
    }

    /// Takes in the newest version that a worker knows. Returns whether it covers what the watch has shown meanwhile; none
    /// where the two can't be compared.
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
