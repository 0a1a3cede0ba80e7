//! Shares of the objects: each replica has those of its shards, whether or not the API server can tell them apart.

use crate::fixture::{Cluster, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{
    __private::{Health, HealthSite, Holdings, Metrics, Moment, Shard},
    Name, Operator, RunningOperator, State,
    handler::Registry,
    observe::Observation,
    on_create,
};
use korf_sandbox::ControlPlane;
use kube::{Api, Client, api::PostParams};
use serde_json::{from_value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

const OBJECTS: usize = 60;

/// The names of objects that have been handled.
#[derive(Clone, Default)]
struct Handled(Arc<Mutex<BTreeSet<String>>>);

impl Handled {
    fn all(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().clone()
    }
}

/// One replica, whose holdings the test says.
struct Replica {
    holdings: Holdings,
    handled: Handled,
    /// Whether the API server sends it its share alone, once it has asked.
    helped: Arc<Mutex<Option<bool>>>,
    health: Health,
    metrics: Metrics,
    operator: RunningOperator,
}

impl Replica {
    fn start(client: &Client, namespace: &str) -> Self {
        let holdings = Holdings::nothing("4".parse().unwrap());
        let (handled, helped) = (Handled::default(), Arc::<Mutex<Option<bool>>>::default());
        let told = Arc::clone(&helped);
        let handler = on_create::<ConfigMap>("create").run(async |name: Name, handled: State<Handled>| {
            handled.0.0.lock().unwrap().insert(name.to_string());
        });
        let operator = Operator::with_registry("shares", Registry::from_iter([handler]))
            .client(client.clone())
            .namespaces([namespace])
            .state(handled.clone())
            .held_by(holdings.clone())
            .observe(move |observation| {
                if let Observation::SharesAsked { helped, .. } = observation {
                    *told.lock().unwrap() = Some(*helped);
                }
            });
        let (health, metrics) = (operator.known_health(), operator.known_metrics());
        Self { holdings, handled, helped, health, metrics, operator: operator.spawn() }
    }

    fn hold(&self, shards: &[u16]) {
        for shard in shards {
            self.holdings.hold(Shard(*shard), 1, Moment::NEVER);
        }
    }

    /// The number of objects that it knows, and that are another replica's.
    async fn foreign(&self) -> Option<usize> {
        let site = HealthSite { has_own: true, probes: None, metrics: Some(self.metrics.clone()) };
        let (request, ()) = http::Request::get("/metrics").body(()).unwrap().into_parts();
        let answer = self.health.answer(&site, &request).await;
        let line = answer.text.lines().find(|line| line.contains("state=\"foreign\""))?.to_owned();
        line.split_whitespace().last()?.parse().ok()
    }
}

async fn is_divided(control_plane: &ControlPlane, helps: bool) {
    let client = control_plane.client().await.unwrap();
    let namespace = control_plane.create_namespace("shares").await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let create = async |name: String| {
        let map = from_value(json!({"metadata": {"name": name}})).unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap();
    };
    let names: BTreeSet<_> = (0..OBJECTS).map(|number| format!("map-{number:02}")).collect();
    for name in &names {
        create(name.clone()).await;
    }
    let replicas = [(); 2].map(|()| Replica::start(&client, &namespace));
    for (replica, shards) in replicas.iter().zip([[0, 2], [1, 3]]) {
        assert!(replica.operator.ready().await);
        eventually("it has asked", async || *replica.helped.lock().unwrap(), |told| *told == Some(helps))
            .await;
        replica.hold(&shards);
    }
    let all = async || replicas.iter().map(|replica| replica.handled.all()).collect::<Vec<_>>();
    let handled = |all: &Vec<BTreeSet<String>>| all.iter().map(BTreeSet::len).sum::<usize>() >= OBJECTS;
    let shares = eventually("all objects are handled", all, handled).await;
    assert!(shares[0].is_disjoint(&shares[1]), "{shares:?}");
    assert!(shares.iter().all(|share| share.len() > OBJECTS / 5), "{shares:?}");
    assert_eq!(shares[0].union(&shares[1]).cloned().collect::<BTreeSet<_>>(), names);
    // What another one has isn't even sent where the server helps.
    for (replica, others) in replicas.iter().zip([shares[1].len(), shares[0].len()]) {
        let expected = if helps { Some(0) } else { Some(others) };
        eventually(
            "it knows what it is sent",
            async || replica.foreign().await,
            |foreign| *foreign == expected,
        )
        .await;
    }
    // One hands a shard over, and the other one takes it over.
    let [first, second] = &replicas;
    second.holdings.leave(Shard(1));
    second.holdings.drained(Shard(1)).await;
    first.hold(&[1]);
    for number in 0..OBJECTS {
        create(format!("new-{number:02}")).await;
    }
    let shares = eventually("all objects are handled", all, |all| {
        all.iter().map(BTreeSet::len).sum::<usize>() >= 2 * OBJECTS
    })
    .await;
    assert!(shares[0].is_disjoint(&shares[1]), "nothing is handled twice: {shares:?}");
    assert!(shares[0].len() > shares[1].len(), "{shares:?}");
    for replica in replicas {
        replica.operator.stop().await.unwrap();
    }
}

#[tokio::test]
async fn the_objects_are_divided_where_the_api_server_sends_all_of_them() {
    is_divided(&Cluster::with_kopf_demo_crd().await.control_plane, false).await;
}

#[tokio::test]
async fn the_objects_are_divided_where_the_api_server_sends_each_replica_its_share() {
    let sharding = ControlPlane::start_with_features("ShardedListAndWatch=true").await.unwrap();
    is_divided(&sharding, true).await;
}
