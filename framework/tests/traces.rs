//! Traces: what a collector receives by OTLP.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

use k8s_openapi::api::core::v1::ConfigMap;
use korf::{
    Error, Operator, Result,
    extract::CancellationToken,
    handler::Registry,
    logging::{Format, Logging, Traces, Verbosity},
};
use korf_testing::api::{ApiServer, ServedKind};
use kube::{Api, api::PostParams};
use serde_json::{from_value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// A collector: its URL, and the bodies that it receives.
fn collector() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (send, bodies) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut length = 0;
            for line in
                reader.by_ref().lines().map_while(std::result::Result::ok).take_while(|line| !line.is_empty())
            {
                if let Some(text) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = text.parse().unwrap();
                }
                assert!(!line.starts_with("POST ") || line == "POST /v1/traces HTTP/1.1", "{line}");
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            // Before the answer: once the client has it, the test asks what has arrived.
            if send.send(body).is_err() {
                return;
            }
            let answer =
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, bodies)
}

/// A field of a protobuf message: its number, and its bytes or its number.
enum Part<'a> {
    Bytes(&'a [u8]),
    Number(u64),
}

/// The fields of a protobuf message.
fn parts(mut message: &[u8]) -> Vec<(u64, Part<'_>)> {
    fn varint(message: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (byte, rest) = message.split_first().unwrap();
            *message = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    fn take<'a>(message: &mut &'a [u8], length: usize) -> &'a [u8] {
        let (taken, rest) = message.split_at(length);
        *message = rest;
        taken
    }
    let mut parts = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let part = match key & 7 {
            0 => Part::Number(varint(&mut message)),
            1 => Part::Bytes(take(&mut message, 8)),
            2 => {
                let length = varint(&mut message);
                Part::Bytes(take(&mut message, length.try_into().unwrap()))
            }
            _ => Part::Bytes(take(&mut message, 4)),
        };
        parts.push((key >> 3, part));
    }
    parts
}

/// The messages in a field.
fn inside(message: &[u8], number: u64) -> Vec<&[u8]> {
    let parts = parts(message).into_iter().filter(|(known, _)| *known == number);
    parts.filter_map(|(_, part)| if let Part::Bytes(bytes) = part { Some(bytes) } else { None }).collect()
}

fn text(message: &[u8], number: u64) -> String {
    inside(message, number)
        .first()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}

fn number(message: &[u8], number: u64) -> u64 {
    let found = parts(message).into_iter().find(|(known, _)| *known == number);
    found.map_or(0, |(_, part)| if let Part::Number(value) = part { value } else { 0 })
}

/// Names and values; numbers as text.
fn attributes(message: &[u8], field: u64) -> BTreeMap<String, String> {
    let value = |pair: &[u8]| {
        let value = inside(pair, 2)[0];
        let text = text(value, 1);
        if text.is_empty() { number(value, 3).to_string() } else { text }
    };
    inside(message, field).into_iter().map(|pair| (text(pair, 1), value(pair))).collect()
}

/// A span as it arrives: `opentelemetry.proto.trace.v1.Span`.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    kind: u64,
    attributes: BTreeMap<String, String>,
    events: usize,
    /// The message, and the code: 2 is an error.
    status: (String, u64),
}

impl Span {
    fn all(body: &[u8]) -> Vec<Self> {
        let mut spans = Vec::new();
        for resource in inside(body, 1) {
            let service = attributes(inside(resource, 1)[0], 1).remove("service.name").unwrap();
            for span in inside(resource, 2).into_iter().flat_map(|scope| inside(scope, 2)) {
                let bytes =
                    |field| inside(span, field).first().map(|bytes| bytes.to_vec()).unwrap_or_default();
                let status = bytes(15);
                spans.push(Self {
                    service: service.clone(),
                    trace: bytes(1),
                    id: bytes(2),
                    parent: bytes(4),
                    name: text(span, 5),
                    kind: number(span, 6),
                    attributes: attributes(span, 9),
                    events: inside(span, 11).len(),
                    status: (text(&status, 2), number(&status, 3)),
                });
            }
        }
        spans
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.attributes.get(name).is_some_and(|known| known == value)
    }
}

