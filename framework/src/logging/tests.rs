use super::{
    Format, Log, Verbosity,
    filter::{Spans, filter},
    json,
    layer::Lines,
    object::ObjectRef,
    object_span, operator_span,
    record::Record,
    text::{self, Look},
};
use crate::{
    core::retry::Outcome,
    handler::{ActivityKind, Kind},
    observe::{Observation, Observer},
};
use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::Resource;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::Level;
use tracing_subscriber::{Layer, layer::SubscriberExt};

const KOPF: Look = Look { kopf: true, colored: false };

fn record(level: Level, target: &str, message: &str) -> Record {
    Record { message: message.into(), ..Record::new(level, target) }
}

fn of(namespace: Option<&str>, record: Record) -> Record {
    let object = ObjectRef {
        api_version: "kopf.dev/v1".into(),
        kind: "KopfExample".into(),
        name: "n".into(),
        uid: "u1".into(),
        namespace: namespace.map(Into::into),
    };
    Record { object: Some(object), ..record }
}

fn now() -> Timestamp {
    "2026-11-22T16:59:05.181211Z".parse().unwrap()
}

// The expected lines are Kopf 1.45.2's, printed by its own formatters.
#[test]
fn full_lines_have_the_format_of_kopf() {
    for (record, line) in [
        (
            of(Some("default"), record(Level::INFO, "korf::objects", "Handler 'f' succeeded.")),
            "[2026-11-22 16:59:05,181] kopf.objects         [INFO    ] [default/n] Handler 'f' succeeded.",
        ),
        (
            of(None, record(Level::WARN, "korf::objects", "dbg")),
            "[2026-11-22 16:59:05,181] kopf.objects         [WARNING ] [n] dbg",
        ),
        (
            record(Level::INFO, "korf::engine", "Initial authentication has been initiated."),
            "[2026-11-22 16:59:05,181] kopf._core.engines.a [INFO    ] Initial authentication has been initiated.",
        ),
        (
            record(Level::INFO, "korf::activities", "Activity 'login_via_client' succeeded."),
            "[2026-11-22 16:59:05,181] kopf.activities.auth [INFO    ] Activity 'login_via_client' succeeded.",
        ),
        (
            record(Level::ERROR, "root", "err"),
            "[2026-11-22 16:59:05,181] root                 [ERROR   ] err",
        ),
    ] {
        assert_eq!(text::full(&record, KOPF, &now().to_zoned(TimeZone::UTC)), line);
    }
}

#[test]
fn logger_names_have_dots_and_the_name_of_korf() {
    for (target, logger) in
        [("korf::objects", "korf.objects        "), ("my_operator::handlers::create", "my_operator.handlers")]
    {
        let line =
            text::full(&record(Level::DEBUG, target, "m"), Look::default(), &now().to_zoned(TimeZone::UTC));
        assert_eq!(line, format!("[2026-11-22 16:59:05,181] {logger} [DEBUG   ] m"));
    }
}

#[test]
fn levels_have_colors_on_a_terminal() {
    let line = |level| {
        let look = Look { colored: true, ..Look::default() };
        let line = text::full(&record(level, "root", "m"), look, &now().to_zoned(TimeZone::UTC));
        line.split_once("root                 ").unwrap().1.to_owned()
    };
    assert_eq!(line(Level::ERROR), "[\u{1b}[31mERROR   \u{1b}[0m] m");
    assert_eq!(line(Level::WARN), "[\u{1b}[33mWARNING \u{1b}[0m] m");
    assert_eq!(line(Level::INFO), "[INFO    ] m");
    assert_eq!(line(Level::DEBUG), "[\u{1b}[2mDEBUG   \u{1b}[0m] m");
}

#[test]
fn times_are_local() {
    let berlin = now().to_zoned(TimeZone::posix("CET-1").unwrap());
    assert!(
        text::full(&record(Level::INFO, "a", "m"), Look::default(), &berlin)
            .starts_with("[2026-11-22 17:59:05,181]")
    );
}

