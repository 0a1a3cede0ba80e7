//! Changes that a handler makes to its object.

use crate::{
    error::Error,
    handler::{Additions, Call, FromCall, Scope},
};
use serde_json::{Value, json};

/// Changes to be made to the object, together with the handler's outcome and whether it succeeds or not.
///
/// They are merge patches (a null deletes) and functions, applied in their order after the handlers of one cycle have
/// run, with as few requests as it takes.
///
/// ```
/// use korf::{Patch, Result};
/// use serde_json::json;
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
/// let object = patch.applied_to(json!({"metadata": {"annotations": {"example.com/pending": "1"}}}));
/// assert_eq!(object["metadata"], json!({"annotations": {}, "labels": {"example.com/seen": "yes"}}));
/// # });
/// ```
///
/// # Changes of what is there
///
/// A merge patch replaces a list as a whole: to add an item, one has to know the others, and somebody else may be adding
/// one at the same moment. [`modify`](Self::modify) takes a function instead, and calls it for the object as it is when
/// the request is made. What it changes becomes part of the same merge patch, together with the resource version: if the
/// object has changed meanwhile (409), it is read, and the function is called for the new state.
///
/// ```
/// use k8s_openapi::api::core::v1::Service;
/// use korf::{Patch, Result};
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
/// async fn register(patch: Patch) -> Result {
///     patch.modify(hold);
///     Ok(())
/// }
///
/// # futures::executor::block_on(async {
/// let patch = Patch::default();
/// register(patch.clone()).await.unwrap();
/// let first = patch.applied_to(json!({"metadata": {"finalizers": ["a/b"]}}));
/// assert_eq!(first["metadata"]["finalizers"], json!(["a/b", "example.com/dns"]));
/// assert_eq!(patch.applied_to(first.clone()), first);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Patch {
    additions: Additions,
    /// The id of the handler.
    handler: String,
}

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
    ///
    /// What korf keeps on the object, and its finalizer, stay as they are, also where the patch deletes all annotations or
    /// replaces the finalizers.
    pub fn merge(&self, patch: impl Into<Value>) {
        self.additions.merge(patch.into());
    }

    /// Adds a function that changes the object as it is when it is written, with all that was added before.
    ///
    /// It is called once or several times, also for an object that it has changed already: an answer of the API server
    /// can get lost, and where the kind has a status subresource, status and object are two requests. So it has to look
    /// before it changes anything. If it changes nothing, that costs no write.
    ///
    /// It sees the whole object (but for `metadata.managedFields`), and may change whatever the operator may write. There
    /// are three exceptions. What korf keeps on the object, and its finalizer, stay as they are, also where the function
    /// replaces all annotations. Another name, namespace, uid, version or kind isn't asked for, and an ERROR says so. And
    /// of a function that panics nothing is written but an ERROR: by then its handler is done, and isn't called again
    /// for that.
    pub fn modify(&self, modify: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.additions.modify(&self.handler, modify);
    }

    /// An object after all that was added so far, for tests of handlers.
    pub fn applied_to(&self, object: impl Into<Value>) -> Value {
        let mut object = object.into();
        self.additions.apply(&mut object);
        object
    }
}

impl<S: Scope> FromCall<S> for Patch {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(Self { additions: call.additions.clone(), handler: call.id.clone() })
    }
}
