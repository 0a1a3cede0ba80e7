//! Metrics: what an operator counts of itself, and the text that Prometheus reads.
//!
//! What happens often is counted where it happens, in numbers that no lock guards ([`KindMetrics`]); what happens seldom, by a
//! sink of observations. What there is, the objects and those that wait, the loop counts when somebody asks ([`Survey`]).

mod called;
mod histogram;
mod kind;
mod sink;
mod survey;
mod text;

pub use called::Called;
pub use kind::KindMetrics;
pub use survey::{Counts, KindCounts, Survey};
pub use text::Format;

use super::Sink;
use crate::runtime::health::Health;
use kind::OUTCOMES;
use korf_core::retry::Outcome;
use prometheus_client::registry::Registry;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicU64},
};

/// The title under which all kinds are counted that are only found, or watched for others: there may be any number of them.
const OTHERS: &str = "*";

/// The values of the label `change` of Leases.
const LEASE_CHANGES: [&str; 3] = ["taken", "handed_over", "lost"];

/// The metrics of one operator, shared by its parts.
#[derive(Clone)]
pub struct Metrics {
    own: Arc<Own>,
    /// Its own ones, and those that it was given.
    registry: Arc<Mutex<Registry>>,
}

/// The framework's own metrics.
struct Own {
    operator: String,
    version: OnceLock<String>,
    health: Health,
    /// By their titles: of those with handlers of their own.
    kinds: Mutex<BTreeMap<String, Arc<KindMetrics>>>,
    /// By activity and id, the number of each outcome.
    activities: Mutex<BTreeMap<(&'static str, String), [u64; OUTCOMES.len()]>>,
    events_dropped: AtomicU64,
    /// The shards whose Leases this replica holds.
    held: Mutex<BTreeSet<u16>>,
    lease_changes: [AtomicU64; LEASE_CHANGES.len()],
    survey: Survey,
    /// The answer to the newest question.
    counts: Mutex<Counts>,
}

impl Metrics {
    /// Those of an operator with this name.
    pub fn new(operator: &str, health: Health) -> Self {
        let own = Arc::new(Own {
            operator: operator.to_owned(),
            version: OnceLock::new(),
            health,
            kinds: Mutex::default(),
            activities: Mutex::default(),
            events_dropped: AtomicU64::new(0),
            held: Mutex::default(),
            lease_changes: Default::default(),
            survey: Survey::default(),
            counts: Mutex::default(),
        });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(&own)));
        Self { own, registry: Arc::new(Mutex::new(registry)) }
    }

    /// Takes in the version of the program.
    pub fn set_version(&self, version: &str) {
        let _ = self.own.version.set(version.to_owned());
    }

    /// Adds metrics of the operator's own.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut lock(&self.registry));
    }

    /// Those of a kind with handlers of its own: these, and what each is usually called for.
    pub fn kind(
        &self,
        title: &str,
        handlers: impl IntoIterator<Item = (String, Vec<Called>)>,
    ) -> Arc<KindMetrics> {
        let kind = Arc::new(KindMetrics::new(title, handlers));
        lock(&self.own.kinds).insert(title.to_owned(), Arc::clone(&kind));
        kind
    }

    /// Those of all other kinds together, for which these handlers are.
    pub fn set_others(&self, handlers: impl IntoIterator<Item = (String, Vec<Called>)>) {
        self.kind(OTHERS, handlers);
    }

    /// Those of all other kinds together.
    pub fn others(&self) -> Arc<KindMetrics> {
        self.own.of(OTHERS)
    }

    /// What the loop is asked.
    pub fn survey(&self) -> &Survey {
        &self.own.survey
    }

    /// A sink that counts what happens seldom.
    pub fn sink(&self) -> Sink {
        let own = Arc::clone(&self.own);
        Arc::new(move |observation| own.observe(observation))
    }

    /// All metrics as of now.
    pub async fn text(&self, format: Format) -> String {
        let counts = self.own.survey.ask().await;
        *lock(&self.own.counts) = counts;
        format.encode(&lock(&self.registry))
    }
}

/// The value of the label `outcome` of an attempt.
pub fn outcome_name(outcome: &Outcome) -> &'static str {
    OUTCOMES[kind::number(outcome)]
}

impl Own {
    /// The metrics of a kind.
    fn of(&self, title: &str) -> Arc<KindMetrics> {
        let mut kinds = lock(&self.kinds);
        if let Some(kind) = kinds.get(title) {
            return Arc::clone(kind);
        }
        let others = kinds.entry(OTHERS.to_owned());
        Arc::clone(others.or_insert_with(|| Arc::new(KindMetrics::new(OTHERS, []))))
    }

    fn activities(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String), [u64; OUTCOMES.len()]>> {
        lock(&self.activities)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.own.fmt(f)
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("operator", &self.operator).finish_non_exhaustive()
    }
}

/// The same metrics.
impl PartialEq for Metrics {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.own, &other.own)
    }
}

impl Eq for Metrics {}
