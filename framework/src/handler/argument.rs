//! What can be a handler's argument, and in which handlers.

use super::{Call, Scope};
use crate::error::Error;
use std::any::{TypeId, type_name};

/// What handlers ask for that the compiler can't see; checked when the operator starts.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    states: Vec<Need>,
    params: Vec<Need>,
}

/// A type, and its name for people.
pub(crate) type Need = (TypeId, &'static str);

impl Needs {
    /// A value of type `T` that the operator is given by `.state(…)`.
    pub fn state<T: 'static>(&mut self) {
        self.states.push((TypeId::of::<T>(), type_name::<T>()));
    }

    /// A value of type `T` that the handler is registered with.
    pub fn param<T: 'static>(&mut self) {
        self.params.push((TypeId::of::<T>(), type_name::<T>()));
    }

    pub(crate) fn states(&self) -> &[Need] {
        &self.states
    }

    pub(crate) fn params(&self) -> &[Need] {
        &self.params
    }
}

/// A handler's argument, made from the call that it is part of.
///
/// | Argument | What it is |
/// |---|---|
/// | [`Object<K>`](crate::Object), [`Spec<S>`](crate::Spec) | the object, and its spec, in your own types |
/// | [`OldObject<K>`](crate::OldObject), [`Old<S>`](crate::Old) | both as they were handled last; in update handlers only |
/// | [`Old<T>`](crate::Old), [`New<T>`](crate::New) | the field before and now; in handlers of a field only |
/// | [`OldValue`](crate::OldValue), [`NewValue`](crate::NewValue), [`Diff`](crate::Diff) | the same as JSON, and what differs; of a handler that is for a field, that field's |
/// | [`ObjectStatus<T>`](crate::ObjectStatus), [`StatusValue`](crate::StatusValue) | the status, in your own type or as JSON |
/// | [`Name`](crate::Name), [`Namespace`](crate::Namespace), [`Uid`](crate::Uid), [`Labels`](crate::Labels), [`Annotations`](crate::Annotations), [`Meta`](crate::Meta) | the object's |
/// | [`Body`](crate::Body) | the raw JSON |
/// | [`Reason`](crate::Reason) | creation, update, deletion or resuming |
/// | [`Attempt`](crate::Attempt), [`Started`](crate::Started), [`Runtime`](crate::Runtime) | how often, since when and for how long this handler has been tried |
/// | [`Patch`](crate::Patch) | changes to be made to the object together with the handler's outcome |
/// | [`SubHandlers<K>`](crate::SubHandlers) | handlers below this one, each with progress of its own |
/// | [`State<T>`](crate::State) | what the operator was given by `.state(…)` |
/// | [`Param<T>`](crate::Param) | what the handler was registered with by `param = …` |
/// | [`Memo<T>`](crate::Memo) | what handlers remember of the object while the operator runs |
/// | [`Events`](crate::Events) | posts Kubernetes events about the object |
/// | [`EventType`](crate::EventType) | what the watch said; in handlers of raw events only |
/// | [`kube::Client`] | for requests of your own |
/// | [`CancellationToken`](crate::CancellationToken) | cancelled when the operator stops |
///
/// A handler of raw events takes neither those of a change (`OldValue`, `NewValue`, `Diff`) nor those of an attempt
/// (`Reason`, `Attempt`, `Started`, `Runtime`, `SubHandlers`): it is called once, whatever comes of it.
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
    note = "arguments are `Object<_>`, `Spec<_>`, `ObjectStatus<_>`, `Diff`, `Patch`, `State<_>`, `Param<_>`, `Memo<_>`, `SubHandlers<_>`, `Name`, `Namespace`, `Uid`, `Labels`, `Annotations`, `Meta`, `Attempt`, `Started`, `Runtime`, `Reason`, `OldValue`, `NewValue`, `StatusValue`, `Body`, `Events`, `kube::Client`, `CancellationToken`",
    note = "`OldObject<_>` is for `on_update` alone, `Old<_>` for `on_update` and `on_field`, `New<_>` for `on_field`, `EventType` for `on_event`; `Spec<_>` and the `Old<_>` of `on_update` for kinds with `#[derive(CustomResource)]`",
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
