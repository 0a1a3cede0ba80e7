//! Arguments of handlers: the trait that makes them, and their rejections.

use crate::{
    builder::KubeKind,
    error::Error,
    extract::IndexType,
    families::Failure,
    needs::{Access, Need},
    scope::Scope,
};
use kube::core::ApiResource;
use std::{
    any::{TypeId, type_name},
    error, fmt,
    sync::Arc,
    time::Duration,
};

/// The states, the indexes, the resume handlers and the parameter that a handler's arguments can't be made without, and the
/// permissions that it needs. The compiler doesn't know them; all but permissions are checked when the operator starts.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    states: Vec<RequiredType>,
    params: Vec<RequiredType>,
    resumed: Vec<ApiResource>,
    indexes: Vec<IndexType>,
    access: Access,
}

/// A type, and its name for people.
pub(crate) type RequiredType = (TypeId, &'static str);

impl Requirements {
    fn of<S: Scope, T: FromCall<S>>() -> Self {
        let mut requirements = Self::default();
        T::requirements(&mut requirements);
        requirements
    }

    /// Requires a value of type `T` that the operator is given by `.state(…)`.
    pub fn state<T: 'static>(&mut self) {
        self.states.push((TypeId::of::<T>(), type_name::<T>()));
    }

    /// Requires a value of type `T` that the handler is registered with.
    pub fn param<T: 'static>(&mut self) {
        self.params.push((TypeId::of::<T>(), type_name::<T>()));
    }

    /// Requires a resume handler of objects of kind `K`, which are to be triggered.
    pub fn resumed<K: KubeKind>(&mut self) {
        self.resumed.push(ApiResource::erase::<K>(&()));
    }

    /// Requires of what `other` does only that which is needed though an argument may be rejected: one that is never rejected
    /// still needs something to be called, and permissions.
    fn resumed_as(&mut self, other: Self) {
        self.resumed.extend(other.resumed);
        self.access.extend(other.access);
    }

    /// Declares a permission for requests that the argument makes by itself, or is there to make. The command `manifests`
    /// grants it.
    pub fn need(&mut self, need: Need) {
        self.access.needs.push(need);
    }

    /// Requires that the handler may change its object, as one that takes [`ObjectPatch`](crate::ObjectPatch) does.
    pub fn patch(&mut self) {
        self.access.patches = true;
    }

    /// Requires that the handler may post Kubernetes Events, as one that takes [`EventRecorder`](crate::EventRecorder) does.
    pub fn events(&mut self) {
        self.access.events = true;
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn access_mut(&mut self) -> &mut Access {
        &mut self.access
    }

    pub(crate) fn kinds_to_resume(&self) -> &[ApiResource] {
        &self.resumed
    }

    /// Requires an [`Index<K, V>`](crate::Index), which an index function fills.
    pub fn index<K, V>(&mut self)
    where
        K: Ord + Clone + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.indexes.push(IndexType::of::<K, V>());
    }

    pub(crate) fn states(&self) -> &[RequiredType] {
        &self.states
    }

    pub(crate) fn params(&self) -> &[RequiredType] {
        &self.params
    }

    pub(crate) fn indexes(&self) -> &[IndexType] {
        &self.indexes
    }
}

/// The reason why an argument can't be made from a call.
///
/// All arguments share this type, and [`FromCall`] has no associated one: an argument of your own is then one `impl` with
/// one function, and korf knows what follows from each rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The object doesn't fit: the handler isn't called, and the object waits for its next change.
    Object(String),
    /// Only the object's previous state doesn't fit, or isn't known. No change of the object repairs that, so the attempt
    /// fails permanently.
    Past(String),
    /// An obstacle that may be gone later: the attempt is retried.
    Temporary {
        /// The obstacle.
        message: String,
        /// The time to the next attempt.
        delay: Duration,
    },
    /// Nothing is wrong, but the argument isn't there yet: see [`Error::waiting`](crate::Error::waiting).
    Waiting {
        /// What the handler waits for.
        message: String,
        /// The time to the next attempt.
        delay: Duration,
    },
    /// Something is away that the argument needs: see [`Error::outage`](crate::Error::outage).
    Outage {
        /// The error message.
        message: String,
        /// What is away.
        cause: Arc<str>,
        /// The longest time between two tries by one of the objects that wait for it.
        delay: Duration,
    },
}

impl Rejection {
    /// A rejection of the object as it is.
    pub fn object(message: impl fmt::Display) -> Self {
        Self::Object(message.to_string())
    }

    /// A rejection of the object's previous state.
    pub fn past(message: impl fmt::Display) -> Self {
        Self::Past(message.to_string())
    }

