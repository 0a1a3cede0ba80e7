//! Functions as handlers.

use crate::{
    argument::{FromCall, Rejection, Requirements, argument},
    families::{ActivityAnswer, ActivityCall, ActivityScope, Answer, Failure, IntoActivityReply},
    reply::IntoReply,
    scope::{HandlerScope, ObjectScope, Scope},
};

/// An `async fn` whose arguments all implement [`FromCall`] for `S`: at most twelve.
#[diagnostic::on_unimplemented(
    message = "this function cannot be a handler of `{S}`",
    label = "not an `async fn` with such arguments",
    note = "a handler is an `async fn` of at most 12 arguments that implement `FromCall<{S}>`, and returns `korf::Result`",
    note = "`#[korf::on_create(Kind)]` on the function says which argument is wrong"
)]
pub trait HandlerFn<S: Scope, Arguments>: Send + 'static {
    /// Names the states and the parameter that its arguments can't be made without.
    fn requirements(requirements: &mut Requirements);

    /// Makes the arguments and calls the function.
    fn invoke(self, call: S::Call) -> Answer;
}

/// An `async fn` whose arguments all implement [`FromCall`] for `S`, the scope of an activity: at most twelve.
#[diagnostic::on_unimplemented(
    message = "this function cannot be an activity (`{S}`)",
    label = "not an `async fn` with such arguments",
    note = "an activity is an `async fn` of at most 12 arguments that implement `FromCall<{S}>`",
    note = "`#[korf::on_startup]` (or another attribute) on the function says which argument is wrong"
)]
pub trait ActivityFn<S: ActivityScope, Arguments>: Send + 'static {
    /// Names the states and the parameter that its arguments can't be made without.
    fn requirements(requirements: &mut Requirements);

    /// Makes the arguments and calls the function.
    fn invoke(self, call: ActivityCall) -> ActivityAnswer;
}

macro_rules! handler_functions {
    ($($argument:ident)*) => {
        impl<S, F, Fut, $($argument,)*> HandlerFn<S, ($($argument,)*)> for F
        where
            S: ObjectScope + HandlerScope,
            F: FnOnce($($argument),*) -> Fut + Send + 'static,
            Fut: Future<Output: IntoReply<S::Kind>> + Send + 'static,
            $($argument: FromCall<S>,)*
        {
            fn requirements(_requirements: &mut Requirements) {
                $($argument::requirements(_requirements);)*
                _requirements.access_mut().declare(<Fut::Output as IntoReply<S::Kind>>::WRITES);
            }

            fn invoke(self, call: S::Call) -> Answer {
                Box::pin(async move {
                    let running = self($(argument::<S, $argument>(&call)?),*);
                    drop(call);
                    running.await.into_reply().map_err(Failure::Failed)
                })
            }
        }

        impl<S, F, Fut, $($argument,)*> ActivityFn<S, ($($argument,)*)> for F
        where
            S: ActivityScope,
            F: FnOnce($($argument),*) -> Fut + Send + 'static,
            Fut: Future<Output: IntoActivityReply<S>> + Send + 'static,
            $($argument: FromCall<S>,)*
        {
            fn requirements(_requirements: &mut Requirements) {
                $($argument::requirements(_requirements);)*
            }

            fn invoke(self, call: ActivityCall) -> ActivityAnswer {
                Box::pin(async move {
                    let running = self($(argument::<S, $argument>(&call)?),*);
                    drop(call);
                    running.await.into_reply().map_err(Failure::Failed)
                })
            }
        }
    };
}

/// A plain `fn` whose arguments all implement [`FromCall`] for `S`: at most twelve. It is called where it must not wait.
#[diagnostic::on_unimplemented(
    message = "this function cannot be called for `{S}`",
    label = "not a plain `fn` with such arguments",
    note = "it is a function of at most 12 arguments that implement `FromCall<{S}>`, and is not async"
)]
pub trait PlainFn<S: Scope, Arguments>: Send + Sync + 'static {
    /// The type that it returns.
    type Output;

    /// Names the states, the indexes and the parameter that its arguments can't be made without.
    fn requirements(requirements: &mut Requirements);

    /// Makes the arguments and calls the function.
    ///
    /// # Errors
    /// An argument can't be made.
    fn call(&self, call: &S::Call) -> Result<Self::Output, Rejection>;
}

macro_rules! plain_functions {
    ($($argument:ident)*) => {
        impl<S, F, R, $($argument,)*> PlainFn<S, ($($argument,)*)> for F
        where
            S: Scope,
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
            $($argument: FromCall<S>,)*
        {
            type Output = R;

            fn requirements(_requirements: &mut Requirements) {
                $($argument::requirements(_requirements);)*
            }

            fn call(&self, _call: &S::Call) -> Result<R, Rejection> {
                Ok(self($($argument::from_call(_call)?),*))
            }
        }
    };
}

/// For each number of arguments.
macro_rules! functions {
    ($($arguments:tt)*) => {
        handler_functions!($($arguments)*);
        plain_functions!($($arguments)*);
    };
}

functions!();
functions!(A);
functions!(A B);
functions!(A B C);
functions!(A B C D);
functions!(A B C D E);
functions!(A B C D E G);
functions!(A B C D E G H);
functions!(A B C D E G H I);
functions!(A B C D E G H I J);
functions!(A B C D E G H I J K);
functions!(A B C D E G H I J K L);
functions!(A B C D E G H I J K L M);
