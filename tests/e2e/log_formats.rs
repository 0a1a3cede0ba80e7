//! The log's formats and levels.

use crate::fixture::{Fixture, OperatorProcess, manifest};
use serde_json::Value;

/// The log of an operator with these arguments that handles a valid and an invalid object.
async fn lines(fixture: &Fixture<'_>, arguments: &[&str]) -> Vec<String> {
    let command =
        arguments.iter().fold(fixture.operator().not_verbose(), |command, argument| command.arg(argument));
    let mut operator: OperatorProcess = command.start();
    if !arguments.contains(&"--quiet") {
        operator.wait_for_line("no objects yet").await;
    }
    fixture.apply(&manifest("good", "good", &["id"]));
    let uid = fixture.until_ready("good").await["metadata"]["uid"].as_str().unwrap().to_owned();
    fixture.apply(&manifest("bad", "bad", &[]));
    operator.wait_for_line("spec.columns is missing").await;
    assert_eq!(operator.terminate().await.code(), Some(0));
    let hidden = |line: &String| line.replace(&uid, "<uid>").replace(&fixture.namespace, "<namespace>");
    operator.lines().iter().map(hidden).collect()
}

const MISTAKE: &str = "Handler 'create_handler' failed permanently: spec.columns is missing: list at least one column, \
                       such as \"- ID: integer\"";

#[tokio::test]
async fn json_lines_have_kopfs_keys_and_order() {
    let fixture = Fixture::new("log-json").await;
    let lines = lines(&fixture, &["--log-format", "json", "--verbose"]).await;
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
async fn plain_lines_consist_of_the_message_and_its_object() {
    let fixture = Fixture::new("log-plain").await;
    let expected = [
        "Initial authentication has been initiated.",
        "Activity 'login_via_client' succeeded.",
        "Initial authentication has finished.",
        "Watching databasetables.v1.kopf.demo in namespace \"<namespace>\": no objects yet.",
        "Create handler invoked by custom resource good. Creating database table.",
        "[<namespace>/good] Handler 'create_handler' succeeded.",
        "[<namespace>/good] Creation is processed: 1 succeeded; 0 failed.",
        "Create handler invoked by custom resource bad. Creating database table.",
        &format!("[<namespace>/bad] {MISTAKE}"),
        "[<namespace>/bad] Creation is processed: 0 succeeded; 1 failed.",
        "Signal SIGTERM is received. Operator is stopping.",
    ];
    let lines = lines(&fixture, &["--log-format", "plain"]).await;
    // The operator may be asked to stop before it has finished with the last object, and then logs that it
    // waits.
    assert_eq!(sorted(lines.iter().filter(|line| !line.starts_with("Waiting up to"))), sorted(expected));
}

fn sorted<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut lines: Vec<_> = lines.into_iter().map(|line| line.as_ref().to_owned()).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn quiet_keeps_only_warnings_and_errors_and_verbose_adds_details() {
    let fixture = Fixture::new("log-quiet").await;
    let quiet = lines(&fixture, &["--quiet"]).await;
    let [only] = &quiet[..] else { panic!("{quiet:#?}") };
    assert!(
        only.ends_with(&format!("kopf.objects         [ERROR   ] [<namespace>/bad] {MISTAKE}")),
        "{only}"
    );

    let fixture = Fixture::new("log-verbose").await;
    let verbose = lines(&fixture, &["-v"]).await;
    for detail in
        ["Handler 'create_handler' is invoked.", "Adding the finalizer, thus preventing the actual deletion."]
    {
        let is_detail = |line: &&String| line.contains(&format!("[DEBUG   ] [<namespace>/good] {detail}"));
        assert_eq!(verbose.iter().filter(is_detail).count(), 1, "{detail}");
    }
    let logger = |line: &String| line.split("] ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let foreign = ["hyper", "kube", "rustls", "tokio", "tower", "h2"];
    assert!(verbose.iter().all(|line| !foreign.iter().any(|name| logger(line).starts_with(name))));
}
