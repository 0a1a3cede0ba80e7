//! Daemons: run for each object from its first turn on, until the object is gone or they end by themselves.

use super::{Family, Invoke, Parameter};
use crate::{
    builder::{Configurable, HandlerBuilder, KubeKind, Registrable},
    call::{AttemptInfo, LiveState, ObjectCall, StopSignal, object_call},
    filter::ObjectCondition,
    scope::scopes,
};
use korf_core::{daemon::DaemonOptions, filter::Filter, retry::Limits};
use std::{fmt, panic::Location, sync::Arc, time::Duration};

/// A daemon: its id, options, filter and limits, and its function.
#[derive(Clone)]
pub struct DaemonHandler {
    /// Names the daemon in logs.
    pub id: String,
    /// How it is started and stopped.
    pub options: DaemonOptions,
    /// The objects that it is for.
    pub filter: Filter,
    /// The limits of its attempts.
    pub limits: Limits,
    /// The value that it was registered with.
    pub param: Option<Parameter>,
    /// Calls the function.
    pub invoke: Invoke<DaemonCall>,
}

impl fmt::Debug for DaemonHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DaemonHandler")
            .field("id", &self.id)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// One attempt of a daemon.
#[derive(Clone, Debug)]
pub struct DaemonCall {
    pub(crate) object: ObjectCall,
    pub(crate) attempt: AttemptInfo,
    pub(crate) stop: Arc<StopSignal>,
    pub(crate) live: Arc<LiveState>,
}

object_call!(DaemonCall);

impl AsRef<AttemptInfo> for DaemonCall {
    fn as_ref(&self) -> &AttemptInfo {
        &self.attempt
    }
}

scopes! {
    DaemonCall:

    /// A daemon of objects of kind `K`.
    Daemon: Retried;
}

impl<K: 'static> Configurable for Daemon<K> {
    type Options = DaemonOptions;
    type Condition = ObjectCondition<K>;
}

impl<K: 'static> Registrable for Daemon<K> {
    fn family(builder: HandlerBuilder<Self>, invoke: Invoke<DaemonCall>) -> Family {
        Family::Daemon(DaemonHandler {
            id: builder.id,
            options: builder.options,
            filter: builder.filter,
            limits: builder.limits,
            param: builder.param,
            invoke,
        })
    }
}

/// A daemon that runs for each object of kind `K`, from the object's first turn on.
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use korf::{Name, Stopped};
/// use std::time::Duration;
///
/// async fn accompany(name: Name, stopped: Stopped) {
///     while !stopped.wait_for(Duration::from_secs(10)).await {
///         tracing::info!("{name} is still there");
///     }
/// }
///
/// let daemon = korf::daemon::<ConfigMap>("accompany").initial_delay(Duration::from_secs(5)).run(accompany);
/// assert_eq!(daemon.called_for(), "daemon");
/// ```
#[track_caller]
pub fn daemon<K: KubeKind>(id: impl Into<String>) -> HandlerBuilder<Daemon<K>> {
    HandlerBuilder::begin(id.into(), DaemonOptions::default(), Location::caller())
}

impl<K: 'static> HandlerBuilder<Daemon<K>> {
    /// The time from the object's first turn to the start.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.options.initial_delay = delay;
        self
    }

    /// The time that the daemon has to end by itself once [`Stopped`](crate::Stopped) tells it to; then its future is
    /// dropped. Without it, 10 seconds (the setting `daemons.cancellation_backoff`), or 1 second at most if it doesn't take `Stopped`.
    pub fn cancellation_backoff(mut self, backoff: Duration) -> Self {
        self.options.cancellation_backoff = Some(backoff);
        self
    }

    /// The time from then on until the daemon is abandoned: one that blocks its thread can't be dropped. Without it, 5
    /// seconds (the setting `daemons.cancellation_timeout`).
    pub fn cancellation_timeout(mut self, timeout: Duration) -> Self {
        self.options.cancellation_timeout = Some(timeout);
        self
    }

    /// The object gets a finalizer before the daemon starts, and is kept until the daemon has ended. Its delete handlers are
    /// called after that.
    pub fn finalizer(mut self) -> Self {
        self.options.finalizer = true;
        self
    }
}
