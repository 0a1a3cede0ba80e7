//! Peering: operators that give way to others, and others that say what they want.

use crate::lights::{House, cluster_of, light, operator};
use jiff::Timestamp;
use korf::{Operator, RunningOperator};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request, ServedKind},
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "ClusterKopfPeering", status = "Peers")]
struct ClusterKopfPeeringSpec {}

#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "zalando.org", version = "v1", kind = "KopfPeering", status = "Peers", namespaced)]
struct KopfPeeringSpec {}

type Peers = Map<String, Value>;

/// A cluster with the peering object `lights`, and an operator.
fn cluster(house: &House, configure: fn(Operator) -> Operator) -> Cluster {
    let mut cluster = cluster_of(house, configure);
    serve(&mut cluster);
    cluster.create(&ClusterKopfPeering::new("lights", ClusterKopfPeeringSpec {})).unwrap();
    cluster.advance(12 * SECOND);
    cluster
}

fn serve(cluster: &mut Cluster) {
    cluster.serve(ServedKind::of::<ClusterKopfPeering>().cluster_scoped().with_status_subresource(false));
}

fn in_lights(operator: Operator) -> Operator {
    operator.peering("lights")
}

/// The records in the object.
fn peers(cluster: &Cluster) -> Peers {
    cluster.get::<ClusterKopfPeering>("lights").unwrap().status.unwrap_or_default()
}

/// The record of the cluster's operator.
fn own(cluster: &Cluster) -> Option<Value> {
    let is_own = |(name, _): &(String, Value)| name.contains('/') && !name.starts_with("kopf");
    peers(cluster).into_iter().find(is_own).map(|(_, record)| record)
}

fn is_at_work(cluster: &Cluster) -> bool {
    own(cluster).is_some_and(|record| record["korf"]["atWork"] == true)
}

/// Writes the record of an operator of Kopf.
fn kopf(cluster: &mut Cluster, priority: i64) {
    let seen = cluster.now().strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string();
    let record = json!({"priority": priority, "lifetime": 60, "lastseen": seen});
    put(cluster, &json!({"kopf@host/1": record}));
}

fn put(cluster: &mut Cluster, status: &Value) {
    cluster.patch::<ClusterKopfPeering>("lights", json!({"status": status})).unwrap();
}

/// The lines about pauses.
fn lines(cluster: &Cluster) -> Vec<String> {
    let lines = cluster.lines().into_iter().map(|line| line.message);
    let words = ["Pausing", "Resuming", "Going on", "Waiting until", "peering"];
    lines.filter(|line| words.iter().any(|word| line.contains(word))).collect()
}

fn assert_last(cluster: &Cluster, text: &str) {
    let lines = lines(cluster);
    assert!(lines.last().is_some_and(|line| line.contains(text)), "{text}: {lines:#?}");
}

#[test]
fn an_operator_without_peers_is_at_work_and_its_record_is_kept_fresh_until_it_ends() {
    let house = House::default();
    let mut cluster = cluster(&house, |operator| in_lights(operator).priority(7));
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(house.colors()["a"], "red");
    for _ in 0..30 {
        cluster.advance(20 * SECOND);
        let record = own(&cluster).unwrap();
        assert_eq!((&record["priority"], &record["lifetime"]), (&json!(7), &json!(60)));
        assert_eq!(record["korf"], json!({"order": 1, "atWork": true}), "{record}");
        let seen: Timestamp = record["lastseen"].as_str().unwrap().parse().unwrap();
        assert!(cluster.now().duration_since(seen).as_secs() < 31, "{record}");
    }
    cluster.stop().unwrap();
    assert_eq!(peers(&cluster), Map::new());
}

#[test]
fn an_operator_pauses_for_a_greater_priority_until_that_record_is_removed_or_over() {
    let house = House::default();
    let mut cluster = cluster(&house, in_lights);
    kopf(&mut cluster, 5);
    assert_last(
        &cluster,
        "Pausing operations in favour of 'kopf@host/1' in ClusterKopfPeering.kopf.dev \"lights\": its priority is 5",
    );
    assert!(!is_at_work(&cluster));
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(30 * SECOND);
    assert_eq!(house.touched("a"), 0, "no object has a turn");
    assert_eq!(cluster.health("/readyz").0, 200);
    put(&mut cluster, &json!({"kopf@host/1": null}));
    assert_last(&cluster, "Resuming operations after the pause");
    cluster.advance(SECOND);
    assert_eq!(house.touched("a"), 1);

    kopf(&mut cluster, 5);
    cluster.advance(40 * SECOND);
    kopf(&mut cluster, 5);
    cluster.advance(59 * SECOND);
    assert!(!is_at_work(&cluster));
    cluster.advance(2 * SECOND);
    assert!(is_at_work(&cluster));
    cluster.advance(60 * SECOND);
    assert_eq!(peers(&cluster).len(), 1, "the dead record is removed: {:?}", peers(&cluster));
}

