//! Check for side effects that a crash repeats or loses.
//!
//! korf calls handlers at least once: after a crash between the effect of a handler and its record, it runs again. So
//! handlers have to be idempotent, and [`check`] tests that. It runs a scenario once without a crash, and once for each
//! point where the operator can crash: at every await of a handler, after its return, before and after every write to the
//! API server. The operator is restarted each time. In the end, the outside world has to be the same.
//!
//! Handlers, the scenario and the outside world have to be deterministic: points are counted, and one that isn't reached
//! again can't be tested.
//!
//! A fake of the outside world has to await where the real one does (`tokio::task::yield_now().await` is enough): a handler
//! can't be killed where it doesn't wait.
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use korf::{Name, Operator, Result, State, handler::Registry};
//! use korf_testing::crash;
//! use serde_json::json;
//! use std::sync::{Arc, Mutex, PoisonError};
//!
//! /// What the handler changes outside of the cluster.
//! #[derive(Clone, Default)]
//! struct Letters(Arc<Mutex<Vec<String>>>);
//!
//! impl Letters {
//!     async fn send(&self, to: &str) {
//!         self.0.lock().unwrap_or_else(PoisonError::into_inner).push(to.to_owned());
//!         tokio::task::yield_now().await;
//!     }
//! }
//!
//! async fn greet(name: Name, letters: State<Letters>) -> Result {
//!     letters.send(&name).await;
//!     Ok(())
//! }
//!
//! let found = crash::check(
//!     Letters::default,
//!     |letters| {
//!         let greet = korf::on_create::<ConfigMap>("greet").run(greet);
//!         Operator::with_registry("greeter", Registry::from_iter([greet])).state(letters.clone())
//!     },
//!     |cluster, _| {
//!         cluster.create(&serde_json::from_value::<ConfigMap>(json!({"metadata": {"name": "a"}}))?).map(drop)
//!     },
//!     |_, letters| letters.0.lock().unwrap_or_else(PoisonError::into_inner).clone(),
//! );
//! let text = found.unwrap_err().to_string();
//! assert!(text.contains("handler 'greet' of default/a, attempt 0, at its await no. 1"), "{text}");
//! ```

use super::{cluster::Cluster, error::Error, injector::CrashInjector};
use korf::{Operator, RunError};
use std::{error, fmt, sync::Arc, time::Duration};

pub use super::injector::{Attempt, CrashPoint, CrashSite};

/// The time after the scenario in which the operator has to converge: longer than the longest backoff.
const SETTLING: Duration = Duration::from_secs(600);

/// Runs a scenario once without a crash, and once for each point where the operator can crash. Returns the number of
/// points.
///
/// - `world` creates the outside world of each run.
/// - `operator` creates the operator, at the start of each run and after each crash.
/// - `scenario` does what users do, and advances the time.
/// - `observe` returns the result, ten minutes after the end of the scenario.
///
/// # Errors
/// A crash at some points changes the result; or some points were not reached again; or the scenario fails without a
/// crash.
#[track_caller]
pub fn check<W, O>(
    world: impl Fn() -> W,
    operator: impl Fn(&W) -> Operator + Send + Sync + 'static,
    scenario: impl Fn(&mut Cluster, &W) -> Result<(), Error>,
    observe: impl Fn(&Cluster, &W) -> O,
) -> Result<usize, CheckError>
where
    W: Clone + Send + Sync + 'static,
    O: PartialEq + fmt::Debug,
{
    let operator = Arc::new(operator);
    let run = |chosen: Option<usize>| -> Result<(O, CrashInjector), Interruption> {
        let (world, injector, operator) = (world(), CrashInjector::at(chosen), Arc::clone(&operator));
        let outside = world.clone();
        let mut cluster = Cluster::with_injector(Arc::new(move || operator(&outside)), injector.clone())?;
        let played = scenario(&mut cluster, &world);
        cluster.advance(SETTLING);
        played.map_err(|error| Interruption { error: error.to_string(), point: injector.crashes().pop() })?;
        Ok((observe(&cluster, &world), injector))
    };
    let (expected, counted) =
        run(None).map_err(|interruption| CheckError::WithoutCrash(interruption.error))?;
    let points = counted.passed();
    let (mut found, mut missed) = (Vec::new(), Vec::new());
    for number in 0..points {
        let (point, outcome) = match run(Some(number)) {
            Ok((outcome, injector)) => (injector.crashes().pop(), Some(outcome)),
            Err(interruption) => (interruption.point, None),
        };
        match point {
            None => missed.push(number + 1),
            Some(_) if outcome.as_ref() == Some(&expected) => {}
            Some(point) => found.push(Crash::new(point, outcome)),
        }
    }
    if !found.is_empty() {
        return Err(CheckError::Different { expected: format!("{expected:?}"), found, points });
    }
    if missed.is_empty() { Ok(points) } else { Err(CheckError::Unreached { missed, points }) }
}

/// An error that ended a run early.
struct Interruption {
    error: String,
    point: Option<CrashPoint>,
}

impl From<RunError> for Interruption {
    fn from(error: RunError) -> Self {
        Self { error: error.to_string(), point: None }
    }
}

/// A crash that changes the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The point where the operator crashed.
    pub point: CrashPoint,
    /// The result; none if the scenario failed.
    pub outcome: Option<String>,
}

impl Crash {
    fn new(point: CrashPoint, outcome: Option<impl fmt::Debug>) -> Self {
        Self { point, outcome: outcome.map(|outcome| format!("{outcome:?}")) }
    }
}

/// The findings of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// The scenario fails without a crash, for this reason.
    WithoutCrash(String),
    /// Crashes change the result.
    Different {
        /// The result without a crash.
        expected: String,
        /// The crashes.
        found: Vec<Crash>,
        /// The number of points where the operator can crash.
        points: usize,
    },
    /// Some points were not reached again, and could not be tested: something isn't deterministic.
    Unreached {
        /// Their numbers in the order of the run without a crash, from 1 on.
        missed: Vec<usize>,
        /// The number of points where the operator can crash.
        points: usize,
    },
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithoutCrash(why) => write!(f, "the scenario fails without a crash: {why}"),
            Self::Different { expected, found, points } => {
                write!(
                    f,
                    "{} of {points} crashes change the result. Without a crash: {expected}",
                    found.len()
                )?;
                for Crash { point, outcome } in found {
                    let outcome = outcome.as_deref().unwrap_or("the scenario failed");
                    write!(f, "\n- killed in {point}: {outcome}")?;
                }
                Ok(())
            }
            Self::Unreached { missed, points } => {
                let numbers: Vec<_> = missed.iter().map(usize::to_string).collect();
                write!(
                    f,
                    "{} of {points} points were not reached again, and could not be tested: no. {}. Handlers, the \
                     scenario and the outside world have to be deterministic",
                    missed.len(),
                    numbers.join(", ")
                )
            }
        }
    }
}

impl error::Error for CheckError {}