#[test]
fn json_lines_have_the_format_of_kopf() {
    let mut with_extra = of(Some("default"), record(Level::ERROR, "korf::objects", "err"));
    with_extra.extras.push(("answer", 42.into()));
    for (record, line) in [
        (
            with_extra,
            r#"{"message": "err", "answer": 42, "timestamp": "2026-11-22T16:59:05.181211+00:00", "object": {"apiVersion": "kopf.dev/v1", "kind": "KopfExample", "name": "n", "uid": "u1", "namespace": "default"}, "severity": "error"}"#,
        ),
        (
            of(None, record(Level::WARN, "korf::objects", "a\nb")),
            r#"{"message": "a\nb", "timestamp": "2026-11-22T16:59:05.181211+00:00", "object": {"apiVersion": "kopf.dev/v1", "kind": "KopfExample", "name": "n", "uid": "u1", "namespace": null}, "severity": "warn"}"#,
        ),
        (
            record(Level::INFO, "korf::engine", "Initial authentication has been initiated."),
            r#"{"message": "Initial authentication has been initiated.", "timestamp": "2026-11-22T16:59:05.181211+00:00", "severity": "info"}"#,
        ),
    ] {
        assert_eq!(json::line(&record, now()), line);
    }
}

#[test]
fn a_message_cannot_forge_another_line() {
    let forged = record(Level::INFO, "a", "x\n[2026-11-22 16:59:05,181] root [INFO] \u{1b}[31mforged");
    assert_eq!(text::plain(&forged), "x\\n[2026-11-22 16:59:05,181] root [INFO] \\u{1b}[31mforged");
}

fn logged(verbosity: Verbosity, rust_log: Option<&str>, events: impl FnOnce()) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = Log { format: Format::Plain, kopf: Arc::default(), colored: true };
    let kept = lines.clone();
    let layer = Lines::new(log, move |line: &str| kept.lock().unwrap().push(line.to_owned()));
    let filtered = layer.with_filter(filter(verbosity, rust_log, Spans::Own).unwrap());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(filtered), events);
    let lines = lines.lock().unwrap();
    lines.clone()
}

fn kind<K: Resource<DynamicType = ()> + 'static>() -> Kind {
    Kind::of::<K>()
}

#[test]
fn records_in_an_object_span_name_the_object() {
    let map = serde_json::json!({"metadata": {"namespace": "default", "name": "m"}}).into();
    let node = serde_json::json!({"metadata": {"name": "worker"}}).into();
    let lines = logged(Verbosity::Quiet, None, || {
        object_span(&kind::<ConfigMap>(), &map).in_scope(|| {
            tracing::warn!(keys = 3, text = "two words", "mine");
            tracing::info_span!("inner").in_scope(|| tracing::error!("nested"));
            tracing::warn!(parent: None, "without an object");
        });
        object_span(&kind::<Node>(), &node).in_scope(|| tracing::warn!("of the cluster"));
    });
    assert_eq!(
        lines,
        [
            "[default/m] mine keys=3 text=\"two words\"",
            "[default/m] nested",
            "without an object",
            "[worker] of the cluster"
        ]
    );
}

#[test]
fn a_line_names_its_object_in_a_span_that_another_layer_has_asked_for_and_a_task_has_entered_alone() {
    let written = Arc::<Mutex<Vec<String>>>::default();
    let lines = Arc::clone(&written);
    let log = Log { format: Format::Plain, kopf: Arc::default(), colored: false };
    let lines = Lines::new(log, move |line: &str| lines.lock().unwrap().push(line.to_owned()));
    let passing = filter(Verbosity::Normal, None, Spans::Shared).unwrap();
    // This one asks for all.
    let other = tracing_subscriber::layer::Identity::new();
    let subscriber = tracing_subscriber::registry().with(other).with(lines.with_filter(passing));
    let map = serde_json::json!({"metadata": {"namespace": "default", "name": "m"}}).into();
    tracing::subscriber::with_default(subscriber, || {
        let inner = object_span(&kind::<ConfigMap>(), &map).in_scope(|| tracing::info_span!("inner"));
        inner.in_scope(|| tracing::info!("in a task of its own"));
    });
    assert_eq!(*written.lock().unwrap(), ["[default/m] in a task of its own"]);
}

