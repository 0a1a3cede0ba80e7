//! Metrics: what the table operator counts, what Prometheus makes of it, and the dashboard and the alerts that are made of it.

use crate::{
    fixture::{Fixture, KOPF_DEMO_CR, eventually},
    health::Health,
};
use korf_sandbox::Error;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

const DASHBOARD: &str = include_str!("../../operator/monitoring/dashboard.json");
const RULES: &str = include_str!("../../operator/monitoring/rules.yaml");
/// The variable that makes a missing Go a failure.
const REQUIRED: &str = "KORF_REQUIRE_GO";

/// promtool, unless there is no Go to build it.
async fn promtool() -> Option<PathBuf> {
    match korf_sandbox::promtool().await {
        Ok(path) => Some(path),
        Err(Error::NoGo(need)) if std::env::var_os(REQUIRED).is_none() => {
            println!("SKIPPED: promtool needs {need}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// What promtool says of an input.
async fn check(what: &str, input: &str) -> String {
    let Some(promtool) = promtool().await else { return String::new() };
    let mut command = Command::new(promtool);
    command.args(["check", what]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { String::new() } else { format!("{}: {said}", output.status) }
}

/// The names of the operator's own metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|other: char| !other.is_ascii_alphanumeric() && other != '_');
    words.filter(|word| word.starts_with("korf_") || word.starts_with("table_operator_")).collect()
}

/// The values of the fields of this name, wherever they are.
fn fields<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    match value {
        Value::Object(fields_of) => {
            let own = fields_of.get(name).and_then(Value::as_str);
            own.into_iter().chain(fields_of.values().flat_map(|value| fields(value, name))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| fields(item, name)).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn what_the_table_operator_counts_is_what_the_dashboard_and_the_alerts_ask_for() {
    let fixture = Fixture::new("metrics").await;
    let command = fixture.operator().arg("--health-addr=127.0.0.1:0").arg("--metrics-addr=127.0.0.1:0");
    let operator = command.start();
    // One server, since the addresses are the same.
    let health = Health::of(&operator).await;
    fixture.apply(KOPF_DEMO_CR);
    let handled = "handler=\"create_handler\",reason=\"create\",outcome=\"succeeded\"} 1";
    let metrics = || health.ask("/metrics").1;
    // Objects are counted once a second.
    let served = "korf_objects{kind=\"databasetables.v1.kopf.demo\",state=\"served\"} 1";
    let counted = |text: &String| text.contains(handled) && text.contains(served);
    let text = eventually("the creation is counted", async || metrics(), counted).await;
    for line in [
        "korf_ready 1",
        "table_operator_transactions_total{outcome=\"succeeded\"} 1",
        "table_operator_statements_total{statement=\"create\"} 1",
        "table_operator_statements_total{statement=\"comment\"} 1",
        "table_operator_lock_wait_seconds_count 1",
        "table_operator_lock_timeouts_total 0",
        "table_operator_connects_total{outcome=\"succeeded\"} 1",
        "table_operator_pool_connections{state=\"idle\"} 1",
        "table_operator_pool_limit 8",
    ] {
        assert_eq!(text.lines().filter(|known| *known == line).count(), 1, "{line}: {text}");
    }
    assert_eq!(check("metrics", &text).await, "");

    let served = names(&text);
    let (dashboard, rules): (Value, Value) =
        (serde_json::from_str(DASHBOARD).unwrap(), serde_saphyr::from_str(RULES).unwrap());
    let asked: Vec<_> = fields(&dashboard, "expr").into_iter().chain(fields(&rules, "expr")).collect();
    assert!(asked.len() > 30, "{asked:#?}");
    for expression in asked {
        let unknown: Vec<_> = names(expression).into_iter().filter(|name| !served.contains(name)).collect();
        assert_eq!(unknown, [""; 0], "{expression}");
        assert!(!names(expression).is_empty(), "{expression}");
    }
    assert_eq!(check("rules", &rules["spec"].to_string()).await, "");
}

#[tokio::test]
async fn a_scraper_that_asks_for_openmetrics_gets_it() {
    let fixture = Fixture::new("openmetrics").await;
    let operator = fixture.operator().arg("--metrics-addr=127.0.0.1:0").start();
    let line = operator.wait_for_line("Serving metrics at http://").await;
    let (_, url) = line.split_once("Serving metrics at ").unwrap();
    let ask = |accept: &str| {
        let mut answer = ureq::get(url).header("Accept", accept).call().unwrap();
        let content = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (content, answer.body_mut().read_to_string().unwrap())
    };
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                      text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    let (content, text) = ask(prometheus);
    assert_eq!(content, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    assert!(text.contains("# UNIT korf_handler_duration_seconds seconds\n"), "{text}");
    let (content, other) = ask("*/*");
    assert_eq!(content, "text/plain; version=0.0.4; charset=utf-8");
    assert!(other.contains("# TYPE korf_handler_runs_total counter\n"), "{other}");
}
