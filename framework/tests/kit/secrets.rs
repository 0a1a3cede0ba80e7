//! Secrets: their values are neither logged nor stored elsewhere.

use k8s_openapi::{ByteString, api::core::v1::Secret, api::events::v1::Event};
use korf::{
    Attempt, Error, Object, Operator, Result, handler::Registry, on_create, on_delete, on_event, on_update,
};
use korf_testing::Cluster;
use kube::core::ApiResource;
use serde_json::{Value, json, to_value};
use std::time::Duration;

/// The successive values of the Secret.
const VALUES: [&str; 3] = ["correct horse", "battery staple", "hunter2 hunter2"];

async fn look(secret: Object<Secret>, attempt: Attempt) -> Result<Value> {
    match attempt.0 {
        0 => Err(Error::temporary("not yet", Duration::from_secs(1))),
        _ => Ok(secret.data.iter().flatten().count().into()),
    }
}

async fn event(secret: Object<Secret>) {
    tracing::debug!("{} keys", secret.data.iter().flatten().count());
}

fn operator() -> Operator {
    let handlers = [
        on_create::<Secret>("create").run(look),
        on_update::<Secret>("update").run(look),
        on_delete::<Secret>("delete").run(look),
        on_event::<Secret>("event").run(event),
    ];
    Operator::with_registry("keeper", Registry::from_iter(handlers))
}

fn data(value: &str) -> Value {
    json!({"data": {"password": ByteString(value.into())}})
}

/// The value as plain text, and encoded as in the Secret.
fn forms(value: &str) -> [String; 2] {
    let encoded = to_value(ByteString(value.into())).unwrap();
    [value.to_owned(), encoded.as_str().unwrap().to_owned()]
}

/// All lines and writes so far, without the data itself.
fn traces(cluster: &Cluster) -> String {
    let kinds = [ApiResource::erase::<Secret>(&()), ApiResource::erase::<Event>(&())];
    let objects = kinds.iter().flat_map(|kind| cluster.server().objects(kind)).map(|object| {
        let mut object = Value::clone(&object);
        object.as_object_mut().unwrap().remove("data");
        object.to_string()
    });
    let lines = cluster.lines().into_iter().map(|line| line.to_string());
    let writes = cluster.writes().into_iter().map(|exchange| exchange.request.body.to_string());
    objects.chain(lines).chain(writes).collect::<Vec<_>>().join("\n")
}

fn assert_secret(cluster: &Cluster, step: &str) {
    let traces = traces(cluster);
    for form in VALUES.iter().flat_map(|value| forms(value)) {
        assert!(!traces.contains(&form), "{step}: {form} in\n{traces}");
    }
}

/// Creates, changes and deletes a Secret; each handler is retried once.
fn live(configure: fn(Operator) -> Operator) {
    let mut cluster = Cluster::of(move || configure(operator())).unwrap();
    let mut secret = data(VALUES[0]);
    secret["metadata"] = json!({"name": "a"});
    cluster.create::<Secret>(&serde_json::from_value(secret).unwrap()).unwrap();
    assert_secret(&cluster, "in the creation");
    cluster.advance(Duration::from_secs(2));
    assert!(cluster.logged("a", "Handler 'create' succeeded."), "{}", traces(&cluster));
    cluster.patch::<Secret>("a", data(VALUES[1])).unwrap();
    assert_secret(&cluster, "in the update");
    cluster.advance(Duration::from_secs(2));
    assert!(cluster.logged("a", "Handler 'update' succeeded."), "{}", traces(&cluster));
    // The restarted operator handles the rest.
    cluster.kill();
    cluster.patch::<Secret>("a", data(VALUES[2])).unwrap();
    cluster.start().unwrap();
    cluster.delete::<Secret>("a").unwrap();
    assert_secret(&cluster, "in the deletion");
    cluster.advance(Duration::from_secs(2));
    assert!(!cluster.exists::<Secret>("a"));
    assert_secret(&cluster, "in the end");
    assert!(cluster.lines_about("a").iter().any(|line| line.starts_with("Updating is in progress")));
}

#[test]
fn the_values_of_a_secret_are_neither_logged_nor_stored() {
    let tellings: [fn(Operator) -> Operator; 3] =
        [|operator| operator, Operator::kopf_compatible, Operator::status_storage];
    tellings.into_iter().for_each(live);
}
