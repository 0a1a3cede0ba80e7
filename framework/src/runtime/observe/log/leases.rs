//! Lines about leases: who works.

use super::super::{LeaseEvent, Observation};
use tracing::{debug, info, warn};

macro_rules! line {
    ($level:ident, $($words:tt)+) => { $level!(target: "korf::engine", $($words)+) };
}

/// Writes the line of an observation of leases.
pub(super) fn write(observation: &Observation<'_>) {
    match *observation {
        Observation::ElectionBegins { identity, namespace } => {
            line!(info, "Takes part in the election as {identity}, by Leases in namespace {namespace:?}.");
        }
        Observation::Lease { shard, of, event } => lease(shard, of, event),
        Observation::LeasesLost { of: 1, why, .. } => {
            line!(warn, "No longer leads: {why}. Handlers that run are cut off, and nothing is written.");
        }
        Observation::LeasesLost { shards, of, why } => line!(
            warn,
            "Lost {shards} of {of} shards: {why}. Handlers that run for their objects are cut off, and nothing is written."
        ),
        Observation::LeasesSettled { held, of, replicas: 1 } => {
            line!(info, "Holds {held} of {of} shards, as the only replica.");
        }
        Observation::LeasesSettled { held, of, replicas } => {
            line!(info, "Holds {held} of {of} shards, which {replicas} replicas share.");
        }
        Observation::StandsBy { leader } => line!(info, "Stands by: {leader} leads."),
        Observation::LeaseForeign { lease, why } => line!(
            warn,
            "The Lease {lease} is another operator's: {why}. This operator handles nothing until it is gone. Give one of them \
             another name or another namespace for its Leases (--lease-namespace), or delete the Lease if nobody needs it."
        ),
        Observation::ShardsDiffer { own, agreed } => line!(
            warn,
            "Stands by: the replicas have agreed on {agreed} shards, and this one has {own}. Start all with the same number; it \
             goes on when those with {agreed} are gone."
        ),
        Observation::ShardsAgree { shards } => {
            line!(info, "The replicas agree on {shards} shards again.");
        }
        Observation::LeasesFail { namespace, verbs, why, denied } => line!(
            warn,
            "Leases in namespace {namespace:?} can't be had ({verbs}): {why}. Without them no handler is called; it is retried \
             until it works.{}",
            if denied {
                " The operator needs to get, list, watch, create, patch and delete leases of coordination.k8s.io there: give its \
                 ServiceAccount a Role for that."
            } else {
                ""
            }
        ),
        Observation::LeasesWork => line!(info, "Leases can be had again."),
        _ => {}
    }
}

fn lease(shard: u16, of: u16, event: LeaseEvent) {
    match (event, of) {
        (LeaseEvent::Held { epoch }, 1) => line!(info, "Leads from now on (epoch {epoch})."),
        (LeaseEvent::Left, 1) => line!(info, "Hands the lead over."),
        (LeaseEvent::Held { epoch }, _) => line!(debug, "Holds shard {shard} of {of} (epoch {epoch})."),
        (LeaseEvent::Left, _) => line!(debug, "Hands shard {shard} of {of} over."),
        (LeaseEvent::Lost, _) => line!(debug, "Lost shard {shard} of {of}."),
    }
}
