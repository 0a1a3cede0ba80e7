//! Metrics of the database: transactions, their statements, their waits for locks, and the pool.

use crate::{
    error::{DatabaseError, TableError},
    plan::DriftKind,
    pool::Pools,
    sqlstate::{ErrorClass, LOCK_TIMEOUT},
};
use korf::metrics::prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{fmt, time::Duration};
use tokio::time::Instant;

/// In seconds: from one wait for the database to the limit of a transaction.
const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0, 120.0];

type Label = [(&'static str, &'static str); 1];

/// What is counted. Its clones are the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    transactions: Family<Label, Counter>,
    transaction_seconds: Histogram,
    statements: Family<Label, Counter>,
    lock_seconds: Histogram,
    lock_timeouts: Counter,
    pool_seconds: Histogram,
    pool_timeouts: Counter,
    connects: Family<Label, Counter>,
    watched: Gauge,
    drifted: Family<Label, Counter>,
    looks: Family<Label, Counter>,
    look_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let [transaction_seconds, lock_seconds, pool_seconds, look_seconds] =
            [(); 4].map(|()| Histogram::new(BOUNDS));
        let metrics = Self {
            transactions: Family::default(),
            transaction_seconds,
            statements: Family::default(),
            lock_seconds,
            lock_timeouts: Counter::default(),
            pool_seconds,
            pool_timeouts: Counter::default(),
            connects: Family::default(),
            watched: Gauge::default(),
            drifted: Family::default(),
            looks: Family::default(),
            look_seconds,
        };
        // What hasn't happened yet is there, as 0.
        for outcome in ["succeeded", "temporary", "environment", "permanent"] {
            drop(metrics.transactions.get_or_create(&[("outcome", outcome)]));
        }
        for statement in ["create", "alter", "comment", "drop"] {
            drop(metrics.statements.get_or_create(&[("statement", statement)]));
        }
        for outcome in ["succeeded", "failed"] {
            drop(metrics.connects.get_or_create(&[("outcome", outcome)]));
        }
        for outcome in ["succeeded", "failed"] {
            drop(metrics.looks.get_or_create(&[("outcome", outcome)]));
        }
        for kind in DriftKind::ALL {
            drop(metrics.drifted.get_or_create(&[("kind", kind.as_str())]));
        }
        metrics
    }
}

impl Metrics {
    /// Takes in how a transaction has ended.
    pub(crate) fn note_transaction(&self, error: Option<&TableError>, took: Duration) {
        let outcome = match error.map(TableError::class) {
            None => "succeeded",
            Some(ErrorClass::Temporary) => "temporary",
            Some(ErrorClass::Environment) => "environment",
            Some(ErrorClass::Permanent) => "permanent",
        };
        self.transactions.get_or_create(&[("outcome", outcome)]).inc();
        self.transaction_seconds.observe(took.as_secs_f64());
        if let Some(TableError::Database(DatabaseError { code: Some(code), .. })) = error
            && code == LOCK_TIMEOUT
        {
            self.lock_timeouts.inc();
        }
    }

    /// Takes in statements that change a table.
    pub(crate) fn note_statements<'a>(&self, statements: impl IntoIterator<Item = &'a str>) {
        for statement in statements {
            let name = match statement.split_once(' ').map(|(word, _)| word) {
                Some("CREATE") => "create",
                Some("ALTER") => "alter",
                Some("COMMENT") => "comment",
                Some("DROP") => "drop",
                _ => "other",
            };
            self.statements.get_or_create(&[("statement", name)]).inc();
        }
    }

    /// Waits for a lock.
    pub(crate) async fn locked<T>(&self, lock: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let locked = lock.await;
        self.lock_seconds.observe(begun.elapsed().as_secs_f64());
        locked
    }

    /// Takes in how long it took to get a connection of the pool; whether none became free in time.
    pub(crate) fn note_pool(&self, took: Duration, is_busy: bool) {
        self.pool_seconds.observe(took.as_secs_f64());
        self.pool_timeouts.inc_by(is_busy.into());
    }

    /// Takes in how many tables are looked at.
    pub(crate) fn note_watched(&self, tables: usize) {
        self.watched.set(i64::try_from(tables).unwrap_or(i64::MAX));
    }

    /// Takes in that somebody has changed a table.
    pub(crate) fn note_drift(&self, kind: DriftKind) {
        self.drifted.get_or_create(&[("kind", kind.as_str())]).inc();
    }

    /// Takes in a look at all tables of a database.
    pub(crate) fn note_look(&self, succeeded: bool, took: Duration) {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        self.looks.get_or_create(&[("outcome", outcome)]).inc();
        self.look_seconds.observe(took.as_secs_f64());
    }

    /// Takes in an attempt to connect.
    pub(crate) fn note_connect(&self, succeeded: bool) {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        self.connects.get_or_create(&[("outcome", outcome)]).inc();
    }
}

/// Registers what is counted of all pools and their transactions.
pub fn register(registry: &mut Registry, pools: &Pools) {
    let metrics = pools.metrics();
    let registry = registry.sub_registry_with_prefix("table_operator");
    let transactions = "Transactions that have ended, by what an error of one waits for";
    registry.register("transactions", transactions, metrics.transactions.clone());
    let statements = "Statements that change a table";
    registry.register("statements", statements, metrics.statements.clone());
    let timeouts = "Transactions that did not get a lock in time";
    registry.register("lock_timeouts", timeouts, metrics.lock_timeouts.clone());
    let timeouts = "Transactions for which no connection of the pool became free in time";
    registry.register("pool_timeouts", timeouts, metrics.pool_timeouts.clone());
    registry.register("connects", "Attempts to connect to the database", metrics.connects.clone());
    registry.register("watched_tables", "Tables that are looked at for drift", metrics.watched.clone());
    let drifted = "Tables that somebody has changed, by what was found first";
    registry.register("drifted_tables", drifted, metrics.drifted.clone());
    registry.register("drift_looks", "Looks at all tables of a database", metrics.looks.clone());
    for (name, help, seconds) in [
        ("drift_look_duration", "How long a look at all tables of a database takes", &metrics.look_seconds),
        ("transaction_duration", "How long transactions take", &metrics.transaction_seconds),
        (
            "lock_wait",
            "How long the answers to locks take: one round trip, where nobody else has it",
            &metrics.lock_seconds,
        ),
        ("pool_wait", "How long it takes to get a connection of the pool", &metrics.pool_seconds),
    ] {
        registry.register_with_unit(name, help, Unit::Seconds, seconds.clone());
    }
    registry.register_collector(Box::new(pools.clone()));
}

/// The connections that there are.
impl Collector for Pools {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.counts();
        let help = "The connections of all pools";
        let mut connections = encoder.encode_descriptor("pool_connections", help, None, MetricType::Gauge)?;
        for (state, count) in [("idle", counts.idle), ("used", counts.used)] {
            connections.encode_family(&[("state", state)])?.encode_gauge(&count)?;
        }
        let help = "The connections that there may be, as far as the servers admit them";
        encoder.encode_descriptor("pool_limit", help, None, MetricType::Gauge)?.encode_gauge(&counts.limit)
    }
}
