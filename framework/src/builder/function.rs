//! Functions as handlers.

use crate::{
    argument::{FromCall, Requirements, argument},
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
