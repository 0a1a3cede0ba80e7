//! Activities: handlers that are called for the operator itself, at its start and its end, for its login and its probes.

use super::{Failure, Parameter, SourceLocation};
use crate::{
    argument::{FromCall, Requirements},
    builder::ActivityFn,
    call::{AttemptInfo, Context},
    core::retry::{Backoff, Limits, OnError},
    error::{Error, Result},
    extract::OperatorSetup,
    needs::Need,
    scope::{HandlerScope, Retried, Scope},
};
use futures::future::BoxFuture;
use kube::Config;
use serde::Serialize;
use serde_json::Value;
use std::{fmt, marker::PhantomData, panic::Location, sync::Arc, time::Duration};

/// An activity, whatever its arguments.
#[derive(Clone)]
pub struct Activity {
    /// Names the activity in logs.
    pub id: String,
    /// What it is called for.
    pub kind: ActivityKind,
    /// Its place in the source.
    pub location: SourceLocation,
    /// The states and the parameter that its arguments are made from.
    pub requirements: Requirements,
    /// The limits of its attempts.
    pub limits: Limits,
    /// The value that it was registered with.
    pub param: Option<Parameter>,
    /// Calls the function.
    pub invoke: Arc<dyn Fn(ActivityCall) -> ActivityAnswer + Send + Sync>,
    /// The name of the only operator that it is for.
    pub(crate) operator: Option<String>,
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activity").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What an activity is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActivityKind {
    /// The operator starts.
    Startup,
    /// The operator has stopped.
    Cleanup,
    /// The operator needs credentials.
    Login,
    /// Somebody asks how the operator is.
    Probe,
}

impl ActivityKind {
    /// The word that stands in the names of its attribute: `startup`, `cleanup`, `login`, `probe`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Cleanup => "cleanup",
            Self::Login => "login",
            Self::Probe => "probe",
        }
    }
}

/// The future of one call of an activity.
pub type ActivityAnswer = BoxFuture<'static, Result<ActivityReply, Failure>>;

/// What an activity has returned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ActivityReply {
    /// Nothing.
    Nothing,
    /// What a probe has measured.
    Probed(Value),
    /// Credentials, and where to use them.
    Credentials(Box<Config>),
}

/// One call of an activity.
#[derive(Clone, Debug)]
pub struct ActivityCall {
    pub(crate) context: Context,
    pub(crate) attempt: AttemptInfo,
    pub(crate) setup: OperatorSetup,
}

impl AsRef<Context> for ActivityCall {
    fn as_ref(&self) -> &Context {
        &self.context
    }
}

impl AsRef<AttemptInfo> for ActivityCall {
    fn as_ref(&self) -> &AttemptInfo {
        &self.attempt
    }
}

/// A scope of activities.
pub trait ActivityScope: HandlerScope + Scope<Call = ActivityCall> {
    /// What its activities are called for.
    const KIND: ActivityKind;
}

macro_rules! activity_scopes {
    ($($(#[$doc:meta])* $scope:ident $(: $is:ident)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $scope(());

        impl Scope for $scope {
            type Call = ActivityCall;
        }

        impl HandlerScope for $scope {}

        impl ActivityScope for $scope {
            const KIND: ActivityKind = ActivityKind::$scope;
        }

        $(impl $is for $scope {})?
    )*};
}

activity_scopes! {
    /// A handler of the operator's start.
    Startup: Retried;

    /// A handler of the operator's end.
    Cleanup: Retried;

    /// A handler that gives credentials.
    Login: Retried;

    /// A handler that tells how the operator is.
    Probe;
}

/// A type that activities of this scope can return.
#[diagnostic::on_unimplemented(
    message = "an activity (`{S}`) cannot return `{Self}`",
    label = "not what such an activity returns",
    note = "`on_startup` and `on_cleanup` return `korf::Result`, `on_login` returns `korf::Result<kube::Config>`, `on_probe` \
            returns `korf::Result<T>` of anything that serde can serialize"
)]
pub trait IntoActivityReply<S> {
    /// The reply.
    ///
    /// # Errors
    /// The activity's own error, or a value that can't be written as JSON.
    fn into_reply(self) -> Result<ActivityReply, Error>;
}

macro_rules! replies_nothing {
    ($($scope:ident)*) => {$(
        impl IntoActivityReply<$scope> for () {
            fn into_reply(self) -> Result<ActivityReply, Error> {
                Ok(ActivityReply::Nothing)
            }
        }

        impl IntoActivityReply<$scope> for Result<(), Error> {
            fn into_reply(self) -> Result<ActivityReply, Error> {
                self.map(|()| ActivityReply::Nothing)
            }
        }
    )*};
}

replies_nothing!(Startup Cleanup);

impl IntoActivityReply<Login> for Result<Config, Error> {
    fn into_reply(self) -> Result<ActivityReply, Error> {
        self.map(|config| ActivityReply::Credentials(Box::new(config)))
    }
}

impl<T: Serialize> IntoActivityReply<Probe> for Result<T, Error> {
    fn into_reply(self) -> Result<ActivityReply, Error> {
        match serde_json::to_value(self?) {
            Ok(value) => Ok(ActivityReply::Probed(value)),
            Err(error) => {
                Err(Error::permanent(format!("the returned value cannot be written as JSON: {error}")))
            }
        }
    }
}

