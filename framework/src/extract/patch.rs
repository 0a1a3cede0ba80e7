//! Changes that a handler makes to its object.

use crate::{
    error::Error,
    handler::{Additions, Call, FromCall, Scope},
};
use serde_json::{Value, json};

/// Changes to be made to the object, together with the handler's outcome and whether it succeeds or not.
///
/// They are merge patches (a null deletes), applied in their order after the handlers of one cycle have run.
///
/// ```
/// use korf::{Patch, Result};
///
/// #[korf::on_create(k8s_openapi::api::core::v1::ConfigMap)]
/// async fn mark(patch: Patch) -> Result {
///     patch.label("example.com/seen", Some("yes"));
///     patch.annotation("example.com/pending", None);
///     Ok(())
/// }
///
/// # futures::executor::block_on(async {
/// let patch = Patch::default();
/// mark(patch.clone()).await.unwrap();
/// assert_eq!(patch.take()[0]["metadata"]["labels"]["example.com/seen"], "yes");
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Patch(Additions);

impl Patch {
    /// Merges `status` into the object's status.
    pub fn status(&self, status: impl Into<Value>) {
        self.merge(json!({"status": status.into()}));
    }

    /// Sets an annotation, or removes it.
    pub fn annotation(&self, key: impl Into<String>, value: Option<&str>) {
        self.merge(json!({"metadata": {"annotations": {key.into(): value}}}));
    }

    /// Sets a label, or removes it.
    pub fn label(&self, key: impl Into<String>, value: Option<&str>) {
        self.merge(json!({"metadata": {"labels": {key.into(): value}}}));
    }

    /// Adds a merge patch of the whole object.
    pub fn merge(&self, patch: impl Into<Value>) {
        self.0.merge(patch.into());
    }

    /// All that was added, in its order; nothing is left. For tests of handlers.
    pub fn take(&self) -> Vec<Value> {
        self.0.take()
    }
}

impl<S: Scope> FromCall<S> for Patch {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self(call.additions.clone()))
    }
}
