//! The examples do what they say.

use crate::stage::{Stage, until};

#[tokio::test]
async fn example_01_minimal_greets_each_object() {
    let stage = Stage::new("example-01-minimal").await;
    stage.install(&stage.example("01-minimal").definitions());
    let operator = stage.example("01-minimal").start();
    stage.apply(include_str!("../../examples/kopf-example.yaml"));
    let here = format!("[{}/kopf-example-1]", stage.namespace);
    for line in [
        "01_minimal           [INFO    ] {here} And here we are! Creating: value",
        "korf.objects         [INFO    ] {here} Handler 'create' succeeded.",
        "korf.objects         [INFO    ] {here} Creation is processed: 1 succeeded; 0 failed.",
    ] {
        operator.wait_for_line(&line.replace("{here}", &here)).await;
    }
    let greeted = |object: Option<&serde_json::Value>| {
        object.is_some_and(|object| object["status"]["message"] == "hello kopf-example-1")
    };
    let objects = stage.api("kopf.dev/v1", "KopfExample", "kopfexamples");
    until(&objects, "kopf-example-1", "it is greeted", greeted).await;
    assert_eq!(operator.count("' is invoked."), 1);
}
