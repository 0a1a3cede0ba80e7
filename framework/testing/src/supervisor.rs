//! Runs an operator as Kubernetes does: one that dies is started again.

use super::{
    api::ApiServer,
    trap::{OPERATOR, Trap},
};
use korf::{Operator, RunError};
use std::sync::Arc;
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

/// Makes the operator anew for each start.
pub(super) type Make = Arc<dyn Fn() -> Operator + Send + Sync>;

/// How often other tasks get their turn after a death: aborted tasks are dropped in their next one.
const TURNS: usize = 64;

/// Runs operators until one ends by itself.
pub(super) async fn supervise(
    make: Make,
    server: ApiServer,
    trap: Trap,
    stop: CancellationToken,
) -> Result<(), RunError> {
    loop {
        let operator = make().client(server.client(OPERATOR)).map_handlers(|handler| trap.around(handler));
        tokio::select! {
            biased;
            () = trap.wait() => {}
            ended = operator.run_until(stop.clone()) => return ended,
        }
        rest().await;
        trap.revive();
    }
}

/// Lets aborted tasks go.
pub(super) async fn rest() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}
