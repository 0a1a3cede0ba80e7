//! Scopes: types that name what a handler is called for, so that the compiler checks its arguments.
//!
//! A scope has a call, and traits for what the call has. An argument implements [`FromCall`](crate::FromCall) for the scopes
//! that have what it needs:
//!
//! | Trait | The call has | Scopes |
//! |---|---|---|
//! | [`ObjectScope`] | an object | all but those of activities |
//! | [`HandlerScope`] | an operator: client, states, parameter | all but conditions |
//! | [`ObjectHandlerScope`] | both, and memory and patch of the object | all but conditions, [`Indexing`], [`Related`] and those of activities |
//! | [`ChangeScope`] | a change: reason, old and new state | those of changes, and their conditions |
//! | [`Retried`] | attempts | those of changes, [`Timer`], [`Daemon`], and those of activities but [`Probe`] |
//! | [`ActivityScope`] | an operator, but no object | [`Startup`], [`Cleanup`], [`Login`], [`Probe`] |
//! | [`ChangeHandlerScope`] | all of these, and sub-handlers | [`Creation`], [`Update`], [`Deletion`], [`Resuming`], [`FieldChange`], [`Sub`] |

pub use crate::{
    families::{
        ActivityScope, Cleanup, Creation, Daemon, Deletion, FieldChange, Indexing, Login, Probe, Related,
        Resuming, Startup, Sub, Timer, Update, WatchEvent,
    },
    filter::{Condition, ObjectCondition},
};

use crate::{
    call::{AttemptInfo, Context, ObjectCall, ObjectView},
    families::{Change, ChangeCall},
};

/// What a handler is called for and the kind of its objects, as a type: [`Creation<K>`], [`WatchEvent<K>`] and so on.
pub trait Scope: 'static {
    /// One call in this scope.
    type Call;
}

/// A scope of handlers: the operator calls them.
#[diagnostic::on_unimplemented(
    message = "a condition (`{Self}`) has no client, state or parameter",
    label = "only handlers can take this"
)]
pub trait HandlerScope: Scope<Call: AsRef<Context> + Send> {
    /// The operator, and the handler's registration.
    fn context(call: &Self::Call) -> &Context {
        call.as_ref()
    }
}

/// A scope with an object.
#[diagnostic::on_unimplemented(
    message = "an activity (`{Self}`) has no object",
    label = "only handlers of objects can take this",
    note = "`on_startup`, `on_cleanup`, `on_login` and `on_probe` are called for the operator itself"
)]
pub trait ObjectScope: Scope<Call: AsRef<ObjectView>> {
    /// The kind of the object.
    type Kind: 'static;

    /// The object.
    fn object(call: &Self::Call) -> &ObjectView {
        call.as_ref()
    }
}

/// A scope of handlers that are called for an object.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no memo, and changes no object",
    label = "only handlers of objects can take this"
)]
pub trait ObjectHandlerScope: ObjectScope + HandlerScope + Scope<Call: AsRef<ObjectCall>> {
    /// The handler's operator and its object.
    fn object_call(call: &Self::Call) -> &ObjectCall {
        call.as_ref()
    }
}

/// A scope in which the object has changed, for a reason.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no change: no reason and no previous state",
    label = "event handlers, timers and daemons have no change",
    note = "a handler of `#[korf::on_create]`, `on_update`, `on_delete`, `on_resume` or `on_field` can take this"
)]
pub trait ChangeScope: ObjectScope + Scope<Call: AsRef<Change>> {
    /// The change.
    fn change(call: &Self::Call) -> &Change {
        call.as_ref()
    }
}

/// A scope of handlers that are retried.
#[diagnostic::on_unimplemented(
    message = "a handler of `{Self}` is not retried: it has no attempts",
    label = "event handlers and probes are called once",
    note = "a handler of `#[korf::on_create]`, `on_update`, `on_delete`, `on_resume`, `on_field`, `#[korf::timer]` or `#[korf::daemon]` can take this"
)]
pub trait Retried: HandlerScope + Scope<Call: AsRef<AttemptInfo>> {
    /// The attempt.
    fn attempt(call: &Self::Call) -> &AttemptInfo {
        call.as_ref()
    }
}

/// A scope of change handlers: they may have sub-handlers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no sub-handlers",
    label = "only change handlers have sub-handlers",
    note = "a handler of `#[korf::on_create]`, `on_update`, `on_delete`, `on_resume` or `on_field` can take this"
)]
pub trait ChangeHandlerScope: ObjectHandlerScope + Retried + ChangeScope + Scope<Call = ChangeCall> {}

/// A scope of change handlers that can filter by the old and the new value of their field: [`Update`] and [`FieldChange`].
pub trait Transition: ChangeHandlerScope {}

/// The scopes of one family's handlers, for any kind.
macro_rules! scopes {
    ($call:ty: $($(#[$doc:meta])* $scope:ident $(: $($is:ident)*)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $scope<K>(std::marker::PhantomData<fn() -> K>);

        impl<K: 'static> $crate::scope::Scope for $scope<K> {
            type Call = $call;
        }

        impl<K: 'static> $crate::scope::HandlerScope for $scope<K> {}

        impl<K: 'static> $crate::scope::ObjectScope for $scope<K> {
            type Kind = K;
        }

        impl<K: 'static> $crate::scope::ObjectHandlerScope for $scope<K> {}

        $($(impl<K: 'static> $crate::scope::$is for $scope<K> {})*)?
    )*};
}

pub(crate) use scopes;
