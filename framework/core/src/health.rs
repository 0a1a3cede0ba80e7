//! Health: whether an operator is alive and ready, from what its parts have noted.
//!
//! Alive means that nothing is wrong that a restart could help against. Ready means that what happens in the cluster is handled.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// The most names in one line.
const MOST_NAMED: usize = 3;

/// What is known of a running operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The stage of its life.
    pub stage: Stage,
    /// When it came to that stage.
    pub since: Instant,
    /// When its loop has turned last.
    pub beat: Instant,
    /// It was told to stop.
    pub is_stopping: bool,
    /// Its watches, and the kinds that it asks the API server about before it can watch them.
    pub watches: Vec<WatchFacts>,
    /// The writes of each kind.
    pub writes: Vec<WriteFacts>,
    /// Its Leases.
    pub leases: LeaseFacts,
}

/// What is known of the Leases by which replicas agree on who works. A replica that stands by is as ready as one that works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LeaseFacts {
    /// It has none.
    #[default]
    None,
    /// They can be had.
    Work,
    /// Requests for them have failed since then, with this as the reason.
    Fail(Instant, String),
}

/// A stage of an operator's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It logs in and prepares.
    Starting,
    /// Its kinds are being listed for the first time.
    Listing,
    /// All kinds are listed.
    Serving,
    /// It ends what it has begun.
    Stopping,
}

/// What is known of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchFacts {
    /// The kind, as kubectl takes it.
    pub kind: Arc<str>,
    /// The namespace; none where the whole cluster is watched.
    pub namespace: Option<Arc<str>>,
    /// When the API server has last answered, or sent something.
    pub contact: Instant,
    /// When anything was last heard of it: contact, or that a try has failed.
    pub sign: Instant,
    /// Its state.
    pub state: WatchState,
    /// Its objects were listed at least once.
    pub is_listed: bool,
    /// It can't go on before the kind is discovered again: nobody sends it anything.
    pub is_paused: bool,
}

impl WatchFacts {
    /// A watch that begins now.
    pub fn new(kind: &str, namespace: Option<&str>, now: Instant) -> Self {
        Self {
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            contact: now,
            sign: now,
            state: WatchState::Works,
            is_listed: false,
            is_paused: false,
        }
    }
}

impl fmt::Display for WatchFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            None => f.write_str(&self.kind),
            Some(namespace) => write!(f, "{} in namespace {namespace:?}", self.kind),
        }
    }
}

/// The state of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchState {
    /// As far as is known, it works.
    Works,
    /// Each try to open it has failed since then.
    Fails(Instant),
    /// The API server doesn't know the kind: its CRD is missing.
    Waits,
}

/// What is known of the writes of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFacts {
    /// The kind, as kubectl takes it.
    pub kind: Arc<str>,
    /// The writes that have failed since the last one that the API server has dealt with.
    pub failed: Option<FailedWrites>,
}

impl WriteFacts {
    /// Those of a kind of which nothing was written.
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.into(), failed: None }
    }

    /// Takes in that the API server has dealt with a write, or that it has not.
    pub fn note(&mut self, is_done: bool, now: Instant) {
        self.failed = match self.failed {
            _ if is_done => None,
            Some(failed) => Some(FailedWrites { last: now, ..failed }),
            None => Some(FailedWrites { first: now, last: now }),
        };
    }
}

/// Writes that have failed, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedWrites {
    /// When the first of them has failed.
    pub first: Instant,
    /// When the last of them has failed.
    pub last: Instant,
}

/// How long what is wrong may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthLimits {
    /// The longest turn of the loop.
    pub turn: Duration,
    /// The longest time without contact to the API server that a restart isn't tried against.
    pub contact: Duration,
    /// The longest silence of a watch that works.
    pub silence: Duration,
    /// How long a watch, or all writes of a kind, may fail.
    pub patience: Duration,
    /// A failed write says nothing any more after this time.
    pub memory: Duration,
    /// The time that the operator has to stop.
    pub grace: Duration,
}

/// One of the things that were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name, which stays the same.
    pub name: &'static str,
    /// What is wrong, in one line.
    pub problem: Option<String>,
}

/// A judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was asked for: `livez`, `readyz`.
    pub name: &'static str,
    /// All that was looked at.
    pub checks: Vec<Check>,
}

impl Report {
    fn new<const N: usize>(name: &'static str, checks: [(&'static str, Option<String>); N]) -> Self {
        Self { name, checks: checks.map(|(name, problem)| Check { name, problem }).into() }
    }

    /// The same with another check, if that was looked at.
    fn with(mut self, name: &'static str, problem: Option<Option<String>>) -> Self {
        self.checks.extend(problem.map(|problem| Check { name, problem }));
        self
    }

    /// Whether nothing is wrong.
    pub fn has_passed(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_none())
    }

    /// The report as the API server writes its own: `ok`, or what is wrong, one line each; verbose, all that was looked at.
    pub fn text(&self, is_verbose: bool) -> String {
        let passed = self.has_passed();
        if passed && !is_verbose {
            return "ok".to_owned();
        }
        let lines = self.checks.iter().filter_map(|Check { name, problem }| match problem {
            Some(problem) => Some(format!("[-]{name} failed: {problem}\n")),
            None => is_verbose.then(|| format!("[+]{name} ok\n")),
        });
        let end = format!("{} check {}\n", self.name, if passed { "passed" } else { "failed" });
        lines.chain(is_verbose.then_some(end)).collect()
    }
}

impl Facts {
    /// Whether it is alive.
    pub fn live(&self, limits: &HealthLimits, now: Instant) -> Report {
        Report::new("livez", [("loop", self.stuck(limits, now)), ("watches", self.lost(limits, now))])
    }