async fn greet() -> Result {
    let _span = tracing::info_span!("say").entered();
    tracing::info!("hello");
    Ok(())
}

async fn fail() -> Result {
    Err(Error::permanent("the door is shut"))
}

#[tokio::test]
async fn a_turn_is_a_trace_with_its_handlers_and_its_writes() {
    let (url, bodies) = collector();
    let traces = Traces::to(&url, "greeter", "1.2.3").unwrap();
    Logging { format: Format::Json, verbosity: Verbosity::Verbose }.start_tracing(&traces).unwrap();

    let server = ApiServer::new();
    server.serve(ServedKind::of::<ConfigMap>());
    server.serve(ServedKind::of::<k8s_openapi::api::events::v1::Event>());
    let handlers =
        [korf::on_create::<ConfigMap>("greet").run(greet), korf::on_create::<ConfigMap>("fail").run(fail)];
    let (ended, stop) = (CancellationToken::new(), CancellationToken::new());
    let (told, has_ended) = (ended.clone(), stop.clone());
    let operator = Operator::with_registry("greeter", Registry::from_iter(handlers))
        .client(server.client("operator"))
        .observe(move |observation| {
            if let korf::observe::Observation::CycleEnds { .. } = observation {
                told.cancel();
            }
        });
    let running = tokio::spawn(operator.run_until(has_ended));
    let map: ConfigMap =
        from_value(json!({"metadata": {"name": "a"}, "data": {"key": "a-value-of-the-object"}})).unwrap();
    let maps = Api::<ConfigMap>::namespaced(server.client("user"), "default");
    maps.create(&PostParams::default(), &map).await.unwrap();
    ended.cancelled().await;
    stop.cancel();
    running.await.unwrap().unwrap();
    traces.end();

    let bodies: Vec<_> = bodies.try_iter().collect();
    assert!(!bodies.concat().windows(21).any(|bytes| bytes == b"a-value-of-the-object"));
    let spans: Vec<_> = bodies.iter().flat_map(|body| Span::all(body)).collect();
    let find = |what: &str, is: &dyn Fn(&Span) -> bool| -> Span {
        spans.iter().find(|span| is(span)).cloned().unwrap_or_else(|| panic!("{what}: {spans:#?}"))
    };
    let greet = find("the handler", &|span| span.has("korf.handler", "greet"));
    let turn = find("its turn", &|span| span.id == greet.parent);
    assert_eq!((&*turn.name, &*turn.service, turn.parent.len()), ("turn", "greeter", 0));
    assert!(turn.has("korf.kind", "configmaps.v1") && turn.has("korf.object.name", "a"), "{turn:?}");
    assert_eq!(greet.name, "handler");
    for (name, value) in [("korf.reason", "create"), ("korf.attempt", "0"), ("korf.outcome", "succeeded")] {
        assert!(greet.has(name, value), "{name}: {greet:?}");
    }
    let said = find("the handler's own span", &|span| span.name == "say");
    assert_eq!((&said.parent, &said.trace), (&greet.id, &turn.trace));
    let failed = find("the other handler", &|span| span.has("korf.handler", "fail"));
    assert_eq!((&failed.parent, failed.status.1), (&turn.id, 2));
    assert_eq!(failed.status.0, "the door is shut");
    let patch = find("the write", &|span| span.name == "PATCH" && span.parent == turn.id);
    // A client's.
    assert_eq!(patch.kind, 3);
    assert!(patch.has("korf.part", "object") && patch.has("http.response.status_code", "200"), "{patch:?}");
    assert!(spans.iter().all(|span| span.events == 0), "what the log says isn't sent: {spans:#?}");
}

#[test]
fn a_collector_that_is_no_url_is_an_error_with_an_example() {
    let error = Traces::to("collector:4318:x", "greeter", "").unwrap_err().to_string();
    assert!(error.starts_with("traces can't be sent: "), "{error}");
    assert!(error.ends_with("such as http://collector:4318, or unset it"), "{error}");
}

#[test]
fn a_collector_that_is_away_ends_nothing() {
    let traces = Traces::to("http://127.0.0.1:1/v1/traces", "greeter", "").unwrap();
    let begun = std::time::Instant::now();
    traces.end();
    assert!(begun.elapsed() < Duration::from_secs(6));
}
