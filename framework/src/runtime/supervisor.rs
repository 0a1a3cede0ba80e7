//! Supervisor: the phases of an operator's life, its reactor and its services.

use super::{
    cleanup::Cleanup,
    kind::{KindContext, OperatorContext},
    namespaces::Region,
    observe::{Observation, Phase},
    reactor::Reactor,
};
use futures::future::BoxFuture;
use std::{fmt, future, panic::resume_unwind, sync::Arc};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument;

/// Tells a service to end.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// The reactor has ended: no more work comes, and what is left may be finished.
    pub work_ended: CancellationToken,
    /// The operator's grace is over: the service ends now.
    pub grace_ended: CancellationToken,
}

/// A service: it begins before the reactor, and ends after it.
pub type Service = Box<dyn FnOnce(Shutdown) -> BoxFuture<'static, ()> + Send>;

/// Runs an operator through its phases.
pub struct Supervisor {
    operator: Arc<OperatorContext>,
    services: Vec<Service>,
    cleanup: Cleanup,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("services", &self.services.len()).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// A supervisor without services.
    pub fn new(operator: Arc<OperatorContext>, cleanup: Cleanup) -> Self {
        Self { operator, services: Vec::new(), cleanup }
    }

    /// The same with another service.
    #[must_use]
    pub fn service<F>(mut self, service: impl FnOnce(Shutdown) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.services.push(Box::new(move |shutdown| Box::pin(service(shutdown))));
        self
    }

    /// Runs until the operator is told to stop, and has ended in good order. Returns the ids of the clean-up handlers that
    /// have failed.
    pub async fn run(self, kinds: Vec<KindContext>, region: Region) -> Vec<String> {
        let Self { operator, services, cleanup } = self;
        let (shutdown, mut running) = (Shutdown::default(), JoinSet::new());
        let enter = |phase| operator.observer.observe(Observation::PhaseEntered(phase));
        let life = async {
            for service in services {
                running.spawn(service(shutdown.clone()).in_current_span());
            }
            enter(Phase::Listing);
            let reactor = serve(Reactor::new(Arc::clone(&operator), kinds), region).await;
            enter(Phase::Draining);
            let stopping = &operator.settings.stopping;
            reactor.drain(cleanup.leaves(stopping.grace, stopping.cleanup)).await;
            enter(Phase::CleaningUp);
            let failed = cleanup.run(&shutdown.grace_ended).await;
            shutdown.work_ended.cancel();
            while let Some(ended) = running.join_next().await {
                if let Err(error) = ended {
                    operator.observer.observe(Observation::ServiceLost { why: &error.to_string() });
                }
            }
            failed
        };
        // No service gets more time than the operator has.
        let grace = async {
            operator.stopping.cancelled().await;
            sleep(operator.settings.stopping.grace).await;
            shutdown.grace_ended.cancel();
            future::pending().await
        };
        tokio::select! {
            biased;
            failed = life => failed,
            never = grace => never,
        }
    }
}

/// Serves in a task of its own: on the threads where the workers are, each event would otherwise wake another thread.
async fn serve(mut reactor: Reactor, region: Region) -> Reactor {
    let serving = async move {
        reactor.serve(region).await;
        reactor
    };
    let serving = AbortOnDropHandle::new(tokio::spawn(serving.in_current_span()));
    match serving.await {
        Ok(reactor) => reactor,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is being shut down, and this future with it.
            Err(_) => future::pending().await,
        },
    }
}
