//! Conformance of the API server in memory: the same request sequences are run against a real kube-apiserver.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod cases;
mod kinds;
mod normal;
mod talk;

use kinds::{Plain, Thing};
use korf_sandbox::ControlPlane;
use korf_testing::api::{ApiServer, ServedKind};
use kube::core::ApiResource;

#[tokio::test]
async fn both_servers_give_the_same_answers() {
    let _ticker = korf_sandbox::Ticker::start("asking a real API server the same as the one in memory");
    let plane = ControlPlane::start().await.expect("there is a control plane");
    let real = plane.client().await.expect("it has a client");
    kinds::install(&real).await;
    let memory = ApiServer::new();
    memory.serve(ServedKind::with_definition::<Thing>());
    memory.serve(ServedKind::by_definition(ApiResource::erase::<Plain>(&()), &kinds::plain()));
    memory.serve(ServedKind::of::<k8s_openapi::api::core::v1::ConfigMap>());
    let ours = memory.client("conformance");

    let mut different = Vec::new();
    for (number, case) in cases::all().into_iter().enumerate() {
        let namespace = plane.create_namespace(&format!("conformance-{number}")).await.expect("a namespace");
        let theirs = talk::run(&real, &namespace, &case).await;
        let here = talk::run(&ours, &namespace, &case).await;
        for (step, (theirs, here)) in case.steps.iter().zip(theirs.iter().zip(&here)) {
            if theirs != here {
                let (title, line) = (case.title, step.line());
                different
                    .push(format!("{title}: {line}\n  the real one: {theirs}\n  the one in memory: {here}"));
            }
        }
    }
    assert!(different.is_empty(), "{} answers differ:\n{}", different.len(), different.join("\n"));
}
