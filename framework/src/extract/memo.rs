//! Values that handlers keep in memory for each object.

use crate::{
    argument::{FromCall, Rejection},
    scope::ObjectHandlerScope,
};
use std::{
    any::TypeId,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A value in memory for the object: one of each type, shared by all its handlers. It begins as the type's default, and is
/// gone when the object or the operator is, when another replica of the operator takes the object over or the operator is paused,
/// or when the object no longer matches the operator's [selector](crate::Operator::select). What is done for the object in the
/// background is bound to it, so that it [ends then](crate::replicas).
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use korf::{Memo, Result};
///
/// #[derive(Default)]
/// struct Seen { changes: u32 }
///
/// #[korf::on_update(ConfigMap)]
/// async fn changed(seen: Memo<Seen>) -> Result {
///     let changes = seen.with(|seen| {
///         seen.changes += 1;
///         seen.changes
///     });
///     tracing::info!("changed {changes} times since the start");
///     Ok(())
/// }
///
/// # futures::executor::block_on(async {
/// let seen = Memo::from(Seen { changes: 4 });
/// changed(seen.clone()).await.unwrap();
/// assert_eq!(seen.lock().changes, 5);
/// # });
/// ```
#[derive(Debug, Default)]
pub struct Memo<T>(Arc<Mutex<T>>);

impl<T> Memo<T> {
    /// Reads or changes the value.
    pub fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.lock())
    }

    /// The value, until the guard is dropped: that has to happen before the next `.await`.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the value, and returns the former one.
    pub fn replace(&self, value: T) -> T {
        std::mem::replace(&mut self.lock(), value)
    }
}

impl<T: Clone> Memo<T> {
    /// A copy of the value.
    pub fn get(&self) -> T {
        self.lock().clone()
    }
}

/// The same value, shared.
impl<T> Clone for Memo<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Memo<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }
}

impl<S: ObjectHandlerScope, T: Default + Send + 'static> FromCall<S> for Memo<T> {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let mut values = S::object_call(call).memo.lock().unwrap_or_else(PoisonError::into_inner);
        let known = values.get(&TypeId::of::<T>()).and_then(|value| Arc::clone(value).downcast().ok());
        Ok(Self(known.unwrap_or_else(|| {
            let new = Arc::new(Mutex::new(T::default()));
            values.insert(TypeId::of::<T>(), new.clone());
            new
        })))
    }
}
