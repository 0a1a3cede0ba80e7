//! Health of an operator: where it is served.

use super::{Operator, RunError};
use crate::runtime::{
    health::{
        Health, HealthSite,
        server::{HealthServer, Served},
    },
    observe::Observation,
};
use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};
use tokio_util::sync::CancellationToken;

impl Operator {
    /// Serves `/livez` and `/readyz` at this address while it runs, also when all threads are blocked: whether the operator is alive,
    /// and whether it is ready. See [`health`](crate::health).
    ///
    /// ```
    /// let operator = korf::Operator::new("greeter").health(([0, 0, 0, 0], 8080).into());
    /// ```
    #[must_use]
    pub fn health(mut self, address: SocketAddr) -> Self {
        self.site(address).has_own = true;
        self
    }

    /// Serves what the probes return at this address and path, as Kopf does: `/healthz`. See [`health`](crate::health).
    #[must_use]
    pub fn liveness(mut self, address: SocketAddr, path: impl Into<String>) -> Self {
        self.site(address).probes = Some(path.into());
        self
    }

    pub(super) fn site(&mut self, address: SocketAddr) -> &mut HealthSite {
        self.sites.entry(address).or_default()
    }

    /// What is known of its health; the test kit asks it.
    #[doc(hidden)]
    pub fn known_health(&self) -> Health {
        self.health.clone()
    }

    /// Begins to note facts, and serves them where that is asked for.
    ///
    /// # Errors
    /// An address can't be listened at.
    pub(super) fn serve_health(
        &mut self,
        stop: &CancellationToken,
    ) -> Result<Option<HealthServer>, RunError> {
        self.health.begin(&self.settings, stop);
        self.observer = self.observer.clone().with(self.health.sink()).with(self.metrics.sink());
        let Some(first) = self.sites.keys().next().copied() else { return Ok(None) };
        let served = self.sites.iter().map(|(address, site)| {
            let served = Served::bind(*address, site.clone());
            let served = served.and_then(|served| Ok((served.address()?, served)));
            served.map_err(|error| self.unserved(*address, error))
        });
        let served = served.collect::<Result<Vec<_>, _>>()?;
        for (address, served) in &served {
            self.observer.observe(Observation::HealthServed { address: *address, paths: &served.paths() });
        }
        let served = served.into_iter().map(|(_, served)| served).collect();
        HealthServer::start(served, &self.health).map(Some).map_err(|error| RunError::Health(first, error))
    }
}

impl Operator {
    /// The reason why health can't be served at an address. Its port may be taken by the other address of the two.
    fn unserved(&self, address: SocketAddr, error: io::Error) -> RunError {
        let is_other = |other: &&SocketAddr| other.port() == address.port() && **other < address;
        match self.sites.keys().find(is_other) {
            Some(other) if error.kind() == ErrorKind::AddrInUse => RunError::HealthTwice([*other, address]),
            _ if self.sites.get(&address).is_some_and(HealthSite::is_of_metrics) => {
                RunError::Metrics(address, error)
            }
            _ => RunError::Health(address, error),
        }
    }
}

/// What to do where an address can't be listened at.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => ". Something else listens there: give another port",
        ErrorKind::PermissionDenied => ". The process lacks the right to ports below 1024: give one above",
        ErrorKind::AddrNotAvailable => {
            ". This machine has no such address: 0.0.0.0 stands for all that it has"
        }
        _ => "",
    }
}
