//! Replica that an object is in the hands of: shard, Lease and holder, as far as they may be read.

use super::{
    report::{LeaseName, Replica, ReplicaState},
    words,
};
use crate::{
    core::{
        Uid, lease,
        shard::{Shard, Shards},
    },
    operator::Inspection,
    runtime::{self, OPERATOR_LABEL, SHARDS_ANNOTATION, clock},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, ResourceExt};

/// How long a Lease is valid that doesn't say it: client-go's default.
const LEASE_DURATION: SignedDuration = SignedDuration::from_secs(15);

/// The namespace of the Leases, where none is given.
pub(super) fn own_namespace(inspection: &Inspection) -> String {
    runtime::own_namespace(&inspection.client)
}

/// The replica that an object is in the hands of.
pub(super) async fn of(inspection: &Inspection, namespace: &str, uid: &str) -> Replica {
    let name = &inspection.name;
    let shards = match read(inspection, namespace, name).await {
        Ok(Some(lease)) => number_of_shards(&lease),
        Ok(None) => return absent(namespace, name),
        Err(why) => return unknown(namespace, name, why),
    };
    if shards.number() == 1 {
        return held(inspection, namespace, name, None).await;
    }
    let shard = shards.of(&Uid::from(uid));
    let lease = lease::LeaseName::of(shard, shards).text(name);
    held(inspection, namespace, &lease, Some((shard, shards))).await
}

async fn held(
    inspection: &Inspection,
    namespace: &str,
    name: &str,
    shard: Option<(Shard, Shards)>,
) -> Replica {
    let mut replica = match read(inspection, namespace, name).await {
        Ok(Some(lease)) => holder(&lease, namespace, name, clock::now()),
        Ok(None) => absent(namespace, name),
        Err(why) => unknown(namespace, name, why),
    };
    if let Some((shard, shards)) = shard {
        replica.shard = Some(shard.0);
        replica.shards = Some(shards.number());
        replica.text = format!("shard {shard} of {shards}: {}", replica.text);
    }
    replica
}

async fn read(inspection: &Inspection, namespace: &str, name: &str) -> Result<Option<Lease>, String> {
    let leases = Api::<Lease>::namespaced(inspection.client.clone(), namespace);
    let lease = inspection.answered(leases.get_opt(name)).await?;
    match lease.as_ref().map(|lease| lease.labels().get(OPERATOR_LABEL)) {
        Some(owner) if owner != Some(&inspection.name) => {
            Err("the Lease is another operator's, by its label korf.dev/operator".to_owned())
        }
        _ => Ok(lease),
    }
}

fn number_of_shards(lease: &Lease) -> Shards {
    let number = lease.annotations().get(SHARDS_ANNOTATION);
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn holder(lease: &Lease, namespace: &str, name: &str, now: Timestamp) -> Replica {
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
    let renewed = spec.renew_time.map(|time| time.0);
    let duration =
        spec.lease_duration_seconds.map(i64::from).map_or(LEASE_DURATION, SignedDuration::from_secs);
    // By this machine's clock, which may differ from the holder's.
    let is_valid = renewed.is_some_and(|renewed| now.duration_since(renewed) <= duration);
    let since = renewed.map(|renewed| words::ago(renewed, now));
    let place = format!("Lease {namespace}/{name}");
    let (state, text) = match (&holder, since) {
        (Some(holder), Some(since)) if is_valid => {
            (ReplicaState::Held, format!("{holder} ({place}, renewed {since})"))
        }
        (Some(holder), Some(since)) => {
            (ReplicaState::Expired, format!("nobody: {holder} has held it, and renewed it {since} ({place})"))
        }
        (Some(holder), None) => {
            (ReplicaState::Expired, format!("nobody: {holder} has never renewed it ({place})"))
        }
        (None, _) => (ReplicaState::Free, format!("nobody holds it ({place})")),
    };
    Replica {
        holder,
        renewed: renewed.map(|renewed| renewed.to_string()),
        ..replica(namespace, name, state, text)
    }
}

fn absent(namespace: &str, name: &str) -> Replica {
    let text = format!(
        "there is no Lease {namespace}/{name}: the operator has no leader election, or its Leases are in another namespace \
         (--lease-namespace)"
    );
    replica(namespace, name, ReplicaState::Absent, text)
}

fn unknown(namespace: &str, name: &str, why: String) -> Replica {
    let text = format!("unknown, since the Lease {namespace}/{name} can't be used: {why}");
    replica(namespace, name, ReplicaState::Unknown, text)
}

fn replica(namespace: &str, name: &str, state: ReplicaState, text: String) -> Replica {
    let lease = LeaseName { namespace: namespace.to_owned(), name: name.to_owned() };
    Replica { state, lease, shard: None, shards: None, holder: None, renewed: None, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn a_lease_is_held_while_it_is_renewed() {
        let now: Timestamp = "2026-11-22T14:53:30Z".parse().unwrap();
        for (spec, state, text) in [
            (
                json!({"holderIdentity": "a_1", "renewTime": "2026-11-22T14:53:28.000000Z", "leaseDurationSeconds": 15}),
                ReplicaState::Held,
                "a_1 (Lease ns/op, renewed 2s ago)",
            ),
            (
                json!({"holderIdentity": "a_1", "renewTime": "2026-11-22T14:53:10.000000Z"}),
                ReplicaState::Expired,
                "nobody: a_1 has held it, and renewed it 20s ago (Lease ns/op)",
            ),
            (
                json!({"holderIdentity": "", "renewTime": "2026-11-22T14:53:30.000000Z"}),
                ReplicaState::Free,
                "nobody holds it (Lease ns/op)",
            ),
            (json!({}), ReplicaState::Free, "nobody holds it (Lease ns/op)"),
            (
                json!({"holderIdentity": "a_1"}),
                ReplicaState::Expired,
                "nobody: a_1 has never renewed it (Lease ns/op)",
            ),
        ] {
            let lease: Lease = from_value(json!({"metadata": {"name": "op"}, "spec": spec})).unwrap();
            let replica = holder(&lease, "ns", "op", now);
            assert_eq!((replica.state, replica.text.as_str()), (state, text));
        }
    }
}
