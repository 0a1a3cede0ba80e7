//! Arguments of daemons: the flag that tells them to stop, and the newest state of their object.

use crate::{
    argument::{FromCall, Rejection},
    call::{LiveState, StopSignal},
    core::{body::Body, daemon::StopReason},
    extract::fit::IsKind,
    families::{Daemon, DaemonCall},
};
use serde::de::DeserializeOwned;
use serde_path_to_error::deserialize;
use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

/// Tells a daemon to stop: a flag to ask, and to wait for.
///
/// It is set when the object is being deleted or no longer matches, when another replica takes the object over, and when the
/// operator stops or is paused. After the daemon's
/// `cancellation_backoff`, its future is dropped at the `.await` where it is.
///
/// ```
/// use korf::{Stopped, handler::StopReason};
///
/// # futures::executor::block_on(async {
/// // In a test of a daemon.
/// assert!(!Stopped::default().is_set());
/// let stopped = Stopped::from(StopReason::Deleted);
/// assert_eq!(stopped.wait().await, StopReason::Deleted);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stopped(Arc<StopSignal>);

impl Stopped {
    /// Whether the daemon was told to stop.
    pub fn is_set(&self) -> bool {
        self.reason().is_some()
    }

    /// Why it was told to stop.
    pub fn reason(&self) -> Option<StopReason> {
        self.0.reason()
    }

    /// Waits until the daemon is told to stop; returns why.
    pub async fn wait(&self) -> StopReason {
        self.0.told().await
    }

    /// Waits until the daemon is told to stop, at most for this time; returns whether it was.
    pub async fn wait_for(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.wait()).await.is_ok()
    }
}

impl From<StopReason> for Stopped {
    fn from(reason: StopReason) -> Self {
        let stopped = Self::default();
        stopped.0.tell(reason);
        stopped
    }
}

impl<K: 'static> FromCall<Daemon<K>> for Stopped {
    fn from_call(call: &DaemonCall) -> Result<Self, Rejection> {
        call.stop.is_heeded();
        Ok(Self(Arc::clone(&call.stop)))
    }
}

/// The newest state of a daemon's object, as the watch shows it.
///
/// While a daemon has it, the object's JSON is kept in memory, once for all of its daemons.
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use korf::{Live, Result};
///
/// #[korf::daemon(ConfigMap)]
/// async fn follow(mut map: Live<ConfigMap>) -> Result {
///     loop {
///         tracing::info!("{} keys", map.get()?.data.iter().flatten().count());
///         map.changed().await;
///     }
/// }
/// ```
pub struct Live<K> {
    state: Arc<LiveState>,
    seen: u64,
    kind: PhantomData<fn() -> K>,
}

impl<K> Live<K> {
    fn of(state: &Arc<LiveState>, body: &Body) -> Self {
        Self { seen: state.open(body), state: Arc::clone(state), kind: PhantomData }
    }

    /// The whole object as JSON.
    pub fn body(&self) -> Body {
        self.state.newest().unwrap_or_else(|| Body::from(serde_json::Value::Null))
    }

    /// Waits until the object has changed since the daemon began, or since the last call. Several changes may be one.
    pub async fn changed(&mut self) {
        self.seen = self.state.changed(self.seen).await;
    }
}

impl<K: DeserializeOwned> Live<K> {
    /// The object.
    ///
    /// # Errors
    /// Its present state doesn't fit the type.
    pub fn get(&self) -> Result<K, Rejection> {
        let body = self.body();
        // The error's own text may have values in it.
        deserialize(body.value()).map_err(|error| {
            let (path, name) = (error.path().to_string(), body.name());
            Rejection::object(format!("`{path}` of {name} doesn't fit the type of the daemon's object"))
        })
    }
}

/// Another view of the same object.
impl<K> Clone for Live<K> {
    fn clone(&self) -> Self {
        self.state.join();
        Self { state: Arc::clone(&self.state), seen: self.seen, kind: PhantomData }
    }
}

impl<K> Drop for Live<K> {
    fn drop(&mut self) {
        self.state.close();
    }
}

// By hand: the object's content must not get into logs.
impl<K> fmt::Debug for Live<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

/// For tests of daemons.
impl<K> From<Body> for Live<K> {
    fn from(body: Body) -> Self {
        Self::of(&Arc::default(), &body)
    }
}

impl<U: IsKind<K> + 'static, K: DeserializeOwned + 'static> FromCall<Daemon<U>> for Live<K> {
    fn from_call(call: &DaemonCall) -> Result<Self, Rejection> {
        Ok(Self::of(&call.live, &call.object.view.body))
    }
}
