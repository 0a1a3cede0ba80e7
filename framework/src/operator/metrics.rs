//! Metrics of an operator: where they are served, and those that it adds.

use super::Operator;
use crate::runtime::observe::metrics::Metrics;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;

impl Operator {
    /// Serves `/metrics` at this address while it runs; it may be that of its [`health`](Self::health). See
    /// [`metrics`](crate::metrics).
    ///
    /// ```
    /// let operator = korf::Operator::new("greeter").metrics(([0, 0, 0, 0], 8080).into());
    /// ```
    #[must_use]
    pub fn metrics(mut self, address: SocketAddr) -> Self {
        let metrics = self.metrics.clone();
        self.site(address).metrics = Some(metrics);
        self
    }

    /// Adds metrics of your own to those that are served: see [`metrics`](crate::metrics#your-own).
    #[must_use]
    pub fn register_metrics(self, register: impl FnOnce(&mut Registry)) -> Self {
        self.metrics.register(register);
        self
    }

    /// What is counted of it; the test kit asks it.
    #[doc(hidden)]
    pub fn known_metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Takes in the version of the program, for metrics.
    pub(crate) fn set_version(&self, version: &str) {
        self.metrics.set_version(version);
    }
}
