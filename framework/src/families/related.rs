//! Mapping functions: called for each change of an object, to tell which objects of another kind get a turn for it.

use super::{Failure, Family, Handler, Parameter};
use crate::{
    builder::{Configurable, HandlerBuilder, KubeKind, PlainFn},
    call::{Context, ObjectView},
    core::filter::Filter,
    extract::ObjectRef,
    filter::ObjectCondition,
    scope::{HandlerScope, ObjectScope, Scope},
};
use kube::core::ApiResource;
use std::{fmt, marker::PhantomData, panic::Location, sync::Arc};

/// A mapping function: its id and filter, the kind whose objects get turns, and the function.
#[derive(Clone)]
pub struct RelatedHandler {
    /// Names the function in logs.
    pub id: String,
    /// The objects that it is for.
    pub filter: Filter,
    /// The kind whose objects get turns.
    pub target: ApiResource,
    /// The value that it was registered with.
    pub param: Option<Parameter>,
    /// Calls the function; returns namespaces and names.
    pub invoke: Arc<dyn Fn(RelatedCall) -> Result<Vec<Named>, Failure> + Send + Sync>,
}

/// The namespace and the name of an object.
pub type Named = (Option<String>, String);

impl fmt::Debug for RelatedHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelatedHandler")
            .field("id", &self.id)
            .field("target", &self.target.kind)
            .finish_non_exhaustive()
    }
}

/// One call of a mapping function.
#[derive(Clone, Debug)]
pub struct RelatedCall {
    pub(crate) context: Context,
    pub(crate) view: ObjectView,
}

impl AsRef<Context> for RelatedCall {
    fn as_ref(&self) -> &Context {
        &self.context
    }
}

impl AsRef<ObjectView> for RelatedCall {
    fn as_ref(&self) -> &ObjectView {
        &self.view
    }
}

/// A mapping function of objects of kind `K`, to objects of kind `T`.
#[derive(Debug)]
pub struct Related<K, T>(PhantomData<fn() -> (K, T)>);

impl<K: 'static, T: 'static> Scope for Related<K, T> {
    type Call = RelatedCall;
}

impl<K: 'static, T: 'static> HandlerScope for Related<K, T> {}

impl<K: 'static, T: 'static> ObjectScope for Related<K, T> {
    type Kind = K;
}

impl<K: 'static, T: 'static> Configurable for Related<K, T> {
    type Options = ();
    type Condition = ObjectCondition<K>;
}

/// The objects of kind `T` that a mapping function returns: an `Option`, a `Vec`, an array or an iterator of
/// [`ObjectRef<T>`].
#[diagnostic::on_unimplemented(
    message = "a mapping function cannot return `{Self}`",
    label = "no objects of kind `{T}`",
    note = "return an `Option`, a `Vec`, an array or an iterator of `ObjectRef<{T}>`"
)]
pub trait IntoObjectRefs<T> {
    /// Their namespaces and names.
    fn into_names(self) -> Vec<Named>;
}

#[diagnostic::do_not_recommend]
impl<T, I: IntoIterator<Item = ObjectRef<T>>> IntoObjectRefs<T> for I {
    fn into_names(self) -> Vec<Named> {
        self.into_iter().map(ObjectRef::into_parts).collect()
    }
}

/// A mapping function: for each change of an object of kind `K`, the objects of kind `T` that it returns get a turn.
///
/// ```
/// use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
/// use korf::{Labels, ObjectNamespace, ObjectRef};
///
/// fn user_of(namespace: ObjectNamespace, labels: Labels) -> Option<ObjectRef<Deployment>> {
///     Some((&*namespace, &**labels.get("used-by")?).into())
/// }
///
/// let handler = korf::watches::<Secret, Deployment>("user_of").labels("used-by").run(user_of);
/// assert_eq!(handler.called_for(), "watches");
/// ```
#[track_caller]
pub fn watches<K: KubeKind, T: KubeKind>(id: impl Into<String>) -> HandlerBuilder<Related<K, T>> {
    let mut builder = HandlerBuilder::<Related<K, T>>::begin(id.into(), (), Location::caller());
    builder.requirements.resumed::<T>();
    builder
}

impl<K: 'static, T: KubeKind> HandlerBuilder<Related<K, T>> {
    /// Builds the handler that calls `function`: a plain `fn` whose arguments implement [`FromCall`](crate::FromCall), of
    /// which there are at most twelve, and which returns [objects](IntoObjectRefs).
    pub fn run<F, Arguments>(mut self, function: F) -> Handler
    where
        F: PlainFn<Related<K, T>, Arguments, Output: IntoObjectRefs<T>>,
    {
        F::requirements(&mut self.requirements);
        self.call(move |call| Ok(function.call(&call).map_err(Failure::Rejected)?.into_names()))
    }

    /// Builds a handler that takes its whole call: the primitive behind [`run`](Self::run).
    pub fn call<F>(self, function: F) -> Handler
    where
        F: Fn(RelatedCall) -> Result<Vec<Named>, Failure> + Send + Sync + 'static,
    {
        self.finish(|builder| {
            Family::Related(RelatedHandler {
                id: builder.id,
                filter: builder.filter,
                target: ApiResource::erase::<T>(&()),
                param: builder.param,
                invoke: Arc::new(function),
            })
        })
    }
}
