//! Handlers registered by hand; attributes expand to the same.

use crate::{
    core::{
        filter::Filter,
        retry::{Backoff, Errors, Limits},
        task::Trigger,
    },
    handler::{
        Call, Creation, Deletion, Failure, FromCall, Handler, Kind, Needs, Param, Reply, Scope, Site, Update,
    },
    reply::Output,
};
use futures::future::BoxFuture;
use kube::{CustomResourceExt, Resource, core::ApiResource};
use std::{fmt, marker::PhantomData, panic::Location, sync::Arc, time::Duration};

/// A kind that handlers can be for: any [`kube::Resource`] that says by its type alone which one it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind of Kubernetes objects",
    label = "not a kind",
    note = "a kind is the type that `#[derive(CustomResource)]` makes of a spec (`kind = \"…\"`), or one of `k8s_openapi`'s"
)]
pub trait Watched: Resource<DynamicType = ()> + 'static {}

#[diagnostic::do_not_recommend]
impl<K: Resource<DynamicType = ()> + 'static> Watched for K {}

/// A handler in the making: [`on_create`], [`on_update`] or [`on_delete`], then options, then the function.
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
    param: Option<Param>,
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
    On::new(id.into(), Location::caller())
}

/// A handler for objects of kind `K` that have changed since they were handled.
#[track_caller]
pub fn on_update<K: Watched>(id: impl Into<String>) -> On<Update<K>> {
    On::new(id.into(), Location::caller())
}

/// A handler for objects of kind `K` that are being deleted.
#[track_caller]
pub fn on_delete<K: Watched>(id: impl Into<String>) -> On<Deletion<K>> {
    On::new(id.into(), Location::caller())
}

impl<S: Scope<Kind: Watched>> On<S> {
    fn new(id: String, place: &'static Location<'static>) -> Self {
        Self {
            id,
            kind: Kind { resource: ApiResource::erase::<S::Kind>(&()), definition: None },
            trigger: S::TRIGGER,
            filter: Filter::default(),
            param: None,
            limits: Limits::default(),
            needs: Needs::default(),
            site: (place.file(), place.line(), place.column()),
            scope: PhantomData,
        }
    }
}

impl<S: Scope> On<S> {
    /// Another id than the one that the builder began with. It names the handler in logs and, kept on the
    /// objects, in progress records: another id is another handler.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The most attempts; without it, there is no limit.
    pub fn retries(mut self, attempts: u32) -> Self {
        self.limits.retries = Some(attempts);
        self
    }

    /// The longest time from the start of the first attempt to the start of the last; without it, there is no limit.
    pub fn timeout(mut self, longest: Duration) -> Self {
        self.limits.timeout = Some(longest);
        self
    }

    /// The delay after an error that names no delay of its own. A [`Duration`] is a constant one.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.limits.backoff = backoff.into();
        self
    }

    /// What an error means that is neither permanent nor temporary.
    pub fn errors(mut self, errors: Errors) -> Self {
        self.limits.errors = errors;
        self
    }

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
        F: HandlerFn<S, Arguments>,
    {
        F::needs(&mut self.needs);
        self.call(move |call| function.clone().invoke(call))
    }

    /// The primitive: a handler that takes its whole call.
    pub fn call<F, Fut>(self, function: F) -> Handler
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, Failure>> + Send + 'static,
    {
        Handler {
            id: self.id,
            kind: self.kind,
            trigger: self.trigger,
            filter: self.filter,
            param: self.param,
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

    pub fn definition_if_any(mut self, definition: Option<crate::handler::Definition>) -> Self {
        self.kind.definition = definition;
        self
    }
}

/// An `async fn` whose arguments all implement [`FromCall`] for `S`: at most twelve.
#[diagnostic::on_unimplemented(
    message = "this function cannot be a handler of `{S}`",
    label = "not an `async fn` with such arguments",
    note = "a handler is an `async fn` of at most 12 arguments that implement `FromCall<{S}>`, and returns `korf::Result`",
    note = "`#[korf::on_create(Kind)]` on the function says which argument is wrong"
)]
pub trait HandlerFn<S: Scope, Arguments>: Clone + Send + Sync + 'static {
    /// The state that its arguments are made from.
    fn needs(needs: &mut Needs);

    /// Makes the arguments and runs the function.
    fn invoke(self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>>;
}

macro_rules! handler_functions {
    ($($argument:ident)*) => {
        impl<S, F, Fut, $($argument,)*> HandlerFn<S, ($($argument,)*)> for F
        where
            S: Scope,
            F: Fn($($argument),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output: Output<S::Kind>> + Send + 'static,
            $($argument: FromCall<S>,)*
        {
            fn needs(_needs: &mut Needs) {
                $($argument::needs(_needs);)*
            }

            fn invoke(self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
                Box::pin(async move {
                    let running = self($(call.argument::<S, $argument>()?),*);
                    drop(call);
                    running.await.into_reply().map_err(Failure::Failed)
                })
            }
        }
    };
}

handler_functions!();
handler_functions!(A);
handler_functions!(A B);
handler_functions!(A B C);
handler_functions!(A B C D);
handler_functions!(A B C D E);
handler_functions!(A B C D E G);
handler_functions!(A B C D E G H);
handler_functions!(A B C D E G H I);
handler_functions!(A B C D E G H I J);
handler_functions!(A B C D E G H I J K);
handler_functions!(A B C D E G H I J K L);
handler_functions!(A B C D E G H I J K L M);

#[cfg(test)]
mod tests;
