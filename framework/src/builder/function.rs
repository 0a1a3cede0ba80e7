//! Functions that can be handlers.

use crate::{
    handler::{Call, Failure, FromCall, Needs, Reply, Returns, Scope},
    reply::Output,
};
use futures::future::BoxFuture;

/// An `async fn` whose arguments all implement [`FromCall`] for `S`: at most twelve.
#[diagnostic::on_unimplemented(
    message = "this function cannot be a handler of `{S}`",
    label = "not an `async fn` with such arguments",
    note = "a handler is an `async fn` of at most 12 arguments that implement `FromCall<{S}>`, and returns `korf::Result`",
    note = "`#[korf::on_create(Kind)]` on the function says which argument is wrong"
)]
pub trait HandlerFn<S: Scope, Arguments>: Send + 'static {
    /// What it returns.
    const RETURNS: Returns;

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
            F: FnOnce($($argument),*) -> Fut + Send + 'static,
            Fut: Future<Output: Output<S::Kind>> + Send + 'static,
            $($argument: FromCall<S>,)*
        {
            const RETURNS: Returns = <Fut::Output as Output<S::Kind>>::RETURNS;

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
