//! Finds side effects that a crash does twice, or never.
//!
//! korf calls handlers at least once: a crash between what a handler does and the record of it makes it run again. So
//! handlers have to be idempotent, and [`check`] finds out whether they are. It runs a story once undisturbed, and then
//! again for each place where the operator can die: at every await of a handler, after its return, before and after
//! every write to the API server. The operator is started again each time. In the end, the world outside has to be the
//! same.
//!
//! Handlers, the story and the world outside have to do the same in each run: a place is known by its number, and one that
//! isn't reached again is one that nothing is known of.
//!
//! A fake of the world outside has to await where the real one does (`tokio::task::yield_now().await` is enough): a
//! handler can't be killed where it doesn't wait.
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use korf::{Name, Operator, Registry, Result, State};
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

use super::{cluster::Cluster, error::Error, trap::Trap};
use korf::{Operator, RunError};
use std::{error, fmt, sync::Arc, time::Duration};

pub use super::trap::{Attempt, Place, Point};

/// How long an operator may take, after the story, to bring everything in order: longer than the longest backoff.
const SETTLING: Duration = Duration::from_secs(600);

/// Runs a story once undisturbed, and once for each place where the operator can die; returns how many these are.
///
/// - `world` makes what is outside of the cluster, anew for each run.
/// - `operator` makes the operator, at the beginning of each run and after its death.
/// - `story` is what users do meanwhile, and how much time passes.
/// - `observe` says what has come out, ten minutes after the story's end.
///
/// # Errors
/// All places after which something else has come out than undisturbed; or that some places were not reached again, if
/// nothing else is wrong; or the story fails undisturbed.
pub fn check<W, O>(
    world: impl Fn() -> W,
    operator: impl Fn(&W) -> Operator + Send + Sync + 'static,
    story: impl Fn(&mut Cluster, &W) -> Result<(), Error>,
    observe: impl Fn(&Cluster, &W) -> O,
) -> Result<usize, Failed>
where
    W: Clone + Send + Sync + 'static,
    O: PartialEq + fmt::Debug,
{
    let operator = Arc::new(operator);
    let run = |chosen: Option<usize>| -> Result<(O, Trap), Trouble> {
        let (world, trap, operator) = (world(), Trap::at(chosen), Arc::clone(&operator));
        let outside = world.clone();
        let mut cluster = Cluster::trapped(Arc::new(move || operator(&outside)), trap.clone())?;
        let told = story(&mut cluster, &world);
        cluster.advance(SETTLING);
        told.map_err(|error| Trouble { error: error.to_string(), point: trap.deaths().pop() })?;
        Ok((observe(&cluster, &world), trap))
    };
    let (expected, counted) = run(None).map_err(|trouble| Failed::Undisturbed(trouble.error))?;
    let places = counted.passed();
    let (mut found, mut missed) = (Vec::new(), Vec::new());
    for place in 0..places {
        let (point, outcome) = match run(Some(place)) {
            Ok((outcome, trap)) => (trap.deaths().pop(), Some(outcome)),
            Err(trouble) => (trouble.point, None),
        };
        match point {
            None => missed.push(place + 1),
            Some(_) if outcome.as_ref() == Some(&expected) => {}
            Some(point) => found.push(Crash::new(point, outcome)),
        }
    }
    if !found.is_empty() {
        return Err(Failed::Different { expected: format!("{expected:?}"), found, places });
    }
    if missed.is_empty() { Ok(places) } else { Err(Failed::Unreached { missed, places }) }
}

/// What keeps a run from its end.
struct Trouble {
    error: String,
    point: Option<Point>,
}

impl From<RunError> for Trouble {
    fn from(error: RunError) -> Self {
        Self { error: error.to_string(), point: None }
    }
}

/// A crash that makes a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Where the operator died.
    pub point: Point,
    /// What came out; none where the story could not be told to its end.
    pub outcome: Option<String>,
}

impl Crash {
    fn new(point: Point, outcome: Option<impl fmt::Debug>) -> Self {
        Self { point, outcome: outcome.map(|outcome| format!("{outcome:?}")) }
    }
}

/// Why handlers don't stand crashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The story fails without any crash, for this reason.
    Undisturbed(String),
    /// Crashes make a difference.
    Different {
        /// What comes out undisturbed.
        expected: String,
        /// The crashes.
        found: Vec<Crash>,
        /// How many places there are to die.
        places: usize,
    },
    /// Some places were not reached again, so that nothing is known of crashes there: something doesn't do the same in
    /// each run.
    Unreached {
        /// Their numbers in the order of the undisturbed run, from 1 on.
        missed: Vec<usize>,
        /// How many places there are to die.
        places: usize,
    },
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undisturbed(why) => write!(f, "the story fails without a crash: {why}"),
            Self::Different { expected, found, places } => {
                write!(f, "{} of {places} crashes make a difference. Undisturbed: {expected}", found.len())?;
                for Crash { point, outcome } in found {
                    let outcome = outcome.as_deref().unwrap_or("the story could not be told to its end");
                    write!(f, "\n- killed in {point}: {outcome}")?;
                }
                Ok(())
            }
            Self::Unreached { missed, places } => {
                let numbers: Vec<_> = missed.iter().map(usize::to_string).collect();
                write!(
                    f,
                    "{} of {places} places were not reached again, so that nothing is known of crashes there: no. {}. \
                     Handlers, the story and the world outside have to do the same in each run",
                    missed.len(),
                    numbers.join(", ")
                )
            }
        }
    }
}

impl error::Error for Failed {}
