//! Handlers that a handler registers while it runs.

use super::HandlerFn;
use crate::{
    core::retry::Limits,
    error::{Error, Result},
    handler::{Call, Change, FromCall, Sub, SubHandler},
};
use std::{fmt, marker::PhantomData};

/// Handlers below the one that takes this, for what is only known when it runs: one for each item of a list, say.
/// Each has progress and retries of its own; the parent is done when all of them are.
///
/// ```
/// use korf::{Name, Result, Spec, SubHandlers};
/// # use kube::CustomResource;
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
/// # #[kube(group = "korf.dev", version = "v1", kind = "Batch", namespaced)]
/// # struct BatchSpec { items: Vec<String> }
///
/// #[korf::on_create(Batch)]
/// async fn create(spec: Spec<BatchSpec>, subs: SubHandlers<Batch>) -> Result {
///     for item in spec.items.clone() {
///         subs.add(item.clone(), async move |name: Name| -> Result {
///             tracing::info!("{name}: {item}");
///             Ok(())
///         });
///     }
///     subs.execute().await
/// }
/// ```
///
/// - The id of a sub-handler is `parent/sub`, in logs, in progress records and, if it returns a value, in the status:
///   `status.<parent/sub>`.
/// - Those that are due are called one after the other by [`execute`](Self::execute). Whoever doesn't call it has it
///   called when the function has returned.
/// - While one of them is to be tried again, the parent is, too: it is called when the first of them is due, has to
///   register the same ones again, and those that are done are left out.
/// - One that has failed for good counts as done, as in Kopf; but not in a deletion, where the parent fails with it, so
///   that the object is kept.
/// - They take what their parent can take, but for what is in handlers of updates and fields alone; they may have
///   `SubHandlers` of their own.
pub struct SubHandlers<K> {
    parent: Call,
    kind: PhantomData<fn() -> K>,
}

impl<K> fmt::Debug for SubHandlers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubHandlers").field(&self.parent.subs).finish()
    }
}

impl<K: 'static> SubHandlers<K> {
    /// One more sub-handler: an `async` function or closure, which takes arguments as handlers do. A closure may own
    /// what it needs.
    pub fn add<F, Arguments>(&self, id: impl Into<String>, function: F)
    where
        F: HandlerFn<Sub<K>, Arguments>,
    {
        self.add_with(id, Limits::default(), function);
    }

    /// One more sub-handler that is tried within these limits.
    pub fn add_with<F, Arguments>(&self, id: impl Into<String>, limits: Limits, function: F)
    where
        F: HandlerFn<Sub<K>, Arguments>,
    {
        let invoke = Box::new(|call| function.invoke(call));
        self.parent.subs.add(SubHandler { id: id.into(), limits, invoke });
    }

    /// Calls those that are due and not done yet, one after the other.
    ///
    /// # Errors
    /// If some of them are to be called again: the parent passes it on by `?`, and is called again then. If some have
    /// failed for good in a deletion. If two have the same id.
    pub async fn execute(&self) -> Result<(), Error> {
        self.parent.subs.execute(&self.parent).await
    }
}

impl<S, K> FromCall<S> for SubHandlers<K>
where
    S: Change<Kind = K>,
{
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self { parent: call.clone(), kind: PhantomData })
    }
}