    /// Whether it is ready.
    pub fn ready(&self, limits: &HealthLimits, now: Instant) -> Report {
        let starting = self.stage == Stage::Starting;
        Report::new(
            "readyz",
            [
                ("start-up", starting.then(|| "the operator starts".to_owned())),
                ("listed", self.unlisted()),
                ("loop", self.stuck(limits, now)),
                ("watches", self.failing_watches(limits, now)),
                ("writes", self.failing_writes(limits, now)),
                ("shutdown", self.is_stopping.then(|| "the operator stops".to_owned())),
            ],
        )
        .with("leases", self.failing_leases(limits, now))
    }

    /// Without Leases nothing is handled. None, if it has none.
    fn failing_leases(&self, limits: &HealthLimits, now: Instant) -> Option<Option<String>> {
        match &self.leases {
            LeaseFacts::None => None,
            LeaseFacts::Work => Some(None),
            LeaseFacts::Fail(since, why) => {
                let age = now.saturating_duration_since(*since);
                Some(
                    (age >= limits.patience).then(|| format!("failing for {} seconds: {why}", age.as_secs())),
                )
            }
        }
    }

    /// The loop turns until the operator stops; then it ends within its grace.
    fn stuck(&self, limits: &HealthLimits, now: Instant) -> Option<String> {
        match self.stage {
            Stage::Starting => None,
            Stage::Listing | Stage::Serving => {
                let age = now.saturating_duration_since(self.beat.max(self.since));
                (age > limits.turn).then(|| {
                    format!("it has not turned for {} seconds: is a handler blocking?", age.as_secs())
                })
            }
            Stage::Stopping => {
                let age = now.saturating_duration_since(self.since);
                (age > limits.grace + limits.turn)
                    .then(|| format!("the operator has been stopping for {} seconds", age.as_secs()))
            }
        }
    }

    /// Watches that a restart might help. While the operator stops, it watches nothing.
    ///
    /// Where one watch has contact, the process isn't what is wrong with those that are told of errors. But one that is told of
    /// nothing hangs.
    fn lost(&self, limits: &HealthLimits, now: Instant) -> Option<String> {
        if self.stage >= Stage::Stopping {
            return None;
        }
        let active = self.watches.iter().filter(|watch| !watch.is_paused).count();
        let silent: Vec<_> = self.silent(|watch| watch.contact, limits.contact, now).collect();
        if silent.len() == active {
            return named("no contact to the API server", silent.into_iter());
        }
        named("neither contact nor an error", self.silent(|watch| watch.sign, limits.contact, now))
    }

    /// What isn't listed yet. A kind that the API server doesn't know is waited for, and so is the operator.
    fn unlisted(&self) -> Option<String> {
        if self.stage >= Stage::Serving {
            return None;
        }
        let missing = self.watches.iter().filter(|watch| watch.state == WatchState::Waits);
        let waits = named("the API server doesn't know", missing.map(ToString::to_string));
        let others = self.watches.iter().filter(|watch| !watch.is_listed && watch.state != WatchState::Waits);
        let lists = named("not listed yet", others.map(ToString::to_string));
        let all: Vec<_> = waits.into_iter().chain(lists).collect();
        Some(if all.is_empty() { "nothing is listed yet".to_owned() } else { all.join("; ") })
    }

    /// Watches that don't show what happens. What was never listed has a check of its own.
    fn failing_watches(&self, limits: &HealthLimits, now: Instant) -> Option<String> {
        let missing: Vec<_> = self
            .watches
            .iter()
            .filter(|watch| watch.state == WatchState::Waits && self.stage > Stage::Listing)
            .collect();
        let others = self.watches.iter().filter(|watch| missing.iter().all(|gone| gone.kind != watch.kind));
        let failing = others.filter_map(|watch| match watch.state {
            WatchState::Fails(since) => {
                let age = now.saturating_duration_since(since);
                (age >= limits.patience).then(|| format!("{watch} for {} seconds", age.as_secs()))
            }
            WatchState::Works | WatchState::Waits => None,
        });
        let silent = self.silent(|watch| watch.contact, limits.silence + limits.patience, now);
        let all = [
            named("the API server no longer knows", missing.iter().map(ToString::to_string)),
            named("failing", failing),
            named("no contact to the API server", silent),
        ];
        let all: Vec<_> = all.into_iter().flatten().collect();
        (self.stage < Stage::Stopping && !all.is_empty()).then(|| all.join("; "))
    }

    /// Watches of which this was last seen longer ago.
    fn silent(
        &self,
        seen: fn(&WatchFacts) -> Instant,
        limit: Duration,
        now: Instant,
    ) -> impl Iterator<Item = String> {
        self.watches.iter().filter(|watch| !watch.is_paused).filter_map(move |watch| {
            let age = now.saturating_duration_since(seen(watch));
            (age > limit).then(|| format!("{watch} for {} seconds", age.as_secs()))
        })
    }

    /// Kinds of which nothing can be written, as far as the last tries tell.
    fn failing_writes(&self, limits: &HealthLimits, now: Instant) -> Option<String> {
        let failing = self.writes.iter().filter_map(|WriteFacts { kind, failed }| {
            let FailedWrites { first, last } = (*failed)?;
            let age = now.saturating_duration_since(first);
            let is_known = now.saturating_duration_since(last) <= limits.memory;
            (is_known && age >= limits.patience).then(|| format!("{kind} for {} seconds", age.as_secs()))
        });
        named("failing", failing)
    }
}

/// `what: a, b, c and 2 others`; none without names.
fn named(what: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let mut names: Vec<_> = names.collect();
    let others = names.len().saturating_sub(MOST_NAMED);
    names.truncate(MOST_NAMED);
    let end = if others > 0 { format!(" and {others} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("{what}: {}{end}", names.join(", ")))
}

#[cfg(test)]
mod tests;
