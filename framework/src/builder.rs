//! Handlers registered by hand; attributes expand to the same.

mod function;
mod options;
mod subs;

pub use function::HandlerFn;
pub use subs::SubHandlers;

use crate::{
    core::{
        diff::Field,
        filter::Filter,
        retry::{Errors, Limits},
        task::Trigger,
    },
    handler::{
        Call, Creation, Definition, Deletion, Failure, FieldChange, FromCall, Handler, Kind, Needs,
        Parameter, RawEvent, Reply, Resuming, Returns, Scope, Site, Update,
    },
};
use kube::{CustomResourceExt, Resource, core::ApiResource};
use std::{fmt, marker::PhantomData, panic::Location, sync::Arc};

/// A kind that handlers can be for: any [`kube::Resource`] that says by its type alone which one it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind of Kubernetes objects",
    label = "not a kind",
    note = "a kind is the type that `#[derive(CustomResource)]` makes of a spec (`kind = \"…\"`), or one of `k8s_openapi`'s"
)]
pub trait Watched: Resource<DynamicType = ()> + 'static {}

#[diagnostic::do_not_recommend]
impl<K: Resource<DynamicType = ()> + 'static> Watched for K {}

/// A handler in the making: [`on_create`] or another of these functions, then options, then the function.
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
pub struct On<S: Scope> {
    id: String,
    kind: Kind,
    trigger: Trigger,
    filter: Filter,
    param: Option<Parameter>,
    returns: Returns,
    limits: Limits,
    needs: Needs,
    site: Site,
    scope: PhantomData<S>,
}

impl<S: Scope> fmt::Debug for On<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").field("id", &self.id).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A handler for objects of kind `K` that nothing has handled yet.
#[track_caller]
pub fn on_create<K: Watched>(id: impl Into<String>) -> On<Creation<K>> {
    On::begin(id.into(), Trigger::Create, Location::caller())
}

/// A handler for objects of kind `K` that have changed since they were handled.
#[track_caller]
pub fn on_update<K: Watched>(id: impl Into<String>) -> On<Update<K>> {
    On::begin(id.into(), Trigger::Update, Location::caller())
}

/// A handler for objects of kind `K` that are being deleted.
#[track_caller]
pub fn on_delete<K: Watched>(id: impl Into<String>) -> On<Deletion<K>> {
    On::begin(id.into(), Trigger::Delete { optional: false, lets_go: false }, Location::caller())
}

/// A handler for objects of kind `K` that were handled before the operator was started.
#[track_caller]
pub fn on_resume<K: Watched>(id: impl Into<String>) -> On<Resuming<K>> {
    On::begin(id.into(), Trigger::Resume { deleted: false }, Location::caller())
}

/// A handler for objects of kind `K` one field of which has changed since they were handled, or is there for the
/// first time. A deletion by itself is no change of a field.
///
/// Its id is `id/field`, as in Kopf.
#[track_caller]
pub fn on_field<K: Watched>(id: impl Into<String>, field: impl Into<Field>) -> On<FieldChange<K>> {
    On::begin(id.into(), Trigger::Field, Location::caller()).field(field)
}

/// A handler for everything that the watch says of objects of kind `K`. It is called once, whatever comes of it:
/// errors are logged.
#[track_caller]
pub fn on_event<K: Watched>(id: impl Into<String>) -> On<RawEvent<K>> {
    let mut on = On::begin(id.into(), Trigger::Event, Location::caller());
    on.limits.errors = Errors::Ignored;
    on
}

impl<S: Scope<Kind: Watched>> On<S> {
    fn begin(id: String, trigger: Trigger, place: &'static Location<'static>) -> Self {
        Self {
            id,
            kind: Kind { resource: ApiResource::erase::<S::Kind>(&()), definition: None },
            trigger,
            filter: Filter::default(),
            param: None,
            returns: Returns::default(),
            limits: Limits::default(),
            needs: Needs::default(),
            site: (place.file(), place.line(), place.column()),
            scope: PhantomData,
        }
    }
}

impl<S: Scope> On<S> {
    /// Lets the operator's `crd` command print the kind's definition. Attributes find it by themselves.
    pub fn definition(mut self) -> Self
    where
        S::Kind: CustomResourceExt,
    {
        self.kind.definition = Some(S::Kind::crd);
        self
    }

    /// The handler that runs `function`: an `async fn` of up to twelve arguments that implement [`FromCall`].
    pub fn run<F, Arguments>(mut self, function: F) -> Handler
    where
        F: HandlerFn<S, Arguments> + Clone + Sync,
    {
        F::needs(&mut self.needs);
        self.returns = F::RETURNS;
        self.call(move |call| function.clone().invoke(call))
    }

    /// The primitive: a handler that takes its whole call.
    pub fn call<F, Fut>(self, function: F) -> Handler
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, Failure>> + Send + 'static,
    {
        let id = match &self.filter.field {
            Some(field) => format!("{}/{field}", self.id),
            None => self.id,
        };
        Handler {
            id,
            kind: self.kind,
            trigger: self.trigger,
            filter: self.filter,
            param: self.param,
            returns: self.returns,
            limits: self.limits,
            needs: self.needs,
            site: self.site,
            invoke: Arc::new(move |call| Box::pin(function(call))),
        }
    }
}

/// What attributes use and people have no need of.
#[doc(hidden)]
impl<S: Scope> On<S> {
    pub fn needs<T: FromCall<S>>(mut self) -> Self {
        T::needs(&mut self.needs);
        self
    }

    pub fn site(mut self, site: Site) -> Self {
        self.site = site;
        self
    }

    pub fn definition_if_any(mut self, definition: Option<Definition>) -> Self {
        self.kind.definition = definition;
        self
    }

    pub fn returns(mut self, returns: Returns) -> Self {
        self.returns = returns;
        self
    }
}

#[cfg(test)]
mod tests;
