//! Changes of the object by its handler.

use crate::{
    ResultExt,
    argument::{FromCall, Rejection, Requirements},
    call::EditSink,
    error::Result,
    scope::ObjectHandlerScope,
};
use serde::Serialize;
use serde_json::{Value, json};

/// Changes of the object, which are written together with the handler's outcome, whether it succeeds or not. Those of a daemon are
/// written soon, while it runs.
///
/// They are merge patches (a null removes a field) and functions. They are applied in their order after the handlers of one
/// cycle have run, with as few requests as possible.
///
/// ```
/// use korf::{ObjectPatch, Result};
/// use serde_json::json;
///
/// #[korf::on_create(k8s_openapi::api::core::v1::ConfigMap)]
/// async fn mark(patch: ObjectPatch) -> Result {
///     patch.label("example.com/seen", Some("yes"));
///     patch.annotation("example.com/pending", None);
///     Ok(())
/// }
///
/// # futures::executor::block_on(async {
/// let patch = ObjectPatch::default();
/// mark(patch.clone()).await.unwrap();
/// let object = patch.applied_to(json!({"metadata": {"annotations": {"example.com/pending": "1"}}}));
/// assert_eq!(object["metadata"], json!({"annotations": {}, "labels": {"example.com/seen": "yes"}}));
/// # });
/// ```
///
/// # Changes that depend on the present state
///
/// A merge patch replaces a list as a whole: to add an item, you have to know the others, and someone else may be adding one
/// at the same moment. [`modify`](Self::modify) takes a function instead, and calls it for the object as it is when the
/// request is made. Its changes become part of the same merge patch, which is guarded by the resource version: if the object
/// has changed meanwhile (409), it is read, and the function is called for the new state.
///
/// ```
/// use k8s_openapi::api::core::v1::Service;
/// use korf::{ObjectPatch, Result};
/// use serde_json::{Value, json};
///
/// /// Looks first: the finalizer may be there already.
/// fn hold(object: &mut Value) {
///     let finalizers = &mut object["metadata"]["finalizers"];
///     if finalizers.is_null() {
///         *finalizers = json!([]);
///     }
///     if let Value::Array(all) = finalizers
///         && !all.contains(&json!("example.com/dns"))
///     {
///         all.push("example.com/dns".into());
///     }
/// }
///
/// #[korf::on_create(Service)]
/// async fn register(patch: ObjectPatch) -> Result {
///     patch.modify(hold);
///     Ok(())
/// }
///
/// # futures::executor::block_on(async {
/// let patch = ObjectPatch::default();
/// register(patch.clone()).await.unwrap();
/// let first = patch.applied_to(json!({"metadata": {"finalizers": ["a/b"]}}));
/// assert_eq!(first["metadata"]["finalizers"], json!(["a/b", "example.com/dns"]));
/// assert_eq!(patch.applied_to(first.clone()), first);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct ObjectPatch {
    edits: EditSink,
    /// The id of the handler.
    handler: String,
}

impl ObjectPatch {
    /// Merges `status` into the object's status: a value of its type, or `json!({…})`.
    ///
    /// # Errors
    /// It can't be serialized; permanently.
    pub fn status(&self, status: impl Serialize) -> Result<()> {
        let status = serde_json::to_value(status).permanent()?;
        self.merge(json!({"status": status}));
        Ok(())
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
    ///
    /// What korf stores on the object, and its finalizer, stay as they are, even if the patch removes all annotations or
    /// replaces the finalizers.
    pub fn merge(&self, patch: impl Into<Value>) {
        self.edits.merge(patch.into());
    }

    /// Adds a function that changes the object as it is when it is written, after the changes that were added before.
    ///
    /// The function is called once or several times, also for an object that it has changed already: an answer of the API
    /// server can get lost, and for a kind with a status subresource, status and object are two requests. So it has to look
    /// before it changes anything. If it changes nothing, nothing is written.
    ///
    /// The function sees the whole object (except for `metadata.managedFields`), and may change whatever the operator may
    /// write, with two exceptions: what korf stores on the object, and its finalizer, stay as they are; and a change of name,
    /// namespace, uid, version or kind is omitted, with an ERROR. If the function panics, that is an ERROR, and it changes
    /// nothing; its handler is done by then, and isn't called again for that.
    pub fn modify(&self, modify: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.edits.modify(&self.handler, modify);
    }

    /// Applies all changes so far to an object, in tests of handlers.
    pub fn applied_to(&self, object: impl Into<Value>) -> Value {
        let mut object = object.into();
        self.edits.apply(&mut object);
        object
    }
}

impl<S: ObjectHandlerScope> FromCall<S> for ObjectPatch {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let call = S::object_call(call);
        Ok(Self { edits: call.edits.clone(), handler: call.context.handler.clone() })
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.patch();
    }
}
