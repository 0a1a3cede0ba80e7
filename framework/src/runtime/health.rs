//! Health: what the operator's parts note of themselves, and what is answered to those that ask.
//!
//! Facts are noted where they happen, and judged by the core when somebody asks, by a thread of its own ([`server`]): so there
//! is an answer when all threads of the operator are blocked.

mod answer;
mod contact;
pub mod server;

pub use answer::{HealthAnswer, HealthSite, METRICS};
pub use contact::noting;

use super::{
    observe::{Observation, Phase, Sink},
    probes::Probes,
};
use crate::settings::Settings;
use futures::FutureExt;
use korf_core::health::{Facts, HealthLimits, LeaseFacts, Report, Stage, WatchFacts, WatchState, WriteFacts};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time};
use tokio_util::sync::CancellationToken;

/// The longest time between two beats of the loop.
const BEAT: Duration = Duration::from_secs(5);

/// What is known of one operator, shared by its parts.
#[derive(Clone)]
pub struct Health(Arc<Mutex<Known>>);

struct Known {
    stage: Stage,
    since: Instant,
    beat: Instant,
    stopping: CancellationToken,
    limits: HealthLimits,
    /// Known after the start-up, and as long as the operator lives.
    probes: Weak<Probes>,
    // Those of watches and kinds that are gone are removed when the next one comes.
    watches: Vec<Weak<Mutex<WatchFacts>>>,
    writes: Vec<Weak<Mutex<WriteFacts>>>,
    leases: LeaseFacts,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Known {
            stage: Stage::Starting,
            since: now(),
            beat: now(),
            stopping: CancellationToken::new(),
            limits: limits(&Settings::default()),
            probes: Weak::new(),
            watches: Vec::new(),
            writes: Vec::new(),
            leases: LeaseFacts::None,
        })))
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

impl Health {
    /// Takes in by which limits it is judged, and what tells the operator to stop.
    pub fn begin(&self, settings: &Settings, stopping: &CancellationToken) {
        let mut known = lock(&self.0);
        (known.limits, known.stopping) = (limits(settings), stopping.clone());
    }

    /// Takes in whom to ask for the answers of probes.
    pub fn set_probes(&self, probes: &Arc<Probes>) {
        lock(&self.0).probes = Arc::downgrade(probes);
    }

    fn known_probes(&self) -> Option<Arc<Probes>> {
        lock(&self.0).probes.upgrade()
    }

    /// Takes in that the loop turns. Returns for how long it may sleep now.
    pub fn beat(&self) -> Duration {
        let mut known = lock(&self.0);
        known.beat = now();
        (known.limits.turn / 4).min(BEAT)
    }

    /// A sink that takes in the phases of the operator's life.
    pub fn sink(&self) -> Sink {
        let health = self.clone();
        Arc::new(move |observation| {
            if let Observation::PhaseEntered(phase) = observation {
                health.enter(stage(*phase));
            }
        })
    }

    fn enter(&self, stage: Stage) {
        let mut known = lock(&self.0);
        if known.stage != stage {
            (known.stage, known.since) = (stage, now());
        }
    }

    /// A watch, or a kind that can't be watched yet; forgotten when it is dropped.
    pub fn watch(&self, kind: &str, namespace: Option<&str>) -> WatchHealth {
        let facts = Arc::new(Mutex::new(WatchFacts::new(kind, namespace, now())));
        register(&mut lock(&self.0).watches, &facts);
        WatchHealth { facts, opened: Arc::default() }
    }

    /// A watch that counts for nothing.
    pub fn aside(&self, kind: &str, namespace: Option<&str>) -> WatchHealth {
        let facts = Arc::new(Mutex::new(WatchFacts::new(kind, namespace, now())));
        WatchHealth { facts, opened: Arc::default() }
    }

    /// The writes of a kind; forgotten when they are dropped.
    pub fn writes(&self, kind: &str) -> WriteHealth {
        let facts = Arc::new(Mutex::new(WriteFacts::new(kind)));
        register(&mut lock(&self.0).writes, &facts);
        WriteHealth(facts)
    }

    /// The writes of a kind that count for nothing.
    pub fn writes_aside(&self, kind: &str) -> WriteHealth {
        WriteHealth(Arc::new(Mutex::new(WriteFacts::new(kind))))
    }

    /// Whether the operator is alive.
    pub fn live(&self) -> Report {
        let (facts, limits) = self.facts();
        facts.live(&limits, now())
    }

