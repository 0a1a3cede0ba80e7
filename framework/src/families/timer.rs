//! Timers: called for each object at intervals, while it is there and their filters match.

use super::{Family, Invoke, Parameter};
use crate::{
    builder::{Configurable, HandlerBuilder, KubeKind, Registrable},
    call::{AttemptInfo, ObjectCall, object_call},
    filter::ObjectCondition,
    scope::scopes,
};
use korf_core::{filter::Filter, retry::Limits, timer::TimerSchedule};
use std::{fmt, panic::Location, time::Duration};

/// A timer: its id, schedule, filter and limits, and its function.
#[derive(Clone)]
pub struct TimerHandler {
    /// Names the timer in logs.
    pub id: String,
    /// When it is called.
    pub schedule: TimerSchedule,
    /// The objects that it is for.
    pub filter: Filter,
    /// The limits of one run.
    pub limits: Limits,
    /// The value that it was registered with.
    pub param: Option<Parameter>,
    /// Calls the function.
    pub invoke: Invoke<TimerCall>,
}

impl fmt::Debug for TimerHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandler")
            .field("id", &self.id)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

/// One call of a timer.
#[derive(Clone, Debug)]
pub struct TimerCall {
    pub(crate) object: ObjectCall,
    pub(crate) attempt: AttemptInfo,
}

object_call!(TimerCall);

impl AsRef<AttemptInfo> for TimerCall {
    fn as_ref(&self) -> &AttemptInfo {
        &self.attempt
    }
}

scopes! {
    TimerCall:

    /// A timer of objects of kind `K`.
    Timer: Retried;
}

impl<K: 'static> Configurable for Timer<K> {
    type Options = TimerSchedule;
    type Condition = ObjectCondition<K>;
}

impl<K: 'static> Registrable for Timer<K> {
    fn family(builder: HandlerBuilder<Self>, invoke: Invoke<TimerCall>) -> Family {
        Family::Timer(TimerHandler {
            id: builder.id,
            schedule: builder.options,
            filter: builder.filter,
            limits: builder.limits,
            param: builder.param,
            invoke,
        })
    }
}

/// A timer that is called for each object of kind `K` at an interval, counted from the end of a call to the start of the
/// next one. The first call comes with the object's first turn.
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use korf::{Name, Result};
/// use std::time::Duration;
///
/// async fn check(name: Name) -> Result {
///     tracing::info!("{name} is still there");
///     Ok(())
/// }
///
/// let timer = korf::timer::<ConfigMap>("check", Duration::from_secs(30)).idle(Duration::from_secs(60)).run(check);
/// assert_eq!(timer.called_for(), "timer");
/// ```
#[track_caller]
pub fn timer<K: KubeKind>(id: impl Into<String>, interval: Duration) -> HandlerBuilder<Timer<K>> {
    HandlerBuilder::begin(id.into(), TimerSchedule::every(interval), Location::caller())
}

impl<K: 'static> HandlerBuilder<Timer<K>> {
    /// Another interval than the one that the builder began with. At least a millisecond.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.options.interval = interval;
        self
    }

    /// The time from the object's first turn to the first call.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.options.initial_delay = delay;
        self
    }

    /// The timer is called only when the object's essence hasn't changed for this time: changes of the status, or of what
    /// operators store on the object, don't count.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.options.idle = Some(idle);
        self
    }

    /// Calls start on a grid of intervals, from the first one on: the interval counts from start to start. Starts that
    /// fall into a running call are skipped.
    pub fn sharp(mut self) -> Self {
        self.options.sharp = true;
        self
    }
}
