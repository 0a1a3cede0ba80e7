//! Leases of an operator: whether several replicas of it run, and how they divide the objects.

use super::{Operator, RunError};
use crate::{
    core::shard::{InvalidShards, Shards},
    registry::Registry,
    runtime::ElectionPlan,
};
use std::collections::BTreeSet;

/// How replicas agree on who handles what.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaseOptions {
    is_on: bool,
    shards: Option<Result<Shards, InvalidShards>>,
    namespace: Option<String>,
}

impl Operator {
    /// Lets one replica of several work at a time: the one that holds the operator's Lease, an object of
    /// `coordination.k8s.io` with the operator's name. The others stand by: they watch the same objects, keep indexes filled, are
    /// ready, and begin within a second when the one that works stops, or 15 s after it was last heard of
    /// ([`leases.duration`](crate::settings::Settings#structfield.leases)).
    ///
    /// A replica that can't renew its Lease stops in time, before another one may begin: no handler is called any more, those that
    /// run are dropped, and nothing is written. See [concepts](crate::concepts).
    ///
    /// ```
    /// let operator = korf::Operator::new("greeter").leader_election();
    /// ```
    #[must_use]
    pub fn leader_election(mut self) -> Self {
        self.leases.is_on = true;
        self
    }

    /// Divides the objects into so many shards, from 1 to 256, which the replicas share evenly: each shard has a Lease of its own.
    /// That is a [`leader_election`](Self::leader_election), too. An object's shard follows from its uid.
    ///
    /// All replicas should have the same number. Where they differ, those that are started last win: the others hand over what
    /// they hold, and stand by.
    ///
    /// ```
    /// let operator = korf::Operator::new("greeter").shards(4);
    /// ```
    #[must_use]
    pub fn shards(mut self, number: u16) -> Self {
        self.leases.shards = Some(number.to_string().parse());
        self.leader_election()
    }

    /// The namespace of the Leases; by default the one in which the pod runs, or that of the kubeconfig's context.
    #[must_use]
    pub fn lease_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.leases.namespace = Some(namespace.into());
        self
    }

    /// Whether it takes part in an election, as far as that is known before it starts.
    pub(crate) fn elects(&self) -> bool {
        self.leases.is_on
    }

    /// The namespace that was named for Leases, where there are none.
    pub(super) fn unused_lease_namespace(&self) -> Option<&str> {
        self.leases.namespace.as_deref().filter(|_| !self.leases.is_on)
    }

    /// What the election is about, if there is one.
    pub(super) fn election(&self) -> Result<Option<ElectionPlan>, RunError> {
        if !self.leases.is_on {
            return Ok(None);
        }
        let shards = self.leases.shards.clone().unwrap_or_else(|| Ok(Shards::default()));
        Ok(Some(ElectionPlan {
            operator: self.name.clone(),
            shards: shards.map_err(RunError::Shards)?,
            namespace: self.leases.namespace.clone(),
            kinds: kinds(&self.registry),
        }))
    }
}

/// The kinds that handlers are for, with commas between them.
fn kinds(registry: &Registry) -> String {
    let name = |handler: &crate::handler::Handler| {
        let resource = &handler.kind.resource;
        match handler.kind.is_any() {
            true => "*".to_owned(),
            false if resource.group.is_empty() => resource.plural.clone(),
            false => format!("{}.{}", resource.plural, resource.group),
        }
    };
    let kinds: BTreeSet<_> = registry.handlers().iter().map(name).collect();
    kinds.into_iter().collect::<Vec<_>>().join(",")
}
