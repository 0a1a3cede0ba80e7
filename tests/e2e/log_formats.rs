//! The log in each format and at each level.

use crate::stage::{Operator, Stage, manifest};
use serde_json::Value;

/// What an operator says that was started with these arguments, and then met an object that is good and one that isn't.
async fn lines(stage: &Stage<'_>, arguments: &[&str]) -> Vec<String> {
    let launch = arguments.iter().fold(stage.operator().terse(), |launch, argument| launch.arg(argument));
    let mut operator: Operator = launch.start();
    stage.apply(&manifest("good", "good", &["id"]));
    let uid = stage.until_ready("good").await["metadata"]["uid"].as_str().unwrap().to_owned();
    stage.apply(&manifest("bad", "bad", &[]));
    operator.wait_for_line("spec.columns is missing").await;
    assert_eq!(operator.terminate().await.code(), Some(0));
    let hidden = |line: &String| line.replace(&uid, "<uid>").replace(&stage.namespace, "<namespace>");
    operator.lines().iter().map(hidden).collect()
}

const MISTAKE: &str = "Handler 'create_handler' failed permanently: spec.columns is missing: list at least one column, \
                       such as \"- ID: integer\"";

#[tokio::test]
async fn json_lines_have_kopfs_keys_and_the_object() {
    let stage = Stage::new("log-json").await;
    let lines = lines(&stage, &["--log-format", "json", "--verbose"]).await;
    let of = |message: &str| {
        let line = lines.iter().find(|line| line.contains(&Value::from(message).to_string())).unwrap();
        assert!(line.starts_with("{\"message\": "), "Kopf's first key: {line}");
        serde_json::from_str::<Value>(line).unwrap()
    };
    let keys = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for line in &lines {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(["debug", "info", "warn", "error"].map(Value::from).contains(&record["severity"]), "{line}");
        let time = record["timestamp"].as_str().unwrap();
        assert!(time.len() == "2026-11-22T16:59:05.181211+00:00".len() && time.ends_with("+00:00"), "{line}");
    }
    assert_eq!(keys(&of("Initial authentication has finished.")), ["message", "severity", "timestamp"]);
    let failed = of(MISTAKE);
    assert_eq!(keys(&failed), ["message", "object", "severity", "timestamp"]);
    assert_eq!((&failed["severity"], &failed["object"]["name"]), (&"error".into(), &"bad".into()));
    let reference = r#"{"apiVersion": "kopf.demo/v1", "kind": "DatabaseTable", "name": "good", "uid": "<uid>", "namespace": "<namespace>"}"#;
    let succeeded = of("Handler 'create_handler' succeeded.");
    assert_eq!(succeeded["object"], serde_json::from_str::<Value>(reference).unwrap());
    assert!(lines.iter().any(|line| line.contains(reference)), "Kopf's order");
    assert_eq!(of("Handler 'create_handler' is invoked.")["severity"], "debug");
}

#[tokio::test]
async fn plain_lines_are_the_message_with_its_object_and_nothing_else() {
    let stage = Stage::new("log-plain").await;
    let expected = [
        "Initial authentication has been initiated.",
        "Activity 'login_via_client' succeeded.",
        "Initial authentication has finished.",
        "Create handler invoked by custom resource good. Creating database table.",
        "[<namespace>/good] Handler 'create_handler' succeeded.",
        "[<namespace>/good] Creation is processed: 1 succeeded; 0 failed.",
        "Create handler invoked by custom resource bad. Creating database table.",
        &format!("[<namespace>/bad] {MISTAKE}"),
        "[<namespace>/bad] Creation is processed: 0 succeeded; 1 failed.",
        "Signal SIGTERM is received. Operator is stopping.",
    ];
    let lines = lines(&stage, &["--log-format", "plain"]).await;
    // Being told to stop may come before the end of the last object's turn, which is awaited.
    assert_eq!(sorted(lines.iter().filter(|line| !line.starts_with("Waiting up to"))), sorted(expected));
}

fn sorted<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut lines: Vec<_> = lines.into_iter().map(|line| line.as_ref().to_owned()).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn quiet_leaves_warnings_and_errors_and_verbose_adds_details() {
    let stage = Stage::new("log-quiet").await;
    let quiet = lines(&stage, &["--quiet"]).await;
    let [only] = &quiet[..] else { panic!("{quiet:#?}") };
    assert!(
        only.ends_with(&format!("kopf.objects         [ERROR   ] [<namespace>/bad] {MISTAKE}")),
        "{only}"
    );

    let stage = Stage::new("log-verbose").await;
    let verbose = lines(&stage, &["-v"]).await;
    for detail in
        ["Handler 'create_handler' is invoked.", "Adding the finalizer, thus preventing the actual deletion."]
    {
        let said = |line: &&String| line.contains(&format!("[DEBUG   ] [<namespace>/good] {detail}"));
        assert_eq!(verbose.iter().filter(said).count(), 1, "{detail}");
    }
    let logger = |line: &String| line.split("] ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let foreign = ["hyper", "kube", "rustls", "tokio", "tower", "h2"];
    assert!(verbose.iter().all(|line| !foreign.iter().any(|name| logger(line).starts_with(name))));
}
