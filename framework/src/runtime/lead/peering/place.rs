//! Place: one peering object, with what the operator knows of its peers, and its own record in it.

use super::{
    super::Moment,
    object::{PeeringObject, State},
};
use crate::{
    runtime::{
        backoff::WatchBackoff,
        clock,
        kind::OperatorContext,
        observe::{Observation, PeeringNews},
        watch::server_timeout,
        write::explain,
    },
    settings::Settings,
};
use futures::{Stream, StreamExt};
use korf_core::peering::{Look, Me, Peers, Record, Role, Working};
use kube::runtime::{
    WatchStreamExt,
    watcher::{Config, watcher},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// The least time between two tries after one that was in vain.
const PAUSE: Duration = Duration::from_secs(1);

/// Why the operator's own record isn't there though it was written.
const NOT_KEPT: &str =
    "the operator's record isn't kept: the schema of the CRD drops it, or somebody removes it each time";

const NO_ANSWER: &str = "the API server doesn't answer in time";

/// What the API server says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It hasn't been asked, or can't tell.
    Unknown,
    /// There is none.
    Missing,
    /// The operator has no right to it, and never had.
    Denied,
    /// It is there.
    There,
}

/// One peering object.
pub struct Place {
    object: PeeringObject,
    pub presence: Presence,
    pub peers: Peers,
    /// What the operator's own record says: whether it is at work. None if it isn't there.
    written: Option<bool>,
    /// When it is to be written again.
    renewal: Moment,
    /// Nothing is tried before that.
    rest: Moment,
    /// The version that was seen last.
    version: Option<String>,
    /// Dead records stay for now: others have changed the object when they were to be removed.
    keeps_dead: bool,
    /// Why the last request has failed.
    failing: Option<String>,
    /// It may have changed.
    changed: Arc<AtomicBool>,
    _watch: AbortOnDropHandle<()>,
}

/// What an operator's records are to say.
#[derive(Clone, Copy, Debug)]
pub struct Intent<'a> {
    pub me: &'a Me,
    pub at_work: bool,
    /// It has its number: its records can be written.
    pub joined: bool,
    /// Answers are waited for until then.
    pub until: Instant,
}

impl Place {
    /// Begins to watch it. Each change rings.
    pub fn new(object: PeeringObject, settings: &Settings, bell: &Arc<Notify>) -> Self {
        let changed = Arc::new(AtomicBool::new(true));
        let config = Config::default().fields(&object.selector()).timeout(server_timeout(settings));
        let events =
            watcher(object.api(), config).backoff(WatchBackoff::up_to(settings.watching.retry_delay));
        let ringing = ring(events.boxed(), Arc::clone(&changed), Arc::clone(bell));
        let watch = AbortOnDropHandle::new(tokio::spawn(ringing.in_current_span()));
        Self {
            object,
            presence: Presence::Unknown,
            peers: Peers::default(),
            written: None,
            renewal: Moment::EVER,
            rest: Moment::EVER,
            version: None,
            keeps_dead: false,
            failing: None,
            changed,
            _watch: watch,
        }
    }

    /// For people.
    pub fn title(&self) -> &str {
        &self.object.title
    }

    /// Whether it is asked in vain.
    pub fn failing(&self) -> Option<&str> {
        self.failing.as_deref()
    }

    /// Whether the operator's record says this.
    pub fn says(&self, at_work: bool) -> bool {
        self.written == Some(at_work)
    }

    fn is_to_be_written(&self, intent: &Intent<'_>, now: Moment) -> bool {
        let is_due = !self.says(intent.at_work) || self.renewal <= now;
        intent.joined && self.presence == Presence::There && is_due
    }