    /// Whether it is ready.
    pub fn ready(&self) -> Report {
        let (facts, limits) = self.facts();
        facts.ready(&limits, now())
    }

    /// Takes in that Leases can be had, or for how long they can't, and why.
    pub fn set_leases(&self, failing: Option<(Duration, String)>) {
        let since = |age| now().checked_sub(age).unwrap_or_else(now);
        lock(&self.0).leases =
            failing.map_or(LeaseFacts::Work, |(age, why)| LeaseFacts::Fail(since(age), why));
    }

    fn facts(&self) -> (Facts, HealthLimits) {
        let known = lock(&self.0);
        let facts = Facts {
            stage: known.stage,
            since: known.since,
            beat: known.beat,
            is_stopping: known.stopping.is_cancelled(),
            watches: all(&known.watches),
            writes: all(&known.writes),
            leases: known.leases.clone(),
        };
        (facts, known.limits)
    }
}

fn stage(phase: Phase) -> Stage {
    match phase {
        Phase::Starting => Stage::Starting,
        Phase::Listing => Stage::Listing,
        Phase::Serving => Stage::Serving,
        Phase::Draining | Phase::CleaningUp => Stage::Stopping,
    }
}

fn limits(settings: &Settings) -> HealthLimits {
    let again = settings.persistence.failed_delay.max(settings.persistence.rejected_delay);
    HealthLimits {
        turn: settings.health.turn_limit,
        contact: settings.health.contact_limit,
        silence: settings.watching.silence,
        patience: settings.health.patience,
        // It would have been tried again by then.
        memory: again * 2,
        grace: settings.stopping.grace,
    }
}

/// What a watch notes of itself.
#[derive(Clone, Debug)]
pub struct WatchHealth {
    facts: Arc<Mutex<WatchFacts>>,
    /// The API server has begun to answer a watch: there may be no event to tell so for long.
    opened: Arc<Notify>,
}

impl WatchHealth {
    /// The API server has answered, or sent something.
    pub fn in_contact(&self) {
        let mut facts = lock(&self.facts);
        (facts.contact, facts.sign) = (now(), now());
    }

    /// The API server has begun to answer it.
    pub fn opens(&self) {
        self.works();
        self.opened.notify_one();
    }

    /// Waits until the API server begins to answer it.
    pub async fn opened(&self) {
        self.opened.notified().await;
    }

    /// It works, as far as is known.
    pub fn works(&self) {
        lock(&self.facts).state = WatchState::Works;
    }

    /// A try has failed.
    pub fn fails(&self) {
        // What began before is over.
        let _ = self.opened().now_or_never();
        let mut facts = lock(&self.facts);
        facts.sign = now();
        if !matches!(facts.state, WatchState::Fails(_)) {
            facts.state = WatchState::Fails(now());
        }
    }

    /// The API server doesn't know the kind.
    pub fn waits(&self) {
        lock(&self.facts).state = WatchState::Waits;
    }

    /// It can't go on before the kind is discovered again, which has a health of its own.
    pub fn pauses(&self) {
        lock(&self.facts).is_paused = true;
    }

    /// It begins, or goes on.
    pub fn goes_on(&self) {
        let mut facts = lock(&self.facts);
        (facts.is_paused, facts.contact, facts.sign) = (false, now(), now());
    }

    /// Its objects are listed.
    pub fn listed(&self) {
        lock(&self.facts).is_listed = true;
    }
}

/// What the writes of a kind come to.
#[derive(Clone, Debug)]
pub struct WriteHealth(Arc<Mutex<WriteFacts>>);

impl WriteHealth {
    /// Takes in that the API server has dealt with a write, whatever it has said of its content, or that it has not.
    pub fn note(&self, is_done: bool) {
        lock(&self.0).note(is_done, now());
    }
}

fn register<T>(known: &mut Vec<Weak<Mutex<T>>>, facts: &Arc<Mutex<T>>) {
    known.retain(|facts| facts.strong_count() > 0);
    known.push(Arc::downgrade(facts));
}

fn all<T: Clone>(known: &[Weak<Mutex<T>>]) -> Vec<T> {
    known.iter().filter_map(Weak::upgrade).map(|facts| lock(&facts).clone()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By the clock that tests move.
fn now() -> Instant {
    time::Instant::now().into_std()
}