#[test]
fn verbosity_distinguishes_libraries_from_the_operator() {
    let events = || {
        tracing::debug!(target: "my_operator::handlers", "own debug");
        tracing::info!(target: "my_operator", "own info");
        tracing::info!(target: "hyper_util::client", "library info");
        tracing::debug!(target: "hyper_util::client", "library debug");
        tracing::warn!(target: "tower::buffer", "library warning");
        tracing::error!(target: "kube_client::client", "logged by korf itself");
    };
    for (verbosity, rust_log, expected) in [
        (Verbosity::Quiet, None, vec!["library warning"]),
        (Verbosity::Normal, None, vec!["own info", "library warning"]),
        (Verbosity::Verbose, None, vec!["own debug", "own info", "library warning"]),
        (
            Verbosity::Debug,
            None,
            vec![
                "own debug",
                "own info",
                "library info",
                "library debug",
                "library warning",
                "logged by korf itself",
            ],
        ),
        (Verbosity::Debug, Some("off,hyper_util=info"), vec!["library info"]),
        (Verbosity::Normal, Some(" "), vec!["own info", "library warning"]),
    ] {
        assert_eq!(logged(verbosity, rust_log, events), expected, "{verbosity:?} {rust_log:?}");
    }
}

#[test]
fn a_login_is_told_in_kopfs_words_only_by_an_operator_that_stands_in_for_one_of_kopfs() {
    let told = |observer: Observer| {
        logged(Verbosity::Normal, None, || {
            observer.observe(Observation::LoginBegins);
            observer.observe(Observation::LoginSucceeded { handler: None });
        })
    };
    assert_eq!(
        told(Observer::default()),
        [
            "Looking for credentials of a cluster.",
            "Credentials are found; the API server hasn't been asked yet."
        ]
    );
    assert_eq!(
        told(Observer::default().logging_as_kopf()),
        [
            "Initial authentication has been initiated.",
            "Activity 'login_via_client' succeeded.",
            "Initial authentication has finished."
        ]
    );
}

#[test]
fn an_invalid_filter_is_rejected() {
    let Err(error) = filter(Verbosity::Normal, Some("a=loud"), Spans::Own) else { panic!("accepted") };
    assert!(error.to_string().starts_with("RUST_LOG is invalid"), "{error}");
}

#[test]
fn records_in_an_operator_span_name_the_operator() {
    let lines = logged(Verbosity::Normal, None, || {
        tracing::info!("alone");
        let _operator = operator_span("north").entered();
        tracing::info!("one of several");
        let kind = Kind::of::<Node>();
        let _object = object_span(&kind, &serde_json::json!({"metadata": {"name": "n"}}).into()).entered();
        tracing::info!("of an object");
    });
    assert_eq!(lines, ["alone", "one of several operator=north", "[n] of an object operator=north"]);
}

#[test]
fn in_kopfs_words_a_login_by_a_handler_is_that_handlers() {
    let lines = logged(Verbosity::Normal, None, || {
        let observer = Observer::default().logging_as_kopf();
        observer.observe(Observation::LoginBegins);
        let (outcome, took) = (Outcome::Success, Duration::ZERO);
        let (activity, id) = (ActivityKind::Login, "login_fn");
        observer.observe(Observation::ActivityEnded {
            activity,
            id,
            outcome: &outcome,
            known: false,
            words: "",
            took,
        });
        observer.observe(Observation::LoginSucceeded { handler: Some(id) });
    });
    let expected = [
        "Initial authentication has been initiated.",
        "Activity 'login_fn' succeeded.",
        "Initial authentication has finished.",
    ];
    assert_eq!(lines, expected);
}

#[cfg(feature = "otel")]
#[test]
fn a_json_line_in_a_span_that_is_sent_has_its_ids() {
    let written = Arc::<Mutex<Vec<String>>>::default();
    let lines = Arc::clone(&written);
    let log = Log { format: Format::Json, kopf: Arc::default(), colored: false };
    let lines = Lines::new(log, move |line: &str| lines.lock().unwrap().push(line.to_owned()));
    let traces = super::Traces::to("http://127.0.0.1:1/v1/traces", "greeter", "").unwrap();
    let passing = filter(Verbosity::Normal, None, Spans::Shared).unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer()).with(lines.with_filter(passing));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("outside");
        tracing::info_span!(target: "korf::traces", "turn").in_scope(|| tracing::info!("inside"));
    });
    let lines = written.lock().unwrap().clone();
    let [outside, inside] =
        [0, 1].map(|line: usize| serde_json::from_str::<serde_json::Value>(&lines[line]).unwrap());
    assert_eq!((outside.get("trace_id"), outside["message"].as_str()), (None, Some("outside")));
    let length = |name: &str| inside[name].as_str().map(str::len);
    assert_eq!((length("trace_id"), length("span_id")), (Some(32), Some(16)), "{inside}");
}
