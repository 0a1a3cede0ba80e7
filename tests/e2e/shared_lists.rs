//! Lists that several write to: on the real API server, nobody's item is lost.

use crate::stage::{Stage, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{CancellationToken, Object, Operator, Patch, Registry, Result, State};
use kube::{
    Api,
    api::{Patch as Merge, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

const NAME: &str = "shared";
const ROUNDS: usize = 20;

type Signs = Arc<Mutex<BTreeSet<String>>>;

/// Adds a finalizer for each state of the data that it sees.
async fn sign(map: Object<ConfigMap>, signs: State<Signs>, patch: Patch) -> Result {
    let round = map.data.as_ref().and_then(|data| data.get("round")).map_or("0", String::as_str);
    let sign = format!("operator.example.com/{round}");
    signs.lock().unwrap().insert(sign.clone());
    patch.modify(move |object| {
        let finalizers = &mut object["metadata"]["finalizers"];
        if finalizers.is_null() {
            *finalizers = json!([]);
        }
        if let Value::Array(finalizers) = finalizers
            && !finalizers.contains(&json!(sign))
        {
            finalizers.push(sign.clone().into());
        }
    });
    Ok(())
}

fn finalizers(map: &ConfigMap) -> BTreeSet<String> {
    map.metadata.finalizers.iter().flatten().cloned().collect()
}

/// Reads, adds one, writes: as often as it takes.
async fn add(maps: &Api<ConfigMap>, finalizer: &str) {
    loop {
        let mut map = maps.get(NAME).await.unwrap();
        map.metadata.finalizers.get_or_insert_default().push(finalizer.to_owned());
        match maps.replace(NAME, &PostParams::default(), &map).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn an_item_that_a_handler_adds_to_a_list_and_those_of_others_are_all_kept() {
    let stage = Stage::new("shared-lists").await;
    let client = stage.cluster.control_plane.client().await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &stage.namespace);
    let (signs, stop) = (Signs::default(), CancellationToken::new());
    let operator = Operator::with_registry("signing", Registry::default())
        .handler(korf::on_create::<ConfigMap>("sign").run(sign))
        .handler(korf::on_update::<ConfigMap>("sign").run(sign))
        .state(Arc::clone(&signs))
        .namespaces([&stage.namespace])
        .client(client);
    let running = tokio::spawn(operator.run_until(stop.clone()));

    let mut map = ConfigMap::default();
    map.metadata.name = Some(NAME.to_owned());
    maps.create(&PostParams::default(), &map).await.unwrap();
    for round in 1..=ROUNDS {
        let data = json!({"data": {"round": round.to_string()}});
        maps.patch(NAME, &PatchParams::default(), &Merge::Merge(data)).await.unwrap();
        add(&maps, &format!("rival.example.com/{round}")).await;
    }
    let last = format!("operator.example.com/{ROUNDS}");
    let found = async || finalizers(&maps.get(NAME).await.unwrap());
    eventually("the last state is signed", found, |all| all.contains(&last)).await;
    stop.cancel();
    running.await.unwrap().unwrap();

    let mut expected: BTreeSet<_> = signs.lock().unwrap().clone();
    expected.extend((1..=ROUNDS).map(|round| format!("rival.example.com/{round}")));
    assert_eq!(found().await, expected);
}