    /// What the attempt fails with. By `?`, it would be an error that nobody has classified.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Object(message) | Self::Past(message) => Error::permanent(message),
            Self::Temporary { message, delay } => Error::temporary(message, delay),
            Self::Waiting { message, delay } => Error::waiting(message, delay),
            Self::Outage { message, cause, delay } => Error::outage(cause, message, delay),
        }
    }

    /// An obstacle that may be gone after `delay`.
    pub fn temporary(message: impl fmt::Display, delay: Duration) -> Self {
        Self::Temporary { message: message.to_string(), delay }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Object(message)
        | Self::Past(message)
        | Self::Temporary { message, .. }
        | Self::Waiting { message, .. }
        | Self::Outage { message, .. }) = self;
        f.write_str(message)
    }
}

impl error::Error for Rejection {}

/// A temporary error is retried, and so are an outage and a wait; any other error rejects the object.
impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        match error {
            Error::Temporary { delay, .. } => Self::temporary(error, delay),
            Error::Waiting { delay, .. } => Self::Waiting { message: error.to_string(), delay },
            Error::Outage { ref cause, delay, .. } => {
                Self::Outage { message: error.to_string(), cause: Arc::clone(cause), delay }
            }
            Error::Permanent(_) | Error::Unclassified(_) => Self::object(error),
        }
    }
}

/// An argument of handlers, made from the call that it is part of.
///
/// | Argument | Value | Needs |
/// |---|---|---|
/// | [`Object<K>`](crate::Object) | the object in your own type | |
/// | [`Spec<S>`](crate::Spec), [`Status<S>`](crate::Status) | its spec and status in your own types | a kind with `#[derive(CustomResource)]` |
/// | [`StatusValue`](crate::extract::StatusValue), [`Body`](crate::extract::Body) | the status, and the whole object, as JSON | |
/// | [`Name`](crate::Name), [`ObjectNamespace`](crate::ObjectNamespace), [`Uid`](crate::extract::Uid), [`Labels`](crate::Labels), [`Annotations`](crate::extract::Annotations), [`Meta`](crate::extract::Meta) | its metadata | |
/// | `kube::core::ApiResource` | its kind: group, version, kind and plural | an operator |
/// | [`Reason`](crate::Reason) | creation, update, deletion, resuming, resync or a trigger | a change |
/// | [`Diff`](crate::Diff), [`OldValue`](crate::extract::OldValue), [`NewValue`](crate::extract::NewValue) | the difference from what was handled last, and both as JSON; of a handler with a field, in that field | a change |
/// | [`OldSpec<S>`](crate::OldSpec), [`OldObject<K>`](crate::extract::OldObject) | the spec, and the object, as they were handled last | `on_update` |
/// | [`Old<T>`](crate::Old), [`New<T>`](crate::New) | the field before and now | `on_field` |
/// | [`Attempt`](crate::Attempt), [`Started`](crate::extract::Started), [`Elapsed`](crate::extract::Elapsed) | the number of attempts so far, the start of the first one, the time since then | a change, `timer`, `daemon`, or an activity that is no probe |
/// | [`Stopped`](crate::Stopped) | tells a daemon to stop | `daemon` |
/// | [`Live<K>`](crate::Live) | the newest state of the object, and its changes | `daemon` |
/// | [`SubHandlers<K>`](crate::SubHandlers) | handlers below this one, each with progress of its own | a change |
/// | [`WatchEventType`](crate::extract::WatchEventType) | the watch event | `on_event` |
/// | [`ObjectPatch`](crate::ObjectPatch) | changes that are written to the object, whether the handler succeeds or not; those of a daemon, soon | |
/// | [`OperatorSetup`](crate::extract::OperatorSetup) | the settings and states that the operator starts with | `on_startup` |
/// | [`State<T>`](crate::State) | a value that the operator was given by `.state(…)`, or by a start-up handler | |
/// | [`ObjectRef<K>`](crate::ObjectRef) | its namespace and name as a value: the handler's own object | |
/// | [`Trigger<K>`](crate::Trigger) | gives objects of kind `K` a turn now | an `on_resume` handler of `K` |
/// | [`Index<K, V>`](crate::Index) | what [index functions](macro@crate::index) have returned for all objects of their kind, by keys | |
/// | [`Param<T>`](crate::extract::Param) | the value that the handler was registered with by `param = …` | |
/// | [`Memo<T>`](crate::Memo) | a value in memory for each object | |
/// | [`EventRecorder`](crate::EventRecorder) | posts Kubernetes Events about the object | |
/// | `kube::Client` | the operator's client | |
/// | [`CancellationToken`](crate::extract::CancellationToken) | cancelled when the operator stops | |
/// | `Option<T>` of any of these | none where it is [rejected](Rejection), unless that is temporary | what `T` needs |
/// | `Result<T, Rejection>` of any of these | the [`Rejection`] where there is one | what `T` needs |
///
/// What is about an object isn't there for activities ([`on_startup`](macro@crate::on_startup),
/// [`on_cleanup`](macro@crate::on_cleanup), [`on_login`](macro@crate::on_login), [`on_probe`](macro@crate::on_probe)), which have
/// none. A change is what [`on_create`](macro@crate::on_create), [`on_update`](macro@crate::on_update),
/// [`on_delete`](macro@crate::on_delete), [`on_resume`](macro@crate::on_resume) and [`on_field`](macro@crate::on_field)
/// handlers are called for; sub-handlers, too. An [index function](macro@crate::index) has no `Memo`, `ObjectPatch` and
/// `EventRecorder`. A [condition](crate::filter) takes what an object and its change give, but
/// nothing that needs an operator.
///
/// # An argument of your own
///
/// It implements this trait for each [scope](crate::scope) that has what it needs: an object
/// ([`ObjectScope`](crate::scope::ObjectScope)), an operator ([`HandlerScope`](crate::scope::HandlerScope)), a change
/// ([`ChangeScope`](crate::scope::ChangeScope)).
///
/// ```
/// use korf::{FromCall, State, scope::{HandlerScope, ObjectScope}, extract::{Rejection, Requirements}};
///
/// #[derive(Clone)]
/// struct Clusters { default: String }
///
/// /// The cluster that an object asks for by its annotation.
/// struct Cluster(String);
///
/// impl<S: ObjectScope + HandlerScope> FromCall<S> for Cluster {
///     fn from_call(call: &S::Call) -> Result<Self, Rejection> {
///         match S::object(call).body().annotation("example.com/cluster") {
///             Some(name) => Ok(Self(name.into())),
///             None => Ok(Self(<State<Clusters> as FromCall<S>>::from_call(call)?.0.default)),
///         }
///     }
///
///     // So that a missing `.state(Clusters)` is found when the operator starts.
///     fn requirements(requirements: &mut Requirements) {
///         requirements.state::<Clusters>();
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
    note = "an object is taken as `Object<Kind>`",
    note = "all arguments, and what each of them needs: https://docs.rs/korf/latest/korf/trait.FromCall.html"
)]
pub trait FromCall<S: Scope>: Sized {
    /// Makes the argument.
    ///
    /// # Errors
    /// A [`Rejection`].
    fn from_call(call: &S::Call) -> Result<Self, Rejection>;