/// A builder of an activity: begun by [`on_startup`](crate::on_startup()) or another of these functions, finished by
/// [`run`](Self::run).
///
/// ```
/// use korf::{Operator, extract::OperatorSetup, handler::Registry};
///
/// async fn prepare(setup: OperatorSetup) {
///     setup.settings(|settings| settings.queueing.concurrency = 8);
/// }
///
/// let activity = korf::on_startup("prepare").retries(3).run(prepare);
/// assert_eq!(activity.kind.as_str(), "startup");
/// let operator = Operator::with_registry("greeter", Registry::default()).activity(activity);
/// ```
#[must_use = "an activity is made by `.run(function)`"]
pub struct ActivityBuilder<S: ActivityScope> {
    id: String,
    limits: Limits,
    param: Option<Parameter>,
    requirements: Requirements,
    location: SourceLocation,
    operator: Option<String>,
    scope: PhantomData<S>,
}

impl<S: ActivityScope> fmt::Debug for ActivityBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityBuilder")
            .field("id", &self.id)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A handler that is called before the operator watches anything.
#[track_caller]
pub fn on_startup(id: impl Into<String>) -> ActivityBuilder<Startup> {
    ActivityBuilder::begin(id.into(), Location::caller())
}

/// A handler that is called when the operator has stopped, after its last other handler.
#[track_caller]
pub fn on_cleanup(id: impl Into<String>) -> ActivityBuilder<Cleanup> {
    ActivityBuilder::begin(id.into(), Location::caller())
}

/// A handler that gives credentials, instead of the kubeconfig or the pod's service account.
#[track_caller]
pub fn on_login(id: impl Into<String>) -> ActivityBuilder<Login> {
    ActivityBuilder::begin(id.into(), Location::caller())
}

/// A handler that tells how the operator is.
#[track_caller]
pub fn on_probe(id: impl Into<String>) -> ActivityBuilder<Probe> {
    ActivityBuilder::begin(id.into(), Location::caller())
}

impl<S: ActivityScope> ActivityBuilder<S> {
    fn begin(id: String, place: &'static Location<'static>) -> Self {
        // Those who ask a probe ask again.
        let errors = if S::KIND == ActivityKind::Probe { OnError::Ignored } else { OnError::default() };
        Self {
            id,
            limits: Limits { errors, ..Limits::default() },
            param: None,
            requirements: Requirements::default(),
            location: SourceLocation { file: place.file(), line: place.line(), column: place.column() },
            operator: None,
            scope: PhantomData,
        }
    }

    /// Replaces the id, which names the activity in logs.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The value that the activity takes as its [`Param`](crate::extract::Param), so that one function can be several
    /// activities.
    pub fn param<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.param = Some(Parameter::new(value));
        self
    }

    /// A permission that it needs for its own requests. The command `manifests` grants it.
    pub fn needs(mut self, need: Need) -> Self {
        self.requirements.need(need);
        self
    }

    /// The longest time from the start of the first attempt; a running attempt is interrupted then. Without it, there
    /// is no limit; for a probe, that is the setting `probing.timeout`.
    pub fn timeout(mut self, longest: Duration) -> Self {
        self.limits.timeout = Some(longest);
        self
    }

    /// Only operators of this name, which [`Operator::new`](crate::Operator::new) is given, have the activity.
    pub fn operator(mut self, name: impl Into<String>) -> Self {
        self.operator = Some(name.into());
        self
    }

    /// Builds the activity that calls `function`: an `async fn` whose arguments implement [`FromCall`], at most twelve.
    pub fn run<F, Arguments>(mut self, function: F) -> Activity
    where
        F: ActivityFn<S, Arguments> + Clone + Sync,
    {
        F::requirements(&mut self.requirements);
        self.call(move |call| function.clone().invoke(call))
    }

    /// Builds an activity that takes its whole call: the primitive behind [`run`](Self::run).
    pub fn call<F, Fut>(self, function: F) -> Activity
    where
        F: Fn(ActivityCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ActivityReply, Failure>> + Send + 'static,
    {
        Activity {
            id: self.id,
            kind: S::KIND,
            location: self.location,
            requirements: self.requirements,
            limits: self.limits,
            param: self.param,
            operator: self.operator,
            invoke: Arc::new(move |call| Box::pin(function(call))),
        }
    }
}

impl<S: ActivityScope + Retried> ActivityBuilder<S> {
    /// The most attempts. Without it, there is no limit.
    pub fn retries(mut self, attempts: u32) -> Self {
        self.limits.retries = Some(attempts);
        self
    }

    /// The delay after an error that names none. A [`Duration`] is a constant one.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.limits.backoff = backoff.into();
        self
    }

    /// The meaning of an error that is neither permanent nor temporary.
    pub fn errors(mut self, errors: OnError) -> Self {
        self.limits.errors = errors;
        self
    }
}

/// For attributes.
#[doc(hidden)]
impl<S: ActivityScope> ActivityBuilder<S> {
    pub fn requires<T: FromCall<S>>(mut self) -> Self {
        T::requirements(&mut self.requirements);
        self
    }

    pub fn location(mut self, file: &'static str, line: u32, column: u32) -> Self {
        self.location = SourceLocation { file, line, column };
        self
    }
}
