//! An operator in a program that has other things to do: it is told when to begin, and it tells the operator when to stop.
//!
//! `Operator::spawn()` is Kopf's `kopf.operator(…)` in a thread of its own; `ready()` and `stop()` are its `ready_flag` and
//! `stop_flag`, and a `State` is its `memo`. Here, the program and the handlers also talk to each other, by a channel.
//!
//! The program works in the namespace of the kubeconfig's context.
//!
//! ```sh
//! cargo run --example 02-children -- crd | kubectl apply -f -
//! cargo run --example 12-embedded
//! ```

use korf::{Name, Operator, State, logging::Logging};
use kube::{
    Api, Client, CustomResource,
    api::{DeleteParams, PostParams},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::error::Error;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Something to be greeted.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples", namespaced)]
struct KopfExampleSpec {
    field: String,
}

/// What handlers say, and to whom.
#[derive(Clone)]
struct Greetings {
    hello: &'static str,
    good_bye: &'static str,
    said: UnboundedSender<String>,
}

#[korf::on_create(KopfExample)]
async fn create_fn(name: Name, greetings: State<Greetings>) -> korf::Result {
    Ok(greetings.said.send(format!("{}, {name}!", greetings.hello))?)
}

#[korf::on_delete(KopfExample)]
async fn delete_fn(name: Name, greetings: State<Greetings>) -> korf::Result {
    Ok(greetings.said.send(format!("{}, {name}!", greetings.good_bye))?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    Logging::default().start()?;
    tracing::info!("Starting the main app.");
    let client = Client::try_default().await?;
    let namespace = client.default_namespace().to_owned();
    let (said, mut heard) = unbounded_channel();
    let greetings = Greetings { hello: "Hello", good_bye: "Good bye", said };
    let mut operator = Operator::new("embedded").namespaces([&namespace]).state(greetings).spawn();
    if !operator.ready().await {
        return Ok(operator.join().await?);
    }
    let examples = Api::<KopfExample>::namespaced(client, &namespace);
    for step in 0..3 {
        tracing::info!("Do the main app activity here. Step {}/3.", step + 1);
        let name = format!("kopf-example-{step}");
        let example = KopfExample::new(&name, KopfExampleSpec { field: "value".into() });
        examples.create(&PostParams::default(), &example).await?;
        tracing::info!("{}", heard.recv().await.unwrap_or_default());
        examples.delete(&name, &DeleteParams::default()).await?;
        tracing::info!("{}", heard.recv().await.unwrap_or_default());
    }
    tracing::info!("Exiting the main app.");
    Ok(operator.stop().await?)
}
