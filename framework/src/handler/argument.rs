//! What can be a handler's argument, and in which handlers.

use super::Call;
use crate::{core::task::Trigger, error::Error};
use std::{any::TypeId, marker::PhantomData};

/// The state types that handlers ask for; checked when the operator starts.
#[derive(Clone, Debug, Default)]
pub struct Needs(pub Vec<(TypeId, &'static str)>);

/// What a handler handles: a kind, and what happens to it.
///
/// One of [`Creation`], [`Update`] and [`Deletion`]; an argument that makes sense in some of them only
/// (the old spec of an object that is being created?) implements [`FromCall`] for those alone.
pub trait Scope: 'static {
    /// The kind of the objects.
    type Kind: 'static;
    /// When the handler is called.
    const TRIGGER: Trigger;
}

/// A handler of objects of kind `K` that nothing has handled yet.
#[derive(Debug)]
pub struct Creation<K>(PhantomData<fn() -> K>);
impl<K: 'static> Scope for Creation<K> {
    type Kind = K;
    const TRIGGER: Trigger = Trigger::Create;
}

/// A handler of objects of kind `K` whose essence has changed.
#[derive(Debug)]
pub struct Update<K>(PhantomData<fn() -> K>);
impl<K: 'static> Scope for Update<K> {
    type Kind = K;
    const TRIGGER: Trigger = Trigger::Update;
}

/// A handler of objects of kind `K` that are being deleted.
#[derive(Debug)]
pub struct Deletion<K>(PhantomData<fn() -> K>);
impl<K: 'static> Scope for Deletion<K> {
    type Kind = K;
    const TRIGGER: Trigger = Trigger::Delete { optional: false, lets_go: false };
}

/// A handler's argument, made from the call that it is part of.
///
/// | Argument | What it is |
/// |---|---|
/// | [`Object<K>`](crate::Object), [`Spec<S>`](crate::Spec) | the object, and its spec, in your own types |
/// | [`OldObject<K>`](crate::OldObject), [`Old<S>`](crate::Old) | both as they were handled last; in update handlers only |
/// | [`Diff`](crate::Diff) | from what was handled last to what is there now |
/// | [`Patch`](crate::Patch) | changes to be made to the object together with the handler's outcome |
/// | [`State<T>`](crate::State) | what the operator was given by `.state(…)` |
/// | [`Name`](crate::Name), [`Namespace`](crate::Namespace) | the object's |
/// | [`Attempt`](crate::Attempt), [`Started`](crate::Started) | how often, and since when, this handler has been tried |
/// | [`Reason`] | creation, update or deletion |
/// | [`Body`](crate::Body) | the raw JSON |
/// | [`kube::Client`] | for requests of your own |
/// | [`CancellationToken`](crate::CancellationToken) | cancelled when the operator stops |
///
/// An argument of your own implements this trait: for every scope, or for those of one kind or reason.
///
/// ```
/// use korf::{Call, Error, FromCall, Object, Scope, State};
///
/// #[derive(Clone)]
/// struct Clusters { default: String }
///
/// /// The cluster that an object asks for by its annotation.
/// struct Cluster(String);
///
/// impl<S: Scope> FromCall<S> for Cluster {
///     fn from_call(call: &Call) -> Result<Self, Error> {
///         match call.body.annotation("example.com/cluster") {
///             Some(name) => Ok(Self(name.into())),
///             None => Ok(Self(<State<Clusters> as FromCall<S>>::from_call(call)?.0.default)),
///         }
///     }
///
///     // So that a missing `.state(Clusters)` is found when the operator starts.
///     fn needs(needs: &mut korf::Needs) {
///         <State<Clusters> as FromCall<S>>::needs(needs);
///     }
/// }
///
/// #[korf::on_create(k8s_openapi::api::core::v1::ConfigMap)]
/// async fn create(cluster: Cluster) -> korf::Result {
///     println!("goes to {}", cluster.0);
///     Ok(())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler of `{S}` cannot take `{Self}`",
    label = "not an argument for `{S}`",
    note = "arguments are `Object<_>`, `Spec<_>`, `Diff`, `Patch`, `State<_>`, `Name`, `Namespace`, `Attempt`, `Started`, `Reason`, `Body`, `kube::Client`, `CancellationToken`",
    note = "`Old<_>` and `OldObject<_>` are for `on_update` alone; `Spec<_>` and `Old<_>` for kinds with `#[derive(CustomResource)]`",
    note = "a type of your own can be an argument by `impl<S: korf::Scope> korf::FromCall<S>`"
)]
pub trait FromCall<S: Scope>: Sized {
    /// # Errors
    /// Whatever keeps the argument from being made. It is permanent unless it is [`Error::Temporary`]:
    /// the handler isn't called, and the object waits for its next change.
    fn from_call(call: &Call) -> Result<Self, Error>;

    /// Names the state that this argument is made from.
    fn needs(_needs: &mut Needs) {}
}
