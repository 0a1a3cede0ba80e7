//! Lists with several writers, on a real API server.

use crate::fixture::{Fixture, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{Object, ObjectPatch, Operator, Result, State, extract::CancellationToken, handler::Registry};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

const NAME: &str = "shared";
const ROUNDS: usize = 20;

type Signs = Arc<Mutex<BTreeSet<String>>>;

/// Adds a finalizer for each round that it sees.
async fn sign(map: Object<ConfigMap>, signs: State<Signs>, patch: ObjectPatch) -> Result {
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

/// Adds a finalizer by reading and writing the object, and repeats that on conflicts.
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
async fn list_items_of_a_handler_and_of_other_writers_are_all_kept() {
    let fixture = Fixture::new("shared-lists").await;
    let client = fixture.cluster.control_plane.client().await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &fixture.namespace);
    let (signs, stop) = (Signs::default(), CancellationToken::new());
    let operator = Operator::with_registry("signing", Registry::default())
        .handler(korf::on_create::<ConfigMap>("sign").run(sign))
        .handler(korf::on_update::<ConfigMap>("sign").run(sign))
        .state(Arc::clone(&signs))
        .namespaces([&fixture.namespace])
        .client(client);
    let running = tokio::spawn(operator.run_until(stop.clone()));

    let mut map = ConfigMap::default();
    map.metadata.name = Some(NAME.to_owned());
    maps.create(&PostParams::default(), &map).await.unwrap();
    for round in 1..=ROUNDS {
        let data = json!({"data": {"round": round.to_string()}});
        maps.patch(NAME, &PatchParams::default(), &Patch::Merge(data)).await.unwrap();
        add(&maps, &format!("rival.example.com/{round}")).await;
    }
    let last = format!("operator.example.com/{ROUNDS}");
    let found = async || finalizers(&maps.get(NAME).await.unwrap());
    eventually("the last round is signed", found, |all| all.contains(&last)).await;
    stop.cancel();
    running.await.unwrap().unwrap();

    let mut expected: BTreeSet<_> = signs.lock().unwrap().clone();
    expected.extend((1..=ROUNDS).map(|round| format!("rival.example.com/{round}")));
    assert_eq!(found().await, expected);
}
