//! Index functions: called for each state of an object that a watch shows, to tell by which keys it is found.

use super::{Failure, Family, Handler, Parameter};
use crate::{
    builder::{Configurable, HandlerBuilder, KubeKind, PlainFn},
    call::{Context, ObjectView},
    core::{filter::Filter, retry::OnError},
    error::Error,
    extract::{IndexType, Indexes},
    filter::ObjectCondition,
    scope::{HandlerScope, ObjectScope, Scope},
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    marker::PhantomData,
    panic::Location,
    sync::Arc,
};

/// An index function: its id, filter and what its errors mean, and the function.
#[derive(Clone)]
pub struct IndexHandler {
    /// Names the function in logs.
    pub id: String,
    /// The objects that it is for. Others have no entries.
    pub filter: Filter,
    /// What an arbitrary error means: where it is ignored, the object keeps its entries, and otherwise it has none.
    pub errors: OnError,
    /// The value that it was registered with.
    pub param: Option<Parameter>,
    /// The types of the index.
    pub(crate) contents: IndexType,
    /// Calls the function, and puts what it returns into the index.
    pub invoke: Arc<dyn Fn(IndexCall) -> Result<(), Failure> + Send + Sync>,
}

impl fmt::Debug for IndexHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexHandler")
            .field("id", &self.id)
            .field("contents", &self.contents)
            .finish_non_exhaustive()
    }
}

/// One call of an index function.
#[derive(Clone, Debug)]
pub struct IndexCall {
    pub(crate) context: Context,
    pub(crate) view: ObjectView,
}

impl AsRef<Context> for IndexCall {
    fn as_ref(&self) -> &Context {
        &self.context
    }
}

impl AsRef<ObjectView> for IndexCall {
    fn as_ref(&self) -> &ObjectView {
        &self.view
    }
}

/// An index function of objects of kind `K`.
#[derive(Debug)]
pub struct Indexing<K>(PhantomData<fn() -> K>);

impl<K: 'static> Scope for Indexing<K> {
    type Call = IndexCall;
}

impl<K: 'static> HandlerScope for Indexing<K> {}

impl<K: 'static> ObjectScope for Indexing<K> {
    type Kind = K;
}

impl<K: 'static> Configurable for Indexing<K> {
    type Options = OnError;
    type Condition = ObjectCondition<K>;
}

/// The pairs of a key and a value that an index function returns for its object: one pair, an `Option` of one, a `Vec`, an
/// array or a map of them, or a [`Result`](crate::Result) of one of these.
///
/// Several pairs may have the same key. An object without pairs is not in the index.
#[diagnostic::on_unimplemented(
    message = "an index function cannot return `{Self}`",
    label = "no pairs of a key and a value",
    note = "return `(key, value)`, or an `Option`, a `Vec`, an array or a map of such pairs, or a `korf::Result` of one of \
            these; collect an iterator"
)]
pub trait IntoPairs: Sized {
    /// The type of the keys.
    type Key: Ord + Clone + Send + Sync + 'static;
    /// The type of the values.
    type Value: Send + Sync + 'static;

    /// The pairs, in their order.
    ///
    /// # Errors
    /// The function's own error.
    fn into_pairs(self) -> Result<Pairs<Self>, Error>;
}

/// The pairs that an index function returns.
pub type Pairs<P> = Vec<(<P as IntoPairs>::Key, <P as IntoPairs>::Value)>;

macro_rules! pairs {
    ($(<$($size:ident)?> $type:ty, $self:ident => $pairs:expr;)*) => {$(
        impl<K, V $(, const $size: usize)?> IntoPairs for $type
        where
            K: Ord + Clone + Send + Sync + 'static,
            V: Send + Sync + 'static,
        {
            type Key = K;
            type Value = V;

            fn into_pairs($self) -> Result<Vec<(K, V)>, Error> {
                Ok($pairs)
            }
        }
    )*};
}

pairs! {
    <> (K, V), self => vec![self];
    <> Option<(K, V)>, self => self.into_iter().collect();
    <> Vec<(K, V)>, self => self;
    <N> [(K, V); N], self => self.into();
    <> BTreeMap<K, V>, self => self.into_iter().collect();
    <> HashMap<K, V>, self => self.into_iter().collect();
}

impl<P: IntoPairs> IntoPairs for Result<P, Error> {
    type Key = P::Key;
    type Value = P::Value;

    fn into_pairs(self) -> Result<Vec<(P::Key, P::Value)>, Error> {
        self?.into_pairs()
    }
}

/// An index function for objects of kind `K`.
///
/// ```
/// use k8s_openapi::api::core::v1::Pod;
/// use korf::{Name, Object};
///
/// fn by_node(pod: Object<Pod>, name: Name) -> Option<(String, Name)> {
///     Some((pod.spec.as_ref()?.node_name.clone()?, name))
/// }
///
/// let handler = korf::index::<Pod>("by_node").labels("app=web").run(by_node);
/// assert_eq!(handler.called_for(), "index");
/// ```
#[track_caller]
pub fn index<K: KubeKind>(id: impl Into<String>) -> HandlerBuilder<Indexing<K>> {
    HandlerBuilder::begin(id.into(), OnError::Ignored, Location::caller())
}

impl<K: 'static> HandlerBuilder<Indexing<K>> {
    /// What an arbitrary error means: where it is ignored, which is the default, the object keeps the entries that it has;
    /// otherwise it loses them.
    pub fn errors(mut self, errors: OnError) -> Self {
        self.options = errors;
        self
    }

    /// Builds the handler that calls `function`: a plain `fn` whose arguments implement [`FromCall`](crate::FromCall), of which there are at
    /// most twelve, and which returns [pairs](IntoPairs).
    pub fn run<F, Arguments>(mut self, function: F) -> Handler
    where
        F: PlainFn<Indexing<K>, Arguments, Output: IntoPairs>,
    {
        F::requirements(&mut self.requirements);
        self.call(move |call| {
            function.call(&call).map_err(Failure::Rejected)?.into_pairs().map_err(Failure::Failed)
        })
    }

    /// Builds a handler that takes its whole call: the primitive behind [`run`](Self::run).
    pub fn call<F, Key, Value>(self, function: F) -> Handler
    where
        F: Fn(IndexCall) -> Result<Vec<(Key, Value)>, Failure> + Send + Sync + 'static,
        Key: Ord + Clone + Send + Sync + 'static,
        Value: Send + Sync + 'static,
    {
        let contents = IndexType::of::<Key, Value>();
        let invoke = move |call: IndexCall| {
            let (indexes, body): (Arc<Indexes>, _) =
                (Arc::clone(&call.context.indexes), call.view.body.clone());
            let pairs = function(call)?;
            if let Some(index) = indexes.get::<Key, Value>() {
                index.replace(&body, pairs).map_err(Failure::Failed)?;
            }
            Ok(())
        };
        self.finish(|builder| {
            Family::Index(IndexHandler {
                id: builder.id,
                filter: builder.filter,
                errors: builder.options,
                param: builder.param,
                contents,
                invoke: Arc::new(invoke),
            })
        })
    }
}