    /// Names the states, the indexes and the parameter that the argument can't be made without, and the permissions that it
    /// needs. One that is made of others names theirs, too: `<State<T> as FromCall<S>>::requirements(requirements)`.
    fn requirements(_requirements: &mut Requirements) {}
}

/// An argument of the very type that the handler is for: it takes the object itself.
#[diagnostic::on_unimplemented(
    message = "a handler takes the object as `Object<{Self}>`",
    label = "write `Object<{Self}>`"
)]
pub trait ObjectItself<S: Scope>: FromCall<S> {}

#[diagnostic::do_not_recommend]
impl<S: Scope, K: FromCall<S>> ObjectItself<S> for K {}

/// None where the object or its previous state is rejected.
impl<S: Scope, T: FromCall<S>> FromCall<S> for Option<T> {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        match T::from_call(call) {
            Ok(argument) => Ok(Some(argument)),
            Err(Rejection::Object(_) | Rejection::Past(_)) => Ok(None),
            Err(
                passing
                @ (Rejection::Temporary { .. } | Rejection::Waiting { .. } | Rejection::Outage { .. }),
            ) => Err(passing),
        }
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.resumed_as(Requirements::of::<S, T>());
    }
}

/// Never rejected: the handler decides what follows.
impl<S: Scope, T: FromCall<S>> FromCall<S> for Result<T, Rejection> {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(T::from_call(call))
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.resumed_as(Requirements::of::<S, T>());
    }
}

/// The argument that has the type of the handler's kind.
///
/// # Errors
/// [`Failure::Rejected`].
pub fn object_itself<S: Scope, K: ObjectItself<S>>(call: &S::Call) -> Result<K, Failure> {
    argument(call)
}

/// One argument of a handler.
///
/// # Errors
/// [`Failure::Rejected`].
pub fn argument<S: Scope, T: FromCall<S>>(call: &S::Call) -> Result<T, Failure> {
    T::from_call(call).map_err(Failure::Rejected)
}
