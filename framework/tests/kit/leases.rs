//! Replicas that elect who works, on one API server in memory.

use crate::lights::{House, Light, light, operator, paint};
use k8s_openapi::api::coordination::v1::Lease;
use korf::{Name, Operator, Result as HandlerResult, RunError, handler::Registry};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};
use serde_json::{from_value, json};
use std::{future::pending, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

/// Further replicas of the cluster's operator.
struct Replica {
    task: JoinHandle<Result<(), RunError>>,
    stop: CancellationToken,
}

impl Replica {
    fn start(cluster: &mut Cluster, house: &House, configure: impl Fn(Operator) -> Operator) -> Self {
        let stop = CancellationToken::new();
        let client = cluster.run(async { cluster.server().client("other") });
        let running = configure(operator(house)).client(client).run_until(stop.clone());
        let mut task = None;
        cluster.run(async { task = Some(tokio::spawn(running)) });
        cluster.settle();
        Self { task: task.unwrap(), stop }
    }

    fn kill(self, cluster: &mut Cluster) {
        self.task.abort();
        cluster.settle();
    }

    fn stop(self, cluster: &mut Cluster) {
        self.stop.cancel();
        cluster.settle();
    }
}

fn replicated(house: &House, configure: fn(Operator) -> Operator) -> Cluster {
    let house = house.clone();
    Cluster::of(move || configure(operator(&house))).unwrap()
}

fn holder(cluster: &Cluster, name: &str) -> Option<String> {
    let lease = cluster.get::<Lease>(name).ok()?;
    lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

/// The number of shards of each holder.
fn shares(cluster: &Cluster, shards: u16) -> Vec<usize> {
    let mut held = std::collections::BTreeMap::<_, usize>::new();
    for holder in (0..shards).filter_map(|shard| holder(cluster, &format!("lights-{shard}-of-{shards}"))) {
        *held.entry(holder).or_default() += 1;
    }
    held.into_values().collect()
}

fn count(cluster: &Cluster, message: &str) -> usize {
    cluster.lines().iter().filter(|line| line.message.contains(message)).count()
}

/// Some requests for Leases meet this fault.
struct NoLeases(Fault, fn(&Request) -> bool);

impl Faults for NoLeases {
    fn request(&mut self, request: &Request) -> Delivery {
        let is_its = request.path.contains("/leases") && self.1(request);
        if is_its { Delivery::before(self.0) } else { Delivery::pass() }
    }
}

#[test]
fn one_of_two_replicas_works_and_the_other_begins_within_a_second_when_it_stops() {
    let house = House::default();
    let mut cluster = replicated(&house, Operator::leader_election);
    cluster.advance(SECOND);
    let first = holder(&cluster, "lights").unwrap();
    let other = Replica::start(&mut cluster, &house, Operator::leader_election);
    cluster.advance(20 * SECOND);
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(house.touched("a"), 1);
    assert_eq!(count(&cluster, "Leads from now on (epoch 1)."), 1);
    assert_eq!(count(&cluster, &format!("Stands by: {first} leads.")), 1);
    assert_eq!(cluster.health("/readyz").0, 200);

    cluster.stop().unwrap();
    cluster.advance(SECOND);
    let second = holder(&cluster, "lights").unwrap();
    assert_ne!(first, second);
    assert_eq!((count(&cluster, "Hands the lead over."), count(&cluster, "(epoch 2)")), (1, 1));
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    assert_eq!(house.colors()["a"], "blue");

    cluster.start().unwrap();
    cluster.advance(SECOND);
    assert_eq!(cluster.health("/readyz?verbose").1.matches("[+]leases ok").count(), 1);
    other.stop(&mut cluster);
    cluster.advance(SECOND);
    assert_eq!(count(&cluster, "Leads from now on (epoch 3)."), 1);
}

#[test]
fn a_dead_leader_is_followed_when_its_lease_is_over_and_no_earlier() {
    let house = House::default();
    let mut cluster = replicated(&house, Operator::leader_election);
    let other = Replica::start(&mut cluster, &house, Operator::leader_election);
    cluster.advance(20 * SECOND);
    cluster.kill();
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(12 * SECOND);
    assert_eq!(house.touched("a"), 0);
    cluster.advance(4 * SECOND);
    assert_eq!(house.touched("a"), 1);
    other.kill(&mut cluster);
}

#[test]
fn a_leader_that_cannot_renew_stops_before_another_may_begin_and_leads_again_later() {
    let house = House::default();
    let mut cluster = replicated(&house, Operator::leader_election);
    cluster.advance(SECOND);
    cluster.set_faults(NoLeases(Fault::Rejected(503), Request::is_write));
    cluster.advance(8 * SECOND);
    assert_eq!(count(&cluster, "No longer leads"), 0);
    cluster.advance(3 * SECOND);
    let line = "No longer leads: no renewal was answered for 10 seconds. Handlers that run are cut off, and nothing is written.";
    assert_eq!(count(&cluster, line), 1);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(3 * SECOND);
    assert_eq!(house.touched("a"), 0);
    assert_eq!(cluster.health("/readyz").0, 500);
    assert!(cluster.health("/readyz").1.starts_with("[-]leases failed: failing for "));
    cluster.set_faults(());
    cluster.advance(3 * SECOND);
    assert_eq!((house.touched("a"), count(&cluster, "(epoch 2)")), (1, 1));
    assert_eq!(cluster.health("/readyz").0, 200);
}

#[test]
fn without_a_right_to_leases_one_line_says_what_is_missing_and_it_is_retried() {
    let house = House::default();
    let make = house.clone();
    let mut cluster = Cluster::of(move || operator(&make)).unwrap();
    cluster.stop().unwrap();
    cluster.set_faults(NoLeases(Fault::Says(403, "leases.coordination.k8s.io is forbidden"), |_| true));
    let other = Replica::start(&mut cluster, &house, Operator::leader_election);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(60 * SECOND);
    let line = "Leases in namespace \"default\" can't be had (list): leases.coordination.k8s.io is forbidden (403). Without them no \
        handler is called; it is retried until it works. The operator needs to get, list, watch, create, patch and delete leases \
        of coordination.k8s.io there: give its ServiceAccount a Role for that.";
    assert_eq!((count(&cluster, line), house.touched("a")), (1, 0));
    cluster.advance(250 * SECOND);
    assert_eq!(count(&cluster, line), 2, "every so often");
    cluster.set_faults(());
    cluster.advance(3 * SECOND);
    assert_eq!((count(&cluster, "Leases can be had again."), house.touched("a")), (1, 1));
    other.kill(&mut cluster);
}

#[test]
fn a_namespace_of_leases_that_is_not_there_is_told_and_awaited() {
    let house = House::default();
    let make = house.clone();
    let mut cluster = Cluster::of(move || operator(&make)).unwrap();
    cluster.stop().unwrap();
    // It has no Leases: their list is empty.
    cluster.set_faults(NoLeases(Fault::Rejected(404), Request::is_write));
    let other = Replica::start(&mut cluster, &house, Operator::leader_election);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(60 * SECOND);
    let line = "Leases in namespace \"default\" can't be had (create): an injected fault: there is no such thing (404). Without them \
        no handler is called; it is retried until it works.";
    assert_eq!((count(&cluster, line), house.touched("a")), (1, 0));
    cluster.set_faults(());
    cluster.advance(3 * SECOND);
    assert_eq!((count(&cluster, "Leases can be had again."), house.touched("a")), (1, 1));
    other.kill(&mut cluster);
}

#[test]
fn a_namespace_for_leases_that_an_operator_has_not_is_told() {
    let told = |configure: fn(Operator) -> Operator| {
        let mut cluster = replicated(&House::default(), configure);
        cluster.settle();
        count(
            &cluster,
            "The namespace \"locks\" for Leases has no effect, because this operator has none: add --leader-elect or --shards.",
        )
    };
    assert_eq!(told(|operator| operator.lease_namespace("locks")), 1);
    assert_eq!(told(|operator| operator.lease_namespace("locks").leader_election()), 0);
}

#[test]
fn a_lease_of_another_operator_is_left_alone() {
    let house = House::default();
    let make = house.clone();
    let mut cluster = Cluster::of(move || operator(&make)).unwrap();
    cluster.stop().unwrap();
    for (metadata, why) in [
        (json!({"name": "lights"}), "it has no label korf.dev/operator"),
        (
            json!({"name": "lights", "labels": {"korf.dev/operator": "lamps"}}),
            "it has the label korf.dev/operator=lamps",
        ),
        (
            json!({
                "name": "lights", "labels": {"korf.dev/operator": "lights"},
                "annotations": {"korf.dev/kinds": "tables.korf.dev", "korf.dev/shards": "1"},
            }),
            "it is that of an operator for other kinds: tables.korf.dev",
        ),
    ] {
        let lease: Lease =
            from_value(json!({"metadata": metadata, "spec": {"holderIdentity": "it"}})).unwrap();
        let before = cluster.create(&lease).unwrap();
        let other = Replica::start(&mut cluster, &house, Operator::leader_election);
        cluster.advance(120 * SECOND);
        assert_eq!(cluster.get::<Lease>("lights").unwrap(), before, "{why}");
        assert_eq!(count(&cluster, &format!("The Lease default/lights is another operator's: {why}.")), 1);
        cluster.delete::<Lease>("lights").unwrap();
        cluster.advance(31 * SECOND);
        assert!(holder(&cluster, "lights").is_some(), "{why}");
        other.stop(&mut cluster);
        cluster.advance(SECOND);
        cluster.delete::<Lease>("lights").unwrap();
    }
}

#[test]
fn replicas_share_the_shards_and_hand_over_what_is_too_much() {
    let house = House::default();
    let mut cluster = replicated(&house, |operator| operator.shards(4));
    cluster.advance(SECOND);
    assert_eq!(
        (shares(&cluster, 4), count(&cluster, "Holds 4 of 4 shards, as the only replica.")),
        (vec![4], 1)
    );
    let other = Replica::start(&mut cluster, &house, |operator| operator.shards(4));
    cluster.advance(2 * SECOND);
    assert_eq!(shares(&cluster, 4), [2, 2]);
    assert_eq!(count(&cluster, "Holds 2 of 4 shards, which 2 replicas share."), 2);
    for name in 0..20 {
        cluster.create(&light(&format!("light-{name}"), "red")).unwrap();
    }
    assert!((0..20).all(|name| house.touched(&format!("light-{name}")) == 1));
    other.stop(&mut cluster);
    cluster.advance(2 * SECOND);
    assert_eq!(shares(&cluster, 4), [4]);
    assert!((0..20).all(|name| house.touched(&format!("light-{name}")) == 1), "what was handled isn't again");
}

#[test]
fn a_handler_that_never_ends_holds_up_a_hand_over_for_the_grace_and_no_longer() {
    let stuck = || {
        let handler = korf::on_create::<Light>("stuck").run(async |_: Name| pending::<HandlerResult>().await);
        Operator::with_registry("lights", Registry::from_iter([handler])).shards(2)
    };
    let (house, mut cluster) = (House::default(), Cluster::of(stuck).unwrap());
    cluster.advance(SECOND);
    for name in 0..10 {
        cluster.create(&light(&format!("light-{name}"), "red")).unwrap();
    }
    let other = Replica::start(&mut cluster, &house, |_| stuck());
    cluster.advance(20 * SECOND);
    assert_eq!(shares(&cluster, 2), [2]);
    cluster.advance(10 * SECOND);
    assert_eq!(shares(&cluster, 2), [1, 1]);
    other.kill(&mut cluster);
}

#[test]
fn a_replica_with_another_number_of_shards_takes_all_over_and_the_others_stand_by() {
    let house = House::default();
    let mut cluster = replicated(&house, |operator| operator.shards(4));
    cluster.advance(SECOND);
    let other = Replica::start(&mut cluster, &house, |operator| operator.shards(16));
    cluster.advance(5 * SECOND);
    assert_eq!((shares(&cluster, 4), shares(&cluster, 16)), (vec![], vec![16]));
    let line = "Stands by: the replicas have agreed on 16 shards, and this one has 4. Start all with the same number; it goes on \
        when those with 16 are gone.";
    assert_eq!(count(&cluster, line), 1);
    assert_eq!(cluster.health("/readyz").0, 200);
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(house.touched("a"), 1);
    other.kill(&mut cluster);
    cluster.advance(40 * SECOND);
    assert_eq!((shares(&cluster, 4), count(&cluster, "The replicas agree on 4 shards again.")), (vec![4], 1));
}

#[test]
fn what_cannot_be_is_rejected_at_the_start() {
    let house = House::default();
    let start = |configure: fn(Operator) -> Operator| {
        let house = house.clone();
        Cluster::of(move || configure(operator(&house))).unwrap_err().to_string()
    };
    assert_eq!(start(|operator| operator.shards(0)), "\"0\" is no number of shards: it is from 1 to 256");
    let zero = start(|mut operator| {
        operator.settings_mut().leases.duration = Duration::ZERO;
        operator
    });
    assert_eq!(zero, "the setting `leases.duration` can't be 0s: give it at least 1s");
    let short = start(|mut operator| {
        operator.settings_mut().leases.duration = 10 * SECOND;
        operator
    });
    assert_eq!(
        short,
        "the setting `leases.duration` can't be 10s: give it 11s at least, which is `leases.renew_deadline` and a tenth of it"
    );
}