#[test]
fn an_operator_of_kopf_with_the_same_priority_pauses_by_itself_and_has_time_to_do_so() {
    let house = House::default();
    let mut cluster = cluster_of(&house, in_lights);
    serve(&mut cluster);
    cluster.create(&ClusterKopfPeering::new("lights", ClusterKopfPeeringSpec {})).unwrap();
    kopf(&mut cluster, 0);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(10 * SECOND);
    assert_last(&cluster, "Waiting until 'kopf@host/1'");
    assert_eq!(house.touched("a"), 0);
    cluster.advance(6 * SECOND);
    assert_last(&cluster, "Going on, while 'kopf@host/1' pauses: it has the same priority.");
    assert_eq!(house.touched("a"), 1);
}

#[test]
fn without_its_peering_object_an_operator_is_paused_and_says_what_to_do() {
    let house = House::default();
    let mut cluster = cluster_of(&house, in_lights);
    cluster.create(&light("a", "red")).unwrap();
    assert_last(&cluster, "Pausing operations: there is no ClusterKopfPeering.kopf.dev \"lights\"");
    serve(&mut cluster);
    cluster.advance(10 * SECOND);
    assert_eq!((lines(&cluster).len(), house.touched("a")), (1, 0));
    cluster.create(&ClusterKopfPeering::new("lights", ClusterKopfPeeringSpec {})).unwrap();
    cluster.advance(2 * SECOND);
    assert_last(&cluster, "Resuming operations");
    assert_eq!(house.touched("a"), 1);
    cluster.delete::<ClusterKopfPeering>("lights").unwrap();
    assert_last(&cluster, "Pausing operations: there is no");
}

#[test]
fn the_default_peering_is_used_only_if_it_exists() {
    let house = House::default();
    let mut cluster = cluster_of(&house, |operator| operator.priority(3));
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(house.touched("a"), 1);
    serve(&mut cluster);
    cluster.create(&ClusterKopfPeering::new("default", ClusterKopfPeeringSpec {})).unwrap();
    cluster.advance(60 * SECOND);
    let peering: ClusterKopfPeering = cluster.get("default").unwrap();
    assert_eq!(peering.status.unwrap().len(), 1);
    cluster.advance(SECOND);
    cluster.create(&light("b", "red")).unwrap();
    assert_eq!(house.touched("b"), 1);
    cluster.delete::<ClusterKopfPeering>("default").unwrap();
    cluster.create(&light("c", "red")).unwrap();
    assert_eq!(house.touched("c"), 1);
}

#[test]
fn a_record_that_others_remove_is_written_again_and_the_operator_pauses_until_it_is_seen() {
    let house = House::default();
    let mut cluster = cluster(&house, in_lights);
    let name = peers(&cluster).keys().next().cloned().unwrap();
    put(&mut cluster, &json!({ name: null }));
    assert_last(&cluster, "Pausing operations: others don't see this operator");
    cluster.advance(2 * SECOND);
    assert_last(&cluster, "Resuming operations");
    assert!(is_at_work(&cluster));
}

/// An API server that answers no request for peerings.
struct Away;

impl Faults for Away {
    fn request(&mut self, request: &Request) -> Delivery {
        let is_its = request.path.contains("peerings") && request.client == "operator";
        if is_its { Delivery::before(Fault::Rejected(503)) } else { Delivery::pass() }
    }
}

#[test]
fn an_operator_that_cannot_write_its_record_pauses_before_others_take_it_for_dead() {
    let house = House::default();
    let mut cluster = cluster(&house, in_lights);
    cluster.set_faults(Away);
    cluster.advance(20 * SECOND);
    assert_last(&cluster, "Resuming operations");
    cluster.advance(35 * SECOND);
    assert!(
        lines(&cluster).iter().any(|line| line.contains("or may take it for dead")),
        "{:#?}",
        lines(&cluster)
    );
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(house.touched("a"), 0);
    cluster.set_faults(());
    cluster.advance(2 * SECOND);
    assert!(lines(&cluster).iter().any(|line| line.contains("can be used for peering again")));
    assert_last(&cluster, "Resuming operations");
    assert_eq!(house.touched("a"), 1);
}

/// Another operator for the lights, in the same cluster.
fn another(cluster: &Cluster, house: &House, configure: impl Fn(Operator) -> Operator) -> RunningOperator {
    let (client, operator) = (cluster.client(), configure(operator(house)));
    cluster.run(async move { operator.client(client).spawn() })
}

