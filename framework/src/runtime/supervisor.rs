//! Supervisor: the phases of an operator's life, its reactor and its services.

use super::{
    cleanup::Cleanup,
    kind::{KindContext, OperatorContext},
    namespaces::Region,
    observe::{Observation, Observer, Phase},
    reactor::Reactor,
};
use futures::{FutureExt, future::BoxFuture};
use korf_core::error::panic_message;
use std::{
    fmt, future,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument;

/// Tells a service to end.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// The reactor has ended: nothing of any object goes on.
    pub drained: CancellationToken,
    /// Clean-up handlers have ended, too: no more work comes, and what is left may be finished.
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

    /// The same with this service, if there is one.
    #[must_use]
    pub fn service_of<T, F>(
        self,
        service: Option<T>,
        run: impl FnOnce(T, Shutdown) -> F + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        match service {
            Some(service) => self.service(move |shutdown| run(service, shutdown)),
            None => self,
        }
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
                let service = tell_loss(service(shutdown.clone()), operator.observer.clone());
                running.spawn(service.in_current_span());
            }
            enter(Phase::Listing);
            let reactor = serve(Reactor::new(Arc::clone(&operator), kinds), region).await;
            enter(Phase::Draining);
            let stopping = &operator.settings.stopping;
            reactor.drain(cleanup.leaves(stopping.grace, stopping.cleanup)).await;
            shutdown.drained.cancel();
            enter(Phase::CleaningUp);
            let failed = cleanup.run(&shutdown.grace_ended).await;
            shutdown.work_ended.cancel();
            while running.join_next().await.is_some() {}
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

/// Runs a service. Where it panics, that is told at once: the operator goes on without it.
async fn tell_loss(service: impl Future<Output = ()>, observer: Observer) {
    if let Err(panic) = AssertUnwindSafe(service).catch_unwind().await {
        observer.observe(Observation::ServiceLost { why: &panic_message(panic.as_ref()) });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::observe::Sink;
    use std::sync::Mutex;

    #[tokio::test]
    async fn the_loss_of_a_service_is_told_when_it_happens() {
        let lost = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&lost);
        let sink = move |observation: &Observation<'_>| {
            if let Observation::ServiceLost { why } = observation {
                seen.lock().unwrap().push((*why).to_owned());
            }
        };
        let observer = Observer::new([Arc::new(sink) as Sink]);
        tell_loss(async {}, observer.clone()).await;
        assert_eq!(*lost.lock().unwrap(), [""; 0]);
        tell_loss(async { panic!("oops") }, observer).await;
        assert_eq!(*lost.lock().unwrap(), ["it panicked: oops"]);
    }
}
