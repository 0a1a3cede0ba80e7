//! Conformance of the API server in memory: the same request sequences are run against a real kube-apiserver.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod applies;
mod cases;
mod kinds;
mod normal;
mod talk;

use kinds::{Plain, Thing};
use korf_sandbox::ControlPlane;
use korf_testing::api::{ApiServer, ServedKind};
use kube::{Client, core::ApiResource};
use serde_json::Value;
use talk::Case;

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
        // A real server that is busy may end a watch of one second before it has said all, but not twice.
        let mut differences = Vec::new();
        for attempt in ["once", "again"] {
            let namespace = format!("conformance-{number}-{attempt}");
            let namespace = plane.create_namespace(&namespace).await.expect("a namespace");
            let theirs = talk::run(&real, &namespace, &case).await;
            let here = talk::run(&ours, &namespace, &case).await;
            differences = differing(&case, &theirs, &here);
            if differences.is_empty() {
                break;
            }
        }
        different.extend(differences);
    }
    different.extend(built_in_kinds(&real, &ours).await);
    assert!(different.is_empty(), "{} answers differ:\n{}", different.len(), different.join("\n"));
}

/// The steps of a case with different answers.
fn differing(case: &Case, theirs: &[Value], here: &[Value]) -> Vec<String> {
    let answers = case.steps.iter().zip(theirs.iter().zip(here));
    let differ = answers.filter(|(_, (theirs, here))| theirs != here);
    differ
        .map(|(step, (theirs, here))| {
            format!("{}: {}\n  the real one: {theirs}\n  the one in memory: {here}", case.title, step.line())
        })
        .collect()
}

/// What the server in memory says of built-in kinds that isn't true.
async fn built_in_kinds(real: &Client, ours: &Client) -> Vec<String> {
    let mut different = Vec::new();
    let groups = [
        ("", "v1"),
        ("admissionregistration.k8s.io", "v1"),
        ("apiextensions.k8s.io", "v1"),
        ("apiregistration.k8s.io", "v1"),
        ("apps", "v1"),
        ("autoscaling", "v2"),
        ("batch", "v1"),
        ("certificates.k8s.io", "v1"),
        ("coordination.k8s.io", "v1"),
        ("discovery.k8s.io", "v1"),
        ("events.k8s.io", "v1"),
        ("flowcontrol.apiserver.k8s.io", "v1"),
        ("networking.k8s.io", "v1"),
        ("node.k8s.io", "v1"),
        ("policy", "v1"),
        ("rbac.authorization.k8s.io", "v1"),
        ("scheduling.k8s.io", "v1"),
        ("storage.k8s.io", "v1"),
    ];
    for (group, version) in groups {
        let path =
            if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let (theirs, here) = (kinds_at(real, &path).await, kinds_at(ours, &path).await);
        assert!(!here.is_empty(), "{path}");
        let known = |kind: &Value| here.iter().any(|other| kind_of(other) == kind_of(kind));
        let missing = theirs.iter().filter(|kind| known(kind) && !here.contains(kind));
        different.extend(missing.map(|kind| format!("{path} lacks {kind}")));
        let wrong = here.iter().filter(|kind| !theirs.contains(kind));
        different.extend(wrong.map(|kind| format!("{path} has {kind}")));
    }
    different
}

/// The kinds of a group: names, also those of their status, kind and scope.
async fn kinds_at(client: &Client, path: &str) -> Vec<Value> {
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let list: Value = client.request(request).await.unwrap();
    let entries = list["resources"].as_array().into_iter().flatten();
    let entries = entries.filter(|entry| {
        let mut parts = entry["name"].as_str().unwrap_or_default().split('/').skip(1);
        parts.next().is_none_or(|subresource| subresource == "status")
    });
    entries.map(|entry| serde_json::json!([entry["name"], entry["kind"], entry["namespaced"]])).collect()
}

fn kind_of(entry: &Value) -> &str {
    entry[1].as_str().unwrap_or_default()
}