#[test]
fn of_two_operators_with_one_priority_the_older_one_is_at_work_and_the_other_one_follows() {
    let (house, others) = (House::default(), House::default());
    let mut cluster = cluster(&house, in_lights);
    let other = another(&cluster, &others, in_lights);
    cluster.advance(SECOND);
    assert_last(&cluster, "it has the same priority (0), and was there before");
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!((house.touched("a"), others.touched("a")), (1, 0));
    cluster.stop().unwrap();
    cluster.advance(SECOND);
    cluster.create(&light("b", "red")).unwrap();
    assert_eq!((house.touched("b"), others.touched("b")), (0, 1));
    cluster.run(other.stop()).unwrap();
    assert_eq!(peers(&cluster), Map::new());
}

#[test]
fn an_operator_with_a_greater_priority_begins_when_the_other_one_has_ended_what_it_had_begun() {
    let (house, others) = (House::default(), House::default());
    let mut cluster = cluster(&house, in_lights);
    // Only this one waits for the minute until its second attempt.
    cluster.create(&light("a", "red")).unwrap();
    let other = another(&cluster, &others, |operator| in_lights(operator).priority(666));
    cluster.advance(SECOND);
    cluster.patch::<crate::lights::Light>("a", json!({"spec": {"color": "blue"}})).unwrap();
    assert_eq!((house.colors()["a"].as_str(), others.colors()["a"].as_str()), ("red", "blue"));
    cluster.run(other.stop()).unwrap();
    cluster.advance(SECOND);
    cluster.patch::<crate::lights::Light>("a", json!({"spec": {"color": "green"}})).unwrap();
    assert_eq!((house.colors()["a"].as_str(), others.colors()["a"].as_str()), ("green", "blue"));
}

#[test]
fn an_operator_for_some_namespaces_is_at_work_only_if_it_comes_first_in_each_of_them() {
    let house = House::default();
    let mut cluster = cluster_of(&house, |operator| in_lights(operator).namespaces(["a", "b"]));
    // The group that Kopf had before, with a status subresource.
    cluster.serve(ServedKind::of::<KopfPeering>());
    let peering = |namespace: &str| {
        let mut peering = KopfPeering::new("lights", KopfPeeringSpec {});
        peering.metadata.namespace = Some(namespace.to_owned());
        peering
    };
    cluster.create(&peering("a")).unwrap();
    cluster.advance(12 * SECOND);
    assert_last(
        &cluster,
        "Pausing operations: there is no KopfPeering.zalando.org \"lights\" in namespace \"b\"",
    );
    cluster.create(&peering("b")).unwrap();
    cluster.advance(2 * SECOND);
    assert_last(&cluster, "Resuming operations");
    for namespace in ["a", "b"] {
        let name = format!("{namespace}/lights");
        let other = json!({"status": {"admin": {"priority": 0, "lifetime": 60, "korf": {"freeze": true, "message": "so"}}}});
        cluster.patch::<KopfPeering>(&name, other).unwrap();
        let expected = format!(
            "'admin' has asked for it in KopfPeering.zalando.org \"lights\" in namespace {namespace:?}"
        );
        assert_last(&cluster, &expected);
        assert_last(&cluster, "of operators with a priority up to 0 (\"so\").");
        cluster.patch::<KopfPeering>(&name, json!({"status": {"admin": null}})).unwrap();
        assert_last(&cluster, "Resuming operations");
    }
    cluster.stop().unwrap();
    for namespace in ["a", "b"] {
        let peering: KopfPeering = cluster.get(&format!("{namespace}/lights")).unwrap();
        assert_eq!(peering.status, Some(Map::new()));
    }
}

#[test]
fn replicas_of_one_operator_pause_for_others_and_not_for_each_other() {
    let (house, others) = (House::default(), House::default());
    let replica = |operator: Operator| in_lights(operator).leader_election();
    let mut cluster = cluster(&house, replica);
    let other = another(&cluster, &others, replica);
    cluster.advance(5 * SECOND);
    assert_eq!(peers(&cluster).len(), 2);
    let touched = |name: &str| house.touched(name) + others.touched(name);
    let at_work = |cluster: &Cluster| {
        let records = peers(cluster).into_iter().filter(|(_, record)| record["korf"]["atWork"] == true);
        records.count()
    };
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!((touched("a"), at_work(&cluster)), (1, 2), "one has the Lease, and none is paused");
    kopf(&mut cluster, 5);
    cluster.create(&light("b", "red")).unwrap();
    assert_eq!((touched("b"), at_work(&cluster)), (0, 0));
    put(&mut cluster, &json!({"kopf@host/1": null}));
    cluster.advance(2 * SECOND);
    assert_eq!((touched("b"), at_work(&cluster)), (1, 2));
    cluster.run(other.stop()).unwrap();
    assert_eq!(peers(&cluster).len(), 1);
}
