//! Setup of an operator: what its start-up handlers change and provide.

use crate::{
    argument::{FromCall, Rejection},
    call::States,
    extract::Indexes,
    families::ActivityCall,
    runtime::Triggers,
    scope::Startup,
    settings::Settings,
};
use std::{
    any::TypeId,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The operator that a start-up handler prepares: its settings, and what its handlers take as [`State`](crate::State).
///
/// ```
/// use korf::{Result, extract::OperatorSetup};
///
/// #[korf::on_startup]
/// async fn prepare(setup: OperatorSetup) -> Result {
///     setup.settings(|settings| settings.queueing.concurrency = 8);
///     setup.state(String::from("hello"));
///     Ok(())
/// }
/// ```
#[derive(Clone, Default)]
pub struct OperatorSetup(Arc<Mutex<Prepared>>);

/// What the operator starts with.
#[derive(Default)]
struct Prepared {
    settings: Settings,
    states: States,
    triggers: Triggers,
    indexes: Arc<Indexes>,
}

// By hand: states may hold secrets.
impl fmt::Debug for OperatorSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorSetup").finish_non_exhaustive()
    }
}

impl OperatorSetup {
    /// A setup that begins with these.
    pub(crate) fn new(settings: Settings, states: States) -> Self {
        Self(Arc::new(Mutex::new(Prepared { settings, states, ..Prepared::default() })))
    }

    /// The same with these indexes.
    pub(crate) fn with_indexes(self, indexes: Indexes) -> Self {
        self.prepared().indexes = Arc::new(indexes);
        self
    }

    /// Changes settings. The command line and the environment have the last word.
    ///
    /// The login comes before this, and what it takes from the settings stays as it was: all of `login`, how long a connection
    /// may be silent (`watching.silence`), and how long a request waits for another login (half of `requests.timeout`). Set
    /// these by [`Operator::settings_mut`](crate::Operator::settings_mut), the command line or the environment.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.prepared().settings);
    }

    /// Provides a value that handlers take as [`State<T>`](crate::State), later start-up handlers, too. A second value of
    /// one type replaces the first.
    pub fn state<T: Clone + Send + Sync + 'static>(&self, state: T) {
        self.prepared().states.insert(TypeId::of::<T>(), Arc::new(state));
    }

    /// The states so far.
    pub(crate) fn states(&self) -> States {
        self.prepared().states.clone()
    }

    /// The triggers that activities give, and the operator's handlers after them.
    pub(crate) fn triggers(&self) -> Triggers {
        self.prepared().triggers.clone()
    }

    /// The indexes, which are empty before the operator watches anything.
    pub(crate) fn indexes(&self) -> Arc<Indexes> {
        Arc::clone(&self.prepared().indexes)
    }

    /// The settings so far.
    pub(crate) fn current_settings(&self) -> Settings {
        self.prepared().settings.clone()
    }

    fn prepared(&self) -> MutexGuard<'_, Prepared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of start-up handlers alone.
impl FromCall<Startup> for OperatorSetup {
    fn from_call(call: &ActivityCall) -> Result<Self, Rejection> {
        Ok(call.setup.clone())
    }
}
