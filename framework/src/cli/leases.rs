//! Leases: the options by which several replicas share the work.

use super::manifests::namespace;
use crate::{core::shard::Shards, operator::Operator};
use clap::{ArgAction, builder::FalseyValueParser};

/// How replicas agree on who handles what.
#[derive(Debug, clap::Args)]
pub(super) struct Leases {
    /// Let one replica of several work at a time: the one that holds the operator's Lease
    ///
    /// The others stand by: they watch all objects, are ready, and begin within a second when the one that works stops, or
    /// 15 s after it was last heard of (the settings `leases.…`). The operator has to be allowed to get, list, watch, create,
    /// patch and delete leases of coordination.k8s.io in the namespace of its Leases.
    #[arg(long, env = "KORF_RUN_LEADER_ELECT")]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub leader_elect: bool,
    /// Divide the objects into this many shards, which the replicas share evenly; that includes --leader-elect
    ///
    /// From 1 to 256. Each shard has a Lease. More shards than replicas is what lets replicas come and go: 16 are plenty for
    /// most. All replicas should have the same number; where they differ, those that are started last win.
    #[arg(long, value_name = "NUMBER", env = "KORF_RUN_SHARDS")]
    pub shards: Option<Shards>,
    /// The namespace of the Leases; by default that of the pod, or of the kubeconfig's context
    #[arg(long, value_name = "NAMESPACE", env = "KORF_RUN_LEASE_NAMESPACE", value_parser = namespace)]
    pub lease_namespace: Option<String>,
}

impl Leases {
    /// The operator, which takes part in the election if that is asked for.
    pub fn of(self, mut operator: Operator) -> Operator {
        if self.leader_elect {
            operator = operator.leader_election();
        }
        if let Some(shards) = self.shards {
            operator = operator.shards(shards.number());
        }
        match self.lease_namespace {
            Some(namespace) => operator.lease_namespace(namespace),
            None => operator,
        }
    }
}
