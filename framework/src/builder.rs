//! Builders of handlers. Attributes expand to their calls.

mod function;
mod options;

pub use function::{ActivityFn, HandlerFn, PlainFn};

use crate::{
    argument::{FromCall, ObjectItself, Requirements},
    core::{
        diff::Field,
        filter::{Filter, When},
        retry::Limits,
    },
    families::{Definition, Failure, Family, Handler, Invoke, Kind, Parameter, SourceLocation},
    filter::ConditionScope,
    reply::Reply,
    scope::{HandlerScope, ObjectHandlerScope, ObjectScope},
};
use kube::{CustomResourceExt, Resource};
use std::{fmt, marker::PhantomData, mem, panic::Location, sync::Arc};

/// A kind of objects as a Rust type: any `kube::Resource` that needs no value to name its kind.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind of Kubernetes objects",
    label = "not a kind",
    note = "a kind is the type that `#[derive(CustomResource)]` makes of a spec (`kind = \"…\"`), or one of `k8s_openapi`'s"
)]
pub trait KubeKind: Resource<DynamicType = ()> + 'static {}

#[diagnostic::do_not_recommend]
impl<K: Resource<DynamicType = ()> + 'static> KubeKind for K {}

/// A scope whose handlers have options: every one but [`Sub`](crate::scope::Sub).
pub trait Configurable: ObjectScope + HandlerScope + Sized {
    /// The options that only this family's handlers have.
    type Options;

    /// The scope of the conditions of these handlers.
    type Condition: ConditionScope<Kind = Self::Kind>;
}

/// A scope whose handlers are async functions that can be registered.
pub trait Registrable: Configurable + ObjectHandlerScope {
    /// Makes the family's handler.
    #[doc(hidden)]
    fn family(builder: HandlerBuilder<Self>, invoke: Invoke<Self::Call>) -> Family;
}

/// A builder of a handler: begun by [`on_create`](crate::on_create()) or another of these functions, finished by
/// [`run`](Self::run).
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use korf::{Name, Object, Result};
/// use std::time::Duration;
///
/// async fn greet(map: Object<ConfigMap>, name: Name) -> Result {
///     println!("{name} has {} keys", map.data.iter().flatten().count());
///     Ok(())
/// }
///
/// let handler = korf::on_create::<ConfigMap>("greet").retries(3).backoff(Duration::from_secs(5)).run(greet);
/// assert_eq!(handler.kind.resource.kind, "ConfigMap");
/// ```
#[must_use = "a handler is made by `.run(function)`"]
pub struct HandlerBuilder<S: Configurable> {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) filter: Filter,
    pub(crate) limits: Limits,
    condition: Option<MakeCondition>,
    pub(crate) param: Option<Parameter>,
    pub(crate) requirements: Requirements,
    pub(crate) location: SourceLocation,
    /// The name of the only operator that the handler is for.
    operator: Option<String>,
    /// A mistake in the options.
    pub(crate) mistake: Option<String>,
    pub(crate) options: S::Options,
    scope: PhantomData<S>,
}

/// Makes a condition of the handler's kind and field, which options that come later may change.
type MakeCondition = Box<dyn FnOnce(Arc<Kind>, Option<Field>) -> When>;

impl<S: Configurable> fmt::Debug for HandlerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerBuilder")
            .field("id", &self.id)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<S: Configurable<Kind: KubeKind>> HandlerBuilder<S> {
    pub(crate) fn begin(id: String, options: S::Options, place: &'static Location<'static>) -> Self {
        let kind = Kind::of::<S::Kind>();
        Self::begin_for(kind, id, options, place)
    }
}

impl<S: Configurable> HandlerBuilder<S> {
    pub(crate) fn begin_for(
        kind: Kind,
        id: String,
        options: S::Options,
        place: &'static Location<'static>,
    ) -> Self {
        Self {
            id,
            kind,
            filter: Filter::default(),
            limits: Limits::default(),
            condition: None,
            param: None,
            requirements: Requirements::default(),
            location: SourceLocation { file: place.file(), line: place.line(), column: place.column() },
            operator: None,
            mistake: None,
            options,
            scope: PhantomData,
        }
    }

    /// Lets the operator's `crd` command print the kind's definition. Attributes need no call of this.
    pub fn definition(mut self) -> Self
    where
        S::Kind: CustomResourceExt,
    {
        self.kind.definition = Some(S::Kind::crd);
        self
    }

    /// Makes the handler of what is known now.
    pub(crate) fn finish(mut self, family: impl FnOnce(Self) -> Family) -> Handler {
        let field = self.filter.field.clone();
        if let Some(field) = &field {
            self.id = format!("{}/{field}", self.id);
        }
        let condition = self.condition.take();
        self.filter.when = condition.map(|condition| condition(Arc::new(self.kind.clone()), field));
        Handler {
            location: self.location,
            requirements: mem::take(&mut self.requirements),
            kind: self.kind.clone(),
            mistake: self.mistake.take(),
            operator: self.operator.take(),
            family: family(self),
        }
    }
}

impl<S: Registrable> HandlerBuilder<S> {
    /// Builds the handler that calls `function`: an `async fn` whose arguments implement [`FromCall`]. There are
    /// at most twelve; a function under an attribute may have more.
    pub fn run<F, Arguments>(mut self, function: F) -> Handler
    where
        F: HandlerFn<S, Arguments> + Clone + Sync,
    {
        F::requirements(&mut self.requirements);
        self.call(move |call| function.clone().invoke(call))
    }

    /// Builds a handler that takes its whole call: the primitive behind [`run`](Self::run).
    ///
    /// Nothing is known of what it does with the call, so the command `manifests` grants all that such a handler could need.
    pub fn call<F, Fut>(mut self, function: F) -> Handler
    where
        F: Fn(S::Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, Failure>> + Send + 'static,
    {
        self.requirements.access_mut().close();
        self.finish(|builder| S::family(builder, Arc::new(move |call| Box::pin(function(call)))))
    }
}

/// For attributes.
#[doc(hidden)]
impl<S: Configurable> HandlerBuilder<S> {
    pub fn requires<T: FromCall<S>>(mut self) -> Self {
        T::requirements(&mut self.requirements);
        self
    }

    /// The arguments are all that it takes, and it returns something that is written on the object, or doesn't.
    pub fn declared(mut self, writes: bool) -> Self {
        self.requirements.access_mut().declare(writes);
        self
    }

    pub fn requires_object<K: ObjectItself<S>>(self) -> Self {
        self.requires::<K>()
    }

    pub fn location(mut self, file: &'static str, line: u32, column: u32) -> Self {
        self.location = SourceLocation { file, line, column };
        self
    }

    pub fn definition_if_any(mut self, definition: Option<Definition>) -> Self {
        self.kind.definition = definition;
        self
    }
}

#[cfg(test)]
mod tests;