    /// It is to be asked, whatever is known.
    pub fn ring(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    /// Whether it is to be asked now.
    pub fn is_due(&self, intent: &Intent<'_>, patience: Duration) -> bool {
        let now = Moment::now();
        if now < self.rest {
            return false;
        }
        let since = now.since_ever();
        let is_over = self.peers.next(intent.me, since, patience).is_some_and(|next| next <= since);
        self.changed.load(Ordering::Relaxed) || is_over || self.is_to_be_written(intent, now)
    }

    /// Asks for it, or writes the operator's own record, and takes in the answer.
    pub async fn look(&mut self, intent: Intent<'_>, operator: &OperatorContext) {
        self.changed.store(false, Ordering::Relaxed);
        let was_failing = self.failing.is_some();
        let sent = Moment::now();
        let patch = self.is_to_be_written(&intent, sent).then(|| self.announcement(&intent));
        let asked = async {
            match &patch {
                Some(patch) => self.object.write(patch).await,
                None => self.object.read().await,
            }
        };
        match timeout_at(intent.until, asked).await {
            Ok(Ok(state)) => self.take_in(&state, &intent, sent, patch.is_some()),
            Ok(Err(error)) => self.fail(&error, operator),
            Err(_) => self.fail_by(NO_ANSWER.to_owned(), operator),
        }
        if patch.is_some()
            && self.presence == Presence::There
            && self.failing.is_none()
            && !self.peers.has_own()
        {
            self.fail_by(NOT_KEPT.to_owned(), operator);
        }
        if was_failing && self.failing.is_none() {
            operator.observer.observe(Observation::Peering(PeeringNews::Works { peering: self.title() }));
        }
    }

    /// The patch that writes the operator's own record, and removes dead ones, unless the object has changed since.
    fn announcement(&self, intent: &Intent<'_>) -> Value {
        let Me { identity, priority, lifetime, replica_of, order } = intent.me.clone();
        let working = Working { order, at_work: intent.at_work, replica_of };
        let record = Record { priority, lifetime, seen: Some(clock::now()), role: Role::Operator(working) };
        let mut patch = json!({"status": {identity: record.to_json()}});
        if let Some(version) = self.version.as_ref().filter(|_| !self.keeps_dead) {
            let mut any = false;
            for dead in self.peers.dead() {
                patch["status"][dead] = Value::Null;
                any = true;
            }
            if any {
                patch["metadata"] = json!({"resourceVersion": version});
            }
        }
        patch
    }

    fn take_in(&mut self, state: &State, intent: &Intent<'_>, sent: Moment, wrote: bool) {
        let (me, now) = (intent.me, Moment::now());
        let look = Look {
            status: &state.status,
            sent: sent.since_ever(),
            received: now.since_ever(),
            wall: clock::now(),
        };
        self.peers.see(&me.identity, look);
        (self.presence, self.failing, self.version) = (Presence::There, None, state.version.clone());
        if wrote {
            self.peers.renew(sent.since_ever());
            (self.written, self.keeps_dead) = (Some(intent.at_work), false);
            self.renewal = sent + me.lifetime.mul_f64(0.4 + fastrand::f64() / 10.0);
        }
        if !self.peers.has_own() {
            // Others may take it away each time.
            if self.written.take().is_some() {
                self.rest = now + PAUSE;
            }
        }
    }

    fn fail(&mut self, error: &kube::Error, operator: &OperatorContext) {
        match error {
            kube::Error::Api(status) if status.code == 404 => {
                self.peers.forget();
                (self.presence, self.written, self.failing) = (Presence::Missing, None, None);
            }
            kube::Error::Api(status) if status.code == 409 => {
                self.keeps_dead = true;
                self.changed.store(true, Ordering::Relaxed);
            }
            kube::Error::Api(status) if status.code == 403 && self.presence != Presence::There => {
                self.presence = Presence::Denied;
                self.fail_by(explain(error), operator);
                self.rest = Moment::now() + operator.settings.peering.lifetime;
            }
            error => self.fail_by(explain(error), operator),
        }
    }

    fn fail_by(&mut self, why: String, operator: &OperatorContext) {
        self.changed.store(true, Ordering::Relaxed);
        self.rest = Moment::now() + PAUSE;
        let known = self.failing.as_ref() == Some(&why);
        let news = PeeringNews::Failed { peering: &self.object.title, why: &why, known };
        operator.observer.observe(Observation::Peering(news));
        self.failing = Some(why);
    }

    /// Removes the operator's own record.
    ///
    /// # Errors
    /// Why it can't be removed, for people.
    pub async fn leave(&self, me: &Me, settings: &Settings) -> Result<(), String> {
        if self.written.is_none() && !self.peers.has_own() {
            return Ok(());
        }
        let (limit, patch) = (limit(me, settings), json!({"status": {&*me.identity: null}}));
        match timeout(limit, self.object.write(&patch)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(()),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err(NO_ANSWER.to_owned()),
        }
    }
}

/// The longest time for requests: so short that an operator whose requests hang pauses before its record is over for others.
pub fn limit(me: &Me, settings: &Settings) -> Duration {
    settings.requests.timeout.min(me.lifetime / 6)
}

/// Rings whenever the object may have changed. What it is like is asked for: an answer is newer than its question, and what a watch
/// shows may be old.
async fn ring(mut events: impl Stream + Unpin, changed: Arc<AtomicBool>, bell: Arc<Notify>) {
    while events.next().await.is_some() {
        changed.store(true, Ordering::Relaxed);
        bell.notify_one();
    }
}
